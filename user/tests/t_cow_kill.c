/*
 * t_cow_kill.c: a process that makes snapshots and clones, writes to them and forks is killed after
 * every possible while: frames and objects return to what they were.
 *
 * The child goes through the same work in the same order; the parent sleeps a little longer before
 * each kill, so that over the sweep every part of the work is cut short somewhere.
 *
 * Machine: cpus=4 disk=none (a file server's workers come and go)
 */
#include "cow.h"
#include "toucher.h"

#include <stdio.h>

#define PAGES  12
#define ROUNDS 160
#define STEP   10000                    /* nanoseconds that each round gives more */
#define READY  SIGNAL_USER_0
#define DONE   SIGNAL_USER_1

/* --- The child. --- */

static handle_t pager, port, root;
static struct raw_thread server;

static void serve(void *argument)
{
    port_packet_t packet;
    handle_t aux;

    (void)argument;
    while (sys_port_wait(port, DEADLINE_INFINITE, &packet) == OK) {
        uint64_t length = packet.page_request.length;

        if (packet.page_request.command != PAGER_VMO_READ || sys_vmo_create(length, 0, &aux) != OK)
            continue;
        sys_vmo_op_range(aux, VMO_OP_COMMIT, 0, length, NULL, 0);
        sys_pager_supply_pages(pager, root, packet.page_request.offset, length, aux, 0);
        sys_handle_close(aux);
    }
}

static void touch_pages(volatile char *at, uint64_t first, uint64_t step)
{
    for (uint64_t i = first; i < PAGES; i += step)
        at[i * PAGE_SIZE]++;
}

/* Snapshots of snapshots, written on all sides, through mappings and through the kernel. */
static void work_on_snapshots(handle_t vmo, volatile char *at)
{
    handle_t first = new_child(vmo, SNAPSHOT, 0, PAGES);
    volatile char *copy = map_vmo(first, READ_WRITE, 0, PAGES * PAGE_SIZE);

    touch_pages(at, 0, 2);
    touch_pages(copy, 1, 3);
    handle_t second = new_child(first, ON_WRITE | VMO_CHILD_RESIZABLE, 2, PAGES);
    put_byte(second, 3 * PAGE_SIZE, 1);
    CHECK_OK(sys_vmo_op_range(second, VMO_OP_COMMIT, 0, 5 * PAGE_SIZE, NULL, 0));
    CHECK_OK(sys_vmo_op_range(first, VMO_OP_ZERO, 0, 4 * PAGE_SIZE, NULL, 0));
    CHECK_OK(sys_vmo_set_size(second, 3 * PAGE_SIZE));
    CLOSE(first);
    touch_pages(copy, 0, 1);
    unmap((char *)copy, PAGES * PAGE_SIZE);
    CLOSE(second);
}

/* Clones of a pager's memory, whose pages a thread of this process brings. */
static void work_on_clones(void)
{
    CHECK_OK(sys_pager_create_vmo(pager, VMO_RESIZABLE, port, 1, PAGES * PAGE_SIZE, &root));
    handle_t clone = new_child(root, ON_WRITE, 1, PAGES),
             slice = new_child(clone, VMO_CHILD_SLICE, 0, 4);
    volatile char *at = map_vmo(clone, READ_WRITE, 0, PAGES * PAGE_SIZE);

    touch_pages(at, 0, 3);
    handle_t second = new_child(clone, ON_WRITE, 0, PAGES);
    put_byte(slice, PAGE_SIZE * 3, 1);
    CHECK_OK(sys_vmo_op_range(second, VMO_OP_COMMIT | VMO_OP_MAY_BLOCK, 0, 6 * PAGE_SIZE, NULL, 0));
    CHECK_OK(sys_vmo_set_size(root, 5 * PAGE_SIZE));
    touch_pages(at, 1, 2);
    unmap((char *)at, PAGES * PAGE_SIZE);
    CLOSE(clone, slice, second, root);
}

/* Processes with a snapshot of this one's memory, which write to it and end by themselves. */
static void work_on_forks(handle_t vmo, volatile char *at)
{
    struct tiny children[2];

    for (unsigned i = 0; i < array_size(children); i++) {
        handle_t snapshot = new_child(vmo, SNAPSHOT, 0, PAGES);

        children[i] = toucher_create(snapshot, READ_WRITE, PAGES * PAGE_SIZE);
        CLOSE(snapshot);
        touch_pages(at, 0, 2);
        toucher_start(children[i], toucher_store, i * PAGE_SIZE);
        touch_pages(at, 1, 2);
    }
    CHECK_OK(sys_task_kill(children[1].process));
    for (unsigned i = 0; i < array_size(children); i++)
        toucher_result(children[i]);
}

static int work(handle_t event, bool again)
{
    handle_t vmo = new_vmo(PAGES);
    volatile char *at = map_vmo(vmo, READ_WRITE, 0, PAGES * PAGE_SIZE);

    pager = new_pager();
    port = new_port();
    raw_thread_start(&server, serve, NULL);
    touch_pages(at, 0, 1);
    CHECK_OK(sys_object_signal(event, 0, READY));
    do {
        work_on_snapshots(vmo, at);
        work_on_clones();
        work_on_forks(vmo, at);
    } while (again);
    CHECK_OK(sys_object_signal(event, 0, DONE));
    return 0;
}

