/*
 * t_conform_eviction.c: conformance, section 4.1: eviction: what goes, what stays, and who notices.
 *
 * Machine: cpus=4
 */
#include "conform.h"
#include "writeback_rig.h"

/* Asking does not use the page. */
static bool is_gone(void *rig)
{
    return committed(((struct rig *)rig)->vmo) == 0;
}

/* A page at a time, until the only page of this VMO is gone. */
static void evict_until_gone(struct rig rig)
{
    int64_t limit = after(PATIENCE);

    while (!is_gone(&rig)) {
        CHECK(sys_clock_get() < limit);
        evict(1);
    }
}

/* --- 4.1: what goes. --- */

/* 4.1: a clean page can be evicted: it leaves a gap, and the next access sends READ. */
TEST(clean_pages_leave_gaps)
{
    struct rig rig = rig_supplied(4, 0, 4);

    CHECK(evict(ALL) >= 4);
    CHECK_EQ(committed(rig.vmo), 0);
    CHECK_STATUS(byte_of(rig.vmo, 1), ERR_SHOULD_WAIT);
    ask(0, ACCESS_READ, rig.vmo, 1, 2);
    serve_read(rig, 1, 2);
    ends_with_content(0);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.1: the pager is never told about eviction. */
TEST(the_pager_is_not_told)
{
    struct rig rig = rig_supplied(4, 0, 4);

    evict(ALL);
    expect_silence(rig.port);
    CHECK(vmo_info(rig.vmo).flags & INFO_VMO_PAGER_BACKED);
    rig_close(rig);
}

/* 4.1: eviction counts in change_events, page by page, and committed memory falls. */
TEST(eviction_is_counted)
{
    struct rig rig = rig_supplied(8, 0, 6);

    CHECK_EQ(vmo_info(rig.vmo).change_events, 0);
    CHECK_EQ(committed(rig.vmo), 6);
    evict(ALL);
    CHECK_EQ(vmo_info(rig.vmo).change_events, 6);
    CHECK_EQ(committed(rig.vmo), 0);
    supply(rig, 3, 2);
    CHECK_EQ(committed(rig.vmo), 2);
    evict(ALL);
    CHECK_EQ(vmo_info(rig.vmo).change_events, 8);
    evict(ALL);
    CHECK_EQ(vmo_info(rig.vmo).change_events, 8);
    rig_close(rig);
}

/* 4.1: frames of evicted pages are free memory again. */
TEST(frames_come_back)
{
    struct rig rig = rig_create(512);

    evict(ALL);
    for (uint64_t i = 0; i < 512; i += 16)
        supply(rig, i, 16);
    uint64_t before = system_info().frames[FRAME_PAGER];

    CHECK(evict(ALL) >= 512);
    CHECK(system_info().frames[FRAME_PAGER] + 512 <= before);
    rig_close(rig);
}

/* 4.1: no more pages go than were asked for. */
TEST(no_more_than_wanted)
{
    struct rig rig = rig_supplied(16, 0, 16);
    uint64_t went = evict(5);

    CHECK_EQ(went, 5);
    CHECK_EQ(evict(0), 0);
    CHECK(committed(rig.vmo) >= 11);
    rig_close(rig);
}

/* 4.1: zero markers hold no memory: eviction leaves them. */
TEST(zero_markers_stay)
{
    struct rig rig = rig_create(4);
    handle_t aux = new_vmo(4);

    CHECK_OK(try_supply(rig, 0, 4, aux, 0));
    evict(ALL);
    for (uint64_t i = 0; i < 4; i++)
        CHECK_EQ(byte_of(rig.vmo, i), 0);
    CHECK_EQ(vmo_info(rig.vmo).change_events, 0);
    CLOSE(aux);
    rig_close(rig);
}

/* --- 4.1: what stays. --- */

/* 4.1: dirty pages are not evicted. */
TEST(dirty_pages_stay)
{
    struct rig rig = rig_supplied(4, 0, 4);

    write_byte(rig, 1, 'd');
    write_byte(rig, 3, 'd');
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 2);
    CHECK(byte_of(rig.vmo, 1) == 'd' && byte_of(rig.vmo, 3) == 'd');
    CHECK_EQ(vmo_info(rig.vmo).change_events, 2);
    CHECK_EQ(dirty_pages(rig.vmo), 2);
    expect_silence(rig.port);               /* this pager does not want to be asked */
    rig_close(rig);
}

