/*
 * t_pressure_harts.c: memory is short, on four harts.  See pressure.h.
 *
 * Machine: cpus=4 memory=32M
 */
#define ENOUGH 1024u

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
