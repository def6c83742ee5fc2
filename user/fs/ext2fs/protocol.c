/*
 * protocol.c: the clients' requests (<quire/fs.h>).
 *
 * Each client has a channel, which is an object of the clients' bucket. A request is answered
 * before the client's next is read; those of different clients are served side by side. Nothing
 * here waits for another process. A client that breaks the protocol (a message that is too long, or
 * one that carries handles) loses its channel; one that does not take its replies loses those.
 *
 * Invariant: while a client exists, port_object_wait has one packet to come for it, or one is being
 * served.
 * Locks: none here.
 */
#include "server.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct client {
    struct port_object object;          /* first: a client is an object */
    handle_t channel;
};

/* One request and its reply. */
struct exchange {
    struct {
        struct fs_request header;
        char path[FS_PATH_MAX];
    } request;
    struct {
        struct fs_reply header;
        uint8_t data[FS_REPLY_DATA];
    } reply;
    handle_t handles[2];                /* of the reply */
    uint32_t handle_count;
};

_Static_assert(offsetof(struct exchange, reply.data) ==
                   offsetof(struct exchange, reply) + sizeof(struct fs_reply),
               "data follows the header");

static void client_serve(struct port_object *object, const port_packet_t *packet);
static void client_clean(struct port_object *object);

static const struct port_class client_class = { .serve = client_serve, .clean = client_clean };

/* One packet when the client has sent something, or is gone. */
static status_t client_wait(struct client *client)
{
    return port_object_wait(&client->object, client->channel, SIGNAL_READABLE | SIGNAL_PEER_CLOSED);
}

static void client_clean(struct port_object *object)
{
    struct client *client = (struct client *)object;

    sys_handle_close(client->channel);
    free(client);
}

/* The channel moves. */
static status_t client_create(handle_t channel)
{
    struct client *client = malloc(sizeof(*client));

    if (client == NULL) {
        sys_handle_close(channel);
        return ERR_NO_MEMORY;
    }
    client->channel = channel;
    port_object_init(&client->object, &client_class, &server.clients);
    status_t status = client_wait(client);
    if (status != OK)
        port_object_release(&client->object);
    return status;
}

status_t protocol_start(handle_t channel)
{
    return client_create(channel);
}

/* --- Answers.  Each fills in exchange->reply, or says why not. --- */

static status_t answer_connect(struct exchange *exchange)
{
    handle_t ours;
    status_t status = sys_channel_create(0, &ours, &exchange->handles[0]);

    if (status != OK)
        return status;
    status = client_create(ours);
    if (status != OK)
        sys_handle_close(exchange->handles[0]);
    else
        exchange->handle_count = 1;
    return status;
}

static status_t answer_open(struct exchange *exchange, const struct inode *inode)
{
    handle_t vmo;

    if (inode_type(inode) != FS_MODE_REGULAR)
        return ERR_WRONG_TYPE;
    status_t status =
        file_open(inode, exchange->request.path, exchange->request.header.path_length, &vmo);
    if (status != OK)
        return status;
    status = sys_stream_create(STREAM_READ, vmo, 0, &exchange->handles[0]);
    if (status != OK) {
        sys_handle_close(vmo);
        return status;
    }
    exchange->handles[1] = vmo;
    exchange->handle_count = 2;
    return OK;
}

static status_t answer_read_directory(struct exchange *exchange, const struct inode *inode)
{
    struct fs_reply *reply = &exchange->reply.header;
    struct directory_cursor cursor;
    struct directory_entry found;
    status_t status =
        directory_begin(&cursor, &server.fs, inode, exchange->request.header.cookie);

    while (status == OK) {
        status = directory_next(&cursor, &found);
        if (status != OK || found.inode == 0)
            break;
        size_t room = offsetof(struct fs_entry, name) + found.name_length + 1;
        room = (room + 7) / 8 * 8;
        if (reply->data_length + room > FS_REPLY_DATA)
            break;
        struct fs_entry *entry = (struct fs_entry *)(exchange->reply.data + reply->data_length);
        memset(entry, 0, room);
        entry->inode = found.inode;
        entry->cookie = found.next;
        entry->record_length = room;
        entry->type = found.type;
        entry->name_length = found.name_length;
        memcpy(entry->name, found.name, found.name_length);
        reply->data_length += room;
        reply->cookie = found.next;
    }
    return status;
}

static status_t answer_read_link(struct exchange *exchange, const struct inode *inode)
{
    size_t length;
    status_t status = link_read(&server.fs, inode, (char *)exchange->reply.data, &length);

    if (status == OK)
        exchange->reply.header.data_length = length;
    return status;
}

