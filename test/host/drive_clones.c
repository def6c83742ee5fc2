/*
 * drive_clones.c: snapshots, clones, slices and references of VMOs against the model of clone_model.c.
 *
 * Every step does one thing to one VMO, often with an allocation that fails: then it says NO_MEMORY and each page is as
 * before or as wanted.  After each step every slot, every count of holders and children, every frame and every mapping is
 * compared with the model.  Operations that meet pages which a device holds run in threads (clone_transfers.c).
 */
#include "clone_world.h"
#include "vm/pager.h"
#include "vm/reclaim.h"

/* --- Choices and statuses. --- */

struct model *choose_model(void)
{
    uint32_t from = (uint32_t)choose(VMOS);

    for (uint32_t i = 0; i < VMOS; i++) {
        struct model *model = &clones[(from + i) % VMOS];

        if (model->vmo && model->handle)
            return model;
    }
    return NULL;
}

/* Few pages, so that clones meet in them: the first ones and those at the border of a node. */
uint64_t choose_page(void)
{
    return one_in(12) ? choose(PAGES) : one_in(3) ? choose_between(62, PAGES - 1) : choose(5);
}

static uint64_t choose_pages(uint64_t first)
{
    uint64_t pages = one_in(4) ? PAGES : choose_between(1, 5);

    return one_in(10) ? pages : min_u64(pages, first < PAGES ? PAGES - first : 1);
}

void maybe_fail(void)
{
    device_error = OK;
    fail_allocation(!beside() && one_in(4) ? choose_between(1, one_in(3) ? 8 : 2) : 0);
}

void check_status(status_t status, status_t expected)
{
    if (!allocation_failed() || status != ERR_NO_MEMORY)
        check_equal(status, expected);
}

/* What an access to a page of `model` (no view) will say, once the device has answered. */
static status_t expect_access(struct model *model, uint64_t index, uint64_t words[2])
{
    return index < PAGES ? model_read(model, index, words) : ERR_OUT_OF_RANGE;
}

/* --- Words. --- */

void read_word(struct model *model)
{
    uint64_t page = choose_page(), half = choose(2), index = page + base_in_target(model), words[2], found, done;
    struct model *target = target_of(model);
    bool inside = page < size_of(model);
    status_t status, expected;

    must_wait = inside && read_waits(target, index);
    maybe_fail();
    status = vmo_copy(model->vmo, (page << PAGE_SHIFT) + half * HALF + 8, WINDOW_BASE, 8, VMO_TO_USER, beside(), &done);
    expected = inside ? expect_access(target, index, words) : ERR_OUT_OF_RANGE;
    step("read page %lu of vmo %lu: %d", page, model->serial, status);
    check_status(status, expected);
    memcpy(&found, window, 8);
    if (status == OK)
        check_equal(found, words[half]);
}

void write_word(struct model *model)
{
    uint64_t page = choose_page(), half = choose(2), index = page + base_in_target(model), words[2], done;
    uint64_t value = choose(UINT64_MAX) | 1;
    struct model *target = target_of(model);
    bool inside = page < size_of(model);
    status_t status, expected;

    must_wait = inside && write_waits(target, index);
    maybe_fail();
    memcpy(window, &value, 8);
    status = vmo_copy(model->vmo, (page << PAGE_SHIFT) + half * HALF + 8, WINDOW_BASE, 8, VMO_FROM_USER, beside(), &done);
    expected = inside ? expect_access(target, index, words) : ERR_OUT_OF_RANGE;
    step("write page %lu of vmo %lu: %d", page, model->serial, status);
    check_status(status, expected);
    if (status == OK)
        model_own(target, index)->words[half] = value;
}

/* --- Ranges. --- */

/* Half a page: zeros stay what they are. */
static status_t expect_zero_half(struct model *target, uint64_t index, uint64_t half)
{
    uint64_t words[2];
    status_t status = model_read(target, index, words);

    if (status == OK && shows_frame(target, index))
        model_own(target, index)->words[half] = 0;
    return status;
}

/* Without memory some pages may have become zero, of a source the first ones; which, the slots say. */
static void zeroed_in_part(struct model *target, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++) {
        slot_t slot = kernel_slot(target, i);

        if (target->kind == DEVICE && target->cells[i].kind != HELD && !slot_page(slot))
            return;
        if (target->kind == DEVICE || slot_kind(slot) == SLOT_ZERO || (i >= target->limit && slot == SLOT_EMPTY))
            model_zero_page(target, i);
    }
}

