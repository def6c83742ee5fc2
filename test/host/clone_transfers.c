/*
 * clone_transfers.c: devices that hold pages of clones, pagers that give pages to them, and threads that wait for either.
 *
 * An operation that has to wait runs in a thread of its own, the worker.  The director checks that it sleeps exactly
 * when it must, does what it waits for, and checks that it wakes; the operation itself then compares what it got with
 * the model.
 */
#include "clone_world.h"
#include "vm/page_request.h"
#include "vm/pager.h"
#include "vm/vmo_pages.h"

static struct {
    void (*run)(struct model *model);
    struct model *model;
    struct process *process;
    bool done;
} work;

static void work_body(void *argument)
{
    (void)argument;
    worker = current_thread();
    work.run(work.model);
    work.done = true;
    return_to_user();
}

/* Let the worker do it as far as it comes. */
static void start_work(void (*run)(struct model *model), struct model *model)
{
    work.run = run;
    work.model = model;
    work.done = false;
    check_equal(process_create("worker", NULL, &work.process), OK);
    worker = spawn(work.process, work_body, NULL);
    run_all();
}

static void end_work(void)
{
    run_all();
    if (!work.done)
        fail("the worker sleeps although nothing is in its way");
    check(thread_ended(worker));
    object_unref(&worker->object);
    object_unref(&work.process->object);
    worker = NULL;
}

static void access_some(struct model *model)
{
    (void)model;
    access_region();
}

/* Somebody does something while a device holds pages: true if the worker waits. */
static bool work_beside_device(void)
{
    static void (*const operations[])(struct model *) = {
        read_word, write_word, write_word, zero_range, decommit_range, commit_range, set_size, make_child, make_child,
        access_some, access_some,
    };
    struct model *model = choose_model();

    transferring = true;
    check_world();
    transferring = false;
    device_error = OK;
    if (!model || root_of(target_of(model))->kind == PAGED)
        return false;
    must_wait = false;
    start_work(operations[choose(array_size(operations))], model);
    if (work.done != !must_wait && device_error == OK)
        fail(must_wait ? "an operation did not wait for the device" : "an operation waits for a device in vain");
    if (!work.done)
        return true;
    end_work();
    transferring = true;
    check_world();
    transferring = false;
    return false;
}

/* --- Transfers. --- */

static status_t expect_transfer(struct model *model, uint64_t page, uint64_t count, bool into_memory)
{
    struct model *target = target_of(model);

    if (!range_inside(page, count, size_of(model)))
        return ERR_OUT_OF_RANGE;
    if (into_memory)
        return has_source(root_of(target)) ? ERR_NOT_SUPPORTED : OK;
    for (uint64_t i = 0; i < count; i++)
        if (target->cells[page + base_in_target(model) + i].kind != HELD)
            return ERR_NOT_FOUND;
    return OK;
}

static void lend(struct model *target, uint64_t index, bool into_memory)
{
    struct cell *cell = &target->cells[index];

    if (into_memory && cell->kind == HELD) {
        model_own(target, index);
    } else if (into_memory) {
        model_drop(target, index);
        model_hold(target, index, new_frame(target));
        cell->frame->filling = true;
    }
    cell->frame->busy++;
}

/* The device writes: into pages that were there even if it fails later. */
static void fill_page(struct page *page, struct held_frame *frame)
{
    for (uint32_t half = 0; half < 2; half++) {
        frame->words[half] = choose(UINT64_MAX) | 1;
        *(uint64_t *)((char *)page_to_virt(page) + half * HALF + 8) = frame->words[half];
    }
}

static void give_back(struct model *target, uint64_t index, bool broken)
{
    struct held_frame *frame = target->cells[index].frame;

    check(target->cells[index].kind == HELD && frame->busy > 0);
    frame->busy--;
    if (frame->filling && broken)
        model_drop(target, index);
    else
        frame->filling = false;
}

