/*
 * user_source.c: page requests of one pager-backed VMO, one packet at a time.
 *
 * The VMO owns a single packet.  The oldest request sits in it; the others wait in `pending` behind it, so a port
 * holds at most one packet of each VMO and can never overflow.  Taking the packet from the port frees it for the
 * next request; a request that is answered before its packet was read withdraws it.
 *
 * Invariant: active != NULL only while packet_busy; complete_sent is set once and the packet never carries
 * anything after COMPLETE.
 * Locks: lock (RANK_SOURCE), after the family lock, before port.lock.
 */
#include "vm/user_source.h"

#include "lib/string.h"
#include "mm/heap.h"
#include "vm/page_request.h"
#include "vm/pager.h"

struct spinlock sources_lock = SPINLOCK_INITIALIZER(RANK_PAGER);
static struct list all_sources = LIST_INITIALIZER(all_sources);

static void packet_dequeued(struct packet *packet);

struct user_source *user_source_create(uint64_t pager_koid, const char owner[32], struct port *port, uint64_t key)
{
    struct user_source *source = heap_alloc_zeroed(sizeof *source);

    if (!source)
        return NULL;
    atomic_init(&source->references, 1);
    object_ref(&port->object);
    source->port = port;
    source->key = key;
    source->pager_koid = pager_koid;
    memcpy(source->owner, owner, sizeof source->owner);
    spin_init(&source->lock, RANK_SOURCE);
    source->packet.dequeued = packet_dequeued;
    list_init(&source->pending);
    return source;
}

void user_source_unref(struct user_source *source)
{
    if (atomic_fetch_sub(&source->references, 1) == 1) {
        object_unref(&source->port->object);
        heap_free(source);
    }
}

uint64_t pager_key(struct vmo *vmo) { return user_source_of(vmo)->key; }

/* --- The packet.  source->lock is held for all of these. --- */

static void send(struct user_source *source, uint16_t command, uint64_t offset, uint64_t length)
{
    source->packet.content = (port_packet_t){
        .key = source->key, .type = PKT_PAGE_REQUEST,
        .page_request = { .command = command, .offset = offset, .length = length },
    };
    if (!port_queue_packet(source->port, &source->packet, command != PAGER_VMO_COMPLETE))
        return;                         /* the port is closed: who waits goes on waiting */
    source->packet_busy = true;
    atomic_fetch_add(&source->references, 1);
}

static void send_request(struct user_source *source, struct page_request *request)
{
    source->active = request;
    send(source, request->kind == REQUEST_DIRTY ? PAGER_VMO_DIRTY : PAGER_VMO_READ,
         request->first << PAGE_SHIFT, request->count << PAGE_SHIFT);
    if (!source->packet_busy)
        source->active = NULL;
}

/* The packet is free: what comes next? */
static void send_next(struct user_source *source)
{
    struct list_node *node = list_pop_front(&source->pending);

    if (node) {
        send_request(source, list_entry(node, struct page_request, pending_link));
    } else if (source->complete_wanted && !source->closed) {
        source->complete_wanted = false;
        source->complete_sent = true;
        send(source, PAGER_VMO_COMPLETE, 0, 0);
    }
}

/* A reader took the packet (or the port was closed).  No locks held. */
static void packet_dequeued(struct packet *packet)
{
    struct user_source *source = container_of(packet, struct user_source, packet);

    spin_lock(&source->lock);
    source->packet_busy = false;
    if (source->active) {
        source->active->delivered = true;
        source->active = NULL;
    }
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
        send_request(source, request);
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

/* --- The end of the service. --- */

void user_source_send_complete(struct user_source *source)
{
    spin_lock(&source->lock);
    if (!source->complete_sent && !source->complete_wanted && !source->closed) {
        source->complete_wanted = true;
        if (!source->packet_busy)
            send_next(source);
    }
    spin_unlock(&source->lock);
}

/* The VMO is being destroyed. */
static void source_detach(struct vmo *vmo)
{
    struct user_source *source = user_source_of(vmo);

    spin_lock(&sources_lock);
    if (list_linked(&source->all_link))
        list_remove(&source->all_link);
    spin_unlock(&sources_lock);
    user_source_send_complete(source);
    user_source_unref(source);
}

void user_source_close(struct vmo *vmo)
{
    struct user_source *source = user_source_of(vmo);
    bool withdrawn;

    vmo_lock(vmo);
    source->detached = true;
    vmo_complete_all(vmo);
    vmo_unlock(vmo);

    spin_lock(&source->lock);
    source->closed = true;
    withdrawn = withdraw(source);
    spin_unlock(&source->lock);
    if (withdrawn)
        user_source_unref(source);
}

void user_source_list(struct user_source *source, struct vmo *vmo)
{
    assert(spin_held(&sources_lock));
    source->vmo = vmo;
    list_push_back(&all_sources, &source->all_link);
}

struct vmo *user_source_take_of_pager(uint64_t pager_koid)
{
    struct vmo *found = NULL;

    spin_lock(&sources_lock);
    list_for_each(&all_sources, node) {
        struct user_source *source = list_entry(node, struct user_source, all_link);

        if (source->pager_koid != pager_koid)
            continue;
        list_remove(node);
        if (object_ref_unless_dead(&source->vmo->object)) {
            found = source->vmo;
            break;
        }
    }
    spin_unlock(&sources_lock);
    return found;
}

uint64_t pager_list(uint64_t skip, info_pager_vmo_t *records, uint64_t room)
{
    uint64_t number = 0;

    spin_lock(&sources_lock);
    list_for_each(&all_sources, node) {
        struct user_source *source = list_entry(node, struct user_source, all_link);
        info_pager_vmo_t *record = &records[number - skip];

        if (number >= skip && number - skip < room) {
            *record = (info_pager_vmo_t){
                .pager_koid = source->pager_koid, .vmo_koid = source->vmo->object.koid, .key = source->key,
                .size_bytes = source->vmo->size, .resident_bytes = source->vmo->resident << PAGE_SHIFT,
                .requests = source->requests, .pages_asked = source->pages_asked,
                .pages_supplied = source->pages_supplied, .failures = source->failures,
                .detached = source->detached, .outstanding = source->vmo->waiting,
            };
            memcpy(record->owner, source->owner, sizeof record->owner);
        }
        number++;
    }
    spin_unlock(&sources_lock);
    return number;
}

const struct pager_ops user_source_ops = {
    .asks_user = true,
    .getpages = source_getpages,
    .dirty = source_dirty,
    .forget = source_forget,
    .detach = source_detach,
};
