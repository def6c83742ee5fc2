/*
 * vmo_child.c: VMOs made from others.
 *
 * References and slices show another VMO's pages and hold none.  Snapshots and clones hold pages of their own; a
 * snapshot starts with all that its parent holds, each page with one holder more, and takes write permission
 * from the parent's mappings, so that whoever writes first copies.  The cost is that of the pages there are.
 * A clone's parent is always the root: what a clone made of a clone sees was settled when it was made.
 *
 * Locks: the family lock, dropped only while waiting for a device to give pages back.
 */
#include "vm/backing_store.h"
#include "vm/vmo_pages.h"

/* It counts as the parent's child from now on.  Family lock held. */
static void count_child(struct vmo *child, struct vmo *parent)
{
    child->counted_by = parent;
    child->parent_koid = parent->object.koid;
    if (parent->children++ == 0)
        object_signal(&parent->object, SIGNAL_ZERO_CHILDREN, 0);
}

/* The slots of one run, as many as fit one node of the child: how many; 0 without memory. */
static uint64_t share_run(struct vmo *child, uint64_t at, const struct page_list_run *run)
{
    struct page_list_run into;
    uint64_t pages = 0, markers = 0;

    if (page_list_make_run(&child->pages, at, at + run->count, &into) != OK)
        return 0;
    slot_t *to = into.slots;
    const slot_t *end = run->slots + into.count;

#pragma GCC unroll 8
    for (const slot_t *from = run->slots; from < end; from++, to++) {
        slot_t slot = *from;

        *to = slot;
        if (__builtin_expect(slot_kind(slot) == SLOT_PAGE, 1)) {
            slot_page(slot)->shares++;
            pages++;
        } else if (slot != SLOT_EMPTY) {
            markers++;
            if (slot_kind(slot) == SLOT_BLOCK) {
                swap_hold(slot_block(slot));
                child->swapped++;
            }
        }
    }
    child->resident += pages;
    page_list_changed(&child->pages, &into, at, pages + markers);
    return into.count;
}

/* The child holds what `parent` holds at [first, end).  NO_MEMORY: some of it.  Family lock held. */
static status_t share_slots(struct vmo *child, struct vmo *parent, uint64_t first, uint64_t end)
{
    uint64_t done;

    for (uint64_t index = first; index < end; index += done) {
        struct page_list_run run = page_list_find_run(&parent->pages, index, end);

        done = run.count;
        if (run.slots)
            done = share_run(child, index - first, &run);
        else if (page_list_fill(&child->pages, index - first, index - first + run.count, run.fill) != OK)
            done = 0;
        if (done == 0)
            return ERR_NO_MEMORY;
    }
    return OK;
}

/* The child sees pages [first, end) of the target, as they are now, and beyond them zeros.  Family lock held. */
static status_t join_family(struct vmo *child, struct vmo *target, uint64_t first, uint64_t end)
{
    struct vmo *root = vmo_root(target);
    uint64_t limit;

    end = min_u64(end, target->size >> PAGE_SHIFT);
    limit = target->ops ? end : min_u64(end, target->source_pages);
    list_push_back(&target->family->members, &child->family_link);
    child->base = target->base + first;
    count_child(child, root);
    if (root->ops) {
        object_ref(&root->object);
        child->parent = root;
        child->others_mapped = true;
        child->source_pages = limit > first ? limit - first : 0;
    }
    end = min_u64(end, page_list_end(&target->pages));
    if (target->ops || end <= first)
        return OK;
    vmo_protect_pages(target, first, end - first);
    return share_slots(child, target, first, end);
}

static status_t make_child(struct vmo *target, enum vmo_kind kind, uint64_t first, uint64_t end, uint64_t size,
                           bool resizable, struct vmo **out_vmo)
{
    struct vmo *child = vmo_alloc(kind, size, resizable, target->family);
    status_t status = OK;

    if (!child)
        return ERR_NO_MEMORY;
    vmo_lock(target);
    if (kind >= VMO_REFERENCE) {
        object_ref(&target->object);
        child->parent = target;
        child->base = first;
        count_child(child, target);
    } else {
        atomic_fetch_add(&target->family->references, 1);
        if (!target->ops)
            status = vmo_wait_not_busy(target, first, end);
        if (status == OK)
            status = join_family(child, target, first, end);
    }
    vmo_unlock(target);
    if (status != OK)
        object_unref(&child->object);
    *out_vmo = child;
    return status;
}

/* Exactly one kind, and only what that kind can be. */
static status_t check(struct vmo *parent, uint32_t options, uint64_t offset, uint64_t size)
{
    uint32_t kind = options & ~(uint32_t)(VMO_CHILD_RESIZABLE | VMO_CHILD_NO_WRITE);
    bool view = kind == VMO_CHILD_REFERENCE || kind == VMO_CHILD_SLICE;

    if ((!view && kind != VMO_CHILD_SNAPSHOT && kind != VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE) ||
        (view && (options & VMO_CHILD_RESIZABLE)) || !page_aligned(offset) ||
        (kind == VMO_CHILD_REFERENCE && (offset || size)))
        return ERR_INVALID_ARGS;
    if (size > VMO_SIZE_MAX || offset > VMO_SIZE_MAX)
        return ERR_OUT_OF_RANGE;
    if (kind == VMO_CHILD_SLICE && parent->resizable)
        return ERR_NOT_SUPPORTED;
    if (kind == VMO_CHILD_SLICE && !range_inside(offset, page_ceil(size), vmo_size(parent)))
        return ERR_OUT_OF_RANGE;
    return kind == VMO_CHILD_SNAPSHOT && vmo_root(vmo_target(parent))->ops ? ERR_NOT_SUPPORTED : OK;
}

status_t vmo_create_child(struct vmo *parent, uint32_t options, uint64_t offset, uint64_t size,
                          struct vmo **out_vmo)
{
    struct vmo *target = vmo_target(parent);
    uint64_t parent_size = vmo_size(parent), base = parent->kind == VMO_SLICE ? parent->base : 0;
    uint64_t first = base + (offset >> PAGE_SHIFT);
    uint64_t end = base + (min_u64(page_ceil(offset + size), parent_size) >> PAGE_SHIFT);
    status_t status = check(parent, options, offset, size);

    if (status != OK)
        return status;
    if (options & VMO_CHILD_REFERENCE)
        return make_child(target, parent->kind == VMO_SLICE ? VMO_SLICE : VMO_REFERENCE, first, end,
                          parent_size, parent->resizable, out_vmo);
    return make_child(target, options & VMO_CHILD_SLICE ? VMO_SLICE : VMO_ANONYMOUS, first, end, size,
                      options & VMO_CHILD_RESIZABLE, out_vmo);
}
