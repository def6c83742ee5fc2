/*
 * pager.c: page faults that a user program answers.
 *
 * The pager waits at its port and moves pages into the object, as many in one call as the run asks for.  Those
 * pages are filled beforehand, through a mapping that is removed again; filling is reported apart.  The
 * faulting program reads one byte of every page; a sample is one cluster.
 */
#include "bench.h"

#include <string.h>

enum { TAG_PAGER = START_USER, TAG_PORT, TAG_VMO, TAG_READY };

#define FAULTS(cluster) ((cluster) == 1 ? 512u : (cluster) == 16 ? 128u : 64u)

/* One object and who supplies it. */
struct service {
    handle_t pager, port, vmo, store;
    size_t cluster, pages;
    char *mapped_store;                     /* NULL once it is unmapped */
};

static struct samples samples;

static struct service service_create(size_t cluster)
{
    struct service service = { .cluster = cluster, .pages = cluster * FAULTS(cluster) };

    require(sys_port_create(0, &service.port), "port");
    require(sys_pager_create(0, &service.pager), "pager");
    require(sys_pager_create_vmo(service.pager, 0, service.port, 0, service.pages * PAGE_SIZE,
                                 &service.vmo), "object");
    return service;
}

/* Fill the pages to supply; a sample is one page. */
static void store_fill(struct service *service)
{
    require(sys_vmo_create(service->pages * PAGE_SIZE, 0, &service->store), "store");
    service->mapped_store = map_vmo(service->store, VM_READ | VM_WRITE, service->pages * PAGE_SIZE);
    for (size_t page = 0; page < service->pages; page++) {
        uint64_t begin = instructions();
        uint64_t *words = (uint64_t *)(service->mapped_store + page * PAGE_SIZE);

        for (size_t i = 0; i < PAGE_SIZE / sizeof *words; i++)
            words[i] = page;
        sample(&samples, spent_since(begin));
    }
}

static void store_unmap(struct service *service)
{
    require(sys_vm_unmap(process_self(), (uintptr_t)service->mapped_store,
                         service->pages * PAGE_SIZE), "unmap");
}

static status_t supply(const struct service *service, uint64_t offset)
{
    return sys_pager_supply_pages(service->pager, service->vmo, offset, service->cluster * PAGE_SIZE,
                                  service->store, offset);
}

/* Answer requests until a packet of another kind comes. */
static void serve(void *argument)
{
    const struct service *service = argument;
    port_packet_t packet;

    for (;;) {
        require(sys_port_wait(service->port, DEADLINE_INFINITE, &packet), "wait");
        if (packet.type != PKT_PAGE_REQUEST)
            return;
        uint64_t offset = packet.page_request.offset;
        require(supply(service, offset - offset % (service->cluster * PAGE_SIZE)), "supply");
    }
}

/* Touch every page of the object and report what a page cost. */
static void measure(const struct service *service, const char *where)
{
    const volatile char *memory = map_vmo(service->vmo, VM_READ, service->pages * PAGE_SIZE);
    char name[80];

    for (size_t page = 0; page < service->pages; page += service->cluster) {
        const volatile char *at = memory + page * PAGE_SIZE, *end = at + service->cluster * PAGE_SIZE;
        uint64_t begin = instructions();

        for (; at < end; at += PAGE_SIZE)
            (void)*at;
        sample(&samples, spent_since(begin));
    }
    snprintf(name, sizeof name, "pager fault%s, %zu page%s", where, service->cluster,
             service->cluster > 1 ? "s, each" : "");
    report(name, &samples, service->cluster);
    require(sys_vm_unmap(process_self(), (uintptr_t)memory, service->pages * PAGE_SIZE), "unmap");
}

static void service_close(struct service *service)
{
    sys_handle_close(service->vmo);
    sys_handle_close(service->store);
    sys_handle_close(service->pager);
    sys_handle_close(service->port);
}

/* --- Answered by a thread of the same process. --- */

static void across_threads(size_t cluster)
{
    struct service service = service_create(cluster);
    port_packet_t end = { .type = PKT_USER };
    handle_t thread;

    store_fill(&service);
    samples.count = 0;
    store_unmap(&service);
    require(quire_thread_create(serve, &service, &thread), "thread");
    measure(&service, " across threads");
    require(sys_port_queue(service.port, &end), "end");
    require(quire_thread_join(thread), "join");
    service_close(&service);
}

/* --- Answered by another process. --- */

/* The other process. */
static int run_server(size_t cluster, bool stay_mapped)
{
    struct service service = {
        .pager = start_handle(TAG_PAGER), .port = start_handle(TAG_PORT), .vmo = start_handle(TAG_VMO),
        .cluster = cluster, .pages = cluster * FAULTS(cluster),
    };

    store_fill(&service);
    if (!stay_mapped)
        store_unmap(&service);
    require(sys_object_signal(start_handle(TAG_READY), 0, SIGNAL_USER_0), "signal");
    serve(&service);
    return 0;
}

static void across_processes(char *program, size_t cluster, bool stay_mapped)
{
    struct service service = service_create(cluster);
    handle_t ready, its_ready, its_vmo;
    char pages[8];

    snprintf(pages, sizeof pages, "%zu", cluster);
    require(sys_event_create(0, &ready), "event");
    require(sys_handle_duplicate(ready, RIGHT_SAME_RIGHTS, &its_ready), "duplicate");
    require(sys_handle_duplicate(service.vmo, RIGHT_SAME_RIGHTS, &its_vmo), "duplicate");
    struct spawn_handle handles[] = { { service.pager, TAG_PAGER }, { service.port, TAG_PORT },
                                      { its_vmo, TAG_VMO }, { its_ready, TAG_READY } };
    const char *arguments[] = { program, pages, stay_mapped ? "mapped" : "unmapped", NULL };
    handle_t server = start_again(arguments, handles, 4);

    require(sys_object_wait_one(ready, SIGNAL_USER_0, DEADLINE_INFINITE, NULL), "ready");
    measure(&service, stay_mapped ? ", store mapped too" : " across processes");
    stop(server);
    require(sys_handle_close(service.vmo), "close");
    require(sys_handle_close(ready), "close");
}

/* --- Supplying alone, while nobody waits. --- */

static void supply_alone(size_t cluster, const char *name)
{
    struct service service = service_create(cluster);

    store_fill(&service);
    if (cluster == 1)
        report("filling a page to supply", &samples, 1);
    samples.count = 0;
    store_unmap(&service);
    for (size_t page = 0; page < service.pages; page += cluster) {
        uint64_t begin = instructions();
        status_t status = supply(&service, page * PAGE_SIZE);

        sample(&samples, spent_since(begin));
        require(status, "supply");
    }
    report(name, &samples, cluster);
    service_close(&service);
}

int main(int argc, char **argv)
{
    static const size_t clusters[] = { 1, 16, 64 };

    if (argc == 3)
        return run_server(atoi(argv[1]), strcmp(argv[2], "mapped") == 0);
    for (size_t i = 0; i < 3; i++)
        across_processes(argv[0], clusters[i], false);
    across_processes(argv[0], 1, true);
    for (size_t i = 0; i < 3; i++)
        across_threads(clusters[i]);
    supply_alone(1, "supply alone, 1 page");
    supply_alone(16, "supply alone, 16 pages, each");
    return 0;
}
