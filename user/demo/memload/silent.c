/*
 * silent.c: a process with a pager that never answers.
 *
 * One thread waits for a page that nobody will supply; another makes pages dirty that nobody will clean, until it has done all or waits
 * for some to be clean.  Neither may be in the way of others, and nothing of what was written may be lost.
 */
#include <err.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memload.h"

enum { SUPPLIED = 512, PAGES = 2 * SUPPLIED, REST = 1000000 };

static handle_t vmo;
static atomic_uint dirty;               /* pages written so far */
static atomic_bool written;             /* all of them, or the pager counts as dead */
static atomic_bool answered;            /* the page that nobody supplies was there */

/* A time-out says that the pager is silent, which is so. */
static void wait_for_page(void *unused)
{
    status_t status;
    char byte;
    (void)unused;
    do
        status = sys_vmo_read(vmo, VMO_MAY_BLOCK, &byte, SUPPLIED * PAGE_SIZE, 1);
    while (status == ERR_TIMED_OUT);
    answered = true;
}

static void make_dirty(void *unused)
{
    (void)unused;
    for (uint32_t page; (page = dirty) < SUPPLIED; ) {
        uint64_t value = ~(uint64_t)page;
        status_t status = sys_vmo_write(vmo, VMO_MAY_BLOCK, &value, page * PAGE_SIZE, sizeof value);
        if (status == OK)
            dirty++;
        else if (status != ERR_TIMED_OUT)
            break;
    }
    written = true;
}

static bool waits_for_pager(handle_t thread)
{
    info_thread_t info;
    require(sys_object_get_info(thread, INFO_THREAD, &info, sizeof info, NULL, NULL), "ask for a thread");
    return info.state == THREAD_BLOCKED_PAGER;
}

static void start(void)
{
    handle_t pager, port, pages, reader, writer;
    require(sys_port_create(0, &port), "create a port");
    require(sys_pager_create(PAGER_WANTS_WRITEBACK, &pager), "create a pager");
    require(sys_pager_create_vmo(pager, 0, port, 1, PAGES * PAGE_SIZE, &vmo), "create its memory");
    require(sys_vmo_create(SUPPLIED * PAGE_SIZE, 0, &pages), "create pages");
    require(sys_vmo_op_range(pages, VMO_OP_COMMIT, 0, SUPPLIED * PAGE_SIZE, NULL, 0), "commit");
    require(sys_pager_supply_pages(pager, vmo, 0, SUPPLIED * PAGE_SIZE, pages, 0), "supply");
    require(sys_handle_close(pages), "close");
    require(quire_thread_create(wait_for_page, NULL, &reader), "create a thread");
    require(quire_thread_create(make_dirty, NULL, &writer), "create a thread");
    while (!waits_for_pager(reader) || !(written || waits_for_pager(writer)))
        sys_nanosleep(sys_clock_get() + REST);
}

/* What was written must still be in memory: there is nowhere else. */
static void verify(void)
{
    uint32_t count = dirty;
    for (uint32_t page = 0; page < count; page++) {
        uint64_t value = 0;
        require(sys_vmo_read(vmo, 0, &value, page * PAGE_SIZE, sizeof value), "read a dirty page");
        if (value != ~(uint64_t)page)
            errx(1, "dirty page %" PRIu32 " of the silent pager is %#" PRIx64, page, value);
    }
    if (answered)
        errx(1, "the silent pager's page came");
    printf("memload: the silent pager has its %" PRIu32 " dirty pages\n", count);
}

void silent_start(int *out_process, int *out_end)
{
    int ready[2], end[2];
    char byte;
    if (pipe(ready) != 0 || pipe(end) != 0)
        err(1, "pipe");
    int process = fork();
    if (process < 0)
        err(1, "fork");
    if (process == 0) {
        close(end[1]);
        start();
        if (write(ready[1], "r", 1) != 1 || read(end[0], &byte, 1) != 0)
            err(1, "the pipe broke");
        verify();
        fflush(stdout);
        _exit(0);
    }
    close(ready[1]);
    close(end[0]);
    if (read(ready[0], &byte, 1) != 1)
        errx(1, "the silent pager did not start");
    close(ready[0]);
    *out_process = process;
    *out_end = end[1];
}

void silent_stop(int process, int end)
{
    close(end);
    wait_for_success(process, "the silent pager");
}
