/*
 * t_vmo.c: anonymous VMOs: what they hold, their sizes, operations on ranges, and what each
 * call refuses.
 */
#include "memory.h"

#include <stdlib.h>

#define ALL_OPS_COUNT 6

static const uint32_t all_ops[ALL_OPS_COUNT] = {
    VMO_OP_COMMIT,    VMO_OP_DECOMMIT,    VMO_OP_ZERO,
    VMO_OP_DONT_NEED, VMO_OP_ALWAYS_NEED, VMO_OP_PREFETCH,
};

static status_t op(handle_t vmo, uint32_t number, uint64_t offset, uint64_t length)
{
    return sys_vmo_op_range(vmo, number, offset, length, NULL, 0);
}

TEST(create_refuses)
{
    uint32_t before = open_handles();
    uint64_t vmos = (edge(), live_vmos());
    handle_t vmo;

    CHECK_STATUS(sys_vmo_create(PAGE_SIZE, 1, &vmo), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_create(PAGE_SIZE, VMO_TRAP_DIRTY, &vmo), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_create(PAGE_SIZE, VMO_RESIZABLE | 0x80000000u, &vmo), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_create(VMO_SIZE_MAX + 1, 0, &vmo), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_create(UINT64_MAX, 0, &vmo), ERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_vmo_create(PAGE_SIZE, 0, bad_pointer(i)), ERR_INVALID_ARGS);
    CHECK_EQ(open_handles(), before);
    CHECK_EQ(live_vmos(), vmos);
}

TEST(sizes_are_whole_pages)
{
    static const struct { uint64_t asked, size; } sizes[] = {
        { 0, 0 }, { 1, 4096 }, { 4096, 4096 }, { 4097, 8192 }, { VMO_SIZE_MAX - 1, VMO_SIZE_MAX },
        { VMO_SIZE_MAX, VMO_SIZE_MAX },
    };

    for (size_t i = 0; i < array_size(sizes); i++) {
        uint64_t size = 1, content = 1;
        handle_t vmo;

        CHECK_OK(sys_vmo_create(sizes[i].asked, 0, &vmo));
        CHECK_OK(sys_vmo_get_size(vmo, &size));
        CHECK_OK(sys_vmo_get_content_size(vmo, &content));
        CHECK_EQ(size, sizes[i].size);
        CHECK_EQ(content, sizes[i].asked);
        CHECK_EQ(committed(vmo), 0);
        CHECK_OK(sys_handle_close(vmo));
    }
}

