/*
 * file.c: the client of the file protocol (<quire/fs.h>).
 *
 * Every function is one sys_channel_call.  Threads may share a channel: the kernel gives each reply
 * to the thread that asked.  What a server sends is checked before it is used, since a server may
 * be anybody's program.
 */
#include <quire/fs.h>

#include <string.h>

#include <quire.h>

/* A request with its path, and the reply; on the caller's stack, and never cleared: it is large. */
struct fs_call {
    struct fs_request request;
    char path[FS_PATH_MAX];
    struct fs_reply reply;
    uint64_t data[FS_REPLY_DATA / sizeof(uint64_t)];
};

_Static_assert(offsetof(struct fs_call, data) ==
                   offsetof(struct fs_call, reply) + sizeof(struct fs_reply),
               "data follows the reply");

static void handles_close(const handle_t *handles, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sys_handle_close(handles[i]);
}

/*
 * Send call->request and wait.  The reply must bring handle_count handles, all or, with an error,
 * none.
 */
static status_t fs_call_send(handle_t fs, struct fs_call *call, handle_t *handles,
                             uint32_t handle_count)
{
    handle_t received[2];
    uint32_t length = 0, count = 0;
    channel_call_args_t arguments = {
        .wr_bytes = &call->request,
        .wr_num_bytes = sizeof(call->request) + call->request.path_length,
        .rd_bytes = &call->reply,
        .rd_num_bytes = sizeof(call->reply) + sizeof(call->data),
        .rd_handles = received,
        .rd_num_handles = 2,
    };
    status_t status;

    do {                                /* asking twice does no harm */
        status = sys_channel_call(fs, 0, DEADLINE_INFINITE, &arguments, &length, &count);
    } while (status == ERR_CANCELED);
    if (status != OK)
        return status;
    if (length < sizeof(call->reply) || length - sizeof(call->reply) != call->reply.data_length ||
        count != (call->reply.status == OK ? handle_count : 0)) {
        handles_close(received, count);
        return ERR_IO_DATA_INTEGRITY;
    }
    for (uint32_t i = 0; i < count; i++)
        handles[i] = received[i];
    return call->reply.status;
}

/* Fill in the call and send it. */
static status_t fs_call(handle_t fs, const struct fs_request *request, const char *path,
                        handle_t *handles, uint32_t handle_count, struct fs_call *call)
{
    size_t length = strlen(path);

    if (length > FS_PATH_MAX)
        return ERR_INVALID_ARGS;
    call->request = *request;
    call->request.path_length = length;
    memcpy(call->path, path, length);
    return fs_call_send(fs, call, handles, handle_count);
}

status_t fs_wait_mounted(handle_t fs)
{
    struct fs_reply reply;
    uint32_t length, handles;
    status_t status =
        sys_object_wait_one(fs, SIGNAL_READABLE | SIGNAL_PEER_CLOSED, DEADLINE_INFINITE, NULL);

    if (status == OK)
        status = sys_channel_read(fs, 0, &reply, NULL, sizeof(reply), 0, &length, &handles);
    if (status != OK)
        return status;
    return length == sizeof(reply) && reply.transaction == 0 ? reply.status : ERR_IO_DATA_INTEGRITY;
}

status_t fs_connect(handle_t fs, handle_t *out_fs)
{
    struct fs_call call;

    return fs_call(fs, &(struct fs_request){ .operation = FS_CONNECT }, "", out_fs, 1, &call);
}

status_t fs_open(handle_t fs, const char *path, uint32_t flags, struct fs_file *out_file)
{
    struct fs_call call;
    handle_t handles[2];
    status_t status = fs_call(fs, &(struct fs_request){ .operation = FS_OPEN, .flags = flags },
                              path, handles, 2, &call);

    if (status != OK)
        return status;
    *out_file = (struct fs_file){ .stream = handles[0],
                                  .vmo = handles[1],
                                  .attributes = call.reply.attributes };
    return OK;
}

void fs_close(struct fs_file *file)
{
    sys_handle_close(file->stream);
    sys_handle_close(file->vmo);
}

status_t fs_stat(handle_t fs, const char *path, uint32_t flags,
                 struct fs_attributes *out_attributes)
{
    struct fs_call call;
    status_t status = fs_call(fs, &(struct fs_request){ .operation = FS_STAT, .flags = flags },
                              path, NULL, 0, &call);

    if (status != OK)
        return status;
    *out_attributes = call.reply.attributes;
    return OK;
}

/* Operations without a path whose reply is one record. */
static status_t fs_get_record(handle_t fs, uint32_t operation, void *record, size_t size)
{
    struct fs_call call;
    status_t status =
        fs_call(fs, &(struct fs_request){ .operation = operation }, "", NULL, 0, &call);

    if (status != OK)
        return status;
    if (call.reply.data_length == size)
        memcpy(record, call.data, size);
    else
        status = ERR_IO_DATA_INTEGRITY;
    return status;
}

status_t fs_statfs(handle_t fs, struct fs_statistics *out_statistics)
{
    return fs_get_record(fs, FS_STATFS, out_statistics, sizeof(*out_statistics));
}

status_t fs_cache_statistics(handle_t fs, struct fs_cache_statistics *out_statistics)
{
    return fs_get_record(fs, FS_CACHE_STATISTICS, out_statistics, sizeof(*out_statistics));
}

status_t fs_read_link(handle_t fs, const char *path, char *target, size_t size)
{
    struct fs_call call;
    status_t status =
        fs_call(fs, &(struct fs_request){ .operation = FS_READ_LINK }, path, NULL, 0, &call);

    if (status != OK)
        return status;
    if (call.reply.data_length < size) {
        memcpy(target, call.data, call.reply.data_length);
        target[call.reply.data_length] = '\0';
    } else {
        status = ERR_BUFFER_TOO_SMALL;
    }
    return status;
}

void fs_directory_begin(struct fs_directory *directory, handle_t fs, const char *path)
{
    directory->fs = fs;
    directory->path = path;
    directory->cookie = 0;
    directory->position = directory->length = 0;
}

static status_t fs_directory_fill(struct fs_directory *directory)
{
    struct fs_call call;
    status_t status =
        fs_call(directory->fs,
                &(struct fs_request){ .operation = FS_READ_DIRECTORY, .cookie = directory->cookie },
                directory->path, NULL, 0, &call);

    if (status != OK)
        return status;
    memcpy(directory->entries, call.data, call.reply.data_length);
    directory->position = 0;
    directory->length = call.reply.data_length;
    directory->cookie = call.reply.cookie;
    return OK;
}

status_t fs_directory_next(struct fs_directory *directory, const struct fs_entry **out_entry)
{
    if (directory->position == directory->length) {
        status_t status = fs_directory_fill(directory);
        if (status != OK)
            return status;
        if (directory->length == 0) {
            *out_entry = NULL;
            return OK;
        }
    }

    const struct fs_entry *entry =
        (const void *)((const uint8_t *)directory->entries + directory->position);
    uint32_t left = directory->length - directory->position;
    if (left < sizeof(*entry) || entry->record_length > left || entry->record_length % 8 != 0 ||
        entry->record_length <= offsetof(struct fs_entry, name) + entry->name_length ||
        entry->name[entry->name_length] != '\0')
        return ERR_IO_DATA_INTEGRITY;
    directory->position += entry->record_length;
    *out_entry = entry;
    return OK;
}
