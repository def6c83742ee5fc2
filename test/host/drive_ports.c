/*
 * drive_ports.c: a port against a queue.
 *
 * `queue` holds what the port must hold, in order: USER packets, embedded packets, and SIGNAL packets of observers,
 * which the model attaches, fires, merges and drops by the rules of port.h.  Reader threads compare what they take with
 * the head of the queue.  When all threads have run, none may sleep while the queue is not empty.
 */
#include <string.h>

#include "host.h"
#include "ipc/port.h"

#define QUEUE     (PORT_MAX_USER_PACKETS + 100u)
#define EVENTS    3u
#define RECORDS   40u
#define EMBEDDED  4u
#define READERS   3u
#define SIGNALS   (SIGNAL_USER_0 | SIGNAL_USER_1 | SIGNAL_READABLE)

struct record { uint64_t number; uint32_t event; uint64_t key; signals_t trigger; bool persistent, attached, listed; };
struct expected { port_packet_t content; uint64_t record; int embedded; };

static struct port *port;
static struct expected queue[QUEUE];
static uint32_t queued, user_packets;
static struct object *events[EVENTS];
static signals_t signals[EVENTS];
static struct record records[RECORDS];
static uint32_t record_count;
static uint64_t last_number;
static struct packet embedded[EMBEDDED];
static uint32_t dequeues[EMBEDDED], expected_dequeues[EMBEDDED];
static struct reader { struct thread *thread; struct process *process; uint32_t slot; bool forever; } readers[READERS];

static void embedded_dequeued(struct packet *packet)
{
    dequeues[packet - embedded]++;
}

/* --- The model. --- */

static struct record *record_by_number(uint64_t number)
{
    for (uint32_t i = 0; i < record_count; i++)
        if (records[i].number == number)
            return &records[i];
    return NULL;
}

static struct expected *find_queued(uint64_t record, int packet)
{
    for (uint32_t i = 0; i < queued; i++)
        if (record ? queue[i].record == record : queue[i].embedded == packet)
            return &queue[i];
    return NULL;
}

static void unqueue(struct expected *entry)
{
    user_packets -= entry->record == 0 && entry->embedded < 0;
    memmove(entry, entry + 1, (char *)&queue[--queued] - (char *)entry);
}

/* The others keep their order: it is the order in which they fire. */
static void forget_record(struct record *record)
{
    memmove(record, record + 1, (char *)&records[--record_count] - (char *)record);
}

/* Signals of the record's trigger are set. */
static void fire(struct record *record)
{
    struct expected *entry = find_queued(record->number, -1);
    signals_t observed = signals[record->event];

    record->attached = record->persistent;
    if (entry) {
        entry->content.signal.observed |= observed;
        entry->content.signal.count++;
        return;
    }
    queue[queued++] = (struct expected){
        .content = { .key = record->key, .type = PKT_SIGNAL,
                     .signal = { .trigger = record->trigger, .observed = observed, .count = 1 } },
        .record = record->number, .embedded = -1,
    };
}

/* The head of the queue was read. */
static void taken(const port_packet_t *content)
{
    struct expected head = queue[0];
    struct record *record = head.record ? record_by_number(head.record) : NULL;

    check(queued > 0);
    if (memcmp(content, &head.content, sizeof *content) != 0)
        fail("took a packet of type %u, key %lu, count %lu; expected type %u, key %lu, count %lu", content->type,
             content->key, content->signal.count, head.content.type, head.content.key, head.content.signal.count);
    unqueue(&queue[0]);
    if (head.embedded >= 0)
        expected_dequeues[head.embedded]++;
    if (record && !record->persistent)
        forget_record(record);
}

/* --- Writing. --- */

static void queue_user(void)
{
    port_packet_t content = { .key = choose(1000), .type = PKT_USER, .status = -(int)choose(50) };
    uint32_t count = one_in(60) ? PORT_MAX_USER_PACKETS + 2 : 1;

    for (content.user.u64[0] = 0; content.user.u64[0] < count; content.user.u64[0]++) {
        status_t status;

        fail_allocation(one_in(10));
        status = port_queue_user(port, &content);
        if (allocation_failed())
            check_equal(status, ERR_NO_MEMORY);
        else
            check_equal(status, user_packets < PORT_MAX_USER_PACKETS ? OK : ERR_SHOULD_WAIT);
        if (status == OK) {
            queue[queued++] = (struct expected){ .content = content, .embedded = -1 };
            user_packets++;
        }
    }
    step("queue %u USER packets with key %lu", count, content.key);
}

