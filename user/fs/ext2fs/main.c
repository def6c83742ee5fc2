/*
 * main.c: the ext2 file server, read-only.
 *
 * It is started with a partition (START_USER) and the server end of a channel (START_USER + 1),
 * says on the channel whether the file system could be mounted, and then serves it until it is
 * killed.
 */
#include "server.h"

struct server server;

static status_t server_start(handle_t device)
{
    status_t status = disk_init(&server.disk, device);

    if (status != OK) {
        complain("cannot use the partition (%s)", status_name(status));
        return status;
    }
    status = file_system_mount(&server.fs, &server.disk);
    if (status != OK)
        return status;
    status = pager_service_start(&server.pagers);
    if (status == OK)
        status = port_bucket_init(&server.clients);
    if (status != OK)
        complain("cannot start (%s)", status_name(status));
    return status;
}

int main(void)
{
    handle_t device = start_handle(START_USER), channel = start_handle(START_USER + 1);

    if (device == HANDLE_INVALID || channel == HANDLE_INVALID) {
        complain("to be started by init, with a partition and a channel");
        return 1;
    }
    struct fs_reply mounted = { .status = server_start(device) };
    sys_channel_write(channel, 0, &mounted, sizeof(mounted), NULL, 0);
    if (mounted.status != OK)
        return 1;

    status_t status = protocol_start(channel);
    if (status == OK)
        port_bucket_run(&server.clients);
    complain("cannot serve the first client (%s)", status_name(status));
    return 1;
}