TEST(sizes_are_asked_for_properly)
{
    handle_t vmo = new_vmo(1), event = new_event();
    uint64_t size;

    CHECK_STATUS(sys_vmo_get_size(HANDLE_INVALID, &size), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vmo_get_size(event, &size), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vmo_get_content_size(HANDLE_INVALID, &size), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vmo_get_content_size(event, &size), ERR_WRONG_TYPE);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++) {
        CHECK_STATUS(sys_vmo_get_size(vmo, bad_pointer(i)), ERR_INVALID_ARGS);
        CHECK_STATUS(sys_vmo_get_content_size(vmo, bad_pointer(i)), ERR_INVALID_ARGS);
    }
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(read_refuses)
{
    handle_t vmo = new_vmo(2), event = new_event(), blind = reduced(vmo, RIGHT_WRITE);
    char byte = 'x';

    CHECK_STATUS(sys_vmo_read(HANDLE_INVALID, 0, &byte, 0, 1), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vmo_read(event, 0, &byte, 0, 1), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vmo_read(blind, 0, &byte, 0, 1), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_read(vmo, 2, &byte, 0, 1), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_read(vmo, 0x80000001u, &byte, 0, 1), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_read(vmo, 0, &byte, 2 * PAGE_SIZE, 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_read(vmo, 0, &byte, 2 * PAGE_SIZE + 1, 0), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_read(vmo, 0, &byte, 2 * PAGE_SIZE - 1, 2), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_read(vmo, 0, &byte, UINT64_MAX, 2), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_read(vmo, 0, &byte, 1, SIZE_MAX), ERR_OUT_OF_RANGE);
    for (unsigned i = 0; i < BAD_OUTPUTS; i++)
        CHECK_STATUS(sys_vmo_read(vmo, 0, bad_pointer(i), PAGE_SIZE - 2, 4), ERR_INVALID_ARGS);
    CHECK_EQ(byte, 'x');
    CHECK_OK(sys_vmo_read(vmo, 0, NULL, 2 * PAGE_SIZE, 0));
    CHECK_OK(sys_handle_close(blind));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
}

/* A buffer that ends too early gives the bytes that it has. */
TEST(write_refuses)
{
    handle_t vmo = new_vmo(2), event = new_event(), mute = reduced(vmo, RIGHT_READ);
    char byte = 'x';

    CHECK_STATUS(sys_vmo_write(HANDLE_INVALID, 0, &byte, 0, 1), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vmo_write(event, 0, &byte, 0, 1), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vmo_write(mute, 0, &byte, 0, 1), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_write(vmo, 2, &byte, 0, 1), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_write(vmo, 0, &byte, 2 * PAGE_SIZE, 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_write(vmo, 0, &byte, 2 * PAGE_SIZE - 1, 2), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_write(vmo, 0, &byte, UINT64_MAX, 2), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_write(vmo, 0, &byte, 1, SIZE_MAX), ERR_OUT_OF_RANGE);
    CHECK(vmo_is_filled(vmo, 0, 2 * PAGE_SIZE, 0));

    memcpy(edge() - 2, "yz", 2);
    for (unsigned i = 0; i < BAD_INPUTS; i++)
        CHECK_STATUS(sys_vmo_write(vmo, 0, bad_pointer(i), PAGE_SIZE - 2, 4), ERR_INVALID_ARGS);
    CHECK(vmo_is_filled(vmo, 0, PAGE_SIZE - 2, 0));
    CHECK(vmo_is_filled(vmo, PAGE_SIZE - 2, 1, 'y') && vmo_is_filled(vmo, PAGE_SIZE - 1, 1, 'z'));
    CHECK(vmo_is_filled(vmo, PAGE_SIZE, PAGE_SIZE, 0));
    CHECK_OK(sys_handle_close(mute));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(new_memory_is_zero)
{
    handle_t vmo = new_vmo(3);
    const char *memory = map_vmo(vmo, VM_READ, 0, 3 * PAGE_SIZE);

    CHECK(vmo_is_filled(vmo, 0, 3 * PAGE_SIZE, 0));
    for (size_t i = 0; i < 3 * PAGE_SIZE; i++)
        CHECK(memory[i] == 0);
    CHECK_EQ(committed(vmo), 0);                /* reading takes no memory */
    unmap(memory, 3 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(vmo));
}

/* One random operation on a VMO, its mapping, and the bytes that it must hold. */
static void one_operation(handle_t vmo, unsigned char *mapped, unsigned char *model, size_t size,
                          uint64_t *random)
{
    static unsigned char bytes[5 * PAGE_SIZE];
    size_t offset = next_random(random) % size;
    size_t length =
        next_random(random) % (sizeof bytes < size - offset ? sizeof bytes : size - offset);

    switch (next_random(random) % 6) {
    case 0:
        for (size_t i = 0; i < length; i++)
            model[offset + i] = bytes[i] = (unsigned char)next_random(random);
        CHECK_OK(sys_vmo_write(vmo, 0, bytes, offset, length));
        break;
    case 1:
        CHECK_OK(sys_vmo_read(vmo, 0, bytes, offset, length));
        CHECK(memcmp(bytes, model + offset, length) == 0);
        break;
    case 2:
        CHECK(memcmp(mapped + offset, model + offset, length) == 0);
        break;
    case 3:
        memset(mapped + offset, (int)length, length);
        memset(model + offset, (int)length, length);
        break;
    case 4:
        CHECK_OK(op(vmo, VMO_OP_ZERO, offset, length));
        memset(model + offset, 0, length);
        break;
    default:
        CHECK_OK(op(vmo, VMO_OP_DECOMMIT, offset, length));
        for (size_t i = offset; i < offset + length; i++) {
            size_t page = i / PAGE_SIZE * PAGE_SIZE;
            if (page >= offset && page + PAGE_SIZE <= offset + length)
                model[i] = 0;
        }
    }
}

TEST(random_operations_match_a_model)
{
    const size_t size = 16 * PAGE_SIZE;
    handle_t vmo = new_vmo(16);
    unsigned char *mapped = (unsigned char *)map_vmo(vmo, VM_READ | VM_WRITE, 0, size);
    unsigned char *model = calloc(1, size), *content = malloc(size);
    uint64_t random = 0x5eed5eed;

    CHECK(model && content);
    for (int i = 0; i < 2000; i++)
        one_operation(vmo, mapped, model, size, &random);
    CHECK_OK(sys_vmo_read(vmo, 0, content, 0, size));
    CHECK(memcmp(content, model, size) == 0);
    CHECK(memcmp(mapped, model, size) == 0);
    free(content);
    free(model);
    unmap(mapped, size);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(set_size_refuses)
{
    handle_t fixed = new_vmo(1), vmo = new_resizable_vmo(1), event = new_event();
    handle_t without_resize = reduced(vmo, RIGHT_WRITE), without_write = reduced(vmo, RIGHT_RESIZE);
    handle_t fixed_reader = reduced(fixed, RIGHT_READ);
    uint64_t size = 0;

    CHECK_STATUS(sys_vmo_set_size(HANDLE_INVALID, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vmo_set_size(event, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vmo_set_size(fixed, 0), ERR_UNAVAILABLE);
    CHECK_STATUS(sys_vmo_set_size(fixed_reader, 0), ERR_UNAVAILABLE);
    CHECK_STATUS(sys_vmo_set_size(without_resize, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_set_size(without_write, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_set_size(vmo, VMO_SIZE_MAX + 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_set_size(vmo, UINT64_MAX), ERR_OUT_OF_RANGE);
    CHECK_OK(sys_vmo_get_size(vmo, &size));
    CHECK_EQ(size, PAGE_SIZE);
    CHECK_OK(sys_handle_close(fixed_reader));
    CHECK_OK(sys_handle_close(without_write));
    CHECK_OK(sys_handle_close(without_resize));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(fixed));
}

TEST(what_was_cut_off_comes_back_as_zero)
{
    handle_t vmo = new_resizable_vmo(4);
    uint64_t size;

    vmo_fill(vmo, 0, 4 * PAGE_SIZE, 'a');
    CHECK_EQ(committed(vmo), 4);
    CHECK_OK(sys_vmo_set_size(vmo, PAGE_SIZE + 1));
    CHECK_OK(sys_vmo_get_size(vmo, &size));
    CHECK_EQ(size, 2 * PAGE_SIZE);
    CHECK_EQ(committed(vmo), 2);
    CHECK_STATUS(sys_vmo_read(vmo, 0, &size, 2 * PAGE_SIZE, 1), ERR_OUT_OF_RANGE);
    CHECK_OK(sys_vmo_set_size(vmo, 6 * PAGE_SIZE));
    CHECK(vmo_is_filled(vmo, 0, 2 * PAGE_SIZE, 'a'));
    CHECK(vmo_is_filled(vmo, 2 * PAGE_SIZE, 4 * PAGE_SIZE, 0));
    CHECK_EQ(committed(vmo), 2);
    CHECK_OK(sys_vmo_set_size(vmo, 0));
    CHECK_EQ(committed(vmo), 0);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(content_size)
{
    handle_t vmo = new_resizable_vmo(2), event = new_event(), mute = reduced(vmo, RIGHT_READ);
    uint64_t size = 0;

    CHECK_STATUS(sys_vmo_set_content_size(HANDLE_INVALID, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vmo_set_content_size(event, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vmo_set_content_size(mute, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_set_content_size(vmo, 2 * PAGE_SIZE + 1), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_vmo_set_content_size(vmo, UINT64_MAX), ERR_OUT_OF_RANGE);
    CHECK_OK(sys_vmo_get_content_size(vmo, &size));
    CHECK_EQ(size, 2 * PAGE_SIZE);
    CHECK_OK(sys_vmo_set_content_size(vmo, 5000));
    CHECK_OK(sys_vmo_get_content_size(vmo, &size));
    CHECK_EQ(size, 5000);
    CHECK_OK(sys_vmo_set_size(vmo, PAGE_SIZE));                 /* takes content with it */
    CHECK_OK(sys_vmo_get_content_size(vmo, &size));
    CHECK_EQ(size, PAGE_SIZE);
    CHECK_OK(sys_vmo_set_size(vmo, 3 * PAGE_SIZE));             /* but gives none */
    CHECK_OK(sys_vmo_get_content_size(vmo, &size));
    CHECK_EQ(size, PAGE_SIZE);
    CHECK_OK(sys_handle_close(mute));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(op_range_refuses)
{
    handle_t vmo = new_vmo(2), event = new_event();
    handle_t reader = reduced(vmo, RIGHT_READ), writer = reduced(vmo, RIGHT_WRITE);
    char byte = 0;

    CHECK_STATUS(sys_vmo_op_range(HANDLE_INVALID, VMO_OP_ZERO, 0, 1, NULL, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vmo_op_range(event, VMO_OP_ZERO, 0, 1, NULL, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vmo_op_range(reader, VMO_OP_COMMIT, 0, 1, NULL, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_op_range(reader, VMO_OP_DECOMMIT, 0, 1, NULL, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_op_range(reader, VMO_OP_ZERO, 0, 1, NULL, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_op_range(reader, VMO_OP_SYNC, 0, 1, NULL, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_op_range(writer, VMO_OP_PREFETCH, 0, 1, NULL, 0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_op_range(vmo, VMO_OP_ZERO, 0, 1, &byte, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_op_range(vmo, VMO_OP_ZERO, 0, 1, NULL, 1), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_op_range(vmo, VMO_OP_SYNC, 0, PAGE_SIZE, NULL, 0), ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_vmo_op_range(vmo, 0, 0, 1, NULL, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_op_range(vmo, 99, 0, 1, NULL, 0), ERR_INVALID_ARGS);
    for (unsigned i = 0; i < ALL_OPS_COUNT; i++) {
        CHECK_STATUS(sys_vmo_op_range(vmo, all_ops[i], PAGE_SIZE, PAGE_SIZE + 1, NULL, 0),
                     ERR_OUT_OF_RANGE);
        CHECK_STATUS(sys_vmo_op_range(vmo, all_ops[i], 2 * PAGE_SIZE + 1, 0, NULL, 0),
                     ERR_OUT_OF_RANGE);
        CHECK_STATUS(sys_vmo_op_range(vmo, all_ops[i], PAGE_SIZE, UINT64_MAX, NULL, 0),
                     ERR_OUT_OF_RANGE);
        CHECK_STATUS(sys_vmo_op_range(vmo, all_ops[i], UINT64_MAX - 1, 4, NULL, 0),
                     ERR_OUT_OF_RANGE);
        CHECK_OK(op(vmo, all_ops[i], 2 * PAGE_SIZE, 0));
    }
    CHECK_EQ(committed(vmo), 0);
    CHECK_OK(sys_handle_close(writer));
    CHECK_OK(sys_handle_close(reader));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(commit_makes_pages)
{
    handle_t vmo = new_vmo(8);

    vmo_fill(vmo, 2 * PAGE_SIZE, PAGE_SIZE, 'k');
    CHECK_OK(op(vmo, VMO_OP_COMMIT, 2 * PAGE_SIZE + 1, PAGE_SIZE));     /* touches pages 2 and 3 */
    CHECK_EQ(committed(vmo), 2);
    CHECK(vmo_is_filled(vmo, 2 * PAGE_SIZE, PAGE_SIZE, 'k'));
    CHECK_OK(op(vmo, VMO_OP_COMMIT | VMO_OP_MAY_BLOCK, 0, 8 * PAGE_SIZE));
    CHECK_EQ(committed(vmo), 8);
    CHECK(vmo_is_filled(vmo, 3 * PAGE_SIZE, 5 * PAGE_SIZE, 0));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(decommit_gives_whole_pages_back)
{
    handle_t vmo = new_vmo(4);

    vmo_fill(vmo, 0, 4 * PAGE_SIZE, 'd');
    CHECK_OK(op(vmo, VMO_OP_DECOMMIT, 1, PAGE_SIZE - 1));               /* no whole page in it */
    CHECK_EQ(committed(vmo), 4);
    CHECK_OK(op(vmo, VMO_OP_DECOMMIT, 100, 3 * PAGE_SIZE));             /* pages 1 and 2 */
    CHECK_EQ(committed(vmo), 2);
    CHECK(vmo_is_filled(vmo, 0, PAGE_SIZE, 'd'));
    CHECK(vmo_is_filled(vmo, PAGE_SIZE, 2 * PAGE_SIZE, 0));
    CHECK(vmo_is_filled(vmo, 3 * PAGE_SIZE, PAGE_SIZE, 'd'));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(zero_changes_exactly_its_range)
{
    handle_t vmo = new_vmo(4);
    char *memory = map_vmo(vmo, VM_READ | VM_WRITE, 0, 4 * PAGE_SIZE);

    memset(memory, 'z', 4 * PAGE_SIZE);
    CHECK_OK(op(vmo, VMO_OP_ZERO, 10, 20));
    CHECK_OK(op(vmo, VMO_OP_ZERO, 2 * PAGE_SIZE - 7, PAGE_SIZE + 14));
    for (size_t i = 0; i < 4 * PAGE_SIZE; i++) {
        bool zeroed = (i >= 10 && i < 30) || (i >= 2 * PAGE_SIZE - 7 && i < 3 * PAGE_SIZE + 7);
        CHECK(memory[i] == (zeroed ? 0 : 'z'));
    }
    CHECK_EQ(committed(vmo), 3);
    unmap(memory, 4 * PAGE_SIZE);
    CHECK_OK(op(vmo, VMO_OP_DECOMMIT, 0, 4 * PAGE_SIZE));
    /* zero already: takes no memory */
    CHECK_OK(op(vmo, VMO_OP_ZERO, 5, PAGE_SIZE));
    CHECK_EQ(committed(vmo), 0);
    CHECK_OK(sys_handle_close(vmo));
}

TEST(hints_change_nothing)
{
    handle_t vmo = new_vmo(2);

    vmo_fill(vmo, 0, PAGE_SIZE, 'h');
    CHECK_OK(op(vmo, VMO_OP_DONT_NEED, 0, 2 * PAGE_SIZE));
    CHECK_OK(op(vmo, VMO_OP_ALWAYS_NEED, 0, 2 * PAGE_SIZE));
    CHECK_OK(op(vmo, VMO_OP_PREFETCH, 0, 2 * PAGE_SIZE));
    CHECK_EQ(committed(vmo), 1);
    CHECK(vmo_is_filled(vmo, 0, PAGE_SIZE, 'h') && vmo_is_filled(vmo, PAGE_SIZE, PAGE_SIZE, 0));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(a_huge_vmo_holds_what_was_written)
{
    handle_t vmo;
    uint64_t offset, value;

    CHECK_OK(sys_vmo_create(VMO_SIZE_MAX, VMO_RESIZABLE, &vmo));
    for (offset = PAGE_SIZE; offset < VMO_SIZE_MAX; offset *= 4)
        CHECK_OK(sys_vmo_write(vmo, 0, &offset, offset - 4, sizeof offset));
    for (offset = PAGE_SIZE; offset < VMO_SIZE_MAX; offset *= 4) {
        CHECK_OK(sys_vmo_read(vmo, 0, &value, offset - 4, sizeof value));
        CHECK_EQ(value, offset);
    }
    CHECK_OK(sys_vmo_set_size(vmo, PAGE_SIZE));
    CHECK_EQ(committed(vmo), 1);
    CHECK_OK(sys_handle_close(vmo));
}

/* All the memory there is, and what is lent comes back. */
TEST(memory_that_is_not_there_is_refused)
{
    info_system_t before = system_info();
    handle_t vmo = new_vmo(2 * before.memory_bytes / PAGE_SIZE);
    char byte = 'm';

    CHECK_STATUS(op(vmo, VMO_OP_COMMIT, 0, 2 * before.memory_bytes), ERR_NO_MEMORY);
    uint64_t offset = 2 * before.memory_bytes;
    status_t status;
    do {                                /* pages taken back from others meanwhile are used up too */
        offset -= PAGE_SIZE;
        status = sys_vmo_write(vmo, 0, &byte, offset, 1);
    } while (status == OK);
    CHECK_STATUS(status, ERR_NO_MEMORY);
    CHECK(committed(vmo) > before.frames[FRAME_FREE] / 2);
    CHECK_OK(op(vmo, VMO_OP_DECOMMIT, 0, 2 * before.memory_bytes));
    CHECK_EQ(committed(vmo), 0);
    CHECK_OK(sys_handle_close(vmo));
    CHECK(system_info().frames[FRAME_FREE] + 32 > before.frames[FRAME_FREE]);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
