/*
 * drive_swap.c: page-out and page-in of VMOs that are used, copied, resized and dropped meanwhile.
 *
 * Actors use VMOs of several families (swap_actors.c).  The director is everything else that may happen: the disk answers, late, in any
 * order and with errors; memory is short, so that the page-out thread runs, or the director takes pages away; VMOs come and go;
 * actors are killed; stores are emptied and made anew.  After each step all books agree (swap_books.c), at the end nothing is left.
 */
#include "swap_world.h"
#include "mm/frame.h"
#include "vm/pager.h"
#include "vm/reclaim.h"
#include "vm/swap.h"

struct backing_store *swap_stores[DISKS];

static struct { struct thread *thread; struct process *process; uint32_t disk; uint64_t read_errors; } emptier;
static struct port *port;
static struct pager *pager;

/* --- Stores. --- */

static void make_store(uint32_t disk)
{
    uint64_t failing = fail_allocation(0);

    if (frame_free_count() > 8)
        disk_store(disk, (uint32_t)choose_between(4, 120), 1u << choose(4), &swap_stores[disk]);
    fail_allocation(failing);
}

/* Does the store go on as before, or is it gone? */
static void check_outcome(struct backing_store *store, bool deleted)
{
    info_segment_t info;
    bool found = false;

    for (uint32_t i = 0; i < SEGMENTS_MAX; i++) {
        if (!swap_segment_info(i, &info) || info.store_koid != store->object.koid)
            continue;
        found = true;
        check(!info.draining);
    }
    check_equal(found, !deleted);
}

static void emptier_body(void *argument)
{
    struct backing_store *store = swap_stores[emptier.disk];

    (void)argument;
    emptier.read_errors = disk_errors[SWAP_IN] - disk_failing;
    status_t status = swap_delete_store(store);

    step("store %u is emptied: %d", emptier.disk, status);
    check(status == OK || status == ERR_NO_SPACE || (status == ERR_NO_MEMORY && swap_short) ||
          (status == ERR_IO && disk_errors[SWAP_IN] > emptier.read_errors) || (status == ERR_CANCELED && thread_killed()));
    check_outcome(store, status == OK);
    if (status == OK) {
        swap_stores[emptier.disk] = NULL;
        object_unref(&store->object);
    }
    return_to_user();
}

static void change_stores(void)
{
    uint32_t disk = (uint32_t)choose(DISKS);

    if (!swap_stores[disk] && !emptier.thread) {
        make_store(disk);
    } else if (!emptier.thread) {
        step("empty store %u", disk);
        emptier.disk = disk;
        if (process_create("emptier", NULL, &emptier.process) != OK)
            return;
        emptier.thread = spawn(emptier.process, emptier_body, NULL);
        if (!emptier.thread)
            object_unref(&emptier.process->object);
    } else if (one_in(3)) {
        step("kill who empties store %u", emptier.disk);
        thread_kill(emptier.thread);
    }
}

static void reap(void)
{
    reap_users();
    if (!emptier.thread || !thread_ended(emptier.thread))
        return;
    object_unref(&emptier.thread->object);
    object_unref(&emptier.process->object);
    emptier.thread = NULL;
}

/* --- VMOs. --- */

static void make_vmo(void)
{
    struct model *model = new_model();
    uint64_t first = choose(ROOT_PAGES - PAGES);
    bool clone = one_in(4);
    status_t status;

    if (!model)
        return;
    model->pages = one_in(2) ? PAGES : choose(PAGES + 1);
    if (clone)
        status = vmo_create_child(swap_root, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE | VMO_CHILD_RESIZABLE, first << PAGE_SHIFT,
                                  model->pages << PAGE_SHIFT, &model->vmo);
    else
        status = vmo_create(model->pages << PAGE_SHIFT, true, &model->vmo);
    if (status != OK) {
        check(swap_short && status == ERR_NO_MEMORY);
        model->vmo = NULL;
        model->taken = false;
        return;
    }
    model->clone = clone;
    model->first = first;
    for (uint64_t i = 0; clone && i < model->pages; i++)
        model->cells[i].state = ROOTS;
    step("vmo %lu of %lu pages%s", model->serial, model->pages, clone ? ", a clone" : "");
    remember_family(model->vmo);
}

