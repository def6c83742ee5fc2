/* uname.c: what system this is; -a: and on how many harts, with how much memory. */
#include <inttypes.h>
#include <quire.h>
#include <stdio.h>
#include <string.h>

int main(int argument_count, char **arguments)
{
    info_system_t info;
    printf("Quire");
    if (argument_count > 1 && strcmp(arguments[1], "-a") == 0) {
        status_t status = sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info,
                                              NULL, NULL);
        if (status != OK) {
            fprintf(stderr, "\nuname: %s\n", status_text(status));
            return 1;
        }
        printf(" riscv64 %" PRIu32 " harts %" PRIu64 " MiB", info.harts, info.memory_bytes >> 20);
    }
    printf("\n");
    return 0;
}
