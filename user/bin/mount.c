/* mount.c: what is mounted where. */
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
    printf("%s on / type %s (%s, blocks of %" PRIu32 ")\n",
           statistics.label[0] != 0 ? statistics.label : "disk", statistics.type,
           statistics.read_only ? "read-only" : "read-write", statistics.block_size);
    return 0;
}
