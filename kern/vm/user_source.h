/*
 * user_source.h: the kernel's side of one pager-backed VMO: from a page request to a packet.
 */
#pragma once

#include "ipc/port.h"
#include "vm/vmo.h"

struct user_source {
    atomic_uint references;             /* the VMO, and the packet while it is queued or being delivered */

    /* Immutable. */
    struct port *port;                  /* a reference */
    uint64_t key;
    uint64_t pager_koid;
    char owner[32];

    /* Guarded by the VMO's family lock. */
    bool detached;                      /* detached, or the pager is gone: nothing can be asked */
    uint64_t pages_supplied, failures;

    /* Guarded by sources_lock. */
    struct list_node all_link;          /* linked while the pager and the VMO live */
    struct vmo *vmo;                    /* no reference: unlinked before the VMO goes */

    /* Guarded by lock (RANK_SOURCE). */
    struct spinlock lock;
    struct packet packet;               /* the one packet of this VMO */
    bool packet_busy;                   /* queued, or taken and not yet given back */
    struct page_request *active;        /* the request that the queued packet speaks for */
    struct list pending;                /* struct page_request behind it, oldest first */
    bool complete_wanted;               /* one COMPLETE is to be sent */
    bool complete_sent;
    bool closed;                        /* the pager is gone: send nothing any more */
    uint64_t requests, pages_asked;     /* delivered to the pager */
};

extern struct spinlock sources_lock;    /* RANK_PAGER: the list of all sources */
extern const struct pager_ops user_source_ops;

/* One reference; port gets one.  NULL without memory. */
struct user_source *user_source_create(uint64_t pager_koid, const char owner[32], struct port *port, uint64_t key);
void user_source_unref(struct user_source *source);
static inline struct user_source *user_source_of(struct vmo *vmo)
{
    assert(vmo->kind == VMO_PAGER);
    return vmo->source;
}

/* Enter it in the list.  sources_lock held. */
void user_source_list(struct user_source *source, struct vmo *vmo);
/* Remove one VMO of a pager from the list and give it with a reference; NULL when there is none left. */
struct vmo *user_source_take_of_pager(uint64_t pager_koid);

/* Send the COMPLETE packet, once.  No lock of rank SOURCE or higher held. */
void user_source_send_complete(struct user_source *source);
/* The pager is gone: fail what waits, withdraw an unread COMPLETE.  No locks held. */
void user_source_close(struct vmo *vmo);