static void drop_vmo(void)
{
    struct model *model = pick_model(false);

    if (!model)
        return;
    step("close vmo %lu", model->serial);
    struct vmo *vmo = model->vmo;

    model->taken = false;
    model->vmo = NULL;
    object_unref(&vmo->object);
}

static void take_away(void)
{
    uint64_t wanted = choose_between(1, one_in(3) ? 200 : 20);

    step("take %lu pages away", wanted);
    check(reclaim(wanted) <= wanted);
}

/* --- The director. --- */

static void let_pass(void)
{
    reap();
    advance_time(100000000);
    run_all();
    disk_answer();
    run_all();
}

/*
 * Everybody comes to an end, whatever he waits for.  While memory is short and backing store is full the few pages that may go do so
 * again and again, and who needs two of them at once may wait until somebody frees memory: that happens here after a while.
 */
static void let_end(void)
{
    step("let all end");
    for (uint32_t rounds = 0; any_user() || emptier.thread || swap_in_flight(); rounds++) {
        if (rounds == 300)
            memory_size(frame_total + 2 * VMOS * PAGES);
        if (rounds > 600)
            fail("somebody sleeps although nothing is in its way");
        let_pass();
    }
    check(!disk_answer());
    check_equal(swap_leaving, 0);
}

static void swap_step(void)
{
    switch (choose(20)) {
    case 0:
        make_vmo();
        break;
    case 1:
        if (one_in(3))
            drop_vmo();
        break;
    case 2:
    case 3:
    case 4:
        start_user();
        break;
    case 5:
    case 6:
        take_away();
        break;
    case 7:
        if (one_in(4))
            kill_user();
        break;
    case 8:
        if (one_in(6))
            change_stores();
        break;
    case 9:
        if (one_in(10))
            disk_error_odds = one_in(2) ? 0 : (uint32_t)choose_between(3, 30);
        break;
    case 10:
        if (swap_short)
            fail_allocation(choose(30));
        break;
    case 11:
        advance_time(choose(100000000));
        break;
    case 12:
    case 13:
    case 14:
        disk_answer();
        break;
    case 15:
        if (one_in(20))
            let_end();
        break;
    default:
        for (uint64_t times = choose(8); times > 0 && run_one(); times--)
            ;
    }
}

static void start_world(bool overtake)
{
    struct object *made;

    swap_overtaken = overtake;
    disks_start();
    check_equal(port_create(&made), OK);
    port = container_of(made, struct port, object);
    object_add_handle(made);
    check_equal(pager_create(false, &made), OK);
    pager = pager_from_object(made);
    object_add_handle(made);
    check_equal(pager_create_vmo(pager, 0, port, 1, ROOT_PAGES << PAGE_SHIFT, &swap_root), OK);
    remember_family(swap_root);
    for (uint32_t i = 0; i < DISKS; i++)
        make_store(i);
    swap_short = one_in(2);
    if (swap_short) {
        frame_low = 64;
        memory_size(frames_live() + choose_between(110, 300));
    }
}

static void end_world(void)
{
    fail_allocation(0);
    let_end();
    for (uint32_t i = 0; i < VMOS; i++) {
        if (swap_models[i].vmo)
            object_unref(&swap_models[i].vmo->object);
        swap_models[i].vmo = NULL;
        swap_models[i].taken = false;
    }
    let_end();
    object_unref(&swap_root->object);
    check_books();
    forget_families();
    object_drop_handle((struct object *)pager);
    object_drop_handle(&port->object);
    object_unref((struct object *)pager);
    object_unref(&port->object);
    for (uint32_t i = 0; i < DISKS; i++) {
        if (!swap_stores[i])
            continue;
        check_equal(backing_store_delete(swap_stores[i]), OK);
        object_unref(&swap_stores[i]->object);
        swap_stores[i] = NULL;
    }
    disks_end();
    frame_low = 0;
    memory_size(PLENTY);
}

static void drive(uint32_t steps, uint32_t odds)
{
    start_world(odds > 0);
    while (steps-- > 0 && choices_left()) {
        interleave_odds(odds);
        swap_step();
        reap();
        interleave_odds(0);
        check_books();
    }
    end_world();
}

void drive_swap(uint32_t steps)
{
    drive(steps, 0);
}

void drive_swap_races(uint32_t steps)
{
    drive(steps, 3);
}
