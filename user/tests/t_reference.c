/*
 * t_reference.c: reference children of VMOs: the same pages and sizes under another object.
 */
#include <quire/test.h>

/* Is ZERO_CHILDREN set now? */
static bool childless(handle_t vmo)
{
    signals_t observed = 0;
    status_t status = sys_object_wait_one(vmo, SIGNAL_ZERO_CHILDREN, 0, &observed);

    CHECK(status == OK || status == ERR_TIMED_OUT);
    return observed & SIGNAL_ZERO_CHILDREN;
}

TEST(shares_pages_and_sizes)
{
    handle_t vmo, child;
    uint64_t value = 17, seen = 0, size = 0;

    CHECK_OK(sys_vmo_create(3 * PAGE_SIZE, VMO_RESIZABLE, &vmo));
    CHECK_OK(sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, 0, &child));
    CHECK_OK(sys_vmo_write(vmo, 0, &value, PAGE_SIZE, sizeof value));
    CHECK_OK(sys_vmo_read(child, 0, &seen, PAGE_SIZE, sizeof seen));
    CHECK_EQ(seen, 17);
    CHECK_OK(sys_vmo_set_size(child, PAGE_SIZE));
    CHECK_OK(sys_vmo_get_size(vmo, &size));
    CHECK_EQ(size, PAGE_SIZE);
    CHECK_STATUS(sys_vmo_read(vmo, 0, &seen, PAGE_SIZE, sizeof seen), ERR_OUT_OF_RANGE);
    CHECK_OK(sys_handle_close(child));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(handles_mappings_and_streams_count)
{
    handle_t vmo, child, stream;
    uintptr_t where;

    CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &vmo));
    CHECK(childless(vmo));
    CHECK_OK(sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, 0, &child));
    CHECK(!childless(vmo));
    CHECK_OK(sys_vm_map(process_self(), VM_READ, 0, child, 0, PAGE_SIZE, &where));
    CHECK_OK(sys_stream_create(STREAM_READ, child, 0, &stream));
    CHECK_OK(sys_handle_close(child));
    CHECK(!childless(vmo));
    CHECK_OK(sys_handle_close(stream));
    CHECK(!childless(vmo));
    CHECK_OK(sys_vm_unmap(process_self(), where, PAGE_SIZE));
    CHECK(childless(vmo));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(a_reference_of_a_reference_is_the_roots)
{
    handle_t vmo, child, grandchild;
    info_vmo_t root, info;

    CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &vmo));
    CHECK_OK(sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, 0, &child));
    CHECK_OK(sys_vmo_create_child(child, VMO_CHILD_REFERENCE, 0, 0, &grandchild));
    CHECK_OK(sys_object_get_info(vmo, INFO_VMO, &root, sizeof root, NULL, NULL));
    CHECK_OK(sys_object_get_info(grandchild, INFO_VMO, &info, sizeof info, NULL, NULL));
    CHECK_EQ(root.num_children, 2);
    CHECK_EQ(info.parent_koid, root.koid);
    CHECK(info.koid != root.koid);
    CHECK_OK(sys_handle_close(child));
    CHECK(!childless(vmo));
    CHECK_OK(sys_handle_close(grandchild));
    CHECK(childless(vmo));
    CHECK_OK(sys_handle_close(vmo));
}

TEST(pager_calls_refuse_a_reference)
{
    handle_t pager, port, vmo, child, aux;

    CHECK_OK(sys_port_create(0, &port));
    CHECK_OK(sys_pager_create(0, &pager));
    CHECK_OK(sys_pager_create_vmo(pager, 0, port, 1, PAGE_SIZE, &vmo));
    CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &aux));
    CHECK_OK(sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, 0, &child));
    CHECK_STATUS(sys_pager_supply_pages(pager, child, 0, PAGE_SIZE, aux, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_pager_detach_vmo(pager, child), ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_close(child));
    CHECK_OK(sys_handle_close(vmo));
    CHECK_OK(sys_handle_close(aux));
    CHECK_OK(sys_handle_close(pager));
    CHECK_OK(sys_handle_close(port));
}

TEST(refusals)
{
    handle_t vmo, weak, event, child;

    CHECK_OK(sys_vmo_create(PAGE_SIZE, 0, &vmo));
    CHECK_OK(sys_event_create(0, &event));
    CHECK_OK(sys_handle_duplicate(vmo, RIGHT_READ, &weak));
    CHECK_STATUS(sys_vmo_create_child(HANDLE_INVALID, VMO_CHILD_REFERENCE, 0, 0, &child), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_vmo_create_child(event, VMO_CHILD_REFERENCE, 0, 0, &child), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_vmo_create_child(weak, VMO_CHILD_REFERENCE, 0, 0, &child), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_vmo_create_child(vmo, 0, 0, 0, &child), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_create_child(vmo, 1u << 30, 0, 0, &child), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, PAGE_SIZE, 0, &child), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, PAGE_SIZE, &child), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_vmo_create_child(vmo, VMO_CHILD_REFERENCE, 0, 0, NULL), ERR_INVALID_ARGS);
    CHECK(childless(vmo));
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(event));
    CHECK_OK(sys_handle_close(vmo));
}
