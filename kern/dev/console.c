/*
 * console.c: the serial console.
 *
 * Two queues between programs and the UART.  Typed bytes are put into one by the interrupt and
 * taken out by readers; nothing is edited or echoed here, that is the business of user code.
 * Written bytes go into the other, and out whenever the UART has room; a writer sleeps only while
 * the queue is full.  Kernel messages overtake nothing: they push the queue out first and wait for
 * the UART themselves.
 *
 * Invariant: while written bytes are queued the transmit interrupt is on (if the UART has one).
 * READABLE is set, at the latest when update_readable returns, exactly while typed bytes are there.
 * Locks: console.lock for both queues.  Signals rank below it and are sent without it.
 */
#include "dev/console.h"

#include "arch.h"
#include "lib/kprintf.h"
#include "task/wait_queue.h"

#define INPUT_SIZE  16384u              /* a paste may come faster than its reader */
#define OUTPUT_SIZE 4096u

/* A ring of bytes; the counters run freely, the sizes are powers of two. */
struct ring {
    char *bytes;
    uint32_t size;
    uint32_t put, taken;
};

static char input_bytes[INPUT_SIZE], output_bytes[OUTPUT_SIZE];

static struct {
    struct object object;

    struct spinlock lock;               /* RANK_CONSOLE: all below */
    struct ring input, output;
    uint32_t lost;                      /* typed bytes that found no room */
    struct wait_queue readers, writers;
} console = {
    .lock = SPINLOCK_INITIALIZER(RANK_CONSOLE),
    .input = { .bytes = input_bytes, .size = INPUT_SIZE },
    .output = { .bytes = output_bytes, .size = OUTPUT_SIZE },
};

const struct object_ops console_ops = {
    .type = OBJECT_CONSOLE,
    .name = "console",
    .default_rights = RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_READ | RIGHT_WRITE | RIGHT_WAIT |
                      RIGHT_INSPECT,
};

static uint32_t ring_used(const struct ring *ring) { return ring->put - ring->taken; }
static uint32_t ring_room(const struct ring *ring) { return ring->size - ring_used(ring); }
static void ring_put(struct ring *ring, char c)    { ring->bytes[ring->put++ % ring->size] = c; }
static char ring_first(const struct ring *ring)    { return ring->bytes[ring->taken % ring->size]; }

struct object *console_object(void) { return &console.object; }

/* --- Output. --- */

/* Give the UART what it takes now; the transmit interrupt goes on with the rest. */
static void transmit(void)
{
    struct ring *output = &console.output;

    while (ring_used(output) > 0) {
        if (!arch_console_try_put(ring_first(output))) {
            if (arch_console_irq)
                break;
            arch_console_put(ring_first(output));
        }
        output->taken++;
    }
    arch_console_transmit_interrupt(ring_used(output) > 0);
    if (ring_room(output) >= OUTPUT_SIZE / 2)
        wait_queue_wake_all(&console.writers);
}

/*
 * Declared in lib/kprintf.h.  In a panic the lock is not taken: its holder may be a hart that has
 * been stopped, or the very code that panics.  Then a torn message is better than none.
 */
void console_write_kernel(const char *text, size_t length)
{
    bool locked = !panicking;

    if (locked)
        spin_lock(&console.lock);
    for (; ring_used(&console.output) > 0; console.output.taken++)
        arch_console_put(ring_first(&console.output));
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            arch_console_put('\r');
        arch_console_put(text[i]);
    }
    if (locked)
        spin_unlock(&console.lock);
}

status_t console_write(const char *text, size_t length, size_t *out_done)
{
    status_t status = OK;
    size_t done = 0;

    spin_lock(&console.lock);
    while (done < length) {
        size_t piece = min_u64(length - done, CONSOLE_PIECE);

        while (status == OK && ring_room(&console.output) < 2 * piece)
            status = wait_queue_sleep(&console.writers, &console.lock, DEADLINE_INFINITE,
                                      WAIT_KILLABLE);
        if (status != OK)
            break;
        for (; piece > 0; piece--, done++) {
            if (text[done] == '\n')
                ring_put(&console.output, '\r');
            ring_put(&console.output, text[done]);
        }
        transmit();
    }
    spin_unlock(&console.lock);
    *out_done = done;
    return status;
}

/* --- Input. --- */

static bool input_waits(void)
{
    bool waits;

    spin_lock(&console.lock);
    waits = ring_used(&console.input) > 0;
    spin_unlock(&console.lock);
    return waits;
}

/* Signals are sent without the lock, so look again afterwards: whoever signals last leaves the
 * truth. */
static void update_readable(void)
{
    bool waits;

    do {
        waits = input_waits();
        object_signal(&console.object, waits ? 0 : SIGNAL_READABLE, waits ? SIGNAL_READABLE : 0);
    } while (waits != input_waits());
}

static void receive(void)
{
    int c;

    while ((c = arch_console_get()) >= 0) {
        if (ring_room(&console.input) > 0)
            ring_put(&console.input, (char)c);
        else
            console.lost++;
    }
    if (ring_used(&console.input) > 0)
        wait_queue_wake_all(&console.readers);
}

static void console_interrupt(void *unused)
{
    bool was_empty, is_empty;

    (void)unused;
    spin_lock(&console.lock);
    was_empty = ring_used(&console.input) == 0;
    receive();
    is_empty = ring_used(&console.input) == 0;
    transmit();
    spin_unlock(&console.lock);
    if (was_empty && !is_empty)
        update_readable();
}

status_t console_read(char *buffer, size_t length, size_t *out_done)
{
    status_t status = OK;
    size_t done = 0;
    uint32_t lost;

    spin_lock(&console.lock);
    while (status == OK && length > 0 && ring_used(&console.input) == 0)
        status = wait_queue_sleep(&console.readers, &console.lock, DEADLINE_INFINITE,
                                  WAIT_KILLABLE);
    for (; done < length && ring_used(&console.input) > 0; console.input.taken++)
        buffer[done++] = ring_first(&console.input);
    lost = console.lost;
    console.lost = 0;
    spin_unlock(&console.lock);

    update_readable();
    if (lost)
        kprintf("console: %u typed bytes were lost, nobody read them in time\n", lost);
    *out_done = done;
    return done > 0 ? OK : status;
}

void console_init(void)
{
    object_init(&console.object, &console_ops, SIGNAL_WRITABLE);
    wait_queue_init(&console.readers);
    wait_queue_init(&console.writers);
    if (arch_console_irq == 0 || arch_irq_register(arch_console_irq, console_interrupt, NULL) != OK)
        kprintf("the console has no interrupt: nothing can be typed\n");
}
