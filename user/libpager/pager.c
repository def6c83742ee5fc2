/*
 * pager.c: page requests into calls of read_pages, and pages into the VMO.
 *
 *     PAGE_REQUEST -> how far to read -> chunks of up to 128 KiB -> read_pages into a room
 *                                                 supply <- the pages are moved, not copied
 *
 * Requests of one pager are served in order by one worker at a time (ports.c), so nothing here
 * needs a lock; those of different pagers go on side by side, each with a room of its own.
 *
 * A chunk that cannot be read is tried again page by page, as far as somebody waits for it, and
 * only pages that cannot be had even so are failed. What was read ahead fails silently: whoever
 * wants it will ask.
 *
 * Invariant: a room that is not taken is empty.
 */
#include <quire/pager.h>

#include <string.h>

static void pager_serve(struct port_object *object, const port_packet_t *packet);
static void pager_clean(struct port_object *object);

static const struct port_class pager_class = { .serve = pager_serve, .clean = pager_clean };

static struct pager *pager_of(struct port_object *object)
{
    return (struct pager *)((char *)object - offsetof(struct pager, object));
}

static void count(_Atomic uint64_t *counter, uint64_t pages)
{
    __atomic_fetch_add(counter, pages, __ATOMIC_RELAXED);
}

/* --- Rooms. --- */

status_t pager_service_start(struct pager_service *service)
{
    status_t status = port_bucket_init(&service->bucket);

    if (status == OK)
        status = sys_pager_create(0, &service->pager);
    if (status == OK)
        status = sys_vmo_create(PORT_WORKERS_MAX * PAGER_CHUNK_MAX, 0, &service->window);
    for (uint32_t i = 0; i < PORT_WORKERS_MAX && status == OK; i++) {
        service->rooms[i].vmo = service->window;
        service->rooms[i].offset = i * PAGER_CHUNK_MAX;
        status = sys_port_create(0, &service->rooms[i].port);
    }
    return status != OK ? status : port_bucket_start(&service->bucket);
}

