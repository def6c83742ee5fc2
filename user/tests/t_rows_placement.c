/*
 * t_rows_placement.c: rows 31 to 38 of the feature table: which block a page gets.
 *
 * Machine: cpus=2 memory=64M
 */
#include "row_rig.h"

TEST(row_31_the_high_level_is_used_up_first)
{
    settle();
    handle_t low = new_store(LOW, 4), high = new_store(HIGH, 4);

    add_pages(low, 1024, 1024);
    add_pages(high, 0, 512);
    handle_t few = filled(128, 1), many = HANDLE_INVALID;
    evict(few);
    CHECK_EQ(blocks_within(few, 0, 512), 128);
    many = filled(1024, 2);
    evict(many);
    CHECK(pages_free(high) <= FOREIGN);
    CHECK(blocks_within(many, 0, 512) + FOREIGN >= 512 - 128);
    CHECK(blocks_within(many, 1024, 1024) >= 1024 - (512 - 128));
    check_all(few, 128, 1);
    check_all(many, 1024, 2);
    CHECK_OK(sys_handle_close(few));
    CHECK_OK(sys_handle_close(many));
    delete_store(high);
    delete_store(low);
}

/* Exactly, block by block: test/host/drive_stores.c. */
TEST(row_32_segments_of_a_level_take_turns)
{
    settle();
    handle_t store = new_store(HIGH, 4), other = new_store(HIGH, 4), vmo = filled(768, 3);

    add_pages(store, 0, 512);
    add_pages(store, 512, 512);
    add_pages(other, 1024, 512);
    evict(vmo);
    size_t third[] = { blocks_within(vmo, 0, 512), blocks_within(vmo, 512, 512), blocks_within(vmo, 1024, 512) };
    for (int i = 0; i < 3; i++)
        if (third[i] < 256 - FOREIGN || third[i] > 256 + FOREIGN)
            test_failed(__FILE__, __LINE__, "segment %d has %zu pages of 768", i, third[i]);
    /* cluster by cluster: no more than a transfer in a row is in one of them */
    size_t own = blocks_of(vmo), changes = 0;
    for (size_t i = 1; i < own; i++)
        changes += all_blocks[i].disk_offset != all_blocks[i - 1].disk_offset + PAGE_SIZE;
    CHECK(changes >= 768 / 16);
    check_all(vmo, 768, 3);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(other);
    delete_store(store);
}

/* Pages of one VMO come back as they were; how many segments they were spread over does not show. */
TEST(row_33_one_segment_or_many_the_content_is_the_same)
{
    settle();
    for (unsigned segments = 1; segments <= 8; segments += 7) {
        handle_t store = new_store(HIGH, 4), vmo = filled(400, 7);

        for (unsigned i = 0; i < segments; i++)
            add_pages(store, i * 1024 / segments, 1024 / segments);
        evict(vmo);
        CHECK_EQ(blocks_within(vmo, 0, 1024), 400);
        check_all(vmo, 400, 7);
        CHECK_OK(sys_handle_close(vmo));
        delete_store(store);
    }
}

TEST(row_34_a_full_level_whose_block_is_freed_is_used_again)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = filled(768, 4);

    add_pages(store, 0, 512);
    fill_up(store);
    drop_pages(vmo, 0, 768);
    handle_t late = filled(64, 5);

    evict(late);
    CHECK_EQ(blocks_within(late, 0, 512), 64);
    check_all(late, 64, 5);
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(late));
    delete_store(store);
}

/* Bug of the original: space that was added to a full level stayed unseen until something was freed. */
TEST(row_35_a_segment_that_is_added_revives_a_full_level)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = filled(1536, 6);

    add_pages(store, 0, 256);
    fill_up(store);
    page_out();
    CHECK(committed(vmo) >= 512);
    add_pages(store, 512, PAGES - 512);
    evict(vmo);
    CHECK(blocks_within(vmo, 512, PAGES - 512) >= 512);
    check_all(vmo, 1536, 6);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

/* Bug of the original: with several segments and every level full, the next allocation never ended. */
TEST(row_36_with_all_levels_full_page_out_ends)
{
    settle();
    handle_t high = new_store(HIGH, 4), low = new_store(LOW, 4), vmo = filled(1536, 8);
    uint64_t went = 1;

    add_pages(high, 0, 64);
    add_pages(high, 64, 64);
    add_pages(low, 128, 64);
    add_pages(low, 192, 64);
    fill_up(low);
    fill_up(high);
    for (int i = 0; i < 20; i++)
        CHECK_OK(sys_system_reclaim(system_handle(), 1024, &went));
    CHECK(committed(vmo) >= 512);
    check_all(vmo, 1536, 8);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(low);
    delete_store(high);
}

/* A block is given back when its page is written to, and another taken when it goes again. */
TEST(row_37_a_page_that_is_written_again_is_placed_anew)
{
    settle();
    handle_t store = new_store(HIGH, 4), vmo = filled(1, 0);

    add_pages(store, 0, 512);
    for (uint64_t round = 1; round <= 20; round++) {
        evict(vmo);
        CHECK_EQ(blocks_of(vmo), 1);
        check_page(vmo, 0, round - 1);
        write_page(vmo, 0, round);
        CHECK_EQ(blocks_of(vmo), 0);
    }
    check_page(vmo, 0, 20);
    CHECK_OK(sys_handle_close(vmo));
    delete_store(store);
}

static uint64_t greatest_place(handle_t vmo)
{
    size_t own = blocks_of(vmo);
    uint64_t greatest = 0;

    for (size_t i = 0; i < own; i++)
        if (all_blocks[i].disk_offset > greatest)
            greatest = all_blocks[i].disk_offset;
    return greatest;
}

TEST(row_38_blocks_that_were_freed_below_are_found_first)
{
    settle();
    handle_t store = new_store(HIGH, 4), first = filled(256, 1), second, third;

    add_pages(store, 0, PAGES);
    evict(first);
    second = filled(256, 2);
    evict(second);
    uint64_t behind = greatest_place(second);
    CHECK_OK(sys_handle_close(first));
    third = filled(128, 3);
    evict(third);
    CHECK_EQ(blocks_of(third), 128);
    CHECK(greatest_place(third) < behind);
    check_all(second, 256, 2);
    check_all(third, 128, 3);
    CHECK_OK(sys_handle_close(second));
    CHECK_OK(sys_handle_close(third));
    delete_store(store);
}
