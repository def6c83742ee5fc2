/*
 * clone_model.c: what families of VMOs must hold, and the comparison with what they do.
 *
 * Invariant: a held_frame has as many holders as there are cells that point to it, those of a thread's operation apart.
 */
#include <stdlib.h>

#include "clone_world.h"
#include "vm/aspace.h"
#include "vm/pager.h"
#include "vm/vmo_pages.h"

struct model clones[VMOS];
struct process *processes[2];
struct port *clone_port;
struct pager *clone_pager;
struct thread *worker;
bool must_wait, transferring;
status_t device_error;

static uint64_t last_serial, frames_before[FRAME_KINDS], frames_expected[FRAME_KINDS], objects_before;

/* --- Frames and cells. --- */

struct held_frame *new_frame(const struct model *model)
{
    static const uint8_t kinds[] = { [MEMORY] = FRAME_ANON, [DEVICE] = FRAME_DEVICE, [PAGED] = FRAME_PAGER };
    struct held_frame *frame = calloc(1, sizeof *frame);

    frame->kind = kinds[model->kind];
    frames_expected[frame->kind]++;
    return frame;
}

void forget_holder(struct held_frame *frame)
{
    if (frame->holders > 0 && --frame->holders > 0)
        return;
    check_equal(frame->busy, 0);
    frames_expected[frame->kind]--;
    free(frame);
}

void model_hold(struct model *model, uint64_t index, struct held_frame *frame)
{
    check(model->cells[index].kind != HELD);
    frame->holders++;
    model->cells[index] = (struct cell){ HELD, frame };
}

void model_drop(struct model *model, uint64_t index)
{
    struct cell old = model->cells[index];

    model->cells[index] = (struct cell){ ABSENT, NULL };
    if (old.kind == HELD)
        forget_holder(old.frame);
}

bool shows_frame(struct model *model, uint64_t index)
{
    const struct cell *cell = &model->cells[index];

    if (cell->kind == ABSENT && index < model->limit && model->root)
        return shows_frame(model->root, model->base + index);
    return cell->kind == HELD;
}

status_t model_read(struct model *model, uint64_t index, uint64_t words[2])
{
    const struct cell *cell = &model->cells[index];

    if (index >= model->size)
        return ERR_OUT_OF_RANGE;
    if (cell->kind == ABSENT && index < model->limit && model->root)
        return model_read(model->root, model->base + index, words);
    if (cell->kind == ABSENT && index < model->limit && model->kind == PAGED)
        return model->detached ? ERR_BAD_STATE : ERR_SHOULD_WAIT;
    if (cell->kind == ABSENT && index < model->limit && device_error != OK)
        return device_error;
    memset(words, 0, 2 * sizeof words[0]);
    if (cell->kind == HELD)
        memcpy(words, cell->frame->words, sizeof cell->frame->words);
    return OK;
}

struct held_frame *model_own(struct model *model, uint64_t index)
{
    struct cell *cell = &model->cells[index];
    struct held_frame *frame = cell->kind == HELD ? cell->frame : NULL;

    if (!frame || frame->holders > 1) {
        frame = new_frame(model);
        check_equal(model_read(model, index, frame->words), OK);
        model_drop(model, index);
        model_hold(model, index, frame);
    }
    frame->dirty = has_source(model);
    return frame;
}

void model_zero_page(struct model *model, uint64_t index)
{
    if (model->kind == PAGED) {
        bool marked = model->cells[index].kind == ZEROS || model->cells[index].kind == DIRTY_ZEROS;

        if (!marked) {
            model_drop(model, index);
            model->cells[index].kind = DIRTY_ZEROS;
        }
        return;
    }
    if (!has_source(model)) {
        bool marked = model->root && index < model->limit;

        model_drop(model, index);
        model->cells[index].kind = marked ? ZEROS : ABSENT;
        return;
    }
    if (model->cells[index].kind != HELD) {
        model_drop(model, index);
        model_hold(model, index, new_frame(model));
    }
    memset(model->cells[index].frame->words, 0, sizeof model->cells[index].frame->words);
    model->cells[index].frame->dirty = true;
}

void model_set_size(struct model *model, uint64_t pages)
{
    for (uint64_t i = pages; i < PAGES; i++)
        if ((model->cells[i].kind != ZEROS && model->cells[i].kind != DIRTY_ZEROS) ||
            slot_kind(kernel_slot(model, i)) != SLOT_ZERO)
            model_drop(model, i);               /* without memory a marker may stay, where nobody sees it */
    for (uint64_t i = model->size; model->kind == PAGED && i < pages; i++)
        model->cells[i].kind = DIRTY_ZEROS;
    model->size = pages;
    model->limit = model->kind == PAGED ? pages : min_u64(model->limit, pages);
    for (uint32_t i = 0; i < VMOS; i++)
        if (clones[i].vmo && clones[i].root == model)
            clones[i].limit = min_u64(clones[i].limit, pages > clones[i].base ? pages - clones[i].base : 0);
}