/* 4.1: pages that await being clean are not evicted. */
TEST(awaiting_clean_pages_stay)
{
    struct rig rig = rig_supplied(2, 0, 2);

    write_byte(rig, 0, 'd');
    begin(rig, 0, 2);
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 1);
    CHECK_EQ(byte_of(rig.vmo, 0), 'd');
    rig_close(rig);
}

/* 4.1: dirty zeros, and the pages that COMMIT made of them, are not evicted. */
TEST(dirty_zeros_stay)
{
    struct rig rig = rig_supplied(2, 0, 2);

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(6)));
    CHECK_OK(range_op(rig.vmo, VMO_OP_ZERO, 0, 1));
    CHECK_OK(range_op(rig.vmo, VMO_OP_COMMIT, 2, 1));
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 1);
    CHECK_EQ(dirty_pages(rig.vmo), 1);
    CHECK_STATUS(byte_of(rig.vmo, 1), ERR_SHOULD_WAIT);
    for (uint64_t i = 0; i < 6; i++)
        CHECK(i == 1 || byte_of(rig.vmo, i) == 0);
    rig_close(rig);
}

/* 4.1: END makes pages clean: then they can be evicted. */
TEST(end_makes_pages_evictable)
{
    struct rig rig = rig_supplied(3, 0, 3);

    for (uint64_t i = 0; i < 3; i++)
        write_byte(rig, i, 'd');
    begin(rig, 0, 3);
    write_byte(rig, 1, 'e');                /* dirty again */
    end(rig, 0, 3);
    evict(ALL);
    CHECK_EQ(committed(rig.vmo), 1);
    CHECK_EQ(byte_of(rig.vmo, 1), 'e');
    CHECK_STATUS(byte_of(rig.vmo, 0), ERR_SHOULD_WAIT);
    begin(rig, 0, 3);
    end(rig, 0, 3);
    evict(ALL);
    CHECK(is_gone(&rig));
    rig_close(rig);
}

/* 4.1: anonymous memory, and pages that a clone forked, are not evicted. */
TEST(forked_pages_stay)
{
    struct rig rig = rig_supplied(4, 0, 4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 4), anonymous = new_filled(4, 'a');
    handle_t second = HANDLE_INVALID;

    fill_page(clone, 1, 'c');
    second = new_child(clone, ON_WRITE, 0, 4);
    evict(ALL);
    CHECK_EQ(committed(clone), 1);
    CHECK(is_gone(&rig));
    CHECK(page_is(clone, 1, 'c') && page_is(second, 1, 'c'));
    for (uint64_t i = 0; i < 4; i++)
        CHECK(page_is(anonymous, i, 'a'));
    CHECK_STATUS(byte_of(clone, 0), ERR_SHOULD_WAIT);
    CHECK_STATUS(byte_of(rig.vmo, 1), ERR_SHOULD_WAIT);
    CLOSE(clone, second, anonymous);
    rig_close(rig);
}

