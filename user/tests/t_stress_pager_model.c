/*
 * t_stress_pager_model.c: eight threads fault, read, write, resize, clone, detach and are killed at random, while a pager supplies,
 * refuses and writes back, and every byte is compared with a model.
 *
 * Six users read and write the VMOs of page_model.h, three of whom are killed now and then; one thread changes sizes and zeroes;
 * one makes VMOs that live briefly and loses their pager.  model_pager.h has the pager: two threads that answer, one that writes
 * back.  After each round all is still: then each page is exactly what was written last, all of it is written back, and the
 * round after begins with new VMOs that have nothing but what the pager stored.
 *
 * Machine: cpus=4 memory=32M
 */
#include "model_users.h"

#define TEST_TIME  (20 * SECOND)
#define ROUND_TIME (2 * SECOND)
#define HANG_TIME  (2 * PATIENCE)       /* nobody waits that long on a slow host */

enum { MORTALS = 3, RESIZER = USERS, BRIEF, KILLER, WORKERS };

static struct worker workers[WORKERS];

/* --- Who answers. --- */

static void serve_run(void *argument)
{
    struct server *server = argument;
    port_packet_t packet;

    while (!pagers_stopping) {
        status_t status = AMONG(sys_port_wait(port, after(5000000), &packet), ERR_TIMED_OUT);

        if (status == OK && (uint32_t)packet.key == BRIEF_KEY)
            serve_brief(server, &packet);
        else if (status == OK)
            serve_file(server, &packet);
        server->steps++;
    }
}

/* --- Sizes and zeros. --- */

static void take_pages_away(struct worker *worker)
{
    static struct going going;
    unsigned file = any(&worker->random, 2) ? FILE_TRAPPED : FILE_NOISY;
    unsigned first = HEAD + any(&worker->random, PAGES - HEAD), end = PAGES;
    handle_t vmo = atomic_load(&files[file].vmo);

    if (any(&worker->random, 2))
        end = first + 1 + any(&worker->random, PAGES - first);
    going_begin(&going, file, first, end);
    if (end < PAGES)
        GOOD(sys_vmo_op_range(vmo, VMO_OP_ZERO, first * PAGE_SIZE, (end - first) * PAGE_SIZE, NULL,
                              0));
    else
        GOOD(sys_vmo_set_size(vmo, first * PAGE_SIZE));
    going_done(&going, file, first, end);
    sys_nanosleep(after(any(&worker->random, 1000000)));
    if (end == PAGES)
        GOOD(sys_vmo_set_size(vmo, PAGES * PAGE_SIZE));
    sys_nanosleep(after(any(&worker->random, 2000000)));
}

/* --- Killing. --- */

static bool start(struct worker *worker)
{
    return GOOD(sys_thread_create(process_self(), "user", 4, 0, &worker->thread.handle)) == OK &&
           GOOD(sys_thread_start(worker->thread.handle, (uintptr_t)raw_thread_entry,
                                 (uintptr_t)worker->thread.stack + sizeof worker->thread.stack,
                                 (uintptr_t)worker, (uintptr_t)worker_run)) == OK;
}

