/*
 * t_info.c: sys_object_get_info: what it refuses, and that what it says is true.
 *
 * Machine: cpus=4
 */
#include "pager_rig.h"
#include "toucher.h"

#include <stdlib.h>

static status_t get(handle_t handle, uint32_t topic, void *buffer, size_t size)
{
    return sys_object_get_info(handle, topic, buffer, size, NULL, NULL);
}

/* --- Refusals, for every topic. --- */

struct topic_case {
    uint32_t topic;
    size_t size;                        /* of a record */
    bool list;
    handle_t right, wrong;              /* objects of the type asked about, and of another */
};

static char record_buffer[512];

static void refusals(const struct topic_case *c)
{
    handle_t blind = reduced(c->right, RIGHT_DUPLICATE);
    size_t actual = 77, avail = 77;

    CHECK_STATUS(sys_object_get_info(HANDLE_INVALID, c->topic, record_buffer, c->size, NULL, NULL),
                 ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_get_info(blind, c->topic, record_buffer, c->size, NULL, NULL),
                 c->topic == INFO_HANDLE_BASIC ? OK : ERR_ACCESS_DENIED);
    if (c->wrong != HANDLE_INVALID)
        CHECK_STATUS(sys_object_get_info(c->wrong, c->topic, record_buffer, c->size, NULL, NULL),
                     ERR_WRONG_TYPE);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        CHECK_STATUS(sys_object_get_info(c->right, c->topic, bad_pointer(i), c->size, NULL, NULL),
                     ERR_INVALID_ARGS);
        if (i != BAD_NULL) {            /* null: the number is not wanted */
            CHECK_STATUS(sys_object_get_info(c->right, c->topic, record_buffer, c->size,
                                             bad_pointer(i), NULL),
                         ERR_INVALID_ARGS);
            CHECK_STATUS(sys_object_get_info(c->right, c->topic, record_buffer, c->size, NULL,
                                             bad_pointer(i)),
                         ERR_INVALID_ARGS);
        }
    }
    if (c->list) {
        CHECK_OK(sys_object_get_info(c->right, c->topic, NULL, c->size - 1, &actual, &avail));
        CHECK(avail >= 1);
    } else {
        CHECK_STATUS(sys_object_get_info(c->right, c->topic, record_buffer, c->size - 1, &actual,
                                         &avail),
                     ERR_BUFFER_TOO_SMALL);
        CHECK_EQ(avail, 1);
    }
    CHECK_EQ(actual, 0);

    memset(record_buffer, 0x5e, sizeof record_buffer);          /* not a byte more than asked for */
    CHECK_OK(get(c->right, c->topic, record_buffer, c->size + 1));
    for (size_t i = c->size; i < sizeof record_buffer; i++)
        CHECK_EQ(record_buffer[i], 0x5e);
    CHECK_OK(sys_handle_close(blind));
}

static bool something_is_out(void *unused)
{
    size_t available = 0;

    (void)unused;
    CHECK_OK(sys_system_reclaim(system_handle(), 32, NULL));
    CHECK_OK(sys_object_get_info(default_pager_handle(), INFO_SWAP_PAGE_LIST, NULL, 0, NULL, &available));
    return available > 0;
}

