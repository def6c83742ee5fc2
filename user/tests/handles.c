/*
 * handles.c: calls that work on any handle: closing, rights, signals, waiting, names, information.
 */
#include <quire/test.h>

#define NOWHERE ((void *)0x1000)        /* below USER_BASE: never mapped */

static handle_t new_event(void)
{
    handle_t event;

    CHECK_OK(sys_event_create(0, &event));
    return event;
}

static handle_t with_rights(handle_t handle, rights_t rights)
{
    handle_t out;

    CHECK_OK(sys_handle_duplicate(handle, rights, &out));
    return out;
}

TEST(close_makes_the_value_stale)
{
    handle_t event = new_event();

    CHECK_OK(sys_handle_close(event));
    CHECK_STATUS(sys_handle_close(event), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_handle_close(HANDLE_INVALID), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_handle_close(0xffffffffu), ERR_BAD_HANDLE);
    CHECK(new_event() != event);
}

TEST(duplicate_narrows_rights)
{
    handle_t event = new_event(), copy, more = 77;

    CHECK_OK(sys_handle_duplicate(event, RIGHT_WAIT, &copy));
    CHECK_STATUS(sys_handle_duplicate(copy, RIGHT_SAME_RIGHTS, &more), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_handle_duplicate(0, RIGHT_SAME_RIGHTS, &more), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_handle_duplicate(event, RIGHT_EXECUTE, &more), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_handle_duplicate(event, RIGHT_SAME_RIGHTS, NOWHERE), ERR_INVALID_ARGS);
    CHECK_EQ(more, 77);
    CHECK_OK(sys_handle_close(copy));
    CHECK_OK(sys_handle_close(event));
}

TEST(replace_exchanges_the_handle)
{
    handle_t event = new_event(), other;

    CHECK_OK(sys_handle_replace(event, RIGHT_WAIT, &other));
    CHECK_STATUS(sys_handle_close(event), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_handle_replace(event, RIGHT_WAIT, &event), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_handle_replace(other, RIGHT_WRITE, &event), ERR_INVALID_ARGS);
    sys_handle_close(other);
}

TEST(wait_one_sees_a_signal)
{
    handle_t event = new_event();
    signals_t seen = 0;

    CHECK_STATUS(sys_object_wait_one(event, SIGNAL_USER_0, 0, &seen), ERR_TIMED_OUT);
    CHECK_STATUS(sys_object_wait_one(event, SIGNAL_USER_0, sys_clock_get() + 1000000, &seen), ERR_TIMED_OUT);
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0 | SIGNAL_USER_1));
    CHECK_OK(sys_object_wait_one(event, SIGNAL_USER_0, DEADLINE_INFINITE, &seen));
    CHECK_EQ(seen, SIGNAL_USER_0 | SIGNAL_USER_1);
    CHECK_OK(sys_object_wait_one(event, SIGNAL_USER_1, 0, NULL));
    CHECK_STATUS(sys_object_wait_one(event, SIGNAL_USER_0, 0, NOWHERE), ERR_INVALID_ARGS);
    CHECK_OK(sys_handle_close(event));
    CHECK_STATUS(sys_object_wait_one(event, SIGNAL_USER_0, 0, &seen), ERR_BAD_HANDLE);
}

TEST(wait_one_needs_the_right)
{
    handle_t event = new_event(), other = with_rights(event, RIGHT_WRITE);

    CHECK_STATUS(sys_object_wait_one(other, SIGNAL_USER_0, 0, NULL), ERR_ACCESS_DENIED);
    sys_handle_close(other);
    sys_handle_close(event);
}

static void signal_later(void *event)
{
    sys_nanosleep(sys_clock_get() + 10000000);      /* long enough that the other thread sleeps already */
    sys_object_signal((handle_t)(uintptr_t)event, 0, SIGNAL_USER_0);
}

TEST(wait_one_sleeps_until_another_thread_signals)
{
    handle_t event = new_event(), thread;

    CHECK_OK(quire_thread_create(signal_later, (void *)(uintptr_t)event, &thread));
    CHECK_OK(sys_object_wait_one(event, SIGNAL_USER_0, DEADLINE_INFINITE, NULL));
    CHECK_OK(quire_thread_join(thread));
    sys_handle_close(event);
}

