/*
 * user_source.c: page requests of one pager-backed VMO, one packet at a time.
 *
 * The VMO owns a single packet.  The oldest request sits in it; the others wait in `pending` behind it, so a port
 * holds at most one packet of each VMO and can never overflow.  Taking the packet from the port frees it for the
 * next request; a request that is answered before its packet was read withdraws it.
 *
 * A second packet asks for write-back, so that neither kind ever waits for the other.
 *
 * Invariant: active != NULL, or anybody in the line, only while packet_busy, which stays set while one request makes way for
 * the next; complete_sent is set once and nothing is sent after COMPLETE.
 * Locks: sources_lock (RANK_PAGER) guards the list of all sources and pager->closed; then lock (RANK_SOURCE); then port.lock.
 */
#include "vm/pager.h"

#include "lib/string.h"
#include "mm/heap.h"
#include "task/process.h"
#include "vm/page_request.h"

static struct spinlock sources_lock = SPINLOCK_INITIALIZER(RANK_PAGER);
static struct list all_sources = LIST_INITIALIZER(all_sources);

static void packet_dequeued(struct packet *packet);
static void writeback_dequeued(struct packet *packet);

struct user_source *user_source_create(struct pager *pager, struct port *port, uint64_t key)
{
    struct user_source *source = heap_alloc_zeroed(sizeof *source);

    if (!source)
        return NULL;
    atomic_init(&source->references, 1);
    object_ref(&pager->object);
    object_ref(&port->object);
    source->pager = pager;
    source->port = port;
    source->key = key;
    spin_init(&source->lock, RANK_SOURCE);
    source->packet.dequeued = packet_dequeued;
    source->writeback.dequeued = writeback_dequeued;
    list_init(&source->pending);
    return source;
}

void user_source_unref(struct user_source *source)
{
    if (atomic_fetch_sub(&source->references, 1) > 1)
        return;
    spin_lock(&sources_lock);
    if (list_linked(&source->all_link))
        list_remove(&source->all_link);
    spin_unlock(&sources_lock);
    object_unref(&source->port->object);
    object_unref(&source->pager->object);
    heap_free(source);
}

/* --- The packets.  source->lock is held for all of these. --- */

/* False: the port is closed; who waits goes on waiting. */
static bool send(struct user_source *source, struct packet *packet, uint16_t command, uint64_t offset, uint64_t length)
{
    packet->content = (port_packet_t){
        .key = source->key, .type = PKT_PAGE_REQUEST,
        .page_request = { .command = command, .offset = offset, .length = length },
    };
    if (!port_queue_packet(source->port, packet, command == PAGER_VMO_READ || command == PAGER_VMO_DIRTY))
        return false;
    atomic_fetch_add(&source->references, 1);
    return true;
}

static bool send_request(struct user_source *source, struct page_request *request)
{
    bool sent = send(source, &source->packet, request->kind == REQUEST_DIRTY ? PAGER_VMO_DIRTY : PAGER_VMO_READ,
                     request->first << PAGE_SHIFT, request->count << PAGE_SHIFT);

    source->active = sent ? request : NULL;
    return sent;
}

/* The packet is free: what comes next?  Nobody stays in the line once the port is closed. */
static void send_next(struct user_source *source)
{
    struct list_node *node;
    bool busy = false;

    while (!busy && (node = list_pop_front(&source->pending)))
        busy = send_request(source, list_entry(node, struct page_request, pending_link));
    if (!busy && source->complete_wanted && !source->closed) {
        source->complete_wanted = false;
        source->complete_sent = true;
        busy = send(source, &source->packet, PAGER_VMO_COMPLETE, 0, 0);
    }
    source->packet_busy = busy;
}

/* The thread that took a packet, and others of its process, will need memory to answer. */
static void note_reader(void) { current_process()->serves_until = arch_time() + WRITEBACK_RETRY; }

/* A reader took the packet (or the port was closed).  No locks held. */
static void packet_dequeued(struct packet *packet)
{
    struct user_source *source = container_of(packet, struct user_source, packet);

    note_reader();
    spin_lock(&source->lock);
    source->active = NULL;
    if (packet->content.page_request.command != PAGER_VMO_COMPLETE) {
        source->requests++;
        source->pages_asked += packet->content.page_request.length >> PAGE_SHIFT;
    }
    send_next(source);
    spin_unlock(&source->lock);
    user_source_unref(source);
}

/* Take the unread packet back: true if it was there.  The caller drops the packet's reference. */
static bool withdraw(struct user_source *source)
{
    if (!source->packet_busy || !port_withdraw(source->port, &source->packet))
        return false;
    source->packet_busy = false;
    return true;
}

