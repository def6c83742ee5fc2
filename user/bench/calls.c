/*
 * calls.c: what it costs to enter the kernel and leave it.
 */
#include "bench.h"

enum { TIMES = 1001 };

static struct samples samples;

int main(void)
{
    uint64_t begin;

    for (int i = 0; i < TIMES; i++) {   /* the call that does least */
        begin = instructions();
        sys_clock_get();
        sample(&samples, spent_since(begin));
    }
    report("null call", &samples, 1);

    for (int i = 0; i < TIMES; i++) {
        begin = instructions();
        sys_handle_close(HANDLE_INVALID);
        sample(&samples, spent_since(begin));
    }
    report("call refused for a bad handle", &samples, 1);
    return 0;
}
