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
    const char *disk = root_fs_handle() == HANDLE_INVALID ? "" : ", with a disk";

    printf("BENCH boot%s, reset to prompt: %" PRIu64 "\n", disk, count - idle);
    printf("BENCH boot%s, kernel to prompt: %" PRIu64 "\n", disk, (uint64_t)clock - idle);
    return 0;
}
