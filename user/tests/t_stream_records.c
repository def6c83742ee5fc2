/*
 * t_stream_records.c: two processes append records to one VMO while a slow pager allows, writes back, and loses pages.
 *
 * Machine: cpus=4
 */
#include "stream_rig.h"

enum { RECORDS = 400, APPENDERS = 4, STORE_PAGES = 64 };

struct record {
    uint32_t writer, number;
    char body[92];                      /* 100 bytes: they cross pages */
};

static handle_t log_vmo;

static void append_records(void *argument)
{
    uint32_t writer = (uint32_t)(uintptr_t)argument;
    handle_t stream;

    if (sys_stream_create(STREAM_WRITE | STREAM_APPEND, log_vmo, 0, &stream) != OK)
        return;
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct record record = { .writer = writer, .number = i };
        size_t actual = 0;

        for (unsigned j = 0; j < sizeof record.body; j++)
            record.body[j] = (char)(writer * 31 + i + j);
        if (sys_stream_write(stream, &record, sizeof record, &actual) != OK || actual != sizeof record)
            break;                              /* its records are missed */
    }
    sys_handle_close(stream);
}

/* Appenders 0 and 1 are threads of the test, 2 and 3 of this other process. */
int test_helper(int argument_count, char **arguments)
{
    (void)argument_count;
    (void)arguments;
    log_vmo = start_handle(START_USER);
    for (uintptr_t i = 0; i < 2; i++)
        raw_thread_start(&writers[i].thread, append_records, (void *)(i + 2));
    for (unsigned i = 0; i < 2; i++)
        wait_for_end(writers[i].thread.handle);
    return 3;
}

static handle_t store;                  /* what was written back */

static void copy_page(handle_t to, uint64_t to_page, handle_t from, uint64_t from_page)
{
    static char page[PAGE_SIZE];

    CHECK_OK(sys_vmo_read(from, 0, page, AT(from_page), PAGE_SIZE));
    CHECK_OK(sys_vmo_write(to, 0, page, AT(to_page), PAGE_SIZE));
}

/* All that is dirty; `evict`: then the kernel takes pages away, for which it looks at all frames. */
static void write_back(struct rig rig, bool evict)
{
    uint64_t pages = vmo_info(rig.vmo).size_bytes / PAGE_SIZE, evicted;
    vmo_dirty_range_t ranges[8];
    size_t count = 0;

    CHECK_OK(sys_pager_query_dirty_ranges(rig.pager, rig.vmo, 0, AT(pages), ranges, sizeof ranges,
                                          &count, NULL));
    for (size_t i = 0; i < count; i++) {
        uint64_t first = ranges[i].offset / PAGE_SIZE, number = ranges[i].length / PAGE_SIZE;

        pager_op(rig, PAGER_OP_WRITEBACK_BEGIN, first, number, ranges[i].options);
        for (uint64_t page = first; page < first + number && !ranges[i].options; page++)
            copy_page(store, page, rig.vmo, page);
        end(rig, first, number);
    }
    if (evict)
        CHECK_OK(sys_system_reclaim(system_handle(), pages, &evicted));
}

/* Answer one packet, sometimes a little later, and sometimes write back. */
static void serve(struct rig rig, uint64_t turn)
{
    port_packet_t packet;

    if (sys_port_wait(rig.port, after(SECOND / 1000), &packet) != OK)
        return;
    uint64_t first = packet.page_request.offset / PAGE_SIZE;
    uint64_t count = packet.page_request.length / PAGE_SIZE;

    if (turn % 3 == 0)
        sys_nanosleep(after(SECOND / 5000));
    if (packet.page_request.command == PAGER_VMO_DIRTY) {
        status_t status = sys_pager_op_range(rig.pager, PAGER_OP_DIRTY, rig.vmo, AT(first), AT(count), 0);
        CHECK(status == OK || status == ERR_NOT_FOUND);
    } else {
        handle_t aux = new_vmo(count);

        CHECK_EQ(packet.page_request.command, PAGER_VMO_READ);
        for (uint64_t i = 0; i < count; i++)
            copy_page(aux, i, store, first + i);
        CHECK_OK(sys_pager_supply_pages(rig.pager, rig.vmo, AT(first), AT(count), aux, 0));
        CHECK_OK(sys_handle_close(aux));
    }
}

static bool has_ended(handle_t task)
{
    return sys_object_wait_one(task, SIGNAL_TERMINATED, 0, NULL) == OK;
}

/* Supply what is not. */
static bool is_all_there(void *argument)
{
    struct rig *rig = argument;
    uint64_t pages = vmo_info(rig->vmo).size_bytes / PAGE_SIZE;
    char byte;

    for (uint64_t i = 0; i < pages; i++) {
        if (sys_vmo_read(rig->vmo, 0, &byte, AT(i), 1) == OK)
            continue;
        handle_t aux = new_vmo(1);
        copy_page(aux, 0, store, i);
        CHECK_OK(sys_pager_supply_pages(rig->pager, rig->vmo, AT(i), PAGE_SIZE, aux, 0));
        CHECK_OK(sys_handle_close(aux));
        return false;
    }
    return true;
}

static void check_records(handle_t vmo)
{
    static struct record records[RECORDS * APPENDERS];
    uint32_t next[APPENDERS] = { 0 };

    CHECK_EQ(vmo_info(vmo).content_size, sizeof records);
    CHECK_OK(sys_vmo_read(vmo, 0, records, 0, sizeof records));
    for (unsigned i = 0; i < array_size(records); i++) {
        struct record *record = &records[i];

        CHECK(record->writer < APPENDERS);
        CHECK_EQ(record->number, next[record->writer]++);
        for (unsigned j = 0; j < sizeof record->body; j++)
            CHECK_EQ(record->body[j], (char)(record->writer * 31 + record->number + j));
    }
}

/* streams: records that threads of two processes append are neither torn nor lost. */
TEST(records_of_two_processes)
{
    for (uint32_t options = 0; options <= VMO_TRAP_DIRTY; options += VMO_TRAP_DIRTY) {
        struct rig rig = paged(0, VMO_RESIZABLE | options);
        handle_t child, process;
        uint64_t turn = 0;

        log_vmo = rig.vmo;
        store = new_vmo(STORE_PAGES);
        CHECK_OK(sys_vmo_create_child(rig.vmo, VMO_CHILD_REFERENCE, 0, 0, &child));
        process = start_helper("append", child);
        for (uintptr_t i = 0; i < 2; i++)
            raw_thread_start(&writers[i].thread, append_records, (void *)i);
        while (!has_ended(process) || !has_ended(writers[0].thread.handle) ||
               !has_ended(writers[1].thread.handle)) {
            serve(rig, turn++);
            if (turn % 2 == 0)
                write_back(rig, turn % 32 == 0);
        }
        for (unsigned i = 0; i < 2; i++)
            wait_for_end(writers[i].thread.handle);
        CHECK_EQ(exit_code_of(process), 3);
        CHECK(comes_true(is_all_there, &rig));
        check_records(rig.vmo);
        expect_silence(rig.port);
        CHECK_OK(sys_handle_close(store));
        rig_close(rig);
    }
}

TEST(nothing_is_left)
{
    check_nothing_is_left();
}
