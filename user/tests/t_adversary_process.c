/*
 * t_adversary_process.c: a pager process is killed at each step of serving a request.  Its client gets the documented status, what
 * was supplied or written stays, other pagers' clients go on, and nothing of the process is left.
 *
 * The helper makes the pager and the VMO, sends the VMO, goes as far as it was told, says so, and stays there until it is killed.
 *
 * Machine: cpus=4
 */
#include "adversary.h"

#define PAGES 64u

/* --- The pager process. --- */

static struct rig served;

static void reach(handle_t channel, handle_t given)
{
    CHECK_OK(sys_channel_write(channel, 0, NULL, 0, &given, given != HANDLE_INVALID));
}

static void take(uint16_t command)
{
    port_packet_t packet;

    CHECK_OK(sys_port_wait(served.port, after(PATIENCE), &packet));
    CHECK_EQ(packet.page_request.command, command);
}

/* Page after page for ever, by a second thread; the first time it says that it has begun. */
static void supply_for_ever(void *argument)
{
    handle_t channel = *(handle_t *)argument, aux, nothing = HANDLE_INVALID;
    static char bytes[PAGE_SIZE];

    sys_vmo_create(PAGE_SIZE, 0, &aux);
    for (uint64_t i = 0;; i++) {
        memset(bytes, content_of(i % PAGES), sizeof bytes);
        sys_vmo_write(aux, 0, bytes, 0, PAGE_SIZE);
        sys_pager_supply_pages(served.pager, served.vmo, i % PAGES * PAGE_SIZE, PAGE_SIZE, aux, 0);
        if (i == 0)
            sys_channel_write(channel, 0, NULL, 0, &nothing, 0);
    }
}

static bool is(const char *step, const char *other)
{
    return strcmp(step, other) == 0;
}

/* As far as that step; true: it was there. */
static bool go_to(const char *step, handle_t channel)
{
    static struct raw_thread sibling;
    handle_t aux = new_vmo(PAGES);

    if (is(step, "silent"))
        return true;
    if (is(step, "supplying")) {
        raw_thread_start(&sibling, supply_for_ever, &channel);
        return false;
    }
    take(PAGER_VMO_READ);
    if (is(step, "taken"))
        return true;
    vmo_fill(aux, 0, PAGE_SIZE, content_of(0));
    if (is(step, "filled"))
        return true;
    supply(served, 0, PAGES / 2);
    if (is(step, "supplied"))
        return true;
    if (is(step, "detached")) {
        CHECK_OK(sys_pager_detach_vmo(served.pager, served.vmo));
        return true;
    }
    take(PAGER_VMO_DIRTY);
    if (is(step, "dirty taken"))
        return true;
    CHECK_OK(sys_pager_op_range(served.pager, PAGER_OP_DIRTY, served.vmo, 0, PAGE_SIZE, 0));
    if (is(step, "dirtied"))
        return true;
    while (byte_of(served.vmo, 0) != 'w')   /* else it would have to ask again */
        sys_nanosleep(0);
    CHECK_OK(
        sys_pager_op_range(served.pager, PAGER_OP_WRITEBACK_BEGIN, served.vmo, 0, PAGE_SIZE, 0));
    return true;
}

int test_helper(int count, char **arguments)
{
    handle_t channel = start_handle(START_USER), sent;
    bool writes = count > 1 && (is(arguments[1], "dirty taken") || is(arguments[1], "dirtied") ||
                                is(arguments[1], "begun"));

    served = writes ? trap_create(PAGES) : rig_create(PAGES);
    CHECK_OK(sys_handle_duplicate(served.vmo, RIGHT_SAME_RIGHTS, &sent));
    reach(channel, sent);
    if (go_to(arguments[1], channel))
        reach(channel, HANDLE_INVALID);
    sys_nanosleep(DEADLINE_INFINITE);
    return 1;
}

/* --- Its client. --- */

struct victim {
    handle_t process, channel, vmo;
};

static void hear(struct victim *victim, handle_t *handle)
{
    uint32_t bytes, handles;

    CHECK_OK(sys_object_wait_one(victim->channel, SIGNAL_READABLE, after(PATIENCE), NULL));
    CHECK_OK(
        sys_channel_read(victim->channel, 0, NULL, handle, 0, handle != NULL, &bytes, &handles));
}

static struct victim victim_start(const char *step)
{
    struct victim victim;
    handle_t theirs;

    CHECK_OK(sys_channel_create(0, &victim.channel, &theirs));
    victim.process = start_helper(step, theirs);
    hear(&victim, &victim.vmo);
    return victim;
}

static void victim_kill(const struct victim *victim)
{
    CHECK_OK(sys_task_kill(victim->process));
    CHECK_OK(sys_object_wait_one(victim->process, SIGNAL_TERMINATED, after(PATIENCE), NULL));
}

static void victim_end(struct victim *victim)
{
    others_go_on();
    CLOSE(victim->vmo);
    CLOSE(victim->channel);
    CLOSE(victim->process);
}

/* Nobody can be asked any more; what is there is there. */
static void check_orphan(handle_t vmo, uint64_t pages)
{
    CHECK(is_supplied(vmo, 0, pages));
    access_start(&accesses[0], ACCESS_READ, vmo, PAGES - 1, 1);
    ENDS(0, ERR_BAD_STATE);
    access_start(&accesses[0], ACCESS_WRITE, vmo, PAGES - 1, 1);
    ENDS(0, ERR_BAD_STATE);
}

