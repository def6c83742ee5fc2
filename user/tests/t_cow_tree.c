/*
 * t_cow_tree.c: random trees of snapshots, clones, slices and references, checked against a model.
 *
 * `t_cow_tree SEED STEPS [TREES]` runs a seeded sequence of operations and prints every few steps
 * their statuses, and of each VMO its size, a hash of all its words and how many pages it holds.  One tree
 * alone (TREES 0) also counts the frames of the whole system; several run in threads of their own over
 * the same pager's VMOs and the same anonymous VMO.  test/test_clones.py compares all of it
 * with test/quire/clone_model.py.
 *
 * Looking must change nothing where frames are counted: pages are read without MAY_BLOCK, and an
 * absent one has a hash of its own.
 *
 * Machine: cpus=4
 */
#include "cow_steps.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct tree trees[TREES];
static handle_t port, quiet, base;
static struct raw_thread server;
static uint64_t factors[WORDS];

/* --- The pager: supplies whatever is asked for. --- */

static void supply_run(unsigned root, uint64_t first, uint64_t count)
{
    static uint64_t page[WORDS];
    handle_t aux;

    sys_vmo_create(count * PAGE_SIZE, 0, &aux);
    for (uint64_t i = 0; i < count; i++) {
        for (uint64_t word = 0; word < WORDS; word++)
            page[word] = root_word(root, first + i, word);
        sys_vmo_write(aux, 0, page, i * PAGE_SIZE, PAGE_SIZE);
    }
    sys_pager_supply_pages(pager, roots[root], first * PAGE_SIZE, count * PAGE_SIZE, aux, 0);
    sys_handle_close(aux);
}

static void serve(void *argument)
{
    port_packet_t packet;

    (void)argument;
    while (sys_port_wait(port, DEADLINE_INFINITE, &packet) == OK) {
        if (packet.type == PKT_USER)
            sys_object_signal(quiet, 0, SIGNAL_USER_0);
        else if (packet.page_request.command == PAGER_VMO_READ)
            supply_run((unsigned)packet.key, packet.page_request.offset / PAGE_SIZE,
                       packet.page_request.length / PAGE_SIZE);
    }
}

/* Wait until the server has given back what it used for the requests before. */
static void wait_until_quiet(void)
{
    port_packet_t packet = { .type = PKT_USER };

    CHECK_OK(sys_object_signal(quiet, SIGNAL_USER_0, 0));
    CHECK_OK(sys_port_queue(port, &packet));
    CHECK_OK(sys_object_wait_one(quiet, SIGNAL_USER_0, after(PATIENCE), NULL));
}

static void set_up(void)
{
    static uint64_t page[WORDS];

    pager = new_pager();
    port = new_port();
    quiet = new_event();
    CHECK_OK(
        sys_pager_create_vmo(pager, VMO_RESIZABLE, port, 0, ROOT_PAGES * PAGE_SIZE, &roots[0]));
    CHECK_OK(sys_pager_create_vmo(pager, 0, port, 1, ROOT_PAGES * PAGE_SIZE, &roots[1]));
    base = new_vmo(12);
    for (uint64_t i = 0; i < 12; i += 1 + i % 2) {      /* some holes */
        for (uint64_t word = 0; word < WORDS; word++)
            page[word] = base_word(i, word);
        CHECK_OK(sys_vmo_write(base, 0, page, i * PAGE_SIZE, PAGE_SIZE));
    }
    for (uint64_t word = 0; word < WORDS; word++)
        factors[word] = scramble(word) | 1;
    raw_thread_start(&server, serve, NULL);
}

static void tear_down(void)
{
    CHECK_OK(sys_task_kill(server.handle));
    wait_for_end(server.handle);
    for (unsigned i = 0; i < ROOTS; i++)
        CHECK_OK(sys_handle_close(roots[i]));
    CHECK_OK(sys_handle_close(base));
    CHECK_OK(sys_handle_close(quiet));
    CHECK_OK(sys_handle_close(port));
    CHECK_OK(sys_handle_close(pager));
}

/* --- Looking. --- */

__attribute__((format(printf, 2, 3))) static void say(struct tree *tree, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (tree->used < sizeof tree->text)
        tree->used += (size_t)vsnprintf(tree->text + tree->used, sizeof tree->text - tree->used,
                                        format, arguments);
    va_end(arguments);
}

static void print_text(struct tree *tree)
{
    fwrite(tree->text, 1, tree->used < sizeof tree->text ? tree->used : sizeof tree->text - 1,
           stdout);
    fflush(stdout);
    tree->used = 0;
}

