/*
 * swapoff.c: take a disk or partition back from the default pager: swapoff DEVICE.
 *
 * The stores that have a segment there are deleted, with all their segments.  What they hold goes to
 * other stores or into memory first, which may take long: on a terminal a second thread says every
 * second how much is left.
 */
#include <err.h>
#include <inttypes.h>
#include <pthread.h>
#include <quire/swap.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND 1000000000ll

static const char *name;                /* of the device */
static block_info_t device;

/* Whoever prints holds it; the main thread never gives it back. */
static pthread_mutex_t terminal = PTHREAD_MUTEX_INITIALIZER;
static bool has_printed;

/* --- How far it is. --- */

static void print_left(void)
{
    info_segment_t *segments;
    uint64_t left = 0;
    size_t count;
    if (swap_segments(&segments, &count) != OK)
        return;
    for (size_t i = 0; i < count; i++)
        if (segments[i].draining && swap_segment_is_on(&segments[i], &device))
            left += segments[i].pages_total - segments[i].pages_free;
    free(segments);
    pthread_mutex_lock(&terminal);
    fprintf(stderr, "\r%s: %10" PRIu64 " KiB left", name, left * (PAGE_SIZE / 1024));
    fflush(stderr);
    has_printed = true;
    pthread_mutex_unlock(&terminal);
}

static void *print_progress(void *unused)
{
    for (int64_t next = sys_clock_get() + SECOND; ; next = sys_clock_get() + SECOND) {
        sys_nanosleep(next);
        print_left();
    }
    return unused;
}

/* Without memory for the thread nothing is said. */
static void start_progress(void)
{
    pthread_t thread;
    if (isatty(STDERR_FILENO) && pthread_create(&thread, NULL, print_progress, NULL) == 0)
        pthread_detach(thread);
}

static void end_progress(void)
{
    pthread_mutex_lock(&terminal);
    if (has_printed)
        fprintf(stderr, "\n");
}

/* --- Taking it back. --- */

static status_t delete_store(uint64_t koid)
{
    handle_t store;
    status_t status = sys_object_get_child(default_pager_handle(), koid, RIGHT_SAME_RIGHTS, &store);
    if (status != OK)
        return status == ERR_NOT_FOUND ? OK : status;       /* it went with an earlier segment */
    status = sys_backing_store_delete(store);
    sys_handle_close(store);
    return status;
}

/* NOT_FOUND: nothing of the device is in use. */
static status_t take_back(const info_segment_t *segments, size_t count)
{
    status_t status = ERR_NOT_FOUND;
    for (size_t i = 0; i < count && (status == OK || status == ERR_NOT_FOUND); i++)
        if (swap_segment_is_on(&segments[i], &device))
            status = delete_store(segments[i].store_koid);
    return status;
}

static void open_device(void)
{
    char list[DEVICE_LIST_SIZE];
    handle_t handle;
    status_t status = block_open(name, &handle);
    if (status == ERR_NOT_FOUND)
        errx(1, "%s: no such device; there are: %s", name, device_list(list));
    if (status == OK)
        status = sys_block_get_info(handle, &device);
    if (status != OK)
        errx(1, "%s: %s", name, status_text(status));
    sys_handle_close(handle);
}

static int report(status_t status)
{
    switch (status) {
    case OK:
        return 0;
    case ERR_NOT_FOUND:
        warnx("%s: it is not in use as swap; `swapinfo` lists what is", name);
        break;
    case ERR_NO_SPACE:
        warnx("%s: no room elsewhere: what is there fits neither on the other devices nor in "
              "memory; add swap or end programs", name);
        break;
    case ERR_IO:
        warnx("%s: the device could not be read everywhere, so it stays in use; end the programs "
              "that get errors, or try again", name);
        break;
    case ERR_BAD_STATE:
        warnx("%s: another swapoff is at work on it", name);
        break;
    default:
        warnx("%s: %s", name, status_text(status));
    }
    return 1;
}

int main(int argument_count, char **arguments)
{
    info_segment_t *segments;
    size_t count;
    if (argument_count != 2 || arguments[1][0] == '-')
        return usage("swapoff DEVICE");
    if (default_pager_handle() == HANDLE_INVALID)
        errx(1, "no right to use the default pager");
    name = arguments[1];
    open_device();
    status_t status = swap_segments(&segments, &count);
    if (status == OK) {
        start_progress();
        status = take_back(segments, count);
        end_progress();
        free(segments);
    }
    return report(status);
}
