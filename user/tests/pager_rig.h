/*
 * pager_rig.h: a pager made by hand, and threads that wait for it.
 */
#pragma once

#include "memory.h"

/* --- Pagers and the VMOs they serve. --- */

#define RIG_KEY 0x1122334455667788ull
#define AT(page) ((uint64_t)(page) * PAGE_SIZE)

struct rig {
    handle_t pager, port, vmo;
};

static inline handle_t new_pager(void)
{
    handle_t pager = HANDLE_INVALID;

    CHECK_OK(sys_pager_create(0, &pager));
    return pager;
}

static inline handle_t new_pager_vmo(handle_t pager, handle_t port, uint64_t key, uint64_t pages)
{
    handle_t vmo = HANDLE_INVALID;

    CHECK_OK(sys_pager_create_vmo(pager, VMO_RESIZABLE, port, key, pages * PAGE_SIZE, &vmo));
    return vmo;
}

static inline struct rig rig_create(uint64_t pages)
{
    struct rig rig = { .pager = new_pager(), .port = new_port() };

    rig.vmo = new_pager_vmo(rig.pager, rig.port, RIG_KEY, pages);
    return rig;
}

static inline void rig_close(struct rig rig)
{
    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_OK(sys_handle_close(rig.port));
}

/* The bytes that page `index` is supplied with. */
static inline int content_of(uint64_t index)
{
    return (int)(index % 200 + 1);
}

/* Supply pages, each filled with its content. */
static inline void supply(struct rig rig, uint64_t first, uint64_t count)
{
    handle_t aux = new_vmo(count);

    for (uint64_t i = 0; i < count; i++)
        vmo_fill(aux, i * PAGE_SIZE, PAGE_SIZE, content_of(first + i));
    CHECK_OK(
        sys_pager_supply_pages(rig.pager, rig.vmo, first * PAGE_SIZE, count * PAGE_SIZE, aux, 0));
    CHECK_OK(sys_handle_close(aux));
}

static inline status_t try_op(struct rig rig, uint32_t op, uint64_t first, uint64_t count,
                              uint64_t data)
{
    return sys_pager_op_range(rig.pager, op, rig.vmo, AT(first), AT(count), data);
}

static inline void fail(struct rig rig, uint64_t first, uint64_t count, status_t status)
{
    CHECK_OK(sys_pager_op_range(rig.pager, PAGER_OP_FAIL, rig.vmo, first * PAGE_SIZE,
                                count * PAGE_SIZE, (uint64_t)(int64_t)status));
}

static inline bool is_supplied(handle_t vmo, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        if (!vmo_is_filled(vmo, i * PAGE_SIZE, PAGE_SIZE, content_of(i)))
            return false;
    return true;
}

/* The next packet of the port must be exactly this one. */
static inline void expect_packet(handle_t port, uint64_t key, uint16_t command, uint64_t first,
                                 uint64_t count)
{
    port_packet_t packet, expected;

    memset(&packet, 0xff, sizeof packet);
    memset(&expected, 0, sizeof expected);
    expected.key = key;
    expected.type = PKT_PAGE_REQUEST;
    expected.page_request.command = command;
    expected.page_request.offset = first * PAGE_SIZE;
    expected.page_request.length = count * PAGE_SIZE;
    CHECK_OK(sys_port_wait(port, after(PATIENCE), &packet));
    CHECK_EQ(packet.key, key);
    CHECK_EQ(packet.page_request.command, command);
    CHECK_EQ(packet.page_request.offset / PAGE_SIZE, first);
    CHECK_EQ(packet.page_request.length / PAGE_SIZE, count);
    CHECK(memcmp(&packet, &expected, sizeof packet) == 0);
}

static inline void expect_read(struct rig rig, uint64_t first, uint64_t count)
{
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_READ, first, count);
}

static inline void expect_complete(struct rig rig)
{
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_COMPLETE, 0, 0);
}

static inline void expect_silence(handle_t port)
{
    port_packet_t packet;

    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);
}

/* --- Threads that make one access each.  They may be killed at any moment. --- */

