/*
 * console.c: the serial console.
 *
 * Two queues between programs and the UART.  Typed bytes are put into one by the interrupt and taken out by readers; nothing
 * is edited or echoed here, that is the business of user code.  One byte is special besides: ^C sets USER_0, so that somebody
 * can wait for it alone.  Written bytes go into the other, and out whenever the UART has room; a writer sleeps only while the
 * queue is full.  Kernel messages overtake nothing: they push the queue out first and wait for the UART themselves.
 *
 * Invariant: while written bytes are queued the transmit interrupt is on (if the UART has one).
 * READABLE is set exactly while typed bytes are there.
 * Locks: each queue has one.  Kernel messages come with almost any lock held, so the output's ranks
 * below the locks of objects; the input's ranks above them, and signals change under it.
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
    struct spinlock lock;               /* all below, and waiting */
    char *bytes;
    uint32_t size;
    uint32_t put, taken;
    struct wait_queue waiters;          /* readers of the input, writers of the output */
};

static char input_bytes[INPUT_SIZE], output_bytes[OUTPUT_SIZE];
static struct ring input = { SPINLOCK_INITIALIZER(RANK_TYPED), input_bytes, .size = INPUT_SIZE };
static struct ring output = { SPINLOCK_INITIALIZER(RANK_CONSOLE), output_bytes, .size = OUTPUT_SIZE };

static struct object console;

static const struct object_ops console_ops = {
    .type = OBJECT_CONSOLE, .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE,
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

/* lib/kprintf.h.  A panic does not take the lock: its holder may be a stopped hart, or the very code that panics. */
void console_write_kernel(const char *text, size_t length)
{
    bool locked = !panicking;

    if (locked)
        spin_lock(&output.lock);
    for (; used(&output) > 0; output.taken++)
        arch_console_put(first(&output));
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            arch_console_put('\r');
        arch_console_put(text[i]);
    }
    if (locked)
        spin_unlock(&output.lock);
}

status_t console_write(const char *text, size_t length, size_t *out_done)
{
    status_t status = OK;
    size_t done = 0;

    spin_lock(&output.lock);
    while (status == OK && done < length) {
        size_t piece = min_u64(length - done, CONSOLE_PIECE);

        if (room(&output) < 2 * piece) {
            status = wait_queue_sleep(&output.waiters, &output.lock, DEADLINE_INFINITE,
                                      WAIT_KILLABLE);   /* there soon will be room */
            continue;
        }
        for (; piece > 0; piece--, done++) {
            if (text[done] == '\n')
                put(&output, '\r');
            put(&output, text[done]);
        }
        transmit();
    }
    spin_unlock(&output.lock);
    *out_done = done;
    return status;
}

/* --- Input. --- */

static void console_interrupt(UNUSED void *argument)
{
    bool interrupt = false;
    int c;

    spin_lock(&input.lock);
    while ((c = arch_console_get()) >= 0) {
        interrupt |= c == CONTROL_C;
        if (room(&input) > 0)           /* else it is lost */
            put(&input, (char)c);
    }
    if (used(&input) > 0) {
        wait_queue_wake_all(&input.waiters);
        object_signal(&console, 0, SIGNAL_READABLE);
    }
    spin_unlock(&input.lock);

    spin_lock(&output.lock);
    transmit();
    spin_unlock(&output.lock);
    if (interrupt)
        object_signal(&console, 0, SIGNAL_USER_0);
}

status_t console_read(char *buffer, size_t length, size_t *out_done)
{
    status_t status = OK;
    size_t done = 0;

    spin_lock(&input.lock);
    while (status == OK && length > 0 && used(&input) == 0)
        status = wait_queue_sleep(&input.waiters, &input.lock, DEADLINE_INFINITE,
                                  WAIT_INTERRUPTIBLE);
    for (; done < length && used(&input) > 0; input.taken++)
        buffer[done++] = first(&input);
    if (used(&input) == 0)
        object_signal(&console, SIGNAL_READABLE, 0);
    spin_unlock(&input.lock);
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
