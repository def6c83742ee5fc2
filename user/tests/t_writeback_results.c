/*
 * t_writeback_results.c: the end of a write-back of pagers made with PAGER_WANTS_WRITEBACK: results page by page.
 *
 * Machine: cpus=4
 */
#include "writeback_rig.h"

static bool has_page(struct rig rig, uint64_t page)
{
    char byte;

    return sys_vmo_read(rig.vmo, 0, &byte, AT(page), 1) == OK;
}

/* --- Results at the end. --- */

static const int32_t each_result[] = { VM_PAGER_OK, VM_PAGER_PEND, VM_PAGER_ERROR, VM_PAGER_FAIL, VM_PAGER_AGAIN, VM_PAGER_BAD };

TEST(results_for_pages)
{
    struct rig rig = dirty_rig(6, 6, 0);

    begin(rig, 0, 6);
    CHECK_OK(try_end_with(rig, 0, 6, each_result));
    CHECK(dirty_is(rig, "1+4"));
    CHECK_EQ(dirty_pages(rig.vmo), 4);
    CHECK_EQ(committed(rig.vmo), 5);
    CHECK(!has_page(rig, 5));
    for (uint64_t i = 0; i < 5; i++)
        CHECK_EQ(byte_of(rig.vmo, i), 'd');
    end(rig, 0, 6);                         /* what was pending comes to its end */
    CHECK(dirty_is(rig, "2+3"));
    write_back(rig);
    CHECK(dirty_is(rig, "") && dirty_pages(rig.vmo) == 0);
    rig_close(rig);
}

TEST(results_for_zeros)
{
    struct rig rig = writeback_create(0, VMO_RESIZABLE);

    CHECK_OK(sys_vmo_set_size(rig.vmo, AT(6)));
    begin(rig, 0, 6);
    CHECK_OK(try_end_with(rig, 0, 6, each_result));
    CHECK(dirty_is(rig, "1+4z"));
    CHECK(!has_page(rig, 0) && !has_page(rig, 5));
    for (uint64_t i = 1; i < 5; i++)
        CHECK_EQ(byte_of(rig.vmo, i), 0);
    end(rig, 0, 6);
    CHECK(dirty_is(rig, "2+3z"));
    CHECK(!has_page(rig, 1));
    CHECK_EQ(committed(rig.vmo), 0);
    rig_close(rig);
}

TEST(no_results_is_all_is_well)
{
    struct rig rig = dirty_rig(3, 3, 0);

    begin(rig, 0, 3);
    end(rig, 0, 3);
    CHECK(dirty_is(rig, "") && committed(rig.vmo) == 3);
    rig_close(rig);
}

/* Only what still awaits being clean has a result. */
TEST(results_where_nothing_awaits_them)
{
    for (unsigned i = 0; i < array_size(each_result); i++) {
        int32_t results[4] = { each_result[i], each_result[i], each_result[i], each_result[i] };
        struct rig rig = dirty_rig(4, 3, 1);        /* clean, dirty, dirty, a gap */

        begin(rig, 2, 1);
        write_byte(rig, 2, 'e');                    /* dirty again */
        CHECK_OK(try_end_with(rig, 0, 4, results));
        CHECK(dirty_is(rig, "1+2"));
        CHECK(byte_of(rig.vmo, 0) == content_of(0) && byte_of(rig.vmo, 1) == 'd' && byte_of(rig.vmo, 2) == 'e');
        CHECK(!has_page(rig, 3));
        rig_close(rig);
    }
}

TEST(many_results)
{
    enum { PAGES = 200 };
    static int32_t results[PAGES];
    struct rig rig = dirty_rig(PAGES, PAGES, 0);
    uint64_t dirty = 0, held = 0;

    for (int i = 0; i < PAGES; i++)
        results[i] = each_result[(i * 7 + i / 64) % 6];
    begin(rig, 0, PAGES);
    CHECK_OK(try_end_with(rig, 0, PAGES, results));
    for (uint64_t i = 0; i < PAGES; i++) {
        bool clean = results[i] == VM_PAGER_OK, gone = results[i] == VM_PAGER_BAD;

        CHECK_EQ(dirty_runs(rig, i, 1)[0] == 0, clean || gone);
        CHECK_EQ(has_page(rig, i), !gone);
        dirty += !clean && !gone;
        held += !gone;
    }
    CHECK(dirty_pages(rig.vmo) == dirty && committed(rig.vmo) == held);
    rig_close(rig);
}

TEST(bad_pages_leave_the_mappings)
{
    struct rig rig = dirty_rig(2, 2, 0);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, AT(2));
    int32_t results[] = { VM_PAGER_BAD, VM_PAGER_AGAIN };

    memory[0] = memory[AT(1)] = 'm';
    begin(rig, 0, 2);
    CHECK_OK(try_end_with(rig, 0, 2, results));
    CHECK_EQ(memory[AT(1)], 'm');
    load_start(&accesses[0], memory);
    expect_read(rig, 0, 1);
    supply(rig, 0, 1);
    CHECK_OK(sys_object_wait_one(accesses[0].thread.handle, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_OK(sys_handle_close(accesses[0].thread.handle));
    CHECK_EQ(accesses[0].buffer[0], content_of(0));
    unmap(memory, AT(2));
    rig_close(rig);
}

/* Dirty after a failure and mapped read-only since BEGIN: the next store works without a word. */
TEST(stores_after_a_failure)
{
    struct rig rig = dirty_rig(1, 1, 0);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, AT(1));
    int32_t result = VM_PAGER_ERROR;

    memory[0] = 'm';
    begin(rig, 0, 1);
    CHECK_OK(try_end_with(rig, 0, 1, &result));
    memory[0] = 'n';
    CHECK(byte_of(rig.vmo, 0) == 'n' && dirty_pages(rig.vmo) == 1);
    unmap(memory, AT(1));
    rig_close(rig);
}