/* --- As a source of pages. --- */

/* The user process has to be asked. */
static status_t ask(struct vmo *vmo, enum request_kind kind, uint64_t first, uint64_t count, struct page_request *request)
{
    struct user_source *source = user_source_of(vmo);

    if (source->detached)
        return ERR_BAD_STATE;
    if (!request || !request->may_ask_user)
        return ERR_SHOULD_WAIT;
    if (!page_request_arm(request, vmo, kind, first, count))
        return ERR_SHOULD_WAIT;

    /* [fault 6/8] One packet to its port, or into the line behind the packet that is there. */
    spin_lock(&source->lock);
    if (source->packet_busy)
        list_push_back(&source->pending, &request->pending_link);
    else
        source->packet_busy = send_request(source, request);
    spin_unlock(&source->lock);
    return ERR_SHOULD_WAIT;
}

/* [fault 5/8] For the pages' content, */
static status_t source_getpages(struct vmo *vmo, uint64_t first, uint64_t count, uint64_t required,
                                struct page_request *request)
{
    assert(first == required);
    return ask(vmo, REQUEST_READ, first, count, request);
}

/* or for permission to write. */
static status_t source_dirty(struct vmo *vmo, uint64_t first, uint64_t count, struct page_request *request)
{
    return ask(vmo, REQUEST_DIRTY, first, count, request);
}

static void source_forget(struct vmo *vmo, struct page_request *request, struct page_request *successor)
{
    struct user_source *source = user_source_of(vmo);
    bool withdrawn = false;

    if (!*(volatile bool *)&source->packet_busy)
        return;                         /* it is neither in the packet nor in the line */
    spin_lock(&source->lock);
    if (source->active == request) {
        source->active = successor;
        if (!successor && withdraw(source)) {
            withdrawn = true;
            send_next(source);
        }
    } else if (list_linked(&request->pending_link)) {
        if (successor)
            list_insert_before(&request->pending_link, &successor->pending_link);
        list_remove(&request->pending_link);
    }
    spin_unlock(&source->lock);
    if (withdrawn)
        atomic_fetch_sub(&source->references, 1);       /* never the last: the VMO has one */
}

/* --- Write-back. --- */

static void writeback_dequeued(struct packet *packet)
{
    note_reader();
    user_source_unref(container_of(packet, struct user_source, writeback));
}

/* A WRITEBACK packet, or more for the one that is not read yet; not again for a while unless the last one was served. */
static void ask_writeback(struct user_source *source, uint64_t first, uint64_t end)
{
    uint64_t now = arch_time(), asked = atomic_load(&source->writeback_asked);
    bool unread;

    spin_lock(&source->lock);
    unread = port_withdraw(source->port, &source->writeback);
    if (unread) {
        uint64_t offset = source->writeback.content.page_request.offset;

        first = min_u64(first, offset >> PAGE_SHIFT);
        end = max_u64(end, (offset + source->writeback.content.page_request.length) >> PAGE_SHIFT);
    }
    if (unread || (!source->complete_wanted && !source->complete_sent && !source->closed &&
                   (!asked || now - asked >= WRITEBACK_RETRY))) {
        atomic_store(&source->writeback_asked, now);
        send(source, &source->writeback, PAGER_VMO_WRITEBACK, first << PAGE_SHIFT, (end - first) << PAGE_SHIFT);
    }
    spin_unlock(&source->lock);
    if (unread)
        atomic_fetch_sub(&source->references, 1);       /* never the last: the VMO has one */
}

/* Those that were cleaned may go the next time. */
static uint64_t source_putpages(struct vmo *vmo, uint64_t first, uint64_t count)
{
    if (vmo->budget)
        ask_writeback(user_source_of(vmo), first, first + count);
    return 0;
}

/* The dirty budget of the pager is used up: ask for write-back of all its VMOs. */
static void press(struct pager *pager)
{
    spin_lock(&sources_lock);
    list_for_each(&all_sources, node) {
        struct user_source *source = list_entry(node, struct user_source, all_link);

        if (source->pager == pager && source->vmo && source->vmo->dirty > 0)
            ask_writeback(source, 0, source->vmo->size >> PAGE_SHIFT);
    }
    spin_unlock(&sources_lock);
}

static status_t source_throttle(struct vmo *vmo, struct page_request *request)
{
    struct user_source *source = user_source_of(vmo);
    uint64_t seen;

    if (source->detached || !dirty_budget_full(vmo->budget, &seen)) {
        if (request)
            request->throttled = 0;
        return OK;
    }
    if (request && request->may_ask_user) {
        request->throttled |= THROTTLED;
        request->budget_seen = seen;
        press(source->pager);
    }
    return ERR_SHOULD_WAIT;
}