/* There is one for each worker. */
static const struct pager_room *room_take(struct pager_service *service)
{
    uint32_t taken = __atomic_load_n(&service->rooms_taken, __ATOMIC_RELAXED), bit;

    do {
        bit = ~taken & (taken + 1);
    } while (!__atomic_compare_exchange_n(&service->rooms_taken, &taken, taken | bit, false,
                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    return &service->rooms[__builtin_ctz(bit)];
}

static void room_give_back(struct pager_service *service, const struct pager_room *room)
{
    __atomic_fetch_and(&service->rooms_taken, ~(1u << (room - service->rooms)), __ATOMIC_RELEASE);
}

/* --- How far to read. --- */

/* Make runs[index] the latest. */
static struct pager_run *run_use(struct pager *pager, uint32_t index)
{
    struct pager_run run = pager->runs[index];

    memmove(&pager->runs[1], &pager->runs[0], index * sizeof(run));
    pager->runs[0] = run;
    return &pager->runs[0];
}

/*
 * The end of what to read for a request. Who goes on where an earlier request and what was read
 * ahead of it ended is a sequential reader, and gets more each time: 16, 64, 128 KiB. Anybody else
 * gets what he asked for.
 */
static uint64_t plan_end(struct pager *pager, uint64_t offset, uint64_t end)
{
    uint32_t index = 0;

    while (index < PAGER_RUNS && pager->runs[index].next != offset)
        index++;
    bool sequential = index < PAGER_RUNS;
    struct pager_run *run = run_use(pager, sequential ? index : PAGER_RUNS - 1);
    if (!sequential)
        run->ahead = 0;
    else if (run->ahead < PAGER_CHUNK_MAX)
        run->ahead = run->ahead == 0 ? 4 * PAGE_SIZE : 4 * run->ahead;
    if (run->ahead > PAGER_CHUNK_MAX)
        run->ahead = PAGER_CHUNK_MAX;

    if (end < offset + run->ahead)
        end = offset + run->ahead;
    run->next = end < pager->size ? end : pager->size;
    return run->next;
}

/* There was an error: the next reader starts anew. */
static void plan_forget(struct pager *pager)
{
    pager->runs[0] = (struct pager_run){ .next = UINT64_MAX };
}

/* --- Reading. --- */

struct range {
    uint64_t offset, end;
};

/* Is all that this packet asks for in the range that was answered? */
static bool is_answered(const port_packet_t *packet, const void *argument)
{
    const struct range *answered = argument;

    return packet->type == PKT_PAGE_REQUEST &&
           packet->page_request.command == PAGER_VMO_READ &&
           packet->page_request.offset >= answered->offset &&
           packet->page_request.offset + packet->page_request.length <= answered->end;
}

/* Read one chunk and supply it. */
static status_t read_chunk(struct pager *pager, const struct pager_room *room, uint64_t offset,
                           uint64_t end)
{
    struct pager_service *service = pager->service;
    status_t status = pager->ops->read_pages(pager, offset, end - offset, room);
    uint64_t last = port_object_last_request(&pager->object);

    if (status == OK)
        status = sys_pager_supply_pages(service->pager, pager->vmo, offset, end - offset, room->vmo,
                                        room->offset);
    if (status == OK) {
        count(&service->pages_read, (end - offset) / PAGE_SIZE);
        port_object_drop_requests(&pager->object, last, is_answered,
                                  &(struct range){ offset, end });
    } else {
        sys_vmo_op_range(room->vmo, VMO_OP_DECOMMIT, room->offset, end - offset, NULL, 0);
    }
    return status;
}

/* Whatever the reason is, those who wait are told that it is an I/O error. */
static void fail_page(struct pager *pager, uint64_t offset, status_t status)
{
    struct pager_service *service = pager->service;
    uint64_t last = port_object_last_request(&pager->object);

    count(&service->pages_failed, 1);
    pager->ops->read_failed(pager, offset, status);
    sys_pager_op_range(service->pager, PAGER_OP_FAIL, pager->vmo, offset, PAGE_SIZE,
                       (uint64_t)(int64_t)ERR_IO);
    port_object_drop_requests(&pager->object, last, is_answered,
                              &(struct range){ offset, offset + PAGE_SIZE });
}

static void read_page_by_page(struct pager *pager, const struct pager_room *room, uint64_t offset,
                              uint64_t end)
{
    for (; offset < end; offset += PAGE_SIZE) {
        status_t status = read_chunk(pager, room, offset, offset + PAGE_SIZE);

        if (status != OK)
            fail_page(pager, offset, status);
    }
}

/* Pages [offset, end) are asked for. */
static void pages_requested(struct pager *pager, uint64_t offset, uint64_t end)
{
    const struct pager_room *room = room_take(pager->service);
    uint64_t read_end = plan_end(pager, offset, end);

    count(&pager->service->requests, 1);
    count(&pager->service->pages_asked, (end - offset) / PAGE_SIZE);
    while (offset < read_end) {
        uint64_t chunk_end =
            read_end - offset < PAGER_CHUNK_MAX ? read_end : offset + PAGER_CHUNK_MAX;

        if (read_chunk(pager, room, offset, chunk_end) != OK) {
            plan_forget(pager);
            read_page_by_page(pager, room, offset, chunk_end < end ? chunk_end : end);
            read_end = end;
        }
        offset = chunk_end;
    }
    room_give_back(pager->service, room);
}

/* --- As an object. --- */

static void pager_serve(struct port_object *object, const port_packet_t *packet)
{
    struct pager *pager = pager_of(object);
    uint64_t offset = packet->page_request.offset;

    if (packet->type == PKT_SIGNAL) {
        pager->ops->unused(pager);
    } else if (packet->type == PKT_PAGE_REQUEST) {
        if (packet->page_request.command == PAGER_VMO_READ)
            pages_requested(pager, offset, offset + packet->page_request.length);
        else if (packet->page_request.command == PAGER_VMO_COMPLETE)
            port_object_release(object);        /* the kernel's reference */
    }
}

static void pager_clean(struct port_object *object)
{
    struct pager *pager = pager_of(object);

    sys_handle_close(pager->vmo);
    pager->ops->clean(pager);
}

status_t pager_init(struct pager *pager, struct pager_service *service, const struct pager_ops *ops,
                    uint64_t size)
{
    *pager = (struct pager){
        .ops = ops,
        .service = service,
        .size = (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE,
    };
    for (uint32_t i = 1; i < PAGER_RUNS; i++)
        pager->runs[i].next = UINT64_MAX;       /* and runs[0] expects a reader at 0 */
    port_object_init(&pager->object, &pager_class, &service->bucket);
    status_t status = sys_pager_create_vmo(service->pager, 0, service->bucket.port,
                                           (uintptr_t)&pager->object, size, &pager->vmo);
    if (status == OK)
        sys_vmo_set_content_size(pager->vmo, size);     /* we have all rights, and it fits */
    return status;
}

void pager_set_name(struct pager *pager, const char *name, size_t length)
{
    if (length > NAME_MAX_LENGTH) {
        name += length - NAME_MAX_LENGTH;
        length = NAME_MAX_LENGTH;
    }
    memcpy(pager->name, name, length);
    pager->name[length] = 0;
    sys_object_set_name(pager->vmo, name, length);
}

status_t pager_make_reference(struct pager *pager, rights_t rights, handle_t *out_vmo)
{
    handle_t child;
    status_t status = sys_vmo_create_child(pager->vmo, VMO_CHILD_REFERENCE, 0, 0, &child);

    if (status == OK)
        sys_object_set_name(child, pager->name, strlen(pager->name));
    return status != OK ? status : sys_handle_replace(child, rights, out_vmo);
}

status_t pager_watch(struct pager *pager)
{
    return port_object_wait(&pager->object, pager->vmo, SIGNAL_ZERO_CHILDREN);
}

static info_vmo_t pager_info(struct pager *pager)
{
    info_vmo_t info = { 0 };

    sys_object_get_info(pager->vmo, INFO_VMO, &info, sizeof(info), NULL, NULL);
    return info;
}

uint32_t pager_children(struct pager *pager)
{
    return pager_info(pager).num_children;
}

uint64_t pager_resident(struct pager *pager)
{
    return pager_info(pager).populated_bytes;
}

void pager_end(struct pager *pager)
{
    sys_pager_detach_vmo(pager->service->pager, pager->vmo);    /* a COMPLETE packet follows */
}