/* 4.1: a page that was used through the kernel since page-out last came by is skipped, once. */
TEST(read_pages_are_spared_once)
{
    struct rig old = rig_supplied(1, 0, 1), used = rig_supplied(1, 0, 1), third = rig_supplied(1, 0, 1);

    /* A hint makes pages old, and being used takes it back: two that are neither young nor hinted. */
    CHECK_OK(range_op(old.vmo, VMO_OP_DONT_NEED, 0, 1));
    CHECK_OK(range_op(used.vmo, VMO_OP_DONT_NEED, 0, 1));
    CHECK_EQ(byte_of(old.vmo, 0), content_of(0));
    CHECK_EQ(byte_of(used.vmo, 0), content_of(0));
    CHECK_OK(range_op(third.vmo, VMO_OP_DONT_NEED, 0, 1));
    evict(2);                               /* goes all round for the second */
    CHECK(is_gone(&third));
    if (!is_gone(&old) && !is_gone(&used)) {
        CHECK_EQ(byte_of(used.vmo, 0), content_of(0));
        evict_until_gone(old);
        CHECK(!is_gone(&used));
        evict_until_gone(used);
    }
    rig_close(old);
    rig_close(used);
    rig_close(third);
}

/* 4.1: a page that was used through a mapping is skipped, once. */
TEST(mapped_pages_are_spared_once)
{
    struct rig used = rig_supplied(1, 0, 1), old = rig_supplied(1, 0, 1);
    volatile char *memory = map_vmo(used.vmo, VM_READ, 0, AT(1));

    CHECK_EQ(*memory, content_of(0));
    CHECK_OK(range_op(used.vmo, VMO_OP_DONT_NEED, 0, 1));
    CHECK_OK(range_op(old.vmo, VMO_OP_DONT_NEED, 0, 1));
    CHECK_EQ(*memory, content_of(0));
    CHECK_EQ(evict(1), 1);
    CHECK(is_gone(&old) && !is_gone(&used));
    CHECK_EQ(*memory, content_of(0));
    expect_silence(used.port);
    unmap((char *)memory, AT(1));
    evict_until_gone(used);
    rig_close(used);
    rig_close(old);
}

/* 4.1: use through a mapping of a clone, a slice or a reference counts for the page. */
TEST(use_through_children_counts)
{
    struct rig used = rig_fixed(4), old = rig_supplied(1, 0, 1);
    handle_t children[] = {
        new_child(used.vmo, ON_WRITE, 1, 3), new_child(used.vmo, VMO_CHILD_SLICE, 1, 3),
        new_child(used.vmo, VMO_CHILD_REFERENCE, 0, 0),
    };

    supply(used, 1, 1);
    for (unsigned i = 0; i < array_size(children); i++) {
        volatile char *memory = map_vmo(children[i], VM_READ, i == 2 ? AT(1) : 0, AT(1));

        CHECK_EQ(*memory, content_of(1));
        CHECK_OK(range_op(used.vmo, VMO_OP_DONT_NEED, 1, 1));
        CHECK_OK(range_op(old.vmo, VMO_OP_DONT_NEED, 0, 1));
        CHECK_EQ(*memory, content_of(1));
        CHECK_EQ(evict(1), 1);
        CHECK(is_gone(&old) && !is_gone(&used));
        unmap((char *)memory, AT(1));
        supply(old, 0, 1);
    }
    close_all(children, array_size(children));
    rig_close(used);
    rig_close(old);
}

/* --- 4.1: mappings. --- */

/* 4.1: mappings are removed first: the next load and the next store ask again. */
TEST(mappings_lose_evicted_pages)
{
    struct rig rig = rig_supplied(2, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, READ_WRITE, 0, AT(2));

    CHECK(memory[0] == content_of(0) && memory[AT(1)] == content_of(1));
    evict(ALL);
    CHECK(is_gone(&rig));
    touch_asks(0, ACCESS_LOAD, memory);
    touch_asks(1, ACCESS_STORE, memory + AT(1));
    serve_read(rig, 0, 1);
    serve_read(rig, 1, 1);
    CHECK_EQ(touch_end(0), content_of(0));
    touch_end(1);
    CHECK_EQ(memory[AT(1)], '!');
    CHECK_EQ(memory[AT(1) + 1], content_of(1));
    unmap((char *)memory, AT(2));
    rig_close(rig);
}

