/* pager.h: pagers in user processes.  The contract is Zircon's: docs/pager.md. */
#pragma once

#include "ipc/port.h"
#include "vm/dirty_budget.h"
#include "vm/vmo.h"

struct pager {
    struct object object;
    char owner[32];                     /* the process that made it, for listings */
    bool wants_writeback;
    bool closed;                        /* sources_lock: no handles left */
    struct dirty_budget budget;         /* of its VMOs, if it wants write-back */
};

/* --- The kernel's side of each of their VMOs: from a page request to a packet (vm/user_source.c). --- */

struct user_source {
    atomic_uint references;             /* the VMO, and each packet while it is queued or being delivered */

    /* Immutable. */
    struct pager *pager;                /* a reference */
    struct port *port;                  /* likewise */
    uint64_t key;

    /* Guarded by the VMO's family lock. */
    bool detached;                      /* detached, or the pager is gone: nothing can be asked */
    uint64_t pages_supplied, failures;

    /* Guarded by sources_lock. */
    struct list_node all_link;          /* linked until the pager or the source is gone */
    struct vmo *vmo;                    /* no reference: NULL before the VMO goes */

    /* Guarded by lock (RANK_SOURCE). */
    struct spinlock lock;
    struct packet packet;               /* the one packet of this VMO for READ, DIRTY and COMPLETE */
    bool packet_busy;                   /* queued, or taken and not yet given back */
    struct page_request *active;        /* the request that the queued packet speaks for */
    struct list pending;                /* struct page_request behind it, oldest first */
    bool complete_wanted, complete_sent;    /* one COMPLETE is to be sent; was */
    bool closed;                        /* the pager is gone: send nothing any more */
    struct packet writeback;            /* that WRITEBACK may be asked for while READs wait for their answer */
    _Atomic uint64_t writeback_asked;   /* when; 0: not since write-back last ended well, which is said without the lock */
    uint64_t requests, pages_asked;     /* delivered to the pager */
};

extern const struct pager_ops user_source_ops;

/* One reference; pager and port get one.  NULL without memory. */
struct user_source *user_source_create(struct pager *pager, struct port *port, uint64_t key);
void user_source_unref(struct user_source *source);
static inline struct user_source *user_source_of(struct vmo *vmo)
{
    assert(vmo->kind == VMO_PAGER);
    return vmo->source;
}

/* The source of this VMO enters the list of all.  BAD_STATE: its pager is closed. */
status_t user_source_list(struct user_source *source, struct vmo *vmo);

/* Send the COMPLETE packet, once, as the last.  No lock of rank SOURCE or higher held. */
void user_source_send_complete(struct user_source *source);
/* Has this process a pager with VMOs? */
bool user_source_any_of(uint64_t process_koid);
/* The pager is gone: fail what waits for it, withdraw what was not read, also of VMOs that are gone.  No locks held. */
void user_source_close_all(struct pager *pager);

/* --- What the system calls do (vm/pager.c). --- */

extern const struct object_ops pager_ops_object;

status_t pager_create(bool wants_writeback, struct object **out_pager);
static inline struct pager *pager_from_object(struct object *object)
{
    return (struct pager *)object_checked(object, &pager_ops_object);
}

/* options: VMO_RESIZABLE, VMO_TRAP_DIRTY. */
status_t pager_create_vmo(struct pager *pager, uint32_t options, struct port *port, uint64_t key, uint64_t size,
                          struct vmo **out_vmo);
/* INVALID_ARGS unless the VMO was made by this pager: asked before each of the following. */
static inline status_t pager_check_vmo(struct pager *pager, struct vmo *vmo)
{
    return vmo->kind == VMO_PAGER && user_source_of(vmo)->pager == pager ? OK : ERR_INVALID_ARGS;
}
void pager_detach_vmo(struct vmo *vmo);
/*
 * Offsets and length are whole pages.  First supply_from, with a look at aux and no lock: from what a user named to the VMO that
 * holds the pages, and the offset there; NOT_SUPPORTED, OUT_OF_RANGE.  Then supply_pages from there, which uses up a reference of
 * each VMO.  After an error in its second half aux has lost its pages all the same.
 */
static inline status_t pager_supply_from(struct vmo **aux, uint64_t *aux_offset, uint64_t length)
{
    struct vmo *target = vmo_target(*aux);

    return target->ops || target->parent ? ERR_NOT_SUPPORTED : vmo_locate(aux, aux_offset, length);
}
status_t pager_supply_pages(struct vmo *vmo, uint64_t offset, uint64_t length, struct vmo *aux, uint64_t aux_offset);
/* results: of WRITEBACK_END whose data is not 0, one VM_PAGER_ value a page. */
status_t pager_op_range(struct vmo *vmo, uint32_t op, uint64_t offset, uint64_t length, uint64_t data,
                        const int32_t *results);
/* Was it modified since the last reset?  Takes the family lock. */
bool pager_modified(struct vmo *vmo, bool reset);

/* INFO_PAGER_LIST: the record of this number, from 0 on; false: there are no more. */
bool pager_describe(uint64_t number, info_pager_vmo_t *record);