/* A user dies wherever it is, and lives again with what it had. */
static void kill_somebody(struct worker *worker)
{
    unsigned number = any(&worker->random, MORTALS), file;
    struct worker *victim = &workers[number];

    sys_nanosleep(after(any(&worker->random, 10000000)));
    GOOD(sys_task_kill(victim->thread.handle));
    GOOD(sys_object_wait_one(victim->thread.handle, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    GOOD(sys_handle_close(victim->thread.handle));
    close_child(&users[number]);
    for (file = 0; file < FILES; file++) {
        close_window(number, file);
        open_window(number, file);
    }
    atomic_fetch_add(&users[number].lives, 1);
    start(victim);
}

/* --- Rounds. --- */

static void wait_for_completes(unsigned file)
{
    int64_t end = after(PATIENCE);

    while (atomic_load(&files[file].completes) != files[file].generation && sys_clock_get() < end &&
           !wrong.line)
        sys_nanosleep(after(100000));
    EXPECT(atomic_load(&files[file].completes) == files[file].generation, file);
}

static void make_file(unsigned file, uint64_t *random)
{
    uint32_t options = file == FILE_FIXED ? 0 : VMO_RESIZABLE;
    handle_t vmo = HANDLE_INVALID;

    files[file].trap = any(random, 2);
    files[file].told = any(random, 2);
    if (files[file].trap)
        options |= VMO_TRAP_DIRTY;
    CHECK_OK(sys_pager_create_vmo(pager_of(file), options, port,
                                  file_key(file, files[file].generation), PAGES * PAGE_SIZE, &vmo));
    atomic_store(&files[file].vmo, vmo);
}

/* All is still, all of it is there: nothing may be older than what was completed. */
static void check_file(unsigned file)
{
    static uint64_t words[WORDS];
    struct view view;

    if (file == FILE_TRAPPED || file == FILE_NOISY)
        GOOD(sys_vmo_set_size(atomic_load(&files[file].vmo), PAGES * PAGE_SIZE));
    for (unsigned page = 0; page < PAGES && !wrong.line; page++) {
        view_now(&view, file, page);
        if (GOOD(sys_vmo_read(atomic_load(&files[file].vmo), VMO_MAY_BLOCK, words, page * PAGE_SIZE,
                              PAGE_SIZE)) == OK)
            check_model(words, file, page, &view, true, RUNS);
    }
}

/* Everything is written back: then what is stored is what there is. */
static void store_file(struct server *server, unsigned file)
{
    static uint64_t words[WORDS];

    while (write_back(server, file, 0, PAGES) > 0 && !wrong.line)
        ;
    for (unsigned page = 0; page < PAGES && !wrong.line; page++) {
        status_t status =
            sys_vmo_read(atomic_load(&files[file].vmo), 0, words, page * PAGE_SIZE, PAGE_SIZE);

        EXPECT(status == OK || status == ERR_SHOULD_WAIT, status);
        for (unsigned word = 0; word < WORDS && status == OK; word++)
            if (words[word] != stored[file][page][word])
                model_wrong(__LINE__, file, page, word, stored[file][page][word],
                            (unsigned)words[word], (unsigned)words[word]);
    }
}

static void replace_file(unsigned file, uint64_t *random)
{
    static struct server own = { .random = 1 };

    check_file(file);
    lock(&files[file].lock);
    store_file(&own, file);
    EXPECT(vmo_info(atomic_load(&files[file].vmo)).dirty_bytes == 0, file);
    CHECK_OK(sys_pager_detach_vmo(pager_of(file), atomic_load(&files[file].vmo)));
    EXPECT(committed(atomic_load(&files[file].vmo)) == 0, file);
    CHECK_OK(sys_handle_close(atomic_load(&files[file].vmo)));
    files[file].generation++;
    make_file(file, random);
    unlock(&files[file].lock);
    wait_for_completes(file);
}

/* Everybody's steps and states, for who has to find out why nothing goes on. */
static void print_state(void)
{
    static info_pager_vmo_t records[16];
    size_t count = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        printf("# worker %u: %llu steps, state %u\n", i, (unsigned long long)workers[i].steps,
               thread_state(workers[i].thread.handle));
    for (unsigned i = 0; i < SERVERS; i++)
        printf("# server %u: %llu steps, state %u\n", i, (unsigned long long)servers[i].steps,
               thread_state(servers[i].thread.handle));
    printf("# writer: %llu steps, state %u\n", (unsigned long long)writer.steps,
           thread_state(writer.thread.handle));
    sys_object_get_info(system_handle(), INFO_PAGER_LIST, records, sizeof records, &count, NULL);
    for (size_t i = 0; i < count; i++)
        printf("# key %#llx: %llu packets, %llu supplied, %llu failed, %u outstanding, detached "
               "%u\n",
               (unsigned long long)records[i].key, (unsigned long long)records[i].requests,
               (unsigned long long)records[i].pages_supplied,
               (unsigned long long)records[i].failures, records[i].outstanding,
               records[i].detached);
    for (unsigned file = 0; file < FILES; file++)
        printf("# file %u: generation %u, completes %u, lock %u\n", file, files[file].generation,
               atomic_load(&files[file].completes), atomic_load(&files[file].lock.state));
}

/* Has everybody, but who is killed too often for it, done something since? */
static bool all_moved(uint64_t steps[WORKERS])
{
    for (unsigned i = MORTALS; i < WORKERS; i++)
        if (workers[i].steps == steps[i])
            return false;
    for (unsigned i = 0; i < WORKERS; i++)
        steps[i] = workers[i].steps;
    return true;
}

/* Let them work; false if somebody hangs. */
static bool watch(int64_t end)
{
    uint64_t steps[WORKERS] = { 0 };
    int64_t moved = sys_clock_get();

    while (!wrong.line && sys_clock_get() < end) {
        sys_nanosleep(after(20000000));
        if (all_moved(steps))
            moved = sys_clock_get();
        if (sys_clock_get() - moved > HANG_TIME)
            return false;
    }
    return true;
}

/* The killer first: who lives then ends by itself. */
static bool stop(void)
{
    stopping = true;
    for (unsigned i = WORKERS; i-- > 0;) {
        if (sys_object_wait_one(workers[i].thread.handle, SIGNAL_TERMINATED, after(PATIENCE),
                                NULL) != OK)
            return false;
        CHECK_OK(sys_handle_close(workers[i].thread.handle));
    }
    stopping = false;
    return true;
}

static bool round_of_all(uint64_t *seed)
{
    calm = false;
    for (unsigned user = 0; user < USERS; user++)
        for (unsigned file = 0; file < FILES; file++)
            open_window(user, file);
    for (unsigned i = 0; i < WORKERS; i++)
        start(&workers[i]);
    if (!watch(after(ROUND_TIME)) || !stop()) {
        print_state();
        note(__LINE__, 0);
        return false;
    }
    calm = true;
    for (unsigned user = 0; user < USERS; user++) {
        close_child(&users[user]);
        for (unsigned file = 0; file < FILES; file++)
            close_window(user, file);
    }
    for (unsigned file = 0; file < FILES && !wrong.line; file++)
        replace_file(file, seed);
    return !wrong.line;
}

static void start_server(struct server *server, void (*run)(void *), uint64_t *seed)
{
    server->random = next_random(seed);
    server->aux = new_vmo(PAGES);
    raw_thread_start(&server->thread, run, server);
}

static void begin_all(uint64_t *seed)
{
    static void (*const steps[WORKERS])(struct worker *) = {
        [RESIZER] = take_pages_away, [BRIEF] = live_briefly, [KILLER] = kill_somebody
    };

    port = new_port();
    pagers[0] = new_pager();
    CHECK_OK(sys_pager_create(PAGER_WANTS_WRITEBACK, &pagers[1]));
    other_pager = new_pager();
    model_begin(stored);
    for (unsigned file = 0; file < FILES; file++)
        make_file(file, seed);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].number = i;
        workers[i].random = next_random(seed);
        workers[i].step = steps[i] ? steps[i] : use;
        memset(workers[i].words, 1,
               sizeof workers[i].words); /* it is there: no copy stops half way */
    }
    for (unsigned i = 0; i < USERS; i++) {
        users[i].copy = new_vmo(1);
        memset(users[i].again, 1, sizeof users[i].again);
    }
    for (unsigned i = 0; i < SERVERS; i++)
        start_server(&servers[i], serve_run, seed);
    start_server(&writer, write_run, seed);
}