/* --- The end of the service. --- */

void user_source_send_complete(struct user_source *source)
{
    bool withdrawn;

    spin_lock(&source->lock);
    withdrawn = port_withdraw(source->port, &source->writeback);
    if (!source->complete_sent && !source->complete_wanted && !source->closed) {
        source->complete_wanted = true;
        if (!source->packet_busy)
            send_next(source);
    }
    spin_unlock(&source->lock);
    if (withdrawn)
        user_source_unref(source);
}

static void source_detach(struct vmo *vmo)
{
    struct user_source *source = user_source_of(vmo);

    spin_lock(&sources_lock);
    source->vmo = NULL;
    spin_unlock(&sources_lock);
    user_source_send_complete(source);
    user_source_unref(source);
}

/* vmo is NULL if it is gone already. */
static void close_source(struct user_source *source, struct vmo *vmo)
{
    uint32_t withdrawn;

    if (vmo) {
        vmo_lock(vmo);
        source->detached = true;
        vmo_complete_all(vmo);
        vmo_unlock(vmo);
    }
    spin_lock(&source->lock);
    source->closed = true;
    withdrawn = withdraw(source) + port_withdraw(source->port, &source->writeback);
    spin_unlock(&source->lock);
    while (withdrawn-- > 0)
        user_source_unref(source);
}

status_t user_source_list(struct user_source *source, struct vmo *vmo)
{
    bool closed;

    spin_lock(&sources_lock);
    source->closed = closed = source->pager->closed;    /* nobody else knows the source yet: no COMPLETE of a VMO refused */
    if (!closed) {
        source->vmo = vmo;
        list_push_back(&all_sources, &source->all_link);
    }
    spin_unlock(&sources_lock);
    return closed ? ERR_BAD_STATE : OK;
}

/* Take a source of the pager out of the list, with a reference, and with its VMO if that lives; NULL: none is left. */
static struct user_source *take_source(struct pager *pager, struct vmo **out_vmo)
{
    struct user_source *found = NULL;

    spin_lock(&sources_lock);
    pager->closed = true;
    list_for_each(&all_sources, node) {
        struct user_source *source = list_entry(node, struct user_source, all_link);

        if (source->pager != pager || !count_unless_zero(&source->references))
            continue;
        list_remove(node);
        *out_vmo = source->vmo && object_ref_unless_dead(&source->vmo->object) ? source->vmo : NULL;
        found = source;
        break;
    }
    spin_unlock(&sources_lock);
    return found;
}

void user_source_close_all(struct pager *pager)
{
    struct user_source *source;
    struct vmo *vmo;

    while ((source = take_source(pager, &vmo))) {
        close_source(source, vmo);
        if (vmo)
            object_unref(&vmo->object);
        user_source_unref(source);
    }
    dirty_budget_count(&pager->budget, 0);
}

bool pager_describe(uint64_t number, info_pager_vmo_t *record)
{
    bool found = false;

    spin_lock(&sources_lock);
    list_for_each(&all_sources, node) {
        struct user_source *source = list_entry(node, struct user_source, all_link);

        if (!source->vmo || number-- > 0)
            continue;
        *record = (info_pager_vmo_t){
            .pager_koid = source->pager->object.koid, .vmo_koid = source->vmo->object.koid, .key = source->key,
            .size_bytes = source->vmo->size, .resident_bytes = source->vmo->resident << PAGE_SHIFT,
            .requests = source->requests, .pages_asked = source->pages_asked,
            .pages_supplied = source->pages_supplied, .failures = source->failures,
            .detached = source->detached, .outstanding = source->vmo->waiting,
        };
        memcpy(record->owner, source->pager->owner, sizeof record->owner);
        found = true;
        break;
    }
    spin_unlock(&sources_lock);
    return found;
}

bool user_source_any_of(uint64_t process_koid)
{
    bool found = false;

    spin_lock(&sources_lock);
    list_for_each(&all_sources, node) {
        const struct user_source *source = list_entry(node, struct user_source, all_link);

        found |= source->vmo && source->pager->object.related_koid == process_koid;
    }
    spin_unlock(&sources_lock);
    return found;
}

const struct pager_ops user_source_ops = {
    .asks_user = true,
    .getpages = source_getpages,
    .dirty = source_dirty,
    .throttle = source_throttle,
    .putpages = source_putpages,
    .forget = source_forget,
    .detach = source_detach,
};