static status_t answer_statfs(struct exchange *exchange)
{
    struct fs_statistics statistics = {
        .blocks = server.fs.blocks_count,
        .free_blocks = server.fs.free_blocks,
        .inodes = server.fs.inodes_count,
        .free_inodes = server.fs.free_inodes,
        .block_size = server.fs.block_size,
        .read_only = 1,
        .type = "ext2",
    };

    memcpy(statistics.label, server.fs.label, sizeof(statistics.label));
    memcpy(exchange->reply.data, &statistics, sizeof(statistics));
    exchange->reply.header.data_length = sizeof(statistics);
    return OK;
}

static status_t answer_cache_statistics(struct exchange *exchange)
{
    struct pager_service *pagers = &server.pagers;
    struct fs_cache_statistics statistics = {
        .requests = __atomic_load_n(&pagers->requests, __ATOMIC_RELAXED),
        .pages_asked = __atomic_load_n(&pagers->pages_asked, __ATOMIC_RELAXED),
        .pages_read = __atomic_load_n(&pagers->pages_read, __ATOMIC_RELAXED),
        .pages_failed = __atomic_load_n(&pagers->pages_failed, __ATOMIC_RELAXED),
    };

    files_count(&statistics);
    memcpy(exchange->reply.data, &statistics, sizeof(statistics));
    exchange->reply.header.data_length = sizeof(statistics);
    return OK;
}

/* Operations that begin with a path. */
static status_t answer_path(struct exchange *exchange)
{
    const struct fs_request *request = &exchange->request.header;
    uint32_t flags = request->flags | (request->operation == FS_READ_LINK ? FS_NO_FOLLOW : 0);
    struct inode inode;
    status_t status =
        path_resolve(&server.fs, exchange->request.path, request->path_length, flags, &inode);

    if (status != OK)
        return status;
    exchange->reply.header.attributes = inode.attributes;
    switch (request->operation) {
    case FS_OPEN:
        return answer_open(exchange, &inode);
    case FS_READ_DIRECTORY:
        return answer_read_directory(exchange, &inode);
    case FS_READ_LINK:
        return answer_read_link(exchange, &inode);
    default:
        return OK;
    }
}

/* `length`: of the request. */
static status_t answer(struct exchange *exchange, uint32_t length)
{
    const struct fs_request *request = &exchange->request.header;

    if (length < sizeof(*request) || request->path_length != length - sizeof(*request))
        return ERR_INVALID_ARGS;
    if (request->flags & ~(uint32_t)FS_NO_FOLLOW)
        return ERR_NOT_SUPPORTED;
    switch (request->operation) {
    case FS_CONNECT:
        return answer_connect(exchange);
    case FS_STATFS:
        return answer_statfs(exchange);
    case FS_CACHE_STATISTICS:
        return answer_cache_statistics(exchange);
    case FS_OPEN:
    case FS_STAT:
    case FS_READ_DIRECTORY:
    case FS_READ_LINK:
        return answer_path(exchange);
    default:
        return ERR_NOT_SUPPORTED;
    }
}

/* --- Requests. --- */

static void client_reply(struct client *client, struct exchange *exchange, status_t status)
{
    struct fs_reply *reply = &exchange->reply.header;

    if (status != OK)
        *reply = (struct fs_reply){ .transaction = reply->transaction, .status = status };
    sys_channel_write(client->channel, 0, &exchange->reply, sizeof(*reply) + reply->data_length,
                      exchange->handles, exchange->handle_count);   /* which leave us in any case */
}

/* Answer one message.  Not OK: the client is to be dropped. */
static status_t client_answer(struct client *client)
{
    struct exchange exchange;
    uint32_t length, handles;
    status_t status = sys_channel_read(client->channel, 0, &exchange.request, NULL,
                                       sizeof(exchange.request), 0, &length, &handles);

    if (status == ERR_SHOULD_WAIT)
        return OK;
    if (status != OK)
        return status;
    if (length < sizeof(exchange.request.header.transaction))
        return ERR_INVALID_ARGS;
    exchange.reply.header =
        (struct fs_reply){ .transaction = exchange.request.header.transaction };
    exchange.handle_count = 0;
    client_reply(client, &exchange, answer(&exchange, length));
    return OK;
}

static void client_serve(struct port_object *object, const port_packet_t *packet)
{
    struct client *client = (struct client *)object;

    (void)packet;
    if (client_answer(client) != OK || client_wait(client) != OK)
        port_object_release(object);    /* no packet is to come any more */
}