TEST(wait_async_queues_a_packet)
{
    handle_t event = new_event(), port;
    port_packet_t packet;

    CHECK_OK(sys_port_create(0, &port));
    CHECK_OK(sys_object_wait_async(event, port, 42, SIGNAL_USER_0, WAIT_ASYNC_ONCE));
    CHECK_OK(sys_object_signal(event, 0, SIGNAL_USER_0));
    CHECK_OK(sys_port_wait(port, 0, &packet));
    CHECK_EQ(packet.key, 42);
    CHECK_EQ(packet.type, PKT_SIGNAL);
    CHECK_EQ(packet.signal.trigger, SIGNAL_USER_0);
    CHECK_STATUS(sys_port_wait(port, 0, &packet), ERR_TIMED_OUT);

    CHECK_STATUS(sys_object_wait_async(0, port, 1, SIGNAL_USER_0, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_wait_async(event, 0, 1, SIGNAL_USER_0, 0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_wait_async(event, event, 1, SIGNAL_USER_0, 0), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_object_wait_async(event, port, 1, SIGNAL_USER_0, 8), ERR_INVALID_ARGS);
    handle_t deaf = with_rights(port, RIGHT_READ);
    CHECK_STATUS(sys_object_wait_async(event, deaf, 1, SIGNAL_USER_0, 0), ERR_ACCESS_DENIED);
    sys_handle_close(deaf);
    sys_handle_close(port);
    sys_handle_close(event);
}

TEST(signal_refuses_what_it_must)
{
    handle_t event = new_event(), mute = with_rights(event, RIGHT_WAIT);

    CHECK_STATUS(sys_object_signal(0, 0, SIGNAL_USER_0), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_signal(mute, 0, SIGNAL_USER_0), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_object_signal(event, 0, SIGNAL_READABLE), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_object_signal(event, SIGNAL_TERMINATED, 0), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_object_wait_one(event, ~0u, 0, NULL), ERR_TIMED_OUT);
    sys_handle_close(mute);
    sys_handle_close(event);
}

TEST(info_of_a_handle)
{
    handle_t event = new_event(), port, blind = with_rights(event, RIGHT_WAIT);
    info_handle_basic_t info;
    info_vmo_t vmo_info;
    size_t actual, avail;

    CHECK_OK(sys_port_create(0, &port));
    CHECK_OK(sys_object_get_info(blind, INFO_HANDLE_BASIC, &info, sizeof info, &actual, &avail));
    CHECK_EQ(info.type, OBJECT_EVENT);
    CHECK_EQ(info.rights, RIGHT_WAIT);
    CHECK(info.koid != 0);
    CHECK_EQ(actual, 1);
    CHECK_EQ(avail, 1);
    CHECK_STATUS(sys_object_get_info(0, INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_get_info(port, INFO_VMO, &vmo_info, sizeof vmo_info, NULL, NULL), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_object_get_info(event, 999, &info, sizeof info, NULL, NULL), ERR_NOT_SUPPORTED);
    CHECK_STATUS(sys_object_get_info(event, INFO_HANDLE_BASIC, &info, 4, NULL, NULL), ERR_BUFFER_TOO_SMALL);
    CHECK_STATUS(sys_object_get_info(event, INFO_HANDLE_BASIC, NOWHERE, sizeof info, NULL, NULL), ERR_INVALID_ARGS);
    sys_handle_close(blind);
    sys_handle_close(port);
    sys_handle_close(event);
}

TEST(info_needs_inspect)
{
    handle_t self = with_rights(process_self(), RIGHT_WAIT);
    info_process_t info;

    CHECK_STATUS(sys_object_get_info(self, INFO_PROCESS, &info, sizeof info, NULL, NULL), ERR_ACCESS_DENIED);
    sys_handle_close(self);
}

TEST(children_by_koid)
{
    handle_t event = new_event(), blind = with_rights(process_self(), RIGHT_WAIT), thread = 0;
    info_handle_basic_t info;

    CHECK_OK(sys_object_get_info(thread_self(), INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
    CHECK_OK(sys_object_get_child(process_self(), info.koid, RIGHT_INSPECT, &thread));
    CHECK_OK(sys_handle_close(thread));
    CHECK_STATUS(sys_object_get_child(process_self(), ~0ull, RIGHT_INSPECT, &thread), ERR_NOT_FOUND);
    CHECK_STATUS(sys_object_get_child(event, info.koid, RIGHT_INSPECT, &thread), ERR_WRONG_TYPE);
    CHECK_STATUS(sys_object_get_child(blind, info.koid, RIGHT_INSPECT, &thread), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_object_get_child(0, info.koid, RIGHT_INSPECT, &thread), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_get_child(process_self(), info.koid, RIGHT_MAP, &thread), ERR_INVALID_ARGS);
    sys_handle_close(blind);
    sys_handle_close(event);
}

TEST(names)
{
    static const char long_name[64] = "a name of more than thirty-one bytes is refused";
    handle_t event = new_event(), vmo;
    info_vmo_t info;

    CHECK_OK(sys_vmo_create(4096, 0, &vmo));
    CHECK_OK(sys_object_set_name(vmo, "blanket", 7));
    CHECK_OK(sys_object_get_info(vmo, INFO_VMO, &info, sizeof info, NULL, NULL));
    CHECK(info.name[0] == 'b' && info.name[6] == 't' && info.name[7] == '\0');
    CHECK_STATUS(sys_object_set_name(vmo, long_name, 32), ERR_OUT_OF_RANGE);
    CHECK_STATUS(sys_object_set_name(vmo, NOWHERE, 4), ERR_INVALID_ARGS);
    CHECK_STATUS(sys_object_set_name(0, "x", 1), ERR_BAD_HANDLE);
    CHECK_STATUS(sys_object_set_name(event, "x", 1), ERR_WRONG_TYPE);
    handle_t reader = with_rights(vmo, RIGHT_READ);
    CHECK_STATUS(sys_object_set_name(reader, "x", 1), ERR_ACCESS_DENIED);
    sys_handle_close(reader);
    sys_handle_close(vmo);
    sys_handle_close(event);
}