TEST(results_may_lie_in_the_vmo_itself)
{
    struct rig rig = dirty_rig(3, 3, 0);
    char *memory = map_vmo(rig.vmo, VM_READ | VM_WRITE, 0, AT(3));

    memcpy(memory + AT(1), (int32_t[]){ VM_PAGER_OK, VM_PAGER_OK, VM_PAGER_BAD }, 12);
    begin(rig, 0, 3);
    CHECK_OK(try_end_with(rig, 0, 3, (int32_t *)(memory + AT(1))));
    CHECK(dirty_is(rig, "") && committed(rig.vmo) == 2);
    unmap(memory, AT(3));
    rig_close(rig);
}

/* --- What is refused. --- */

TEST(unknown_results_are_refused)
{
    static const int32_t unknown[] = { -1, VM_PAGER_AGAIN + 1, INT32_MAX, INT32_MIN };
    struct rig rig = dirty_rig(4, 4, 0);

    begin(rig, 0, 4);
    for (unsigned i = 0; i < array_size(unknown); i++) {
        int32_t results[] = { VM_PAGER_OK, VM_PAGER_BAD, VM_PAGER_OK, unknown[i] };

        CHECK_STATUS(try_end_with(rig, 0, 4, results), ERR_INVALID_ARGS);
        CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_WRITEBACK_END, rig.vmo, 0, AT(4), (uintptr_t)results),
                     ERR_INVALID_ARGS);
        CHECK(dirty_is(rig, "0+4") && committed(rig.vmo) == 4);
    }
    rig_close(rig);
}

TEST(bad_pointers_are_refused)
{
    struct rig rig = dirty_rig(4, 4, 0);
    int32_t *last = (int32_t *)edge() - 1;

    begin(rig, 0, 4);
    for (unsigned i = 1; i < BAD_INPUTS; i++)
        CHECK_STATUS(try_end_with(rig, 0, 4, bad_pointer(i)), ERR_INVALID_ARGS);
    *last = VM_PAGER_OK;
    CHECK_STATUS(try_end_with(rig, 0, 2, last), ERR_INVALID_ARGS);
    CHECK(dirty_is(rig, "0+4"));
    CHECK_OK(try_end_with(rig, 0, 1, last));
    CHECK(dirty_is(rig, "1+3"));
    CHECK_OK(try_end_with(rig, 0, 0, bad_pointer(1)));      /* nothing is read */
    rig_close(rig);
}

TEST(an_array_that_ends_too_early)
{
    struct rig rig = dirty_rig(100, 100, 0);
    int32_t *results = (int32_t *)edge() - 80;

    memset(results, 0, 80 * sizeof *results);
    begin(rig, 0, 100);
    CHECK_STATUS(try_end_with(rig, 0, 100, results), ERR_INVALID_ARGS);
    CHECK(dirty_pages(rig.vmo) >= 20);
    end(rig, 0, 100);
    CHECK_EQ(dirty_pages(rig.vmo), 0);
    rig_close(rig);
}

TEST(ranges_are_checked_first)
{
    struct rig rig = dirty_rig(4, 4, 0);
    int32_t results[8] = { 0 };
    uint64_t data = (uintptr_t)results;

    CHECK_STATUS(try_end_with(rig, 3, 2, results), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_end_with(rig, 5, 0, results), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_end_with(rig, 3, 2, bad_pointer(1)), ERR_OUT_OF_RANGE);
    CHECK_STATUS(try_end_with(rig, 0, UINT64_MAX >> PAGE_SHIFT, results), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_WRITEBACK_END, rig.vmo, 1, PAGE_SIZE, data), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_WRITEBACK_END, rig.vmo, 0, 100, data), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_op_range(rig.pager, PAGER_OP_WRITEBACK_BEGIN, rig.vmo, 0, PAGE_SIZE, data), ERR_INVALID_ARGS);
    CHECK(dirty_is(rig, "0+4"));
    rig_close(rig);
}

TEST(others_have_no_results)
{
    struct rig rig = rig_create(2);
    int32_t results[2] = { 0 };

    supply(rig, 0, 2);
    write_byte(rig, 0, 'd');
    begin(rig, 0, 2);
    CHECK_STATUS(try_end_with(rig, 0, 2, results), ERR_INVALID_ARGS);
    CHECK_STATUS(try_end_with(rig, 0, 0, results), ERR_INVALID_ARGS);
    CHECK(dirty_is(rig, "0+1"));
    end(rig, 0, 2);
    CHECK(dirty_is(rig, ""));
    rig_close(rig);
}

TEST(results_after_detach)
{
    struct rig rig = dirty_rig(6, 6, 0);

    begin(rig, 0, 6);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK_OK(try_end_with(rig, 0, 6, each_result));
    CHECK(dirty_is(rig, "1+4"));
    CHECK_STATUS(sys_vmo_read(rig.vmo, VMO_MAY_BLOCK, &(char){ 0 }, AT(5), 1), ERR_BAD_STATE);
    expect_complete(rig);
    expect_silence(rig.port);
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
