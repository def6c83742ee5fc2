/*
 * protocol.c: the clients' requests (<quire/fs.h>).
 *
 * Each client has a channel, and the port says which of them has a message.  A request is answered
 * before the next is read; nothing here waits for another process.  A client that breaks the
 * protocol (a message that is too long, or one that carries handles) loses its channel; one that
 * does not take its replies loses those.
 */
#include "server.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_RIGHTS = RIGHT_READ | RIGHT_MAP | RIGHT_EXECUTE | RIGHT_DUPLICATE | RIGHT_TRANSFER |
                  RIGHT_INSPECT | RIGHT_WAIT,
};

struct client {
    handle_t channel;
};

static struct {
    struct fs_request header;
    char path[FS_PATH_MAX];
} request;

static struct {
    struct fs_reply header;
    uint8_t data[FS_REPLY_DATA];
} reply;

static handle_t reply_handles[2];
static uint32_t reply_handle_count;

_Static_assert(sizeof(struct fs_reply) + FS_REPLY_DATA == sizeof(reply), "data follows the header");

/* One packet when the client has sent something, or is gone. */
static status_t client_wait(struct client *client)
{
    return sys_object_wait_async(client->channel, server.client_port, (uintptr_t)client,
                                 SIGNAL_READABLE | SIGNAL_PEER_CLOSED, WAIT_ASYNC_ONCE);
}

static void client_destroy(struct client *client)
{
    sys_handle_close(client->channel);
    free(client);
}

static status_t client_create(handle_t channel)
{
    struct client *client = malloc(sizeof(*client));
    status_t status = ERR_NO_MEMORY;

    if (client != NULL) {
        client->channel = channel;
        status = client_wait(client);
    }
    if (status != OK) {
        sys_handle_close(channel);
        free(client);
    }
    return status;
}

static status_t answer_connect(void)
{
    handle_t ours;
    status_t status = sys_channel_create(0, &ours, &reply_handles[0]);

    if (status != OK)
        return status;
    status = client_create(ours);
    if (status != OK)
        sys_handle_close(reply_handles[0]);
    else
        reply_handle_count = 1;
    return status;
}

static status_t answer_open(const struct inode *inode)
{
    struct file *file;

    if (inode_type(inode) != FS_MODE_REGULAR)
        return ERR_WRONG_TYPE;
    status_t status = file_open(inode, &file);
    if (status != OK)
        return status;
    status = sys_stream_create(STREAM_READ, file->vmo, 0, &reply_handles[0]);
    if (status != OK)
        return status;
    status = sys_handle_duplicate(file->vmo, FILE_RIGHTS, &reply_handles[1]);
    if (status != OK)
        sys_handle_close(reply_handles[0]);
    else
        reply_handle_count = 2;
    return status;
}

static status_t answer_read_directory(const struct inode *inode)
{
    struct directory_cursor cursor;
    struct directory_entry found;
    status_t status = directory_begin(&cursor, &server.fs, inode, request.header.cookie);

    while (status == OK) {
        status = directory_next(&cursor, &found);
        if (status != OK || found.inode == 0)
            break;
        size_t room = offsetof(struct fs_entry, name) + found.name_length + 1;
        room = (room + 7) / 8 * 8;
        if (reply.header.data_length + room > FS_REPLY_DATA)
            break;
        struct fs_entry *entry = (struct fs_entry *)(reply.data + reply.header.data_length);
        memset(entry, 0, room);
        entry->inode = found.inode;
        entry->cookie = found.next;
        entry->record_length = room;
        entry->type = found.type;
        entry->name_length = found.name_length;
        memcpy(entry->name, found.name, found.name_length);
        reply.header.data_length += room;
        reply.header.cookie = found.next;
    }
    return status;
}

static status_t answer_read_link(const struct inode *inode)
{
    size_t length;
    status_t status = link_read(&server.fs, inode, (char *)reply.data, &length);

    if (status == OK)
        reply.header.data_length = length;
    return status;
}

static status_t answer_statfs(void)
{
    struct fs_statistics *statistics = (struct fs_statistics *)reply.data;

    *statistics = (struct fs_statistics){
        .blocks = server.fs.blocks_count,
        .free_blocks = server.fs.free_blocks,
        .inodes = server.fs.inodes_count,
        .free_inodes = server.fs.free_inodes,
        .block_size = server.fs.block_size,
        .read_only = 1,
        .type = "ext2",
    };
    memcpy(statistics->label, server.fs.label, sizeof(statistics->label));
    reply.header.data_length = sizeof(*statistics);
    return OK;
}

/* Operations that begin with a path. */
static status_t answer_path(void)
{
    uint32_t operation = request.header.operation;
    uint32_t flags = request.header.flags | (operation == FS_READ_LINK ? FS_NO_FOLLOW : 0);
    struct inode inode;
    status_t status =
        path_resolve(&server.fs, request.path, request.header.path_length, flags, &inode);

    if (status != OK)
        return status;
    reply.header.attributes = inode.attributes;
    switch (operation) {
    case FS_OPEN:
        return answer_open(&inode);
    case FS_READ_DIRECTORY:
        return answer_read_directory(&inode);
    case FS_READ_LINK:
        return answer_read_link(&inode);
    default:
        return OK;
    }
}

/* `length`: of the message in `request`. */
static status_t answer(uint32_t length)
{
    if (length < sizeof(request.header) ||
        request.header.path_length != length - sizeof(request.header))
        return ERR_INVALID_ARGS;
    if (request.header.flags & ~(uint32_t)FS_NO_FOLLOW)
        return ERR_NOT_SUPPORTED;
    switch (request.header.operation) {
    case FS_CONNECT:
        return answer_connect();
    case FS_STATFS:
        return answer_statfs();
    case FS_OPEN:
    case FS_STAT:
    case FS_READ_DIRECTORY:
    case FS_READ_LINK:
        return answer_path();
    default:
        return ERR_NOT_SUPPORTED;
    }
}

static void client_reply(struct client *client, status_t status)
{
    if (status != OK) {
        uint32_t transaction = reply.header.transaction;
        reply.header = (struct fs_reply){ .transaction = transaction, .status = status };
    }
    sys_channel_write(client->channel, 0, &reply, sizeof(reply.header) + reply.header.data_length,
                      reply_handles, reply_handle_count);   /* which leave us in every case */
}

/* Answer one message.  Not OK: the client is to be dropped. */
static status_t client_serve(struct client *client)
{
    uint32_t length, handles;
    status_t status = sys_channel_read(client->channel, 0, &request, NULL, sizeof(request), 0,
                                       &length, &handles);

    if (status == ERR_SHOULD_WAIT)
        return OK;
    if (status != OK)
        return status;
    if (length < sizeof(request.header.transaction))
        return ERR_INVALID_ARGS;
    reply.header = (struct fs_reply){ .transaction = request.header.transaction };
    reply_handle_count = 0;
    client_reply(client, answer(length));
    return OK;
}

status_t protocol_start(handle_t channel)
{
    status_t status = sys_port_create(0, &server.client_port);

    return status != OK ? status : client_create(channel);
}

status_t protocol_serve(void)
{
    port_packet_t packet;
    status_t status;

    while ((status = sys_port_wait(server.client_port, DEADLINE_INFINITE, &packet)) == OK) {
        struct client *client = (struct client *)(uintptr_t)packet.key;

        if (client_serve(client) != OK || client_wait(client) != OK)
            client_destroy(client);
    }
    return status;
}