static void queue_or_withdraw_embedded(void)
{
    uint32_t i = choose(EMBEDDED);
    struct expected *entry = find_queued(0, i);

    if (one_in(2)) {
        step("withdraw packet %u", i);
        check_equal(port_withdraw(port, &embedded[i]), entry != NULL);
        if (entry)
            unqueue(entry);
    } else if (!entry) {
        embedded[i].content = (port_packet_t){ .key = i, .type = PKT_BLOCK, .user = { .u64 = { choose(100) } } };
        embedded[i].dequeued = embedded_dequeued;
        step("queue packet %u", i);
        check(port_queue_packet(port, &embedded[i], one_in(2)));
        queue[queued++] = (struct expected){ .content = embedded[i].content, .embedded = i };
    }
}

/* --- Signals. --- */

static void observe(void)
{
    struct record record = {
        .number = ++last_number, .event = choose(EVENTS), .key = choose(3), .persistent = one_in(2), .attached = true,
        .trigger = (signals_t[]){ SIGNAL_USER_0, SIGNAL_USER_1, SIGNALS }[choose(3)], .listed = true,
    };
    status_t status;

    if (record_count == RECORDS)
        return;
    fail_allocation(one_in(6));
    status = port_observe(port, events[record.event], record.key, record.trigger, record.persistent);
    step("observe event %u, key %lu, 0x%x %s: %d", record.event, record.key, record.trigger,
         record.persistent ? "always" : "once", status);
    if (allocation_failed()) {
        check_equal(status, ERR_NO_MEMORY);
        return;
    }
    check_equal(status, OK);
    records[record_count++] = record;
    if (signals[record.event] & record.trigger)
        fire(&records[record_count - 1]);
}

static void signal_event(void)
{
    uint32_t event = choose(EVENTS);
    signals_t clear = choose(2) ? SIGNALS : 0, set = (choose(4) << 24) | choose(2);
    signals_t before = signals[event], risen;

    step("event %u: clear 0x%x, set 0x%x", event, clear, set);
    signals[event] = (before & ~clear) | set;
    risen = signals[event] & ~before;
    for (uint32_t i = 0; i < record_count; i++)
        if (records[i].event == event && records[i].attached && (records[i].trigger & risen))
            fire(&records[i]);
    object_signal_hint(events[event], clear, set, one_in(2));
    check_equal(events[event]->signals, signals[event]);
}

static void cancel(void)
{
    uint32_t event = choose(EVENTS);
    uint64_t key = choose(3);
    bool found = false;

    for (uint32_t i = record_count; i-- > 0;) {
        if (records[i].event != event || records[i].key != key || !records[i].listed)
            continue;
        struct expected *entry = find_queued(records[i].number, -1);

        if (entry)
            unqueue(entry);
        forget_record(&records[i]);
        found = true;
    }
    step("cancel event %u, key %lu: %d", event, key, found);
    check_equal(port_cancel(port, events[event], key), found);
}

static void new_event(uint32_t i)
{
    check_equal(event_create(&events[i]), OK);
    object_add_handle(events[i]);
    object_unref(events[i]);
    signals[i] = 0;
}

/* Its observers end; packets that are queued stay. */
static void close_event(uint32_t event)
{
    step("close event %u", event);
    for (uint32_t i = record_count; i-- > 0;) {
        if (records[i].event != event)
            continue;
        records[i].event = EVENTS;
        if (records[i].attached)
            forget_record(&records[i]);
    }
    object_drop_handle(events[event]);
}

/* --- Reading. --- */

static void read_now(void)
{
    status_t status, expected = queued == 0 ? ERR_TIMED_OUT : OK;

    window_closed = one_in(8);
    if (window_closed && queued > 0)
        expected = ERR_USER_FAULT;
    status = port_wait(port, 0, WINDOW_BASE);
    window_closed = false;
    step("read: %d", status);
    check_equal(status, expected);
    if (status == OK)
        taken((port_packet_t *)window);
}

