/*
 * kill.c: end processes by their koid, as ps shows it.
 */
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>

static status_t kill_process(uint64_t koid)
{
    handle_t process;
    status_t status = sys_object_get_child(system_handle(), koid, RIGHT_SAME_RIGHTS, &process);
    if (status != OK)
        return status;
    status = sys_task_kill(process);
    sys_handle_close(process);
    return status;
}

int main(int argument_count, char **arguments)
{
    int code = 0;
    if (argument_count < 2) {
        fprintf(stderr, "usage: kill KOID...\n");
        return 2;
    }
    for (int i = 1; i < argument_count; i++) {
        char *end;
        uint64_t koid = strtoull(arguments[i], &end, 10);
        status_t status = *end == 0 && koid != 0 ? kill_process(koid) : ERR_INVALID_ARGS;
        if (status != OK) {
            fprintf(stderr, "kill: %s: %s\n", arguments[i], status_text(status));
            code = 1;
        }
    }
    return code;
}
