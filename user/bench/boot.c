/*
 * boot.c: from reset to the first program that is not a server: where the shell would print its prompt.
 * test/bench.py starts it in the place of the shell, without a disk and with one.
 */
#include "bench.h"

int main(void)
{
    uint64_t count = instructions();
    int64_t clock = sys_clock_get();
    uint64_t idle = slept();
    bool disk = root_fs_handle() != HANDLE_INVALID;

    if (!disk)
        printf("BENCH boot, reset to prompt: %" PRIu64 "\n", count - idle);
    printf("BENCH boot%s, kernel to prompt: %" PRIu64 "\n", disk ? " with a disk" : "", (uint64_t)clock - idle);
    return 0;
}
