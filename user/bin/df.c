/* df.c: room on the file systems, in KiB, and their inodes. */
#include <err.h>
#include <inttypes.h>
#include <quire.h>
#include <quire/fs.h>
#include <stdio.h>

int main(void)
{
    struct fs_statistics statistics;
    if (root_fs_handle() == HANDLE_INVALID)
        errx(1, "nothing is mounted");
    status_t status = fs_statfs(root_fs_handle(), &statistics);
    if (status != OK)
        errx(1, "/: %s", status_text(status));
    uint64_t all = statistics.blocks, available = statistics.free_blocks, used = all - available;
    uint64_t block = statistics.block_size;
    printf("%-8s %10s %10s %10s %5s %8s %8s %s\n", "system", "KiB", "used", "free", "used%",
           "inodes", "free", "on");
    printf("%-8s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %4" PRIu64 "%% %8" PRIu64 " %8" PRIu64
           " /\n", statistics.type, all * block / 1024, used * block / 1024,
           available * block / 1024, all != 0 ? used * 100 / all : 0, statistics.inodes,
           statistics.free_inodes);
    return 0;
}