int test_helper(int argument_count, char **arguments)
{
    (void)argument_count;
    return work(start_handle(START_USER), arguments[1][0] == 'a');
}

/* --- The parent. --- */

/* With RIGHT_TRANSFER one handle moves into the child, the other stays. */
static handle_t start_work(const char *mode, handle_t *out_event)
{
    handle_t event = new_event(), process;

    *out_event = event;
    process = start_helper(mode, reduced(event, RIGHT_SAME_RIGHTS));
    CHECK_OK(sys_object_wait_one(event, READY, after(PATIENCE), NULL));
    return process;
}

struct level {
    uint64_t frames[FRAME_KINDS];
    uint64_t objects[16];
};

static struct level level_now(void)
{
    info_system_t info = system_info();
    struct level level;

    memcpy(level.frames, info.frames, sizeof level.frames);
    memcpy(level.objects, info.objects, sizeof level.objects);
    level.frames[FRAME_FREE] = level.frames[FRAME_KERNEL] = 0;  /* the heap keeps what it has */
    return level;
}

/* Our own page table may grow by a little over a whole sweep. */
#define OWN_TABLES 4u

/* Nothing is there that was not there before.  What was counted on its way is not counted again. */
static bool is_back(void *argument)
{
    struct level *before = argument, now = level_now();

    if (now.frames[FRAME_TABLE] <= before->frames[FRAME_TABLE] + OWN_TABLES)
        now.frames[FRAME_TABLE] = before->frames[FRAME_TABLE];
    for (unsigned i = 0; i < FRAME_KINDS; i++)
        if (now.frames[i] > before->frames[i])
            return false;
    for (unsigned i = 0; i < array_size(now.objects); i++)
        if (now.objects[i] > before->objects[i])
            return false;
    *before = now;
    return true;
}

static void show_difference(const struct level *before)
{
    struct level now = level_now();

    for (unsigned i = 0; i < FRAME_KINDS; i++)
        if (now.frames[i] != before->frames[i])
            printf("# frames of kind %u: %llu, before %llu\n", i, (unsigned long long)now.frames[i],
                   (unsigned long long)before->frames[i]);
    for (unsigned i = 0; i < array_size(now.objects); i++)
        if (now.objects[i] != before->objects[i])
            printf("# objects of type %u: %llu, before %llu\n", i,
                   (unsigned long long)now.objects[i], (unsigned long long)before->objects[i]);
}

static void check_is_back(struct level *before, int64_t round)
{
    if (comes_true(is_back, before))
        return;
    printf("# round %lld\n", (long long)round);
    show_difference(before);
    CHECK(!"all is back");
}

/* Its exit code when nobody kills it. */
static void run_to_the_end(void)
{
    handle_t event, process = start_work("once", &event);

    CHECK_EQ(exit_code_of(process), 0);
    CLOSE(event);
}

static void kill_after(const char *mode, int64_t nanoseconds)
{
    handle_t event, process = start_work(mode, &event);

    sys_nanosleep(after(nanoseconds));
    CHECK_OK(sys_task_kill(process));
    wait_for_end(process);
    CLOSE(event);
}

static bool no_child_is_left(void *argument)
{
    struct level *before = argument, now = level_now();

    return now.objects[OBJECT_PROCESS] == before->objects[OBJECT_PROCESS] &&
           now.objects[OBJECT_THREAD] == before->objects[OBJECT_THREAD];
}

/* After some rounds, which leave behind what this program and the system need from then on. */
static struct level level_of_rest(void)
{
    struct level before = level_now();

    for (int i = 0; i < 3; i++) {
        run_to_the_end();
        kill_after("once", i * 100 * STEP);
        CHECK(comes_true(no_child_is_left, &before));
    }
    return level_now();
}

TEST(killed_after_every_while)
{
    struct level before = level_of_rest();

    for (int64_t round = 0; round < ROUNDS; round++) {
        kill_after("once", round * STEP);
        check_is_back(&before, round);
    }
}

/* Several at once, each killed at some time of its own. */
TEST(killed_side_by_side)
{
    uint64_t random = 0x12345678;
    handle_t events[3], processes[3];

    struct level before = level_of_rest();

    for (int64_t round = 0; round < 20; round++) {
        for (unsigned i = 0; i < array_size(processes); i++)
            processes[i] = start_work("again", &events[i]);
        for (unsigned i = 0; i < array_size(processes); i++) {
            sys_nanosleep(after(next_random(&random) % 1500000));
            CHECK_OK(sys_task_kill(processes[i]));
        }
        for (unsigned i = 0; i < array_size(processes); i++) {
            wait_for_end(processes[i]);
            CLOSE(events[i]);
        }
        check_is_back(&before, round);
    }
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
