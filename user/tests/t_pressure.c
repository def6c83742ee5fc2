/*
 * t_pressure.c: memory is short, on one hart: more pages go than the file has.  See pressure.h.
 *
 * Machine: cpus=1 memory=32M
 */
#define ENOUGH PAGES

#include "pressure.h"

TEST(more_than_memory_is_read)
{
    pressure();
}

TEST(with_a_silent_pager_beside_it)
{
    pressure_beside_silence();
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}

int test_helper(int count, char **arguments)
{
    return soak(count, arguments, (void (*const[])(void)){ pressure, NULL });
}