/* 4.1: mappings of clones, slices and references lose them too, also where the clone is of a clone. */
TEST(mappings_of_children_lose_evicted_pages)
{
    struct rig rig = rig_fixed(4);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 1, 3);
    handle_t children[] = {
        clone, new_child(clone, ON_WRITE, 0, 3), new_child(rig.vmo, VMO_CHILD_SLICE, 1, 3),
        new_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0), new_child(clone, VMO_CHILD_SLICE, 0, 1),
    };
    volatile char *memory[array_size(children)];

    supply(rig, 1, 1);
    for (unsigned i = 0; i < array_size(children); i++) {
        memory[i] = map_vmo(children[i], READ_WRITE, i == 3 ? AT(1) : 0, AT(1));
        CHECK_EQ(*memory[i], content_of(1));
    }
    for (unsigned i = 0; i < array_size(children); i++) {
        evict(ALL);
        CHECK(is_gone(&rig));
        touch_asks(0, ACCESS_LOAD, memory[i]);
        serve_read(rig, 1, 1);
        CHECK_EQ(touch_end(0), content_of(1));
    }
    for (unsigned i = 0; i < array_size(children); i++)
        unmap((char *)memory[i], AT(1));
    close_all(children, array_size(children));
    rig_close(rig);
}

/* 4.1: the supplier may give other content the second time: everybody sees that, who forked does not. */
TEST(what_comes_back_is_what_is_supplied)
{
    struct rig rig = rig_supplied(2, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2), aux = new_filled(2, 'n');
    volatile char *memory = map_vmo(clone, READ_WRITE, 0, AT(2));

    memory[AT(1)] = 'f';
    CHECK_EQ(memory[0], content_of(0));
    evict(ALL);
    CHECK_OK(try_supply(rig, 0, 2, aux, 0));
    CHECK_EQ(memory[0], 'n');
    CHECK(memory[AT(1)] == 'f' && memory[AT(1) + 1] == content_of(1));
    CHECK(page_is(rig.vmo, 1, 'n'));
    unmap((char *)memory, AT(2));
    CLOSE(clone, aux);
    rig_close(rig);
}

/* 4.1: who forks an evicted page waits for it first. */
TEST(forking_an_evicted_page_asks)
{
    struct rig rig = rig_supplied(2, 0, 2);
    handle_t clone = new_child(rig.vmo, ON_WRITE, 0, 2);

    evict(ALL);
    CHECK_STATUS(try_write(clone, 1), ERR_SHOULD_WAIT);
    access_start_bytes(&accesses[0], ACCESS_WRITE, clone, AT(1), 1);
    WAITS(0);
    serve_read(rig, 1, 1);
    ENDS(0, OK);
    CHECK(committed(clone) == 1 && vmo_info(rig.vmo).dirty_bytes == 0);
    evict(ALL);
    CHECK(is_gone(&rig) && committed(clone) == 1);
    CLOSE(clone);
    rig_close(rig);
}

/* --- 4.1: while requests are outstanding. --- */

