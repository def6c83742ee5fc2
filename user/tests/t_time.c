/*
 * t_time.c: the clocks, sleeping, and random bytes.
 *
 * Machine: cpus=4
 */
#include "common.h"

static atomic_uint backwards;
static _Atomic int64_t latest;

/* No hart's clock shows less than another hart has shown before. */
static void watch_clock(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20000; i++) {
        int64_t seen = latest;
        int64_t now = sys_clock_get();

        if (now < seen)
            backwards++;
        while (seen < now && !atomic_compare_exchange_weak(&latest, &seen, now))
            ;
    }
}

TEST(clock_never_goes_backwards)
{
    handle_t threads[4];

    backwards = 0;
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_OK(quire_thread_create(watch_clock, NULL, &threads[i]));
    for (unsigned i = 0; i < array_size(threads); i++)
        CHECK_OK(quire_thread_join(threads[i]));
    CHECK_EQ(backwards, 0);
}

TEST(wall_clock_runs_with_the_clock)
{
    int64_t before = sys_clock_get(), wall = sys_clock_wall();
    int64_t from = sys_clock_get();             /* the wall clock was read between the two */

    CHECK(wall > 1577836800 * SECOND);          /* 2020 */
    CHECK_OK(sys_nanosleep(after(SECOND / 20)));
    int64_t to = sys_clock_get(), wall_passed = sys_clock_wall() - wall, now = sys_clock_get();
    CHECK(wall_passed >= to - from - SECOND / 100);     /* the host may put its clock right meanwhile */
    CHECK(wall_passed <= now - before + SECOND);
}

TEST(sleep_lasts_until_its_deadline)
{
    int64_t deadline = after(SECOND / 50);

    CHECK_OK(sys_nanosleep(deadline));
    CHECK(sys_clock_get() >= deadline);
    CHECK(sys_clock_get() < deadline + PATIENCE);
}

TEST(a_deadline_in_the_past_is_over_at_once)
{
    CHECK_OK(sys_nanosleep(0));
    CHECK_OK(sys_nanosleep(-1));
    CHECK_OK(sys_nanosleep(INT64_MIN));
    CHECK_OK(sys_nanosleep(sys_clock_get()));
}

static struct raw_thread sleepers[20];
static _Atomic int64_t woke[20];

static void sleep_until(void *argument)
{
    unsigned number = (uintptr_t)argument;

    sys_nanosleep(latest + number * (SECOND / 200));
    woke[number] = sys_clock_get();
}

TEST(many_sleepers_wake_at_their_own_times)
{
    latest = after(SECOND / 50);
    for (unsigned i = array_size(sleepers); i-- > 0; )
        raw_thread_start(&sleepers[i], sleep_until, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < array_size(sleepers); i++) {
        wait_for_end(sleepers[i].handle);
        CHECK(woke[i] >= latest + i * (SECOND / 200));
    }
}

static void sleep_for_ever(void *argument)
{
    (void)argument;
    sys_nanosleep(DEADLINE_INFINITE);
}

static void sleep_an_hour(void *argument)
{
    (void)argument;
    sys_nanosleep(after(3600 * SECOND));
}

TEST(a_sleeper_can_be_killed)
{
    COVERS("nanosleep",
           CANCELED);              /* ends the call of a thread that is killed: it dies there */
    raw_thread_start(&sleepers[0], sleep_for_ever, NULL);
    raw_thread_start(&sleepers[1], sleep_an_hour, NULL);
    kill_asleep(&sleepers[0]);
    kill_asleep(&sleepers[1]);
}

TEST(random_fills_exactly_the_buffer)
{
    static unsigned char bytes[5000];

    memset(bytes, 0, sizeof bytes);
    CHECK_OK(sys_random(bytes + 1, 4097));
    CHECK_EQ(bytes[0], 0);
    for (unsigned i = 4098; i < sizeof bytes; i++)
        CHECK_EQ(bytes[i], 0);
    CHECK_OK(sys_random(bytes, 0));
    CHECK_OK(sys_random(NULL, 0));
}

TEST(random_bytes_look_random)
{
    static unsigned char bytes[65536];
    unsigned counts[256] = { 0 }, ones = 0;

    CHECK_OK(sys_random(bytes, sizeof bytes));
    for (unsigned i = 0; i < sizeof bytes; i++) {
        counts[bytes[i]]++;
        ones += __builtin_popcount(bytes[i]);
    }
    /*
     * 256 expected of each with a deviation of 16; 262,144 bits with one of 362: eight deviations.
     */
    for (unsigned i = 0; i < 256; i++)
        CHECK(counts[i] > 128 && counts[i] < 384);
    CHECK(ones > 262144 - 2900 && ones < 262144 + 2900);
}

TEST(random_never_repeats)
{
    uint64_t values[64];

    for (unsigned i = 0; i < array_size(values); i++) {
        CHECK_OK(sys_random(&values[i], sizeof values[i]));
        for (unsigned j = 0; j < i; j++)
            CHECK(values[i] != values[j]);
    }
}

TEST(random_refuses_bad_pointers)
{
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_random(bad_pointer(i), 4), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_random(edge() - 100, 101), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_random(edge() - 100, SIZE_MAX), ERR_INVALID_ARGS);
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
