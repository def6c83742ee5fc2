/* seq.c: count: seq [FIRST [STEP]] LAST, in whole numbers. */
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t number(const char *text)
{
    char *end;
    int64_t value = strtoll(text, &end, 10);
    if (*end != 0 || end == text)
        errx(1, "not a number: %s", text);
    return value;
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 2 || argument_count > 4)
        return usage("seq [FIRST [STEP]] LAST");
    int64_t first = argument_count > 2 ? number(arguments[1]) : 1;
    int64_t step = argument_count > 3 ? number(arguments[2]) : 1;
    int64_t last = number(arguments[argument_count - 1]);
    if (step == 0)
        errx(1, "a step of 0 leads nowhere");
    for (int64_t i = first; step > 0 ? i <= last : i >= last;) {
        printf("%" PRId64 "\n", i);
        if (__builtin_add_overflow(i, step, &i))
            break;
    }
    return 0;
}
