/* pwd.c: print the current directory. */
#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    const char *directory = getcwd(NULL, 0);
    if (directory == NULL)
        err(1, "current directory");
    puts(directory);
    return 0;
}