static char status_letter(status_t status)
{
    switch (status) {
    case OK:                  return '.';
    case SKIPPED:             return '-';
    case ERR_OUT_OF_RANGE:    return 'o';
    case ERR_INVALID_ARGS:    return 'i';
    case ERR_BAD_STATE:       return 'b';
    case ERR_NOT_SUPPORTED:   return 'n';
    case ERR_ACCESS_DENIED:   return 'a';
    case ERR_UNAVAILABLE:     return 'u';
    case ERR_SHOULD_WAIT:     return 'w';
    case ERR_NO_MEMORY:       return 'm';
    default:                  return '?';
    }
}

static uint64_t hash_words(const volatile uint64_t *words)
{
    uint64_t hash = 0;

    for (uint64_t i = 0; i < WORDS; i++)
        hash += words[i] * factors[i];
    return hash;
}

/* Page hashes sum up so that both their order and their number count. */
static uint64_t hash_term(uint64_t page, uint64_t hash)
{
    return (hash + 1) * (scramble(1000 + page) | 1);
}

static uint64_t hash_vmo(struct tree *tree, int number)
{
    uint64_t pages = pages_of(tree, number), hash = 0;

    for (uint64_t page = 0; page < pages; page++) {
        status_t status = sys_vmo_read(tree->nodes[number].handle, tree->exact ? 0 : VMO_MAY_BLOCK,
                                       tree->words, page * PAGE_SIZE, PAGE_SIZE);

        hash += hash_term(page,
                          status == OK ? hash_words(tree->words) : (uint64_t)status_letter(status));
    }
    return hash;
}

static uint64_t hash_mapping(struct tree *tree, int number)
{
    struct mapping *mapping = &tree->mappings[number];
    uint64_t hash = 0;

    for (uint64_t page = 0; page < mapping->length; page++)
        if (mapping->offset + page < pages_of(tree, mapping->node))
            hash += hash_term(page, hash_words(address_of(tree, number, page, 0)));
    return hash;
}

static uint64_t frames_in_use(void)
{
    info_system_t info = system_info();

    return info.frames[FRAME_ANON] + info.frames[FRAME_PAGER] + info.frames[FRAME_BUSY];
}

/* Itself, or what it is a reference to: slices have no pages to count. */
static bool is_slice(struct tree *tree, int number)
{
    struct node *node = &tree->nodes[number];

    return node->kind == SLICE || (node->kind == REFERENCE && is_slice(tree, node->target));
}

/* @ STEP STATUSES SEEN FRAMES, then nNODE:PAGES:HASH:HELD and mMAPPING:HASH. */
static void report(struct tree *tree, uint64_t step)
{
    long long frames = 0;

    if (tree->exact) {
        wait_until_quiet();
        frames = (long long)(frames_in_use() - tree->frames_before);
    }
    say(tree, "@ %llu %s %llx %lld", (unsigned long long)step, tree->statuses,
        (unsigned long long)tree->seen, frames);
    for (int i = 0; i < NODES; i++) {
        struct node *node = &tree->nodes[i];

        if (node->handle == HANDLE_INVALID)
            continue;
        info_vmo_t info = vmo_info(node->handle);
        bool held = tree->exact && !is_slice(tree, i);

        say(tree, " n%d:%llu:%llx:%llu", i, (unsigned long long)(info.size_bytes / PAGE_SIZE),
            (unsigned long long)hash_vmo(tree, i),
            (unsigned long long)(held ? info.populated_bytes / PAGE_SIZE : 0));
    }
    for (int i = 0; step / CHECK_EVERY % 2 == 0 && i < PLACES; i++)
        if (tree->mappings[i].used && tree->nodes[tree->mappings[i].node].root < 0)
            say(tree, " m%d:%llx", i, (unsigned long long)hash_mapping(tree, i));
    say(tree, "\n");
    memset(tree->statuses, 0, sizeof tree->statuses);
    if (tree->prints)
        print_text(tree);
}

/* --- Whole trees. --- */

static void plant(struct tree *tree, int number, uint64_t seed, uint64_t steps, bool exact)
{
    tree->number = number;
    tree->seed = seed;
    tree->steps = steps;
    tree->exact = exact;
    tree->random = scramble(seed) | 1;
    tree->tell_from = UINT64_MAX;
    tree->seen = 0;
    tree->used = 0;
    memset(tree->detached, 0, sizeof tree->detached);
    memset(tree->nodes, 0, sizeof tree->nodes);
    for (int i = 0; i < ROOTS; i++)
        tree->nodes[i] = (struct node){
            .handle = roots[i], .kind = ROOT, .target = -1, .root = i, .resizable = i == 0,
            .writable = true, .shared = !exact, .pages = ROOT_PAGES,
        };
    tree->nodes[BASE_NODE] = (struct node){
        .handle = base,
        .kind = ANONYMOUS,
        .target = -1,
        .root = -1,
        .writable = true,
        .shared = !exact,
        .pages = 12,
    };
    if (tree->scratch == HANDLE_INVALID)
        tree->scratch = new_vmo(1);
}

