/* echo.c: print the arguments; -n: without the newline. */
#include <stdio.h>
#include <string.h>

int main(int argument_count, char **arguments)
{
    int first = argument_count > 1 && strcmp(arguments[1], "-n") == 0 ? 2 : 1;
    for (int i = first; i < argument_count; i++)
        printf("%s%s", i > first ? " " : "", arguments[i]);
    if (first == 1)
        printf("\n");
    return 0;
}