static status_t expect_zero(struct model *target, uint64_t from, uint64_t to)
{
    uint64_t first = (from + 1) / 2, end = to / 2;
    status_t status = OK;

    if (from / 2 == to / 2)
        return from < to ? expect_zero_half(target, from / 2, from % 2) : OK;
    if (from % 2)
        status = expect_zero_half(target, from / 2, 1);
    for (uint64_t i = first; i < end && status == OK; i++)
        model_zero_page(target, i);
    if (to % 2 && status == OK)
        status = expect_zero_half(target, to / 2, 0);
    return status;
}

void zero_range(struct model *model)
{
    struct model *target = target_of(model);
    uint64_t page = choose_page(), from = 2 * page + one_in(3), count = one_in(3) ? 1 : 2 * choose_pages(page);
    uint64_t base = 2 * base_in_target(model), to;
    bool inside;
    status_t status;

    count = min_u64(count, 2 * size_of(model) > from && !one_in(10) ? 2 * size_of(model) - from : count);
    inside = range_inside(from, count, 2 * size_of(model));
    from += base;
    to = from + count;
    must_wait = inside && (meets_busy(target, (from + 1) / 2, to / 2) ||
                           (from % 2 && write_waits(target, from / 2)) || (to % 2 && write_waits(target, to / 2)));
    maybe_fail();
    if (from % 2 + to % 2 > 0 && from / 2 != to / 2)
        fail_allocation(0);                     /* how far it came would be hard to tell */
    status = vmo_zero(model->vmo, (from - base) * HALF, count * HALF, beside());
    step("zero %lu half pages from %lu of vmo %lu: %d", count, from, target->serial, status);
    if (allocation_failed() && status == ERR_NO_MEMORY)
        zeroed_in_part(target, (from + 1) / 2, to / 2);
    else
        check_equal(status, inside ? expect_zero(target, from, to) : ERR_OUT_OF_RANGE);
}

void decommit_range(struct model *model)
{
    struct model *target = target_of(model);
    uint64_t page = choose_page(), count = choose_pages(page), first = page + base_in_target(model);
    bool inside = range_inside(page, count, size_of(model));
    status_t status;

    must_wait = inside && root_of(target)->kind != PAGED && meets_busy(target, first, first + count);
    maybe_fail();
    status = vmo_decommit(model->vmo, page << PAGE_SHIFT, count << PAGE_SHIFT);
    step("decommit %lu pages from %lu of vmo %lu: %d", count, first, target->serial, status);
    if (root_of(target)->kind == PAGED) {
        check(status == ERR_NOT_SUPPORTED || (status == ERR_OUT_OF_RANGE && !inside));
        return;
    }
    check_equal(status, inside ? OK : ERR_OUT_OF_RANGE);
    for (uint64_t i = first; status == OK && i < first + count; i++)
        if (!allocation_failed() || target->cells[i].kind != ZEROS || !kernel_slot(target, i))
            model_drop(target, i);              /* without memory a marker stays */
}

/* Page by page, until one has something against it. */
static status_t expect_commit(struct model *target, uint64_t first, uint64_t end, enum page_want want, bool failed)
{
    uint64_t words[2];

    for (uint64_t i = first; i < end; i++) {
        status_t status = model_read(target, i, words);

        if (failed && (status != OK || (want == WANT_WRITE && !kernel_has_own(target, i) &&
                                        (target->cells[i].kind != HELD || target->cells[i].frame->holders > 1))))
            return ERR_NO_MEMORY;
        if (status != OK)
            return status;
        if (want == WANT_WRITE)
            model_own(target, i);
    }
    return OK;
}

void commit_range(struct model *model)
{
    struct model *target = target_of(model);
    uint64_t page = choose_page(), count = choose_between(1, 5), first = page + base_in_target(model);
    bool inside = range_inside(page, count, size_of(model)), failed;
    enum page_want want = one_in(3) ? WANT_READ : WANT_WRITE;
    status_t status;

    must_wait = false;
    for (uint64_t i = first; inside && i < first + count; i++)
        must_wait |= want == WANT_WRITE ? write_waits(target, i) : read_waits(target, i);
    maybe_fail();
    status = vmo_commit(model->vmo, page << PAGE_SHIFT, count << PAGE_SHIFT, want, beside());
    failed = allocation_failed() && status == ERR_NO_MEMORY;
    step("commit %lu pages from %lu of vmo %lu: %d", count, first, target->serial, status);
    if (failed)
        expect_commit(target, first, first + count, want, true);
    else
        check_equal(status, inside ? expect_commit(target, first, first + count, want, false) : ERR_OUT_OF_RANGE);
}