enum access_kind {
    ACCESS_READ,
    ACCESS_WRITE,
    ACCESS_OP,
    ACCESS_LOAD,
    ACCESS_STORE,
    ACCESS_WRITE_FROM
};

struct access {
    struct raw_thread thread;
    enum access_kind kind;
    handle_t vmo;
    uint32_t op;
    uint64_t offset, length;            /* bytes */
    volatile char *address;             /* of a load or store, or what is written */
    volatile status_t status;
    char buffer[16 * PAGE_SIZE];
};

static inline void access_run(void *argument)
{
    struct access *access = argument;

    switch (access->kind) {
    case ACCESS_READ:
        access->status = sys_vmo_read(access->vmo, VMO_MAY_BLOCK, access->buffer, access->offset,
                                      access->length);
        break;
    case ACCESS_WRITE:
        access->status = sys_vmo_write(access->vmo, VMO_MAY_BLOCK, access->buffer, access->offset,
                                       access->length);
        break;
    case ACCESS_OP:
        access->status = sys_vmo_op_range(access->vmo, access->op | VMO_OP_MAY_BLOCK,
                                          access->offset, access->length, NULL, 0);
        break;
    case ACCESS_WRITE_FROM:
        access->status = sys_vmo_write(access->vmo, 0, (const char *)access->address,
                                       access->offset, access->length);
        break;
    case ACCESS_LOAD:
        access->buffer[0] = *access->address;
        break;
    case ACCESS_STORE:
        *access->address = access->buffer[0];
        break;
    }
}

static inline void access_start_bytes(struct access *access, enum access_kind kind, handle_t vmo,
                                      uint64_t offset, uint64_t length)
{
    access->kind = kind;
    access->vmo = vmo;
    access->offset = offset;
    access->length = length;
    access->status = 1;
    raw_thread_start(&access->thread, access_run, access);
}

/* The range is given in pages. */
static inline void access_start(struct access *access, enum access_kind kind, handle_t vmo,
                                uint64_t first, uint64_t count)
{
    access_start_bytes(access, kind, vmo, first * PAGE_SIZE, count * PAGE_SIZE);
}

static inline void op_start(struct access *access, uint32_t op, handle_t vmo, uint64_t first,
                            uint64_t count)
{
    access->op = op;
    access_start(access, ACCESS_OP, vmo, first, count);
}

static inline void load_start(struct access *access, char *address)
{
    access->address = address;
    access_start(access, ACCESS_LOAD, HANDLE_INVALID, 0, 0);
}

static inline void store_start(struct access *access, char *address, char value)
{
    access->address = address;
    access->buffer[0] = value;
    access_start(access, ACCESS_STORE, HANDLE_INVALID, 0, 0);
}

/* Wait for the thread's end: what its call returned. */
static inline status_t access_end(struct access *access)
{
    wait_for_end(access->thread.handle);
    return access->status;
}

/* Did it read what the pages were supplied with? */
static inline bool access_read_content(const struct access *access)
{
    for (uint64_t i = 0; i < access->length; i++)
        if (access->buffer[i] != (char)content_of((access->offset + i) / PAGE_SIZE))
            return false;
    return true;
}

static inline bool waits_for_pager(void *thread)
{
    return thread_state(*(handle_t *)thread) == THREAD_BLOCKED_PAGER;
}

static inline void wait_until_asked(struct access *access)
{
    CHECK(comes_true(waits_for_pager, &access->thread.handle));
}

static inline bool waits_or_has_ended(void *thread)
{
    uint32_t state = thread_state(*(handle_t *)thread);

    return state == THREAD_BLOCKED_PAGER || state == THREAD_DEAD;
}

/* Who waits is awake for a moment when the slow pager is reported; who was let go ends. */
static inline bool is_waiting(struct access *access)
{
    return comes_true(waits_or_has_ended, &access->thread.handle) &&
           thread_state(access->thread.handle) != THREAD_DEAD;
}

__attribute__((unused)) static struct access accesses[4];

#define ENDS(number, status) CHECK_STATUS(access_end(&accesses[number]), status)
