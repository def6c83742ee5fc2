/*
 * swapon.c: let the default pager use a disk or partition, whose content is lost: swapon DEVICE [PRIORITY].
 *
 * The device becomes the one segment of a store of its own, which lives until swapoff.  Priority 4, the usual one, goes before 0.
 */
#include <err.h>
#include <quire/tool.h>
#include <stdlib.h>
#include <string.h>

static status_t add(const char *name, int32_t priority)
{
    handle_t device;
    status_t status = block_open(name, &device);
    if (status != OK)
        return status;
    status = swap_add(device, priority);
    sys_handle_close(device);
    return status;
}

static const char *reason(status_t status)
{
    switch (status) {
    case ERR_NOT_FOUND:     return "no such device";
    case ERR_INVALID_ARGS:  return "it is in use already";
    case ERR_ACCESS_DENIED: return "it cannot be written";
    default:                return status_text(status);
    }
}

int main(int argument_count, char **arguments)
{
    const char *priority = argument_count == 3 ? arguments[2] : "4";
    if (argument_count < 2 || argument_count > 3 ||
        (strcmp(priority, "0") != 0 && strcmp(priority, "4") != 0))
        return usage("swapon DEVICE [0|4]");
    if (default_pager_handle() == HANDLE_INVALID)
        errx(1, "no right to use the default pager");
    status_t status = add(arguments[1], atoi(priority));
    if (status != OK)
        errx(1, "%s: %s", arguments[1], reason(status));
    return 0;
}