TEST(each_topic_refuses)
{
    struct rig rig = rig_create(1);     /* so that no list is empty */
    handle_t event = new_event(), vmo = new_vmo(1), self = process_self(), system = system_handle();
    const struct topic_case cases[] = {
        { INFO_HANDLE_BASIC, sizeof(info_handle_basic_t), false, vmo, HANDLE_INVALID },
        { INFO_PROCESS, sizeof(info_process_t), false, self, event },
        { INFO_THREAD, sizeof(info_thread_t), false, thread_self(), self },
        { INFO_VMO, sizeof(info_vmo_t), false, vmo, self },
        { INFO_SYSTEM, sizeof(info_system_t), false, system, vmo },
        { INFO_PROCESS_MAPS, sizeof(info_map_t), true, self, vmo },
        { INFO_PROCESS_LIST, sizeof(info_process_t), true, system, self },
        { INFO_PROCESS_THREADS, sizeof(info_thread_t), true, self, thread_self() },
        { INFO_PAGER_LIST, sizeof(info_pager_vmo_t), true, system, self },
        { INFO_FRAME_MAP, sizeof(info_frame_run_t), true, system, self },
        { INFO_SEGMENT_LIST, sizeof(info_segment_t), true, default_pager_handle(), system },
        { INFO_SWAP_PAGE_LIST, sizeof(info_swap_page_t), true, default_pager_handle(), system },
    };
    handle_t device, store;

    CHECK_OK(block_open("scratch", &device));
    CHECK_OK(sys_backing_store_create(default_pager_handle(), 0, 0, &store));
    CHECK_OK(sys_backing_store_add_segment(store, device, 0, 64, 4096));
    CHECK(comes_true(something_is_out, NULL));
    edge();
    for (size_t i = 0; i < array_size(cases); i++)
        refusals(&cases[i]);
    CHECK_STATUS(sys_object_get_info(vmo, 0, record_buffer, sizeof record_buffer, NULL, NULL),
                 ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_object_get_info(vmo, 13, record_buffer, sizeof record_buffer, NULL, NULL),
                 ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_object_get_info(vmo, UINT32_MAX, record_buffer, sizeof record_buffer, NULL,
                                     NULL),
                 ERR_NOT_SUPPORTED);
    CHECK_OK(sys_backing_store_delete(store));
    CHECK_OK(sys_handle_close(store));
    CHECK_OK(sys_handle_close(device));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(event));
    rig_close(rig);
}

/* --- One object each. --- */

TEST(every_object_has_a_type_and_a_number)
{
    struct rig rig = rig_create(1);
    handle_t event = new_event(), a, b;
    info_handle_basic_t info, peer;

    CHECK_OK(sys_channel_create(0, &a, &b));
    const struct {
        handle_t handle;
        uint32_t type;
    } objects[] = {
        { process_self(), OBJECT_PROCESS },
        { thread_self(), OBJECT_THREAD },
        { rig.vmo, OBJECT_VMO },
        { rig.port, OBJECT_PORT },
        { a, OBJECT_CHANNEL },
        { event, OBJECT_EVENT },
        { rig.pager, OBJECT_PAGER },
        { system_handle(), OBJECT_SYSTEM },
        { default_pager_handle(), OBJECT_DEFAULT_PAGER },
        { console_handle(), OBJECT_CONSOLE },
    };
    uint64_t koids[array_size(objects)];

    for (size_t i = 0; i < array_size(objects); i++) {
        CHECK_OK(get(objects[i].handle, INFO_HANDLE_BASIC, &info, sizeof info));
        CHECK_EQ(info.type, objects[i].type);
        CHECK(info.koid != 0 && info.rights != 0);
        koids[i] = info.koid;
        for (size_t j = 0; j < i; j++)
            CHECK(koids[j] != info.koid);
    }
    CHECK_OK(get(a, INFO_HANDLE_BASIC, &info, sizeof info));
    CHECK_OK(get(b, INFO_HANDLE_BASIC, &peer, sizeof peer));
    CHECK(info.related_koid == peer.koid && peer.related_koid == info.koid);
    CHECK_OK(get(thread_self(), INFO_HANDLE_BASIC, &info, sizeof info));
    CHECK_EQ(info.related_koid, koids[0]);
    CHECK_OK(sys_handle_close(b));
    CHECK_OK(sys_handle_close(a));
    CHECK_OK(sys_handle_close(event));
    rig_close(rig);
}

TEST(a_process_through_its_life)
{
    struct tiny tiny = tiny_create();
    info_process_t info = process_info(tiny.process);

    CHECK(!info.started && !info.exited && !info.killed);
    CHECK(info.num_threads == 0 && info.num_handles == 0 && info.num_regions == 1);
    CHECK(info.mapped_bytes == PAGE_SIZE && info.resident_bytes == 0);
    CHECK(strcmp(info.name, "tiny") == 0);
    CHECK_OK(sys_process_start(tiny.process, tiny.thread, tiny_entry(tiny_sleep), TINY_STACK,
                               new_event(), 0));
    wait_until_asleep(tiny.thread);
    info = process_info(tiny.process);
    CHECK(info.started && !info.exited && info.num_threads == 1 && info.num_handles == 1);
    CHECK_EQ(info.resident_bytes, PAGE_SIZE);
    CHECK_OK(sys_task_kill(tiny.process));
    info = tiny_end_of(tiny);
    CHECK(info.exited && info.killed);
    CHECK_EQ(info.exit_code, EXIT_CODE_KILLED);
    CHECK(info.num_threads == 0 && info.num_handles == 0 && info.num_regions == 0);
    CHECK(info.mapped_bytes == 0 && info.resident_bytes == 0);
}

