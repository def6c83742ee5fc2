/*
 * pager.c: page faults that a user program answers.
 *
 * The pager waits at its port and moves pages into the object, as many in one call as the run asks for.  Those
 * pages are filled beforehand, through a mapping that is removed again; filling is reported apart.  The
 * faulting program reads one byte of every page; a sample is one cluster.
 *
 * `pager pairs` measures something else, on two harts: how many more faults a second two pagers with a client each
 * answer than one.
 */
#include "bench.h"

#include <string.h>

enum { TAG_PAGER = START_USER, TAG_PORT, TAG_VMO, TAG_READY, TAG_GO };
enum { PAIR_PAGES = 4096, ROUNDS = 5 };

#define FAULTS(cluster) ((cluster) == 1 ? 512u : (cluster) == 16 ? 128u : 64u)

/* One object and who supplies it. */
struct service {
    handle_t pager, port, vmo, store;
    size_t cluster, pages;
    bool yields;                            /* others may run before it answers */
    char *mapped_store;                     /* NULL once it is unmapped */
};

static struct samples samples;

static uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }

static struct service service_create(size_t cluster, size_t pages)
{
    struct service service = { .cluster = cluster, .pages = pages };

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
        if (service->yields)
            sys_nanosleep(0);
        uint64_t offset = packet.page_request.offset;
        require(supply(service, offset - offset % (service->cluster * PAGE_SIZE)), "supply");
    }
}

static const volatile char *map_object(const struct service *service)
{
    return map_vmo(service->vmo, VM_READ, service->pages * PAGE_SIZE);
}

static void unmap_object(const struct service *service, const volatile char *memory)
{
    require(sys_vm_unmap(process_self(), (uintptr_t)memory, service->pages * PAGE_SIZE), "unmap");
}

/* Touch every page of the object, a sample for each cluster. */
static void touch_all(const struct service *service, const volatile char *memory)
{
    for (size_t page = 0; page < service->pages; page += service->cluster) {
        const volatile char *at = memory + page * PAGE_SIZE, *end = at + service->cluster * PAGE_SIZE;
        uint64_t begin = instructions();

        for (; at < end; at += PAGE_SIZE)
            (void)*at;
        sample(&samples, spent_since(begin));
    }
}

/* Report what a page cost. */
static void measure(const struct service *service, const char *where)
{
    const volatile char *memory = map_object(service);
    char name[80];

    touch_all(service, memory);
    unmap_object(service, memory);
    snprintf(name, sizeof name, "pager fault%s, %zu page%s", where, service->cluster,
             service->cluster > 1 ? "s, each" : "");
    report(name, &samples, service->cluster);
}

static void service_close(struct service *service)
{
    sys_handle_close(service->vmo);
    sys_handle_close(service->store);
    sys_handle_close(service->pager);
    sys_handle_close(service->port);
}

/* --- Answered by a thread of the same process. --- */

static void serve_end(struct service *service, handle_t thread)
{
    port_packet_t end = { .type = PKT_USER };

    require(sys_port_queue(service->port, &end), "end");
    require(quire_thread_join(thread), "join");
    service_close(service);
}

static void across_threads(size_t cluster)
{
    struct service service = service_create(cluster, cluster * FAULTS(cluster));
    handle_t thread;

    store_fill(&service);
    samples.count = 0;
    store_unmap(&service);
    require(quire_thread_create(serve, &service, &thread), "thread");
    measure(&service, " across threads");
    serve_end(&service, thread);
}

struct follower { handle_t thread; const volatile char *memory; size_t pages; };

/* Wait for every page too. */
static void follow(void *argument)
{
    const struct follower *me = argument;

    for (size_t page = 0; page < me->pages; page++)
        (void)me->memory[page * PAGE_SIZE];
}

/*
 * What a second waiter costs: the pager yields before it answers, and followers wait for the same page meanwhile.  What two of
 * them cost is more than what one costs by one waiter; the yield is in both.
 */
static void chained(void)
{
    uint64_t with_one = 0;

    for (size_t followers = 1; followers <= 2; followers++) {
        struct service service = service_create(1, FAULTS(1));
        const volatile char *memory = map_object(&service);
        struct follower follower[2];
        handle_t thread;

        service.yields = true;
        store_fill(&service);
        samples.count = 0;
        store_unmap(&service);
        require(quire_thread_create(serve, &service, &thread), "thread");
        for (size_t i = 0; i < followers; i++) {
            follower[i] = (struct follower){ .memory = memory, .pages = service.pages };
            require(quire_thread_create(follow, &follower[i], &follower[i].thread), "follower");
        }
        touch_all(&service, memory);
        for (size_t i = 0; i < followers; i++)
            require(quire_thread_join(follower[i].thread), "join");
        for (size_t i = 0; i < samples.count; i++)
            samples.values[i] -= min(with_one, samples.values[i]);
        report(followers == 1 ? "pager fault, two waiters and a yield" : "pager fault, another waiter", &samples, 1);
        with_one = samples.values[FAULTS(1) / 2];
        unmap_object(&service, memory);
        serve_end(&service, thread);
    }
}

/* --- Answered by another process. --- */

