/*
 * boot.c: from reset to the first program that is not a server: where the shell would print its prompt.
 * test/bench.py starts it in the place of the shell.
 */
#include "bench.h"

int main(void)
{
    uint64_t count = instructions();
    int64_t clock = sys_clock_get();

    printf("BENCH boot, reset to prompt: %" PRIu64 "\n", count);
    printf("BENCH boot, kernel to prompt: %" PRId64 "\n", clock);
    return 0;
}
