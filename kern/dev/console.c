/*
 * console.c: the serial console.
 *
 * Two queues between programs and the UART.  Typed bytes are put into one by the interrupt and
 * taken out by readers; nothing is edited or echoed here, that is the business of user code.
 * One byte is special besides: ^C sets USER_0, so that somebody can wait for it alone.
 * Written bytes go into the other, and out whenever the UART has room; a writer sleeps only while
 * the queue is full.  Kernel messages overtake nothing: they push the queue out first and wait for
 * the UART themselves.
 *
 * Invariant: while written bytes are queued the transmit interrupt is on (if the UART has one).
 * READABLE is set, at the latest when update_readable returns, exactly while typed bytes are there.
 * Locks: console_lock for both queues.  Signals rank below it and are sent without it.
 */
#include "dev/console.h"

#include "arch.h"
#include "lib/kprintf.h"
#include "task/wait_queue.h"

#define INPUT_SIZE  16384u              /* a paste may come faster than its reader */
#define OUTPUT_SIZE 4096u
#define CONTROL_C   3

/* A ring of bytes; the counters run freely, the sizes are powers of two. */
struct ring {
    char *bytes;
    uint32_t size;
    uint32_t put, taken;
    struct wait_queue waiters;          /* readers of the input, writers of the output */
};

static struct spinlock console_lock = SPINLOCK_INITIALIZER(RANK_CONSOLE);   /* all below */
static char input_bytes[INPUT_SIZE], output_bytes[OUTPUT_SIZE];
static struct ring input = { .bytes = input_bytes, .size = INPUT_SIZE };
static struct ring output = { .bytes = output_bytes, .size = OUTPUT_SIZE };
static uint32_t lost;                   /* typed bytes that found no room */

static struct object console;

const struct object_ops console_ops = {
    .type = OBJECT_CONSOLE,
    .name = "console",
    .default_rights = RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_READ | RIGHT_WRITE | RIGHT_WAIT |
                      RIGHT_INSPECT,
};

static uint32_t used(const struct ring *ring)   { return ring->put - ring->taken; }
static uint32_t room(const struct ring *ring)   { return ring->size - used(ring); }
static void put(struct ring *ring, char c)      { ring->bytes[ring->put++ % ring->size] = c; }
static char first(const struct ring *ring)      { return ring->bytes[ring->taken % ring->size]; }

struct object *console_object(void) { return &console; }

/* --- Output. --- */

/* Give the UART what it takes now; its interrupt, if it has one, goes on with the rest. */
static void transmit(void)
{
    for (; used(&output) > 0; output.taken++) {
        if (!arch_console_irq)
            arch_console_put(first(&output));
        else if (!arch_console_try_put(first(&output)))
            break;
    }
    arch_console_transmit_interrupt(used(&output) > 0);
    if (room(&output) >= OUTPUT_SIZE / 2)
        wait_queue_wake_all(&output.waiters);
}

/*
 * Declared in lib/kprintf.h.  In a panic the lock is not taken: its holder may be a hart that has
 * been stopped, or the very code that panics.  Then a torn message is better than none.
 */
void console_write_kernel(const char *text, size_t length)
{
    bool locked = !panicking;

    if (locked)
        spin_lock(&console_lock);
    for (; used(&output) > 0; output.taken++)
        arch_console_put(first(&output));
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            arch_console_put('\r');
        arch_console_put(text[i]);
    }
    if (locked)
        spin_unlock(&console_lock);
}

/* Console lock held, which is dropped meanwhile. */
static status_t wait(struct ring *ring, enum wait_mode mode)
{
    return wait_queue_sleep(&ring->waiters, &console_lock, DEADLINE_INFINITE, mode);
}

status_t console_write(const char *text, size_t length, size_t *out_done)
{
    status_t status = OK;
    size_t done = 0;

    spin_lock(&console_lock);
    while (status == OK && done < length) {
        size_t piece = min_u64(length - done, CONSOLE_PIECE);

        if (room(&output) < 2 * piece) {
            status = wait(&output, WAIT_KILLABLE);      /* there soon will be room */
            continue;
        }
        for (; piece > 0; piece--, done++) {
            if (text[done] == '\n')
                put(&output, '\r');
            put(&output, text[done]);
        }
        transmit();
    }
    spin_unlock(&console_lock);
    *out_done = done;
    return status;
}

/* --- Input. --- */

/*
 * Signals are sent without the lock, so look again afterwards: whoever signals last leaves the
 * truth.  A look needs no lock, because the object's orders what the signals say.
 */
static void update_readable(void)
{
    bool waits;

    do {
        waits = used(&input) > 0;
        object_signal(&console, waits ? 0 : SIGNAL_READABLE, waits ? SIGNAL_READABLE : 0);
    } while (waits != (used(&input) > 0));
}

static void console_interrupt(void *unused)
{
    bool interrupt = false;
    int c;

    (void)unused;
    spin_lock(&console_lock);

    bool was_empty = used(&input) == 0;

    while ((c = arch_console_get()) >= 0) {
        interrupt |= c == CONTROL_C;
        if (room(&input) > 0)
            put(&input, (char)c);
        else
            lost++;
    }

    bool is_empty = used(&input) == 0;

    if (!is_empty)
        wait_queue_wake_all(&input.waiters);
    transmit();
    spin_unlock(&console_lock);
    if (was_empty && !is_empty)
        update_readable();
    if (interrupt)
        object_signal(&console, 0, SIGNAL_USER_0);
}

status_t console_read(char *buffer, size_t length, size_t *out_done)
{
    status_t status = OK;
    size_t done = 0;
    uint32_t lost_before;

    spin_lock(&console_lock);
    while (status == OK && length > 0 && used(&input) == 0)
        status = wait(&input, WAIT_INTERRUPTIBLE);
    for (; done < length && used(&input) > 0; input.taken++)
        buffer[done++] = first(&input);
    lost_before = lost;
    lost = 0;
    spin_unlock(&console_lock);

    update_readable();
    if (lost_before)
        kprintf("console: %u typed bytes were lost, nobody read them in time\n", lost_before);
    *out_done = done;
    return done > 0 ? OK : status;
}

void console_init(void)
{
    object_init(&console, &console_ops, SIGNAL_WRITABLE);
    wait_queue_init(&input.waiters);
    wait_queue_init(&output.waiters);
    if (arch_irq_register(arch_console_irq, console_interrupt, NULL) != OK)
        kprintf("the console has no interrupt: nothing can be typed\n");
}
