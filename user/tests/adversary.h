/*
 * adversary.h: for the tests of hostile pagers: what the machine holds before and after, and a pager beside them whose clients
 * must notice nothing.
 */
#pragma once

#include "dirty_rig.h"
#include "holdings.h"

/* --- Somebody else's client. --- */

static struct access bystander;

/* Another pager, another VMO: asked, answered, done. */
static inline void others_go_on(void)
{
    struct rig rig = rig_create(1);

    access_start(&bystander, ACCESS_READ, rig.vmo, 0, 1);
    expect_read(rig, 0, 1);
    supply(rig, 0, 1);
    CHECK_OK(access_end(&bystander));
    CHECK(access_read_content(&bystander));
    CHECK_OK(sys_handle_close(rig.vmo));
    expect_complete(rig);
    CHECK_OK(sys_handle_close(rig.pager));
    CHECK_OK(sys_handle_close(rig.port));
}

/* --- Nothing leaks. --- */

#define TELLINGS 12

/*
 * A story is told until once it leaves all as it was.  The first times it may cost what the system and our own memory have not
 * needed before, and at any time the file server may make one of its few workers; what leaks, leaks every time.
 */
static inline void leaves_nothing(void (*story)(void))
{
    for (int telling = 1;; telling++) {
        struct holdings before = holdings();

        story();
        others_go_on();
        if (telling > 1 && comes_true_within(SECOND, is_as_before, &before))
            return;
        if (telling == TELLINGS) {
            check_same(&before, "after the story");
            return;
        }
    }
}

/* --- Clients. --- */

static inline status_t try_supply(struct rig rig, uint64_t first, uint64_t count, handle_t aux)
{
    return sys_pager_supply_pages(rig.pager, rig.vmo, first * PAGE_SIZE, count * PAGE_SIZE, aux, 0);
}

