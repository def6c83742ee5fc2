/*
 * mandelbrot.c: a picture of 64 MiB that exists only where somebody looks.
 *
 *     mandelbrot [X Y ZOOM]        X, Y: the middle, 0 to 8191; ZOOM: 1 (all of it) to 128
 *
 * This process is the pager of a memory object (a VMO) with one byte for each of 8192 x 8192
 * points: how soon the point leaves the Mandelbrot set.  It computes nothing in advance.  It starts
 * a second process (`mandelbrot draw`), which maps the object and reads it like any array.  Where a
 * page is missing, the kernel stops the reader and puts a packet into our port; we compute the
 * page, supply it, and the reader goes on without ever knowing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <quire.h>

#define SIDE         8192l              /* points */
#define PICTURE_SIZE ((size_t)(SIDE * SIDE))
#define COLUMNS      64
#define ROWS         24
#define PICTURE_TAG  START_USER         /* how the drawing process finds its handle */
#define ONE          (1l << 28)         /* 1.0 in fixed point */
#define DARKEST      63                 /* steps that we try */

enum { KEY_PICTURE, KEY_DRAWER };       /* what a packet is about */

static void check(status_t status, const char *what)
{
    if (status != OK) {
        fprintf(stderr, "mandelbrot: %s: %s\n", what, status_text(status));
        exit(1);
    }
}

/* The set lies between -2.25 and 0.75, and between -1.5 and 1.5. */
static uint8_t point_compute(long column, long row)
{
    int64_t real = column * 3 * ONE / SIDE - 9 * ONE / 4,
            imaginary = row * 3 * ONE / SIDE - 3 * ONE / 2;
    int64_t x = 0, y = 0;
    uint8_t steps = 0;

    while (steps < DARKEST && x * x + y * y < 4 * ONE * ONE) {
        int64_t next = (x * x - y * y) / ONE + real;
        y = 2 * x * y / ONE + imaginary;
        x = next;
        steps++;
    }
    return steps;
}

static handle_t pager, port, picture;
static handle_t scratch;                /* one page, mapped at `page` */
static uint8_t *page;

/*
 * Compute the pages asked for, each in the scratch page, and move it from there into the picture.
 * Afterwards scratch is empty again, and its next use gets it a fresh page.
 */
static unsigned long pages_supply(uint64_t offset, uint64_t length)
{
    for (uint64_t end = offset + length; offset < end; offset += PAGE_SIZE) {
        for (uint64_t i = 0; i < PAGE_SIZE; i++)
            page[i] = point_compute((offset + i) % SIDE, (offset + i) / SIDE);
        check(sys_pager_supply_pages(pager, picture, offset, PAGE_SIZE, scratch, 0), "supply");
    }
    return length / PAGE_SIZE;
}

static handle_t drawer_start(char **place)
{
    const char *arguments[] = { "mandelbrot", "draw", place[0], place[1], place[2], NULL };
    rights_t rights = RIGHT_READ | RIGHT_MAP | RIGHT_TRANSFER;
    struct spawn_handle gift = { .tag = PICTURE_TAG };
    struct spawn_arguments how = { .arguments = arguments, .handles = &gift, .handle_count = 1 };
    handle_t process;

    check(program_open("mandelbrot", &how.image), "find the program");
    check(sys_handle_duplicate(picture, rights, &gift.handle), "share the picture");
    check(spawn(&how, &process), "start the drawing process");
    check(sys_object_wait_async(process, port, KEY_DRAWER, SIGNAL_TERMINATED, 0), "wait for it");
    return process;
}

static int serve(char **place)
{
    port_packet_t packet;
    unsigned long pages = 0;
    uintptr_t address;
    int64_t code;

    check(sys_port_create(0, &port), "port");
    check(sys_pager_create(0, &pager), "pager");
    check(sys_pager_create_vmo(pager, 0, port, KEY_PICTURE, PICTURE_SIZE, &picture), "picture");
    sys_object_set_name(picture, "mandelbrot", strlen("mandelbrot"));
    check(sys_vmo_create(PAGE_SIZE, 0, &scratch), "scratch");
    check(sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, scratch, 0, PAGE_SIZE,
                     &address), "map the scratch page");
    page = (uint8_t *)address;

    handle_t drawer = drawer_start(place);
    for (;;) {
        check(sys_port_wait(port, DEADLINE_INFINITE, &packet), "port");
        if (packet.key == KEY_DRAWER)
            break;
        pages += pages_supply(packet.page_request.offset, packet.page_request.length);
    }
    check(process_wait(drawer, &code), "drawing process");
    printf("drawn from %lu pages of %lu\n", pages, PICTURE_SIZE / PAGE_SIZE);
    return code != 0;
}

/* The other process: it knows of no pager.  A character is twice as high as it is wide. */
static int draw(char **place)
{
    static const char shades[] = " .,:;-=+*#%@";
    long middle_x = atoi(place[0]), middle_y = atoi(place[1]), zoom = atoi(place[2]);
    handle_t vmo = start_handle(PICTURE_TAG);
    uintptr_t address;

    if (zoom < 1 || zoom > SIDE / COLUMNS) {
        fprintf(stderr, "usage: mandelbrot [X Y ZOOM]   X, Y: 0 to 8191, ZOOM: 1 to 128\n");
        return 2;
    }
    check(sys_vm_map(process_self(), VM_READ, 0, vmo, 0, PICTURE_SIZE, &address), "map");
    const uint8_t *points = (const uint8_t *)address;
    long step = SIDE / COLUMNS / zoom;

    for (long row = 0; row < ROWS; row++) {
        for (long column = 0; column < COLUMNS; column++) {
            long x = middle_x + (column - COLUMNS / 2) * step,
                 y = middle_y + (row - ROWS / 2) * 2 * step;
            bool inside = x >= 0 && x < SIDE && y >= 0 && y < SIDE;
            int steps = inside ? points[y * SIDE + x] : 0;
            putchar(shades[steps * (sizeof(shades) - 2) / DARKEST]);
        }
        putchar('\n');
    }
    return 0;
}

int main(int argc, char **argv)
{
    char *whole[] = { "4096", "4096", "1" };
    char **place = argc >= 4 ? argv + argc - 3 : whole;

    return start_handle(PICTURE_TAG) == HANDLE_INVALID ? serve(place) : draw(place);
}