/* 4.1: eviction of pages that a request has already got: it may end early, whoever waits looks again. */
TEST(eviction_under_a_request)
{
    struct rig rig = rig_create(4);

    ask_op(0, VMO_OP_COMMIT, rig.vmo, 0, 4);
    expect_read(rig, 0, 4);
    supply(rig, 0, 2);
    evict(ALL);
    supply(rig, 0, 2);                      /* the count of what is missing comes to 0 */
    expect_read(rig, 2, 2);
    WAITS(0);
    supply(rig, 2, 2);
    ENDS(0, OK);
    CHECK_EQ(committed(rig.vmo), 4);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.1: eviction of a neighbour of what is waited for. */
TEST(eviction_beside_a_request)
{
    struct rig rig = rig_supplied(4, 0, 2);

    ask(0, ACCESS_READ, rig.vmo, 0, 4);     /* has read two pages, waits for the third */
    expect_read(rig, 2, 2);
    evict(ALL);
    WAITS(0);
    supply(rig, 2, 2);
    ends_with_content(0);
    CHECK_EQ(committed(rig.vmo), 2);
    expect_silence(rig.port);
    rig_close(rig);
}

/* 4.1: a page that waits for permission to become dirty is clean: it may go, and OP_DIRTY then finds a gap. */
TEST(eviction_under_a_dirty_request)
{
    struct rig rig = { .pager = new_pager(), .port = new_port() };

    CHECK_OK(sys_pager_create_vmo(rig.pager, VMO_TRAP_DIRTY, rig.port, RIG_KEY, AT(1), &rig.vmo));
    supply(rig, 0, 1);
    access_start_bytes(&accesses[0], ACCESS_WRITE, rig.vmo, 0, 1);
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_DIRTY, 0, 1);
    evict(ALL);
    CHECK(is_gone(&rig));
    CHECK_STATUS(try_op(rig, PAGER_OP_DIRTY, 0, 1, 0), ERR_NOT_FOUND);
    serve_read(rig, 0, 1);                  /* the writer looked again */
    expect_packet(rig.port, RIG_KEY, PAGER_VMO_DIRTY, 0, 1);
    CHECK_OK(try_op(rig, PAGER_OP_DIRTY, 0, 1, 0));
    ENDS(0, OK);
    CHECK_EQ(dirty_pages(rig.vmo), 1);
    rig_close(rig);
}

/* 4.1: resized VMOs: what was cut off is not there to be evicted, what was evicted can be cut off. */
TEST(eviction_and_sizes)
{
    struct rig rig = rig_supplied(4, 0, 4);

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(3)));
    evict(ALL);
    CHECK_EQ(vmo_info(rig.vmo).change_events, 3);
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(1)));
    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(2)));
    CHECK_EQ(byte_of(rig.vmo, 1), 0);
    CHECK_STATUS(byte_of(rig.vmo, 0), ERR_SHOULD_WAIT);
    rig_close(rig);
}

/* 4.1: after detach dirty pages stay; once they are clean they go, and then they are lost. */
TEST(eviction_after_detach)
{
    struct rig rig = rig_supplied(3, 0, 3);

    write_byte(rig, 1, 'd');
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    evict(ALL);
    CHECK_EQ(byte_of(rig.vmo, 1), 'd');
    begin(rig, 1, 1);
    end(rig, 1, 1);
    evict(ALL);
    CHECK(is_gone(&rig));
    CHECK_STATUS(byte_of(rig.vmo, 1), ERR_BAD_STATE);
    expect_complete(rig);
    rig_close(rig);
}

/* 4.1: pages of a closed pager stay readable until they are evicted, then accesses are BAD_STATE. */
TEST(eviction_after_the_pager_closed)
{
    struct rig rig = rig_supplied(2, 0, 2);
    volatile char *memory = map_vmo(rig.vmo, VM_READ, 0, AT(2));

    CLOSE(rig.pager);
    CHECK_EQ(memory[AT(1)], content_of(1));
    evict(ALL);
    CHECK_STATUS(byte_of(rig.vmo, 0), ERR_BAD_STATE);
    load_crashes(memory + AT(1), ERR_BAD_STATE);
    unmap((char *)memory, AT(2));
    CLOSE(rig.vmo, rig.port);
}

/* --- The call that these tests use. --- */

/* 4.1: sys_system_reclaim: wrong handles and pointers. */
TEST(arguments_of_system_reclaim)
{
    handle_t system = system_handle(), event = new_event();
    handle_t bare = reduced(system, RIGHT_INSPECT);
    uint64_t went;

    CHECK_STATUS(sys_system_reclaim(HANDLE_INVALID, 1, &went), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_system_reclaim(event, 1, &went), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_system_reclaim(bare, 1, &went), ERR_ACCESS_DENIED);
    CHECK_OK(sys_system_reclaim(system, 0, NULL));
    for (unsigned i = 1; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_system_reclaim(system, 0, bad_pointer(i)), ERR_INVALID_ARGS);
    CLOSE(event, bare);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
