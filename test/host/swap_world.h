/*
 * swap_world.h: what drive_swap.c and the swap_*.c have in common: VMOs whose pages come and go, and actors that use them.
 *
 * The model of a VMO is its size and a word of each page.  Which pages are in memory, on backing store or on their way is the kernel's
 * choice; swap_books.c compares the books that it keeps about that with each other.
 */
#pragma once

#include "host.h"

#define VMOS        10u
#define PAGES       24u
#define ACTORS      6u
#define ROOT_PAGES  40u
#define WORD        8u                  /* where in a page the word is that the model knows */

enum cell_state {
    KNOWN,
    ROOTS,                              /* of a clone: the root's page shows, or the clone's copy of it */
    UNKNOWN,                            /* an operation without memory was done in part */
};

struct cell { enum cell_state state; uint64_t word; };

struct model {
    bool taken;
    struct vmo *vmo;                    /* NULL: it is being made */
    uint64_t serial, pages;
    uint64_t resizes;
    uint32_t users;                     /* actors */
    bool clone;
    uint64_t first;                     /* of a clone, in its root */
    struct cell cells[PAGES];
};

struct actor {
    struct thread *thread;              /* NULL: there is none */
    struct process *process;
    struct model *model;
    uint64_t mapped, mapped_pages;
    uint64_t read_errors;               /* what disk_errors said when it began what it does */
    uint64_t resizes;
    bool was_outside;
    uint32_t left;                      /* operations to do */
    uint32_t slot;
    bool done;
};

extern struct model swap_models[VMOS];
extern struct actor swap_actors[ACTORS];
extern struct vmo *swap_root;           /* pager-backed; its pages are what root_word says, if they are there */
extern bool swap_overtaken;                 /* threads are overtaken anywhere; then each VMO has one user at most */
extern bool swap_short;               /* an allocation may fail */

uint64_t root_word(uint64_t index);

/* --- Models and actors (swap_actors.c). --- */

struct model *new_model(void);          /* NULL: all are taken */
/* One of those that are there, for a new user if need be; NULL. */
struct model *pick_model(bool to_use);
void start_user(void);
void kill_user(void);
void reap_users(void);
bool any_user(void);

/* --- Stores (drive_swap.c). --- */

extern struct backing_store *swap_stores[DISKS];

/* --- Books (swap_books.c).  No lock held, by the director. --- */

void remember_family(struct vmo *vmo);  /* it is looked at until its last VMO has gone */
void check_books(void);
void forget_families(void);             /* all VMOs have gone */