void set_size(struct model *model)
{
    struct model *target = target_of(model);
    uint64_t pages = one_in(3) ? choose_page() : one_in(3) ? choose(PAGES + 1) : PAGES;
    status_t status;

    must_wait = target->resizable && meets_busy(target, pages, PAGES);
    maybe_fail();
    status = vmo_set_size(model->vmo, pages << PAGE_SHIFT);
    step("vmo %lu: %lu pages: %d", target->serial, pages, status);
    if (!allocation_failed() || status != ERR_NO_MEMORY)
        check_equal(status, target->resizable ? OK : ERR_UNAVAILABLE);
    if (status == OK)
        model_set_size(target, pages);
}

/* --- Making VMOs. --- */

void make_memory(uint64_t pages, bool resizable)
{
    struct model *model = model_new();
    status_t status;

    if (!model)
        return;
    maybe_fail();
    model->kind = MEMORY;
    if (one_in(2) && !beside()) {
        model->kind = one_in(2) ? DEVICE : PAGED;
        model->limit = pages;
    }
    model->size = pages;
    model->resizable = resizable;
    if (model->kind == MEMORY)
        status = vmo_create(pages << PAGE_SHIFT, resizable, &model->vmo);
    else if (model->kind == DEVICE)
        status = device_create(pages, resizable, model);
    else
        status = pager_create_vmo(clone_pager, resizable ? VMO_RESIZABLE : 0, clone_port, model->serial, pages << PAGE_SHIFT, &model->vmo);
    step("vmo %lu of kind %u, %lu pages: %d", model->serial, model->kind, pages, status);
    check_status(status, OK);
    if (status != OK)
        model->vmo = NULL;
}

/* The cells that a snapshot shares, and what it sees below them. */
static void expect_clone(struct model *child, struct model *target, uint64_t first, uint64_t end)
{
    struct model *root = root_of(target);
    uint64_t limit = has_source(target) ? end : min_u64(end, target->limit);

    child->kind = MEMORY;
    child->base = target->base + first;
    child->counted_by = root;
    if (has_source(root)) {
        child->root = root;
        child->limit = limit > first ? limit - first : 0;
        root->references++;
    } else {
        child->counted_by = target;
    }
    for (uint64_t i = first; i < end && !has_source(target); i++) {
        if (target->cells[i].kind == HELD)
            model_hold(child, i - first, target->cells[i].frame);
        child->cells[i - first].kind = target->cells[i].kind;
    }
}

static void expect_view(struct model *child, struct model *parent, uint64_t first, bool slice)
{
    child->kind = VIEW;
    child->target = target_of(parent);
    child->base = first;
    child->slice = slice;
    child->counted_by = child->target;
    child->target->references++;
}

static status_t expect_child(struct model *parent, uint32_t kind, uint64_t offset, uint64_t pages)
{
    if (kind == VMO_CHILD_SLICE && parent->resizable)
        return ERR_NOT_SUPPORTED;
    if (kind == VMO_CHILD_SLICE && !range_inside(offset, pages, size_of(parent)))
        return ERR_OUT_OF_RANGE;
    return kind == VMO_CHILD_SNAPSHOT && has_source(root_of(target_of(parent))) ? ERR_NOT_SUPPORTED : OK;
}