/* The client reads page 0 and waits, whether in its packet's line, chained to it, or behind it. */
static void killed_unanswered(const char *step)
{
    struct victim victim = victim_start(step);

    ask(0, ACCESS_READ, victim.vmo, 0, 1);
    ask(1, ACCESS_WRITE, victim.vmo, 0, 1);
    ask(2, ACCESS_READ, victim.vmo, 8, 4);
    hear(&victim, NULL);
    others_go_on();
    CHECK(is_waiting(&accesses[0]));
    victim_kill(&victim);
    for (unsigned i = 0; i < 3; i++)
        ENDS(i, ERR_BAD_STATE);
    check_orphan(victim.vmo, 0);
    victim_end(&victim);
}

static void killed_answered(const char *step, status_t expected, uint64_t left)
{
    struct victim victim = victim_start(step);

    access_start(&accesses[0], ACCESS_READ, victim.vmo, 0, 1);
    hear(&victim, NULL);
    access_end(&accesses[0]);
    CHECK(accesses[0].status == OK || accesses[0].status == expected);
    others_go_on();
    victim_kill(&victim);
    check_orphan(victim.vmo, left);
    victim_end(&victim);
}

static void before_it_takes_the_packet(void)
{
    killed_unanswered("silent");
}

TEST(killed_before_it_takes_the_packet)
{
    leaves_nothing(before_it_takes_the_packet);
}

static void with_the_packet_taken(void)
{
    killed_unanswered("taken");
}

TEST(killed_with_the_packet_taken)
{
    leaves_nothing(with_the_packet_taken);
}

static void with_the_aux_pages_filled(void)
{
    killed_unanswered("filled");
}

TEST(killed_with_the_aux_pages_filled)
{
    leaves_nothing(with_the_aux_pages_filled);
}

static void before_the_next_wait(void)
{
    killed_answered("supplied", OK, PAGES / 2);
}

TEST(killed_before_the_next_wait)
{
    leaves_nothing(before_the_next_wait);
}

static void with_complete_unread(void)
{
    killed_answered("detached", ERR_BAD_STATE, 0);
}

TEST(killed_with_complete_unread)
{
    leaves_nothing(with_complete_unread);
}

/* A sibling is in the middle of supplying: each page is there as a whole or not at all. */
static void sibling_supplies(void)
{
    for (unsigned round = 0; round < 8; round++) {
        struct victim victim = victim_start("supplying");

        access_start(&accesses[0], ACCESS_READ, victim.vmo, 0, 16);
        access_start(&accesses[1], ACCESS_READ, victim.vmo, PAGES - 16, 16);
        hear(&victim, NULL);
        sys_nanosleep(after(round * 300000));
        victim_kill(&victim);
        for (unsigned i = 0; i < 2; i++) {
            status_t status = access_end(&accesses[i]);

            CHECK(status == OK || status == ERR_BAD_STATE);
            CHECK(status != OK || access_read_content(&accesses[i]));
        }
        for (uint64_t page = 0; page < PAGES; page++) {
            char byte;
            status_t status = sys_vmo_read(victim.vmo, 0, &byte, page * PAGE_SIZE, 1);

            CHECK(status == ERR_BAD_STATE || (status == OK && is_supplied(victim.vmo, page, 1)));
        }
        victim_end(&victim);
    }
}

TEST(killed_while_a_sibling_supplies)
{
    leaves_nothing(sibling_supplies);
}

/* A writer waits for leave to write; `written`: it had it. */
static void killed_while_dirtying(const char *step, bool written)
{
    struct victim victim = victim_start(step);

    accesses[0].buffer[0] = 'w';
    access_start_bytes(&accesses[0], ACCESS_WRITE, victim.vmo, 0, 1);
    hear(&victim, NULL);
    if (written)
        ENDS(0, OK);
    others_go_on();
    victim_kill(&victim);
    if (!written)
        ENDS(0, ERR_BAD_STATE);

    char byte = 0;
    CHECK_OK(sys_vmo_read(victim.vmo, 0, &byte, 0, 1));
    CHECK_EQ(byte, written ? 'w' : content_of(0));
    check_orphan(victim.vmo, 0);
    victim_end(&victim);
}

static void with_a_dirty_packet_taken(void)
{
    killed_while_dirtying("dirty taken", false);
}

TEST(killed_with_a_dirty_packet_taken)
{
    leaves_nothing(with_a_dirty_packet_taken);
}

static void after_it_let_the_writer_go(void)
{
    killed_while_dirtying("dirtied", true);
}

TEST(killed_after_it_let_the_writer_go)
{
    leaves_nothing(after_it_let_the_writer_go);
}

/* Between BEGIN and END: what was written stays, and nobody can be asked for leave to write again. */
static void writes_back(void)
{
    struct victim victim = victim_start("begun");
    char byte = 0;

    accesses[0].buffer[0] = 'w';
    access_start_bytes(&accesses[0], ACCESS_WRITE, victim.vmo, 0, 1);
    hear(&victim, NULL);
    ENDS(0, OK);
    ask(1, ACCESS_WRITE, victim.vmo, 0, 1);
    victim_kill(&victim);
    ENDS(1, ERR_BAD_STATE);
    CHECK_OK(sys_vmo_read(victim.vmo, 0, &byte, 0, 1));
    CHECK_EQ(byte, 'w');
    CHECK_EQ(vmo_info(victim.vmo).dirty_bytes, PAGE_SIZE);
    victim_end(&victim);
}

TEST(killed_while_it_writes_back)
{
    leaves_nothing(writes_back);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