static void fell(struct tree *tree)
{
    for (int m = 0; m < PLACES; m++)
        if (tree->mappings[m].used)
            CHECK_OK(unmap_mapping(tree, m));
    for (int i = FIRST_NODE; i < NODES; i++)
        if (tree->nodes[i].handle != HANDLE_INVALID)
            CHECK_OK(sys_handle_close(tree->nodes[i].handle));
}

static void grow(void *argument)
{
    struct tree *tree = argument;
    uint64_t detach_at = tree->exact && tree->seed % 3 == 0 ? tree->steps * 3 / 4 : UINT64_MAX;

    for (uint64_t step = 0; step < tree->steps; step++) {
        if (step == detach_at) {
            CHECK_OK(sys_pager_detach_vmo(pager, roots[1]));
            tree->detached[1] = true;
        }
        tree->statuses[step % CHECK_EVERY] = status_letter(take_step(tree));
        if (step >= tree->tell_from)
            say(tree, "# %llu %c %llx\n", (unsigned long long)step,
                tree->statuses[step % CHECK_EVERY], (unsigned long long)tree->seen);
        if ((step + 1) % CHECK_EVERY == 0)
            report(tree, step + 1);
    }
    fell(tree);
}

/* Frames that were there before must be all there are afterwards. */
static long long run_alone(uint64_t seed, uint64_t steps, bool prints, uint64_t tell_from)
{
    uint64_t before = frames_in_use();

    trees[0].frames_before = before;
    trees[0].prints = prints;
    set_up();
    plant(&trees[0], 0, seed, steps, true);
    trees[0].tell_from = tell_from;
    grow(&trees[0]);
    tear_down();
    return (long long)(frames_in_use() - before);
}

static void run_together(uint64_t seed, uint64_t steps, unsigned count)
{
    handle_t threads[TREES];

    set_up();
    for (unsigned i = 0; i < count; i++) {
        trees[i].prints = false;
        plant(&trees[i], (int)i, seed + i, steps, false);
        CHECK_OK(quire_thread_create(grow, &trees[i], &threads[i]));
    }
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(quire_thread_join(threads[i]));
    tear_down();
}

static void close_scratch(void)
{
    for (unsigned i = 0; i < TREES; i++) {
        if (trees[i].scratch != HANDLE_INVALID)
            CHECK_OK(sys_handle_close(trees[i].scratch));
        trees[i].scratch = HANDLE_INVALID;
    }
}

/* t_cow_tree SEED STEPS [TREES [STEP from which on each is told]] */
int test_helper(int argument_count, char **arguments)
{
    uint64_t seed = strtoull(arguments[1], NULL, 10);
    uint64_t steps = argument_count > 2 ? strtoull(arguments[2], NULL, 10) : 2000;
    unsigned count = argument_count > 3 ? (unsigned)strtoul(arguments[3], NULL, 10) : 0;
    uint64_t tell_from = argument_count > 4 ? strtoull(arguments[4], NULL, 10) : UINT64_MAX;

    if (count > TREES)
        return 2;
    if (count == 0) {
        printf("\n");
        run_alone(1000, 300, false, UINT64_MAX);    /* with it, touches all memory of this program */
        printf("end %lld\n", run_alone(seed, steps, true, tell_from));
        return 0;
    }
    run_together(seed, steps, count);
    for (unsigned i = 0; i < count; i++) {
        printf("tree %u\n", i);
        print_text(&trees[i]);
    }
    printf("end 0\n");
    return 0;
}

TEST(a_tree_gives_everything_back)
{
    run_alone(1000, 500, false, UINT64_MAX);
    for (uint64_t seed = 1; seed <= 5; seed++)
        CHECK_EQ(run_alone(seed, 500, false, UINT64_MAX), 0);
    close_scratch();
}

TEST(trees_side_by_side_give_everything_back)
{
    uint64_t vmos = live_vmos();

    run_together(1, 300, TREES);
    close_scratch();
    CHECK(objects_come_down_to(OBJECT_VMO, vmos));
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