void model_detach(struct model *model)
{
    model->detached = true;
    for (uint64_t i = 0; i < PAGES; i++)
        if (model->cells[i].kind != DIRTY_ZEROS &&
            (model->cells[i].kind != HELD || !(model->cells[i].frame->dirty || model->cells[i].frame->busy)))
            model_drop(model, i);
}

uint64_t model_evict(struct model *model)
{
    uint64_t gone = 0;

    for (uint64_t i = 0; i < PAGES; i++) {
        struct cell *cell = &model->cells[i];

        if (cell->kind != HELD || kernel_slot(model, i) != SLOT_EMPTY)
            continue;
        check(!cell->frame->dirty && !cell->frame->cleaning && !cell->frame->busy);
        model_drop(model, i);
        gone++;
    }
    return gone;
}

/* --- Pages that a device holds. --- */

bool meets_busy(struct model *model, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < min_u64(end, PAGES); i++)
        if (model->cells[i].kind == HELD && model->cells[i].frame->busy)
            return true;
    return false;
}

bool read_waits(struct model *model, uint64_t index)
{
    return index < model->size && model->cells[index].kind == HELD && model->cells[index].frame->filling;
}

bool write_waits(struct model *model, uint64_t index)
{
    const struct cell *cell = &model->cells[index];

    return index < model->size && cell->kind == HELD &&
           (cell->frame->filling || (cell->frame->busy && cell->frame->holders > 1));
}

/* --- Models come and go. --- */

struct model *model_new(void)
{
    for (uint32_t i = 0; i < VMOS; i++) {
        if (clones[i].vmo)
            continue;
        clones[i] = (struct model){ .handle = true, .references = 1, .serial = ++last_serial };
        return &clones[i];
    }
    return NULL;
}

void model_unref(struct model *model)
{
    struct model *above = model->kind == VIEW ? model->target : model->root;

    if (--model->references > 0)
        return;
    for (uint64_t i = 0; i < PAGES; i++)
        model_drop(model, i);
    if (model->counted_by)
        model->counted_by->children--;
    for (uint32_t i = 0; i < VMOS; i++)
        if (clones[i].vmo && clones[i].counted_by == model)
            clones[i].counted_by = NULL;
    model->vmo = NULL;
    if (above)
        model_unref(above);
}

/* --- A device that answers at once. --- */

static struct model *model_of(const struct vmo *vmo)
{
    for (uint32_t i = 0; i < VMOS; i++)
        if (clones[i].vmo == vmo)
            return &clones[i];
    fail("a VMO that the model does not know");
}

static uint64_t *word_of(struct page *page, uint32_t half)
{
    return (uint64_t *)((char *)page_to_virt(page) + half * HALF + 8);
}

static status_t fetch(struct vmo *vmo, struct model *model, uint64_t index)
{
    struct page *page = frame_alloc_zeroed(FRAME_DEVICE);
    struct held_frame *frame;

    if (!page || vmo_insert_busy(vmo, index, page) != OK)
        return ERR_NO_MEMORY;
    if (one_in(10)) {
        vmo_transfer_done(vmo, index, 1, ERR_IO);
        return device_error = ERR_IO;
    }
    model_hold(model, index, frame = new_frame(model));
    for (uint32_t half = 0; half < 2; half++)
        *word_of(page, half) = frame->words[half] = model->serial * 0x1000003 + index * 2 + half + 1;
    vmo_transfer_done(vmo, index, 1, OK);
    return OK;
}

/* The page that is required, and some of the others as far as memory goes. */
static status_t device_getpages(struct vmo *vmo, uint64_t first, uint64_t count, uint64_t required,
                                struct page_request *request)
{
    struct model *model = model_of(vmo);
    status_t status = fetch(vmo, model, first);

    (void)request;
    check(first == required && first + count <= model->limit);
    for (uint64_t i = 1; i < count; i++)
        check(page_list_get(&vmo->pages, first + i) == SLOT_EMPTY);
    for (uint64_t i = 1; i < min_u64(count, 4) && status == OK && device_error == OK && !one_in(3); i++)
        if (fetch(vmo, model, first + i) != OK) {
            device_error = OK;
            break;
        }
    return status;
}

static const struct pager_ops device_ops = { .getpages = device_getpages };

status_t device_create(uint64_t pages, bool resizable, struct model *model)
{
    return vmo_create_with_source(VMO_DEVICE, pages << PAGE_SHIFT, resizable, &device_ops, NULL, &model->vmo);
}

/* --- Comparison. --- */

slot_t kernel_slot(const struct model *model, uint64_t index)
{
    return page_list_get(&model->vmo->pages, index);
}

bool kernel_has_own(const struct model *model, uint64_t index)
{
    struct page *page = slot_page(kernel_slot(model, index));

    return page && (model->cells[index].kind != HELD || model->cells[index].frame->page != page);
}