static void reader_body(void *argument)
{
    struct reader *reader = argument;
    uint64_t at = PAGE_SIZE * (reader->slot + 1), packets = choose_between(1, 5);
    status_t status = OK;

    while (status == OK && packets-- > 0) {
        int64_t deadline = reader->forever ? DEADLINE_INFINITE : (int64_t)(arch_time() + choose_between(1, 100));

        status = port_wait(port, deadline, WINDOW_BASE + at);
        step("reader %u: %d", reader->slot, status);
        if (status == OK)
            taken((port_packet_t *)(window + at));
        else
            check(status == ERR_CANCELED || (status == ERR_TIMED_OUT && !reader->forever));
        return_to_user();
    }
}

static void reader_change(void)
{
    uint32_t i = choose(READERS);
    struct reader *reader = &readers[i];

    if (!reader->thread) {
        check_equal(process_create("reader", NULL, &reader->process), OK);
        reader->slot = i;
        reader->forever = one_in(2);
        reader->thread = spawn(reader->process, reader_body, reader);
        step("reader %u starts", i);
    } else if (one_in(4)) {
        step("kill reader %u", i);
        thread_kill(reader->thread);
    } else {
        advance_time(choose(60));
    }
}

static void settle(void)
{
    run_all();
    for (uint32_t i = 0; i < READERS; i++) {
        struct reader *reader = &readers[i];

        if (!reader->thread)
            continue;
        if (thread_ended(reader->thread)) {
            object_unref(&reader->thread->object);
            object_unref(&reader->process->object);
            reader->thread = NULL;
        } else {
            check(thread_blocked(reader->thread));
            if (queued > 0)
                fail("reader %u sleeps although %u packets are queued", i, queued);
        }
    }
}

/* --- The port's life. --- */

static void new_port(void)
{
    struct object *made;

    check_equal(port_create(&made), OK);
    port = container_of(made, struct port, object);
    object_add_handle(made);
    queued = user_packets = record_count = 0;
}

static void close_port(void)
{
    port_packet_t content = { 0 };

    step("close the port");
    for (uint32_t i = 0; i < queued; i++)
        if (queue[i].embedded >= 0)
            expected_dequeues[queue[i].embedded]++;
    queued = 0;
    object_drop_handle(&port->object);
    check(!port_queue_packet(port, &embedded[0], false));
    check_equal(port_queue_user(port, &content), ERR_SHOULD_WAIT);
    check_equal(port_observe(port, events[0], 0, SIGNALS, WAIT_ASYNC_ONCE), ERR_BAD_HANDLE);
    settle();
    for (uint32_t i = 0; i < READERS; i++)
        check(!readers[i].thread);
    object_unref(&port->object);
}

static void port_step(void)
{
    switch (choose(10)) {
    case 0:
        queue_user();
        break;
    case 1:
        queue_or_withdraw_embedded();
        break;
    case 2:
        observe();
        break;
    case 3:
    case 4:
        signal_event();
        break;
    case 5:
        cancel();
        break;
    case 6:
    case 7:
        read_now();
        break;
    case 8:
        reader_change();
        break;
    default:
        if (one_in(10)) {
            uint32_t event = choose(EVENTS);

            close_event(event);
            new_event(event);
        } else if (one_in(30)) {
            close_port();
            new_port();
        }
    }
}

void drive_ports(uint32_t steps)
{
    memset(embedded, 0, sizeof embedded);
    memset(dequeues, 0, sizeof dequeues);
    memset(expected_dequeues, 0, sizeof expected_dequeues);
    new_port();
    for (uint32_t i = 0; i < EVENTS; i++)
        new_event(i);
    while (steps-- > 0 && choices_left()) {
        port_step();
        if (one_in(2))
            settle();
        for (uint32_t i = 0; i < EMBEDDED; i++)
            check_equal(dequeues[i], expected_dequeues[i]);
        if (queued > QUEUE - 20)
            while (queued > 0)
                read_now();
    }
    close_port();
    for (uint32_t i = 0; i < EVENTS; i++)
        close_event(i);
}