void make_child(struct model *parent)
{
    static const uint32_t kinds[] = {
        VMO_CHILD_SNAPSHOT, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, VMO_CHILD_SLICE,
        VMO_CHILD_REFERENCE,
    };
    uint32_t kind = kinds[choose(array_size(kinds))];
    struct model *target = target_of(parent), *child = model_new();
    bool whole = kind == VMO_CHILD_REFERENCE, view = whole || kind == VMO_CHILD_SLICE, resizable = !view && one_in(2);
    uint64_t offset = whole || one_in(2) ? 0 : choose_page(), pages = whole ? 0 : choose_between(1, PAGES);
    uint64_t first = offset + base_in_target(parent), end;
    status_t status;

    if (!child)
        return;
    if (kind == VMO_CHILD_SLICE && !one_in(8) && offset < size_of(parent))
        pages = min_u64(pages, size_of(parent) - offset);
    end = base_in_target(parent) + min_u64(offset + pages, size_of(parent));
    must_wait = !view && !has_source(target) && expect_child(parent, kind, offset, pages) == OK &&
                meets_busy(target, first, end);
    maybe_fail();
    status = vmo_create_child(parent->vmo, kind | (resizable ? VMO_CHILD_RESIZABLE : 0), offset << PAGE_SHIFT,
                              pages << PAGE_SHIFT, &child->vmo);
    step("child %lu of vmo %lu, kind 0x%x, %lu pages from %lu: %d", child->serial, parent->serial, kind, pages,
         offset, status);
    check_status(status, expect_child(parent, kind, offset, pages));
    if (status != OK) {
        child->vmo = NULL;
        return;
    }
    end = min_u64(base_in_target(parent) + min_u64(offset + pages, size_of(parent)), target->size);
    child->size = whole ? size_of(parent) : pages;
    child->resizable = whole ? parent->resizable : resizable;
    if (view)
        expect_view(child, parent, first, !whole || parent->slice);
    else
        expect_clone(child, target, first, end);
    child->counted_by->children++;
}

/* --- Steps. --- */

static void drop_handle(struct model *model)
{
    step("close vmo %lu", model->serial);
    model->handle = false;
    object_unref(&model->vmo->object);
    model_unref(model);
}

static void detach(struct model *model)
{
    if (model->kind != PAGED || !one_in(4))
        return;
    step("detach vmo %lu", model->serial);
    pager_detach_vmo(model->vmo);
    if (!model->detached)
        model_detach(model);
}

/* Often the root of a family: what its clones show changes with it. */
static void change(struct model *model)
{
    if (one_in(3) && root_of(target_of(model))->handle)
        model = root_of(target_of(model));
    switch (choose(12)) {
    case 0:
    case 1:
    case 2:
        write_word(model);
        break;
    case 3:
        read_word(model);
        break;
    case 4:
        zero_range(model);
        break;
    case 5:
        decommit_range(model);
        break;
    case 6:
        commit_range(model);
        break;
    case 7:
        set_size(model);
        break;
    case 8:
    case 9:
        make_child(model);
        break;
    case 10:
        detach(model);
        break;
    default:
        if (one_in(3))
            drop_handle(model);
    }
}

static uint32_t live_models(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < VMOS; i++)
        count += clones[i].vmo != NULL;
    return count;
}

static void take_back(void)
{
    uint64_t went = reclaim(1 + choose(PAGES)), gone = 0;

    step("take back: %lu", went);
    for (uint32_t i = 0; i < VMOS; i++)
        if (clones[i].vmo && clones[i].kind != VIEW && has_source(&clones[i]))
            gone += model_evict(&clones[i]);
    check_equal(gone, went);
}

static void clones_step(void)
{
    struct model *model = choose_model();

    if (!model || one_in(30)) {
        make_memory(one_in(4) ? choose(PAGES + 1) : PAGES, one_in(2));
        return;
    }
    if (one_in(8) && live_models() > VMOS - 3) {
        drop_handle(model);
        return;
    }
    switch (choose(20)) {
    case 0:
        map_region(model);
        break;
    case 1:
        unmap_region();
        break;
    case 2:
        protect_region();
        break;
    case 3:
    case 4:
    case 5:
        access_region();
        break;
    case 6:
        transfer(model);
        break;
    case 7:
        write_back();
        break;
    case 8:
    case 9:
        wait_for_pager();
        break;
    case 10:
        supply();
        break;
    case 11:
        take_back();
        break;
    default:
        change(model);
    }
}

void drive_clones(uint32_t steps)
{
    start_world();
    while (steps-- > 0 && choices_left()) {
        clones_step();
        fail_allocation(0);
        check_world();
    }
    while (unmap_region())
        ;
    for (uint32_t i = 0; i < VMOS; i++)
        if (clones[i].vmo && clones[i].handle)
            drop_handle(&clones[i]);
    check_world();
    end_world();
}