void transfer(struct model *model)
{
    struct model *target = target_of(model);
    uint64_t page = choose_page(), count = choose_between(1, 4), first = page + base_in_target(model);
    bool into_memory = one_in(2), waits, broken;
    struct vmo_transfer transfer;
    status_t status;

    maybe_fail();
    status = vmo_transfer_begin(model->vmo, page << PAGE_SHIFT, count << PAGE_SHIFT, into_memory, &transfer);
    step("transfer %s %lu pages from %lu of vmo %lu: %d", into_memory ? "into" : "out of", count, first, target->serial,
         status);
    check_status(status, expect_transfer(model, page, count, into_memory));
    if (status != OK) {
        for (uint64_t i = first; status == ERR_NO_MEMORY && i < first + count; i++)
            if (target->cells[i].kind == HELD && kernel_has_own(target, i))
                model_own(target, i);           /* it is its own, as before: nobody sees the difference */
        return;
    }
    for (uint64_t i = first; i < first + count; i++)
        lend(target, i, into_memory);
    check_equal(vmo_transfer_begin(model->vmo, page << PAGE_SHIFT, 512, false, &(struct vmo_transfer){ 0 }), ERR_BAD_STATE);
    for (uint64_t i = 0; into_memory && i < count; i++)
        fill_page(transfer.pages[i], target->cells[first + i].frame);
    waits = work_beside_device();
    broken = !waits && one_in(3);
    step("the transfer ends%s", broken ? " badly" : "");
    for (uint64_t i = first; i < first + count; i++)
        give_back(target, i, broken);
    end_transfer(&transfer, broken ? ERR_IO : OK);
    if (waits)
        end_work();
}

/* --- Supply. --- */

static status_t expect_supply(struct model *root, uint64_t first, uint64_t count, struct model *aux, uint64_t aux_first)
{
    if (has_source(root_of(target_of(aux))))
        return ERR_NOT_SUPPORTED;
    if (!range_inside(aux_first, count, size_of(aux)) || !range_inside(first, count, root->size))
        return ERR_OUT_OF_RANGE;
    return root->detached ? ERR_BAD_STATE : OK;
}

/* Did the pages leave the VMO?  Without memory for the copies of shared ones they do not. */
static bool were_taken(struct model *aux, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        if (kernel_slot(aux, i) != SLOT_EMPTY)
            return false;
    return true;
}

/* The frame in the slot, its own, leaves the VMO; NULL if there is none. */
static struct held_frame *take_frame(struct model *aux, uint64_t index, const struct model *root)
{
    struct held_frame *frame, *moved;

    if (aux->cells[index].kind != HELD)
        return NULL;
    frame = model_own(aux, index);
    moved = new_frame(root);
    moved->page = frame->page;
    memcpy(moved->words, frame->words, sizeof moved->words);
    model_drop(aux, index);
    return moved;
}

static void place_frame(struct model *root, uint64_t index, struct held_frame *frame, status_t status)
{
    bool room = index < root->limit && root->cells[index].kind == ABSENT;

    if ((status == OK || status == ERR_NO_MEMORY) && room && (status == OK || kernel_slot(root, index) != SLOT_EMPTY)) {
        if (frame)
            model_hold(root, index, frame);
        else
            root->cells[index].kind = ZEROS;
    } else if (frame) {
        forget_holder(frame);
    }
}

static void supply_range(struct model *root, uint64_t first, uint64_t count, struct model *aux, uint64_t aux_first)
{
    struct model *target = target_of(aux);
    uint64_t from = aux_first + base_in_target(aux);
    status_t expected = expect_supply(root, first, count, aux, aux_first), status;
    bool taken;

    maybe_fail();
    status = supply_pages(root->vmo, first << PAGE_SHIFT, count << PAGE_SHIFT, aux->vmo, aux_first << PAGE_SHIFT);
    step("supply %lu pages from %lu of vmo %lu out of vmo %lu from %lu: %d", count, first, root->serial, target->serial,
         from, status);
    check_status(status, expected);
    if (expected == ERR_NOT_SUPPORTED || !range_inside(aux_first, count, size_of(aux)))
        return;
    taken = were_taken(target, from, count);
    check(taken || status == ERR_NO_MEMORY);
    for (uint64_t i = 0; i < count; i++) {
        if (taken)
            place_frame(root, first + i, take_frame(target, from + i, root), status);
        else if (target->cells[from + i].kind == HELD && kernel_has_own(target, from + i))
            model_own(target, from + i);
    }
}

