/* sleep.c: wait for a number of seconds; fractions are allowed. */
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argument_count, char **arguments)
{
    char *end = NULL;
    double seconds = argument_count == 2 ? strtod(arguments[1], &end) : -1;
    if (end == NULL || end == arguments[1] || *end != 0 || !(seconds >= 0 && seconds < 1e9)) {
        fprintf(stderr, "usage: sleep SECONDS\n");
        return 2;
    }
    status_t status = sys_nanosleep(sys_clock_get() + (int64_t)(seconds * 1e9));
    return status != OK;
}