static void stress(void)
{
    uint64_t seed = stress_begin(), steps = 0, lives = 0;
    int64_t end = after(stress_time);
    unsigned rounds = 0;

    begin_all(&seed);
    while (round_of_all(&seed) && sys_clock_get() < end)
        if (++rounds % 16 == 0)
            printf("# %u rounds\n", rounds);
    for (unsigned i = 0; i < WORKERS; i++)
        steps += workers[i].steps;
    for (unsigned i = 0; i < MORTALS; i++)
        lives += atomic_load(&users[i].lives);
    printf("# %u rounds, %llu steps, %llu killed, %u brief lives, %llu pages evicted\n", rounds + 1,
           (unsigned long long)steps, (unsigned long long)lives, brief.generation,
           (unsigned long long)evicted);
    print_wrong();
    pagers_stopping = true;
    if (!wrong.line)
        for (unsigned i = 0; i < SERVERS; i++)
            wait_for_end(servers[i].thread.handle);
}

/* In a process of its own: what is left ends with it.  "warm" is one round. */
int test_helper(int count, char **arguments)
{
    stress_time = strcmp(arguments[1], "warm") == 0 ? 0 : TEST_TIME;
    if (stress_time == 0)
        arguments[1] = "soak";
    return soak(count, arguments, (void (*const[])(void)){ stress, NULL });
}

/* --- From outside. --- */

static const uint32_t kinds[] = { FRAME_KERNEL, FRAME_TABLE, FRAME_ANON, FRAME_PAGER };

/* What it costs that servers have served, and the kernel's caches, do not grow with the rounds. */
static bool frames_are_as_before(void *before)
{
    const info_system_t *then = before, now = system_info();

    for (unsigned i = 0; i < array_size(kinds); i++)
        if (now.frames[kinds[i]] > then->frames[kinds[i]] + 8)
            return false;
    return true;
}

TEST(eight_threads_agree_with_a_model)
{
    struct leftovers before;
    info_system_t frames, now;

    CHECK_EQ(exit_code_of(start_helper("warm", HANDLE_INVALID)), 0);
    before = leftovers_now();
    frames = system_info();
    CHECK_EQ(exit_code_of(start_helper("soak", HANDLE_INVALID)), 0);
    CHECK(comes_true(nothing_is_left_over, &before));
    if (comes_true(frames_are_as_before, &frames))
        return;
    now = system_info();
    for (unsigned i = 0; i < array_size(kinds); i++)
        printf("# frames of kind %u: %llu, before %llu\n", kinds[i],
               (unsigned long long)now.frames[kinds[i]],
               (unsigned long long)frames.frames[kinds[i]]);
    CHECK(!"frames are left");
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