/* Zeros, more at once than a node of a page list has slots. */
static void supply_zeros(struct model *root, uint64_t first, uint64_t count)
{
    struct model *aux = model_new();

    if (!aux)
        return;
    fail_allocation(0);
    check_equal(vmo_create(PAGES << PAGE_SHIFT, false, &aux->vmo), OK);
    aux->kind = MEMORY;
    aux->size = PAGES;
    supply_range(root, first, count, aux, 0);
    object_unref(&aux->vmo->object);
    model_unref(aux);
}

static void supply_some(struct model *root, uint64_t first, uint64_t count)
{
    struct model *aux = choose_model();

    for (uint32_t i = 0; aux && has_source(root_of(target_of(aux))) && i < 5; i++)
        aux = choose_model();
    if (one_in(5))
        supply_zeros(root, first, count);
    else if (aux)
        supply_range(root, first, count, aux, one_in(2) ? 0 : choose_page());
}

/* The root of one of the families whose source is of this kind, or NULL. */
static struct model *choose_root(enum model_kind kind)
{
    for (uint32_t i = 0; i < 8; i++) {
        struct model *model = choose_model(), *root = model ? root_of(target_of(model)) : NULL;

        if (root && root->kind == kind)
            return root;
    }
    return NULL;
}

void supply(void)
{
    struct model *root = choose_root(PAGED);

    if (root)
        supply_some(root, choose_page(), one_in(4) ? choose_between(64, PAGES) : choose_between(1, 6));
}

/* --- Write-back. --- */

/* A device VMO's dirty pages go to the device. */
void write_back(void)
{
    struct model *root = choose_root(DEVICE);
    struct held_frame *frame = NULL;
    bool waits, broken = one_in(3);
    uint64_t index = 0;

    for (; root && index < PAGES; index++) {
        frame = root->cells[index].frame;
        if (root->cells[index].kind == HELD && frame->dirty)
            break;
    }
    if (!root || index == PAGES)
        return;
    step("write back page %lu of vmo %lu", index, root->serial);
    vmo_lock(root->vmo);
    vmo_clean_start(root->vmo, frame->page);
    vmo_unlock(root->vmo);
    frame->busy++;
    frame->cleaning = true;
    frame->dirty = false;
    waits = work_beside_device();
    frame->busy--;
    frame->cleaning = false;
    frame->dirty |= broken;
    vmo_lock(root->vmo);
    vmo_transfer_done(root->vmo, index, 1, broken ? ERR_IO : OK);
    vmo_unlock(root->vmo);
    if (waits)
        end_work();
}

/* --- Waiting for a pager. --- */

static void pager_acts(struct model *root, uint64_t needed)
{
    uint64_t first = one_in(3) ? 0 : needed - choose(min_u64(needed, 4) + 1);

    switch (choose(10)) {
    case 0:
        set_size(root);
        break;
    case 1:
        zero_range(root);
        break;
    case 2:
        step("detach vmo %lu", root->serial);
        pager_detach_vmo(root->vmo);
        model_detach(root);
        break;
    case 3:
    case 4:
        supply_zeros(root, 0, root->size);
        break;
    default:
        supply_some(root, first, one_in(2) ? root->size - first : 1 + choose(min_u64(root->size - first, 8)));
    }
    fail_allocation(0);
}

void wait_for_pager(void)
{
    struct model *model = choose_model(), *root = choose_root(PAGED);

    for (uint32_t i = 0; root && root_of(target_of(model)) != root && i < 10; i++)
        model = choose_model();
    if (!root || root_of(target_of(model)) != root)
        return;
    start_work(one_in(2) ? read_word : write_word, model);
    for (uint32_t tries = 0; !work.done; tries++) {
        struct list_node *node = list_first(&root->vmo->requests);
        uint64_t needed;

        if (!node || root->detached)
            fail("the worker waits, but not for the pager");
        needed = list_entry(node, struct page_request, link)->needed;
        if (root->cells[needed].kind != ABSENT || needed >= root->limit)
            fail("page %lu of vmo %lu is there, but the worker still waits for it", needed, root->serial);
        if (one_in(3))
            port_wait(clone_port, 0, WINDOW_BASE + 0x40000);
        if (tries < 20) {
            pager_acts(root, needed);
        } else {
            pager_detach_vmo(root->vmo);
            model_detach(root);
        }
        run_all();
    }
    end_work();
}