TEST(a_thread_through_its_life)
{
    struct tiny tiny = tiny_create();
    info_thread_t info, later;

    CHECK_OK(get(tiny.thread, INFO_THREAD, &info, sizeof info));
    CHECK(info.state == THREAD_NEW && info.run_time == 0 && strcmp(info.name, "main") == 0);
    CHECK_OK(sys_process_start(tiny.process, tiny.thread, tiny_entry(tiny_spin), TINY_STACK,
                               HANDLE_INVALID, 0));
    int64_t end = after(PATIENCE);
    do {
        CHECK_OK(get(tiny.thread, INFO_THREAD, &later, sizeof later));
        CHECK_EQ(later.state, THREAD_RUNNING);
        sys_nanosleep(0);
    } while (later.run_time == 0 && sys_clock_get() < end);
    CHECK(later.run_time > 0 && later.koid == info.koid);
    CHECK_OK(sys_task_kill(tiny.process));
    CHECK_OK(sys_object_wait_one(tiny.thread, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    CHECK_EQ(thread_state(tiny.thread), THREAD_DEAD);
    tiny_end_of(tiny);
}

TEST(a_vmo_counts_its_users)
{
    handle_t vmo = new_resizable_vmo(4), more = reduced(vmo, RIGHT_READ | RIGHT_INSPECT);
    char *memory = map_vmo(vmo, VM_READ | VM_WRITE, 0, 4 * PAGE_SIZE);
    const char *again = map_vmo(vmo, VM_READ, 0, PAGE_SIZE);

    CHECK_OK(sys_object_set_name(vmo, "counted", 7));
    memory[PAGE_SIZE] = 1;
    info_vmo_t info = vmo_info(vmo);
    CHECK(info.size_bytes == 4 * PAGE_SIZE && info.content_size == 4 * PAGE_SIZE);
    CHECK(info.committed_bytes == PAGE_SIZE && info.populated_bytes == PAGE_SIZE &&
          info.dirty_bytes == 0);
    CHECK_EQ(info.num_mappings, 2);
    CHECK_EQ(info.share_count, 2);
    CHECK_EQ(info.num_children, 0);
    CHECK_EQ(info.flags, INFO_VMO_PAGED | INFO_VMO_RESIZABLE);
    CHECK(strcmp(info.name, "counted") == 0);
    CHECK(info.handle_rights & RIGHT_RESIZE);
    CHECK_EQ(vmo_info(more).handle_rights, RIGHT_READ | RIGHT_INSPECT);
    CHECK_EQ(vmo_info(more).koid, info.koid);
    CHECK_OK(sys_handle_close(more));
    unmap(again, PAGE_SIZE);
    CHECK(vmo_info(vmo).num_mappings == 1 && vmo_info(vmo).share_count == 1);
    unmap(memory, 4 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
}

/* A VMO of 100 pages is in these counts, if nobody else changed them meanwhile. */
static bool vmo_is_counted(void *argument)
{
    info_system_t *counts = argument;
    handle_t vmo;

    counts[0] = system_info();
    vmo = new_vmo(100);
    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_COMMIT, 0, 100 * PAGE_SIZE, NULL, 0));
    counts[1] = system_info();
    CHECK_OK(sys_handle_close(vmo));
    return counts[1].frames[FRAME_ANON] == counts[0].frames[FRAME_ANON] + 100 &&
           counts[1].objects[OBJECT_VMO] == counts[0].objects[OBJECT_VMO] + 1 &&
           system_info().frames[FRAME_ANON] == counts[0].frames[FRAME_ANON];
}

TEST(the_system_adds_up)
{
    info_system_t counts[2], before, now;
    uint64_t frames = 0;

    CHECK(comes_true(vmo_is_counted, counts));
    before = counts[0];
    now = counts[1];
    for (unsigned i = 0; i < FRAME_KINDS; i++)
        frames += now.frames[i];
    CHECK_EQ(frames * PAGE_SIZE, now.memory_bytes);
    CHECK_EQ(now.memory_bytes, before.memory_bytes);
    /* the machine has 128 MiB */
    CHECK(now.memory_bytes >= 64ul << 20 && now.memory_bytes <= 128ul << 20);
    CHECK(now.objects[OBJECT_PROCESS] >= 3 &&
          now.objects[OBJECT_THREAD] >= now.objects[OBJECT_PROCESS]);
    CHECK_EQ(now.objects[OBJECT_SYSTEM], 1);
    CHECK(now.harts >= 1 && now.harts <= 8);
    CHECK(now.uptime > before.uptime && now.uptime <= (uint64_t)sys_clock_get());
    CHECK(now.syscalls > before.syscalls && now.page_faults > 0 && now.interrupts > 0);
}

/* --- Lists. --- */

static void *list_of(handle_t handle, uint32_t topic, size_t record_size, size_t *count)
{
    void *records = NULL;

    CHECK_OK(info_list(handle, topic, record_size, &records, count));
    return records;
}

TEST(a_short_buffer_takes_what_fits)
{
    info_map_t two[3];
    size_t actual = 0, avail = 0;

    memset(two, 0x5e, sizeof two);
    CHECK_OK(sys_object_get_info(process_self(), INFO_PROCESS_MAPS, two, 2 * sizeof two[0] + 1,
                                 &actual, &avail));
    CHECK_EQ(actual, 2);
    CHECK_EQ(avail, own_info().num_regions);
    CHECK(two[1].base >= two[0].base + two[0].length);
    CHECK_EQ(two[2].base, 0x5e5e5e5e5e5e5e5eull);
}

TEST(maps_are_in_order_and_complete)
{
    handle_t vmo = new_vmo(4);
    char *memory = map_vmo(vmo, VM_READ | VM_WRITE, PAGE_SIZE, 3 * PAGE_SIZE);
    uint64_t mapped = 0, resident = 0, found = 0;
    size_t count;

    memory[2 * PAGE_SIZE] = 1;
    info_map_t *maps = list_of(process_self(), INFO_PROCESS_MAPS, sizeof *maps, &count);
    for (size_t i = 0; i < count; i++) {
        CHECK(maps[i].base % PAGE_SIZE == 0 && maps[i].length % PAGE_SIZE == 0 &&
              maps[i].length > 0);
        CHECK(i == 0 || maps[i].base >= maps[i - 1].base + maps[i - 1].length);
        mapped += maps[i].length;
        resident += maps[i].resident_bytes;
        if (maps[i].base == (uintptr_t)memory) {
            found++;
            CHECK(maps[i].length == 3 * PAGE_SIZE && maps[i].vmo_offset == PAGE_SIZE);
            CHECK_EQ(maps[i].vmo_koid, vmo_info(vmo).koid);
            CHECK_EQ(maps[i].flags, VM_READ | VM_WRITE);
            CHECK_EQ(maps[i].resident_bytes, PAGE_SIZE);
        }
    }
    CHECK_EQ(found, 1);
    CHECK_EQ(count, own_info().num_regions);
    CHECK_EQ(mapped, own_info().mapped_bytes);
    CHECK(resident <= own_info().resident_bytes);
    free(maps);
    unmap(memory, 3 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(processes_and_threads_are_listed)
{
    struct tiny tiny = tiny_start(tiny_sleep, 0);
    uint64_t koid = process_info(tiny.process).koid;
    unsigned found = 0;
    size_t count;

    info_process_t *processes =
        list_of(system_handle(), INFO_PROCESS_LIST, sizeof *processes, &count);
    for (size_t i = 0; i < count; i++) {
        CHECK(i == 0 || processes[i].koid > processes[i - 1].koid);
        found += processes[i].koid == koid || processes[i].koid == own_info().koid;
    }
    CHECK_EQ(found, 2);
    free(processes);

    info_thread_t *threads = list_of(tiny.process, INFO_PROCESS_THREADS, sizeof *threads, &count);
    CHECK_EQ(count, 1);
    CHECK(strcmp(threads[0].name, "main") == 0);
    free(threads);
    CHECK_OK(sys_task_kill(tiny.process));
    CHECK_OK(sys_object_wait_one(tiny.process, SIGNAL_TERMINATED, after(PATIENCE), NULL));
    threads = list_of(tiny.process, INFO_PROCESS_THREADS, sizeof *threads, &count);
    CHECK_EQ(count, 0);
    free(threads);
    tiny_end_of(tiny);
}

static info_pager_vmo_t pager_record(handle_t vmo, bool *out_found)
{
    uint64_t koid = vmo_info(vmo).koid;
    info_pager_vmo_t record = { 0 };
    size_t count;
    info_pager_vmo_t *list = list_of(system_handle(), INFO_PAGER_LIST, sizeof *list, &count);

    *out_found = false;
    for (size_t i = 0; i < count; i++)
        if (list[i].vmo_koid == koid) {
            record = list[i];
            *out_found = true;
        }
    free(list);
    return record;
}

TEST(pager_vmos_are_listed)
{
    struct rig rig = rig_create(8);
    info_handle_basic_t pager;
    bool found;

    CHECK_OK(get(rig.pager, INFO_HANDLE_BASIC, &pager, sizeof pager));
    access_start(&accesses[0], ACCESS_READ, rig.vmo, 0, 3);
    expect_read(rig, 0, 3);
    wait_until_asked(&accesses[0]);
    info_pager_vmo_t record = pager_record(rig.vmo, &found);
    CHECK(found && record.pager_koid == pager.koid && record.key == RIG_KEY &&
          record.size_bytes == 8 * PAGE_SIZE);
    CHECK(record.requests == 1 && record.pages_asked == 3 && record.pages_supplied == 0);
    CHECK(record.outstanding == 1 && !record.detached && record.resident_bytes == 0);
    CHECK(strcmp(record.owner, own_info().name) == 0);
    supply(rig, 1, 2);
    fail(rig, 0, 1, ERR_IO);
    CHECK_STATUS(access_end(&accesses[0]), ERR_IO);
    record = pager_record(rig.vmo, &found);
    CHECK(found && record.requests == 1 && record.pages_asked == 3 && record.pages_supplied == 2);
    CHECK(record.failures == 1 && record.outstanding == 0 &&
          record.resident_bytes == 2 * PAGE_SIZE);
    CHECK_OK(sys_pager_detach_vmo(rig.pager, rig.vmo));
    CHECK(pager_record(rig.vmo, &found).detached);
    CHECK_OK(sys_handle_close(rig.pager));
    pager_record(rig.vmo, &found);
    CHECK(!found);
    CHECK_OK(sys_handle_close(rig.vmo));
    CHECK_OK(sys_handle_close(rig.port));
}

TEST(the_frame_map_shows_every_frame_and_its_owner)
{
    struct rig rig = rig_create(20);
    handle_t vmo = new_vmo(30);
    uint64_t frames = 0, kinds[FRAME_KINDS] = { 0 }, ours = 0, paged = 0, mine = vmo_info(vmo).koid;
    size_t count;

    CHECK_OK(sys_vmo_op_range(vmo, VMO_OP_COMMIT, 0, 30 * PAGE_SIZE, NULL, 0));
    supply(rig, 0, 20);
    info_frame_run_t *runs = list_of(system_handle(), INFO_FRAME_MAP, sizeof *runs, &count);
    for (size_t i = 0; i < count; i++) {
        CHECK(runs[i].frames > 0 && runs[i].kind < FRAME_KINDS && runs[i].base % PAGE_SIZE == 0);
        CHECK(i == 0 || runs[i].base >= runs[i - 1].base + runs[i - 1].frames * PAGE_SIZE);
        frames += runs[i].frames;
        kinds[runs[i].kind] += runs[i].frames;
        if (runs[i].kind == FRAME_ANON && runs[i].owner_koid == mine)
            ours += runs[i].frames;
        if (runs[i].kind == FRAME_PAGER && runs[i].owner_koid == vmo_info(rig.vmo).koid)
            paged += runs[i].frames;
    }
    CHECK_EQ(frames * PAGE_SIZE, system_info().memory_bytes);
    CHECK_EQ(ours, 30);
    CHECK_EQ(paged, 20);
    CHECK(kinds[FRAME_FREE] > 0 && kinds[FRAME_KERNEL] > 0 && kinds[FRAME_TABLE] > 0 &&
          kinds[FRAME_DEVICE] > 0);
    free(runs);
    CHECK_OK(sys_handle_close(vmo));
    rig_close(rig);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