/* The other process. */
static int run_server(size_t cluster, size_t pages, bool stay_mapped)
{
    struct service service = {
        .pager = start_handle(TAG_PAGER), .port = start_handle(TAG_PORT), .vmo = start_handle(TAG_VMO),
        .cluster = cluster, .pages = pages,
    };

    store_fill(&service);
    if (!stay_mapped)
        store_unmap(&service);
    require(sys_object_signal(start_handle(TAG_READY), 0, SIGNAL_USER_0), "signal");
    serve(&service);
    return 0;
}

static handle_t duplicate(handle_t handle)
{
    handle_t copy;

    require(sys_handle_duplicate(handle, RIGHT_SAME_RIGHTS, &copy), "duplicate");
    return copy;
}

/* Start it for this service, which keeps its object only; it is ready when this returns. */
static handle_t start_server(char *program, const struct service *service, bool stay_mapped)
{
    char cluster[8], pages[8];
    handle_t ready;

    snprintf(cluster, sizeof cluster, "%zu", service->cluster);
    snprintf(pages, sizeof pages, "%zu", service->pages);
    require(sys_event_create(0, &ready), "event");
    struct spawn_handle handles[] = { { service->pager, TAG_PAGER }, { service->port, TAG_PORT },
                                      { duplicate(service->vmo), TAG_VMO }, { duplicate(ready), TAG_READY } };
    const char *arguments[] = { program, cluster, pages, stay_mapped ? "mapped" : "unmapped", NULL };
    handle_t server = start_again(arguments, handles, 4);

    require(sys_object_wait_one(ready, SIGNAL_USER_0, DEADLINE_INFINITE, NULL), "ready");
    require(sys_handle_close(ready), "close");
    return server;
}

static void across_processes(char *program, size_t cluster, bool stay_mapped)
{
    struct service service = service_create(cluster, cluster * FAULTS(cluster));
    handle_t server = start_server(program, &service, stay_mapped);

    measure(&service, stay_mapped ? ", store mapped too" : " across processes");
    stop(server);
    require(sys_handle_close(service.vmo), "close");
}

/* --- Supplying alone, while nobody waits. --- */

static void supply_alone(size_t cluster, const char *name)
{
    struct service service = service_create(cluster, cluster * FAULTS(cluster));

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

/* --- Several pagers at once. --- */

/* A process with a pager process of its own. */
static int run_pair(char *program)
{
    struct service service = service_create(1, PAIR_PAGES);
    handle_t server = start_server(program, &service, false);

    require(sys_object_signal(start_handle(TAG_READY), 0, SIGNAL_USER_0), "signal");
    require(sys_object_wait_one(start_handle(TAG_GO), SIGNAL_USER_0, DEADLINE_INFINITE, NULL), "go");
    touch_all(&service, map_object(&service));
    require(sys_object_signal(start_handle(TAG_READY), 0, SIGNAL_USER_1), "signal");
    stop(server);
    return 0;
}

/* Nanoseconds that a fault takes when so many pairs work, from the first page of the first to the last of the last. */
static uint64_t time_of_pairs(char *program, size_t count)
{
    const char *arguments[] = { program, "pair", NULL };
    handle_t ready[2], pairs[2], go;
    int64_t begin, code;

    require(sys_event_create(0, &go), "event");
    for (size_t i = 0; i < count; i++) {
        require(sys_event_create(0, &ready[i]), "event");
        struct spawn_handle handles[] = { { duplicate(ready[i]), TAG_READY }, { duplicate(go), TAG_GO } };

        pairs[i] = start_again(arguments, handles, 2);
        require(sys_object_wait_one(ready[i], SIGNAL_USER_0, DEADLINE_INFINITE, NULL), "ready");
    }
    begin = sys_clock_get();
    require(sys_object_signal(go, 0, SIGNAL_USER_0), "go");
    for (size_t i = 0; i < count; i++)
        require(sys_object_wait_one(ready[i], SIGNAL_USER_1, DEADLINE_INFINITE, NULL), "done");
    begin = sys_clock_get() - begin;
    for (size_t i = 0; i < count; i++) {
        require(process_wait(pairs[i], &code), "wait for the end");
        require(sys_handle_close(ready[i]), "close");
    }
    require(sys_handle_close(go), "close");
    return begin / (count * PAIR_PAGES);
}

/* The best of some rounds each: what the host does besides only makes them slower. */
static int compare_pairs(char *program)
{
    uint64_t best[2] = { UINT64_MAX, UINT64_MAX };

    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t count = 1; count <= 2; count++)
            best[count - 1] = min(best[count - 1], time_of_pairs(program, count));
    printf("RATIO pager faults a second, two pagers to one: %" PRIu64 ".%02" PRIu64 "\n", best[0] / best[1],
           best[0] % best[1] * 100 / best[1]);
    return 0;
}

int main(int argc, char **argv)
{
    static const size_t clusters[] = { 1, 16, 64 };

    if (argc == 4)
        return run_server(atoi(argv[1]), atoi(argv[2]), strcmp(argv[3], "mapped") == 0);
    if (argc == 2)
        return strcmp(argv[1], "pair") == 0 ? run_pair(argv[0]) : compare_pairs(argv[0]);
    for (size_t i = 0; i < 3; i++)
        across_processes(argv[0], clusters[i], false);
    across_processes(argv[0], 1, true);
    for (size_t i = 0; i < 3; i++)
        across_threads(clusters[i]);
    chained();
    supply_alone(1, "supply alone, 1 page");
    supply_alone(16, "supply alone, 16 pages, each");
    return 0;
}
