/*
 * clone_world.h: what drive_clones.c and the clone_*.c have in common: a model of families of VMOs.
 *
 * The model knows of each page of each VMO whether it is absent, known to be zero, or held in a frame, and which slots
 * hold the same frame.  So it knows the bytes, the number of frames, who must copy before writing, and who counts whom as its child.
 */
#pragma once

#include "host.h"

#define VMOS    16u
#define PAGES   70u                     /* more than one node of a page list */
#define HALF    (PAGE_SIZE / 2)         /* of each half of a page the model knows one word */

struct held_frame {                     /* a frame as the model sees it */
    struct page *page;                  /* NULL: not seen yet */
    uint32_t holders, busy;
    bool dirty, filling;
    bool cleaning;                      /* being written back; dirty: and written to meanwhile */
    uint8_t kind;
    uint64_t words[2];
};

enum cell_kind { ABSENT, ZEROS, DIRTY_ZEROS, HELD };

struct cell {
    enum cell_kind kind;
    struct held_frame *frame;           /* HELD */
};

enum model_kind { MEMORY, DEVICE, PAGED, VIEW };

struct model {
    struct vmo *vmo;                    /* NULL: this model is free */
    enum model_kind kind;
    bool resizable, slice, detached;
    bool handle;                        /* the driver may still name it */
    uint32_t references, children;
    struct model *root;                 /* a clone's */
    struct model *target;               /* a view's */
    struct model *counted_by;
    uint64_t base;                      /* a clone's page 0 in the family's coordinate, a slice's in its target */
    uint64_t size, limit;               /* pages; below the limit root or source show where a cell is absent */
    uint64_t serial;
    struct cell cells[PAGES];
};

extern struct model clones[VMOS];
extern struct process *processes[2];    /* with mappings */
extern struct port *clone_port;
extern struct pager *clone_pager;
extern struct thread *worker;           /* runs an operation beside the director: it may wait for a pager or a device */
extern bool must_wait;                  /* the operation meets a page that a device holds */
extern bool transferring;               /* a device holds pages */
extern status_t device_error;           /* what a device said to the operation, or OK */

static inline bool beside(void)                             { return current_thread() == worker; }

/* --- The model (clone_model.c). --- */

static inline struct model *target_of(struct model *model)  { return model->kind == VIEW ? model->target : model; }
static inline uint64_t base_in_target(const struct model *model) { return model->kind == VIEW ? model->base : 0; }
static inline struct model *root_of(struct model *model)    { return model->root ? model->root : model; }
static inline bool has_source(const struct model *model)    { return model->kind == DEVICE || model->kind == PAGED; }
/* A reference's size is its parent's, whatever that is now. */
static inline uint64_t size_of(struct model *model)
{
    return model->kind == VIEW && !model->slice ? model->target->size : model->size;
}

/* NULL: all are in use. */
struct model *model_new(void);
void model_unref(struct model *model);
/* What a lookup for reading says, and the words it finds.  `model` is no view. */
status_t model_read(struct model *model, uint64_t index, uint64_t words[2]);
/* Does a frame show at index, the model's own or its root's? */
bool shows_frame(struct model *model, uint64_t index);
/* What writing makes of the slot: a frame of its own; model_read said OK. */
struct held_frame *model_own(struct model *model, uint64_t index);
void model_hold(struct model *model, uint64_t index, struct held_frame *frame);
void model_drop(struct model *model, uint64_t index);
void model_zero_page(struct model *model, uint64_t index);
void model_set_size(struct model *model, uint64_t pages);
void model_detach(struct model *model);
/* The kernel took clean pages of a VMO with a source away: how many are not there any more. */
uint64_t model_evict(struct model *model);
struct held_frame *new_frame(const struct model *model);
void forget_holder(struct held_frame *frame);
/* Will the operation meet a busy page that it has to wait for in [first, end)? */
bool meets_busy(struct model *model, uint64_t first, uint64_t end);
bool write_waits(struct model *model, uint64_t index);
bool read_waits(struct model *model, uint64_t index);
slot_t kernel_slot(const struct model *model, uint64_t index);
/* After an operation without memory: has the slot got a page of its own that the model has not? */
bool kernel_has_own(const struct model *model, uint64_t index);

void check_world(void);
void start_world(void);
void end_world(void);
status_t device_create(uint64_t pages, bool resizable, struct model *model);

/* --- Operations (drive_clones.c), each on one VMO; a thread of its own may run them. --- */

struct model *choose_model(void);       /* one with a handle, or NULL */
uint64_t choose_page(void);
void read_word(struct model *model);
void write_word(struct model *model);
void zero_range(struct model *model);
void decommit_range(struct model *model);
void commit_range(struct model *model);
void set_size(struct model *model);
void make_child(struct model *model);
void make_memory(uint64_t pages, bool resizable);
/* OK, what is expected, or the failure of the allocation that was to fail. */
void check_status(status_t status, status_t expected);
void maybe_fail(void);

/* --- Mappings (clone_maps.c); unmap_region says whether there was one. --- */

void map_region(struct model *model);
bool unmap_region(void);
void protect_region(void);
void access_region(void);

/* --- Transfers, supply, threads that wait (clone_transfers.c). --- */

void transfer(struct model *model);
void write_back(void);
void supply(void);
void wait_for_pager(void);
