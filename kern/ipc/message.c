/*
 * message.c: the content of a channel message: bytes, and handles that belong to no process.
 *
 * A message is one heap object.  Few bytes lie in it, behind the handles; more are in whole frames,
 * and the heap object holds pointers to them.
 */
#include "ipc/message.h"

#include "lib/string.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "task/process.h"

static void free_message(struct message *message)
{
    for (uint32_t i = 0; i < message->frame_count && message->frames[i]; i++)
        frame_free_virt(message->frames[i]);
    heap_free(message);
}

status_t message_create(uint32_t num_bytes, uint32_t num_handles, struct message **out_message)
{
    assert(num_bytes <= CHANNEL_MAX_BYTES && num_handles <= CHANNEL_MAX_HANDLES);
    size_t head = sizeof(struct message) + num_handles * sizeof(struct handle_slot);
    uint32_t frames = head + num_bytes <= HEAP_MAX ? 0 : page_ceil(num_bytes) / PAGE_SIZE;
    size_t tail = frames > 0 ? frames * sizeof(void *) : num_bytes;
    struct message *message = heap_alloc(head + tail);

    if (!message)
        return ERR_NO_MEMORY;
    message->num_bytes = num_bytes;
    message->num_handles = num_handles;
    message->frame_count = frames;
    memset(message->handles, 0, num_handles * sizeof(struct handle_slot));
    if (frames > 0) {
        message->frames = (void **)&message->handles[num_handles];
        memset(message->frames, 0, tail);
        for (uint32_t i = 0; i < frames; i++) {
            struct page *page = frame_alloc(FRAME_KERNEL);

            if (!page) {
                free_message(message);
                return ERR_NO_MEMORY;
            }
            message->frames[i] = page_to_virt(page);
        }
    } else {
        message->bytes = (char *)&message->handles[num_handles];
    }
    *out_message = message;
    return OK;
}

/*
 * Where the bytes from `offset` on lie, and how many of the `length` wanted lie there in one piece.
 */
static char *piece(const struct message *message, uint32_t offset, uint32_t length,
                   uint32_t *out_length)
{
    assert(range_inside(offset, length, message->num_bytes));
    if (message->frame_count == 0) {
        *out_length = length;
        return message->bytes + offset;
    }
    *out_length = min_u64(length, PAGE_SIZE - (offset & PAGE_MASK));
    return (char *)message->frames[offset >> PAGE_SHIFT] + (offset & PAGE_MASK);
}

size_t message_copy_in(struct message *message, uint32_t offset, uaddr_t from, uint32_t length)
{
    while (length > 0) {
        uint32_t part;
        char *to = piece(message, offset, length, &part);
        size_t missing = arch_copy_from_user(to, from, part);

        if (missing > 0)
            return length - part + missing;
        offset += part;
        from += part;
        length -= part;
    }
    return 0;
}

/* All bytes to user memory with faults disabled: false if some did not fit in. */
static bool copy_out(const struct message *message, uaddr_t to)
{
    for (uint32_t offset = 0, part; offset < message->num_bytes; offset += part) {
        char *from = piece(message, offset, message->num_bytes - offset, &part);

        if (arch_copy_to_user(to + offset, from, part) != 0)
            return false;
    }
    return true;
}

void message_fill(struct message *message, uint32_t offset, const void *from, uint32_t length)
{
    const char *source = from;

    while (length > 0) {
        uint32_t part;
        char *to = piece(message, offset, length, &part);

        memcpy(to, source, part);
        offset += part;
        source += part;
        length -= part;
    }
}

uint32_t message_transaction(const struct message *message)
{
    uint32_t transaction = 0, part;

    if (message->num_bytes >= sizeof(transaction))
        memcpy(&transaction, piece(message, 0, sizeof(transaction), &part), sizeof(transaction));
    return transaction;
}

void message_set_handle(struct message *message, uint32_t index, struct handle_slot slot)
{
    assert(index < message->num_handles && !message->handles[index].object);
    message->handles[index] = slot;
}

void message_destroy(struct message *message)
{
    for (uint32_t i = 0; i < message->num_handles; i++) {
        if (message->handles[i].object)
            handle_slot_close(message->handles[i]);
    }
    free_message(message);
}

/* The handles move into the current process, their values to the user's array.  All or nothing. */
static status_t take_handles(struct message *message, uaddr_t to)
{
    struct handle_table *table = current_process()->handles;
    uint32_t count = message->num_handles;
    handle_t values[CHANNEL_MAX_HANDLES];
    status_t status = handle_reserve(table, count, values);

    if (status != OK)
        return status;
    if (arch_copy_to_user(to, values, count * sizeof(handle_t)) != 0) {
        handle_unreserve(table, count, values);
        return ERR_USER_FAULT;
    }
    for (uint32_t i = 0; i < count; i++)
        handle_install(table, values[i], message->handles[i]);
    message->num_handles = 0;
    return OK;
}

static bool store_count(uaddr_t at, uint32_t count)
{
    return at == 0 || arch_copy_to_user(at, &count, sizeof(count)) == 0;
}

status_t message_take(struct message *message, struct channel_read *read)
{
    bool fits = message->num_bytes <= read->num_bytes && message->num_handles <= read->num_handles;

    read->actual_bytes = message->num_bytes;
    read->actual_handles = message->num_handles;
    if (!store_count(read->actual_bytes_at, read->actual_bytes) ||
        !store_count(read->actual_handles_at, read->actual_handles))
        return ERR_USER_FAULT;
    if (!fits)
        return ERR_BUFFER_TOO_SMALL;
    if (!copy_out(message, read->bytes))
        return ERR_USER_FAULT;
    return message->num_handles > 0 ? take_handles(message, read->handles) : OK;
}
