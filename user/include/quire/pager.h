/*
 * pager.h: a server's memory objects.
 *
 * After the Hurd's libpager. A *pager* here is one VMO whose pages this process supplies, for
 * example an open file; its address is the key of its page requests. The *service* is a bucket with
 * threads of its own for all of them, so that a page never waits behind a client's request. The
 * library answers the kernel and reads ahead; where the bytes come from is the server's callback.
 *
 * Clients get reference children of the VMO, never the VMO itself; so the server learns when the
 * last of them is gone.
 */
#pragma once

#include <quire/ports.h>

#define PAGER_CHUNK_MAX (32 * PAGE_SIZE)        /* read, and supplied, in one go */
#define PAGER_RUNS      4u                      /* sequential readers told apart in one pager */

struct pager;

/* Where a callback puts pages, and a port of its own to wait at. */
struct pager_room {
    handle_t vmo;
    uint64_t offset;                    /* room for PAGER_CHUNK_MAX from here, all of it absent */
    handle_t port;                      /* empty; to be left empty */
};

struct pager_ops {
    /*
     * Bring [offset, offset + length), whole pages, at most PAGER_CHUNK_MAX, into the room. What
     * stays absent is zeros. All or an error: then what is in the room is dropped. May wait for
     * devices, but never for a client. Called by one thread at a time for each pager.
     */
    status_t (*read_pages)(struct pager *pager, uint64_t offset, uint64_t length,
                           const struct pager_room *room);
    /* A page that somebody waited for could not be read, not even alone. */
    void (*read_failed)(struct pager *pager, uint64_t offset, status_t status);
    /* After pager_watch: once the VMO had no children.  It may have some again. */
    void (*unused)(struct pager *pager);
    /* After pager_end: nothing refers to it any more; free it. */
    void (*clean)(struct pager *pager);
};

struct pager_run {
    uint64_t next;                      /* where this reader's next request begins */
    uint64_t ahead;                     /* how much was read last time from a request on */
};

struct pager {
    struct port_object object;
    const struct pager_ops *ops;
    struct pager_service *service;
    handle_t vmo;                       /* with all rights: never given away */
    uint64_t size;                      /* bytes, whole pages */
    char name[NAME_MAX_LENGTH + 1];     /* of the VMO and its references */
    struct pager_run runs[PAGER_RUNS];  /* the latest first; of the worker that serves it */
};

struct pager_service {
    struct port_bucket bucket;
    handle_t pager;
    handle_t window;                    /* one auxiliary VMO; each room is a part of it */
    struct pager_room rooms[PORT_WORKERS_MAX];
    _Atomic uint32_t rooms_taken;       /* a bit for each */
    /* Counters, in pages except for requests. */
    _Atomic uint64_t requests, pages_asked, pages_read, pages_failed;
};

status_t pager_service_start(struct pager_service *service);

/* Begin to be a pager, in the caller's storage. */
status_t pager_init(struct pager *pager, struct pager_service *service, const struct pager_ops *ops,
                    uint64_t size);
/* For listings; at most the last NAME_MAX_LENGTH bytes are kept. */
void pager_set_name(struct pager *pager, const char *name, size_t length);
/* Another child of the VMO, with these rights, for a client. */
status_t pager_make_reference(struct pager *pager, rights_t rights, handle_t *out_vmo);
/* Ask for one call of `unused`. */
status_t pager_watch(struct pager *pager);
uint32_t pager_children(struct pager *pager);
uint64_t pager_resident(struct pager *pager);
/*
 * End the service of the pager; its pages are freed. There must be no children, and no pager_watch
 * without an answer.
 */
void pager_end(struct pager *pager);
