/* yes.c: print a line again and again, until nobody reads it. */
#include <stdio.h>

int main(int argument_count, char **arguments)
{
    const char *line = argument_count > 1 ? arguments[1] : "y";
    while (puts(line) >= 0)
        ;
    return 1;
}