static void check_held(const struct model *model, uint64_t index, struct held_frame *frame)
{
    struct page *page = slot_page(kernel_slot(model, index));

    if (!page)
        fail("vmo %lu holds no page %lu", model->serial, index);
    if (frame->page && frame->page != page)
        fail("vmo %lu: page %lu is in another frame than it was", model->serial, index);
    frame->page = page;
    check_equal(page->shares, frame->holders);
    check_equal(page->busy, frame->busy);
    check_equal(frame_kind(page), frame->kind);
    check(page->owner == model->vmo->family);
    check_equal(page->index, model->base + index);
    if (frame->filling) {
        check_equal(page->state, PAGE_FILLING);
        return;
    }
    if (has_source(model) && frame->busy == 0)
        check_equal(page->state, frame->dirty ? PAGE_DIRTY : PAGE_CLEAN);
    for (uint32_t half = 0; half < 2; half++)
        if (*word_of(page, half) != frame->words[half])
            fail("vmo %lu, page %lu: word %u is 0x%lx, not 0x%lx", model->serial, index, half, *word_of(page, half),
                 frame->words[half]);
}

static void check_cells(const struct model *model)
{
    uint64_t held = 0, dirty = 0;
    bool busy = false;

    for (uint64_t i = 0; i < PAGES; i++) {
        const struct cell *cell = &model->cells[i];

        if (cell->kind == HELD)
            check_held(model, i, cell->frame);
        else if (kernel_slot(model, i) != (cell->kind == ABSENT ? SLOT_EMPTY :
                                           slot_zero(cell->kind == ZEROS ? ZERO_CLEAN : ZERO_DIRTY)))
            fail("vmo %lu: the slot of page %lu is 0x%lx, not %s", model->serial, i, kernel_slot(model, i),
                 cell->kind == ABSENT ? "empty" : "a zero marker, or not the right one");
        held += cell->kind == HELD;
        busy |= cell->kind == HELD && cell->frame->busy;
        dirty += cell->kind == HELD && (cell->frame->dirty || cell->frame->cleaning);
    }
    check_equal(page_list_gap(&model->vmo->pages, PAGES, 1ull << 36), 1ull << 36);
    check(!busy || model->vmo->family->busy > 0);
    check(transferring || model->vmo->family->busy == 0);
    check_equal(model->vmo->resident, held);
    check_equal(model->vmo->dirty, dirty);
    check_equal(model->vmo->source_pages, model->limit);
}

static void check_model(struct model *model)
{
    info_vmo_t info;

    vmo_info(model->vmo, &info);
    check_equal(info.size_bytes, size_of(model) << PAGE_SHIFT);
    check_equal(info.num_children, model->children);
    check_equal((model->vmo->object.signals & SIGNAL_ZERO_CHILDREN) != 0, model->children == 0);
    check_equal((info.flags & INFO_VMO_PAGER_BACKED) != 0, root_of(target_of(model))->kind == PAGED);
    if (model->kind != VIEW)
        check_cells(model);
    else
        check(model->vmo->resident == 0 && !model->vmo->pages.root);
}

void check_world(void)
{
    uint64_t alive = 0;

    for (uint32_t i = 0; i < VMOS; i++) {
        if (!clones[i].vmo)
            continue;
        alive++;
        check_model(&clones[i]);
    }
    check_equal(object_count(OBJECT_VMO), objects_before + alive);
    for (uint32_t kind = 0; kind < FRAME_KINDS; kind++)
        if (kind != FRAME_KERNEL && kind != FRAME_FREE)
            check_equal(frames_live_of_kind((uint8_t)kind), frames_before[kind] + frames_expected[kind]);
    for (uint32_t i = 0; i < 2; i++)
        check_mappings(processes[i]->aspace);
}

/* --- The world around. --- */

void start_world(void)
{
    struct object *made;

    memset(clones, 0, sizeof clones);
    memset(frames_expected, 0, sizeof frames_expected);
    last_serial = 0;
    objects_before = object_count(OBJECT_VMO);
    for (uint32_t kind = 0; kind < FRAME_KINDS; kind++)
        frames_before[kind] = frames_live_of_kind((uint8_t)kind);
    check_equal(port_create(&made), OK);
    clone_port = container_of(made, struct port, object);
    object_add_handle(made);
    check_equal(pager_create(false, &made), OK);
    clone_pager = pager_from_object(made);
    object_add_handle(made);
    for (uint32_t i = 0; i < 2; i++)
        check_equal(process_create("mapper", NULL, &processes[i]), OK);
}

void end_world(void)
{
    object_drop_handle(&clone_port->object);
    object_drop_handle((struct object *)clone_pager);
    object_unref(&clone_port->object);
    object_unref((struct object *)clone_pager);
    for (uint32_t i = 0; i < 2; i++)
        object_unref(&processes[i]->object);
}
