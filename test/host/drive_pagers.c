/*
 * drive_pagers.c: threads that need pages, and a director who is their pager.
 *
 * Actors read, write, map and commit pages of pager-backed VMOs, each in a process of its own.  The director takes
 * packets and answers them, or fails them, kills actors, detaches and closes.  What page i of a VMO holds follows from
 * its key and i, so every actor knows what it must see.
 *
 * The model: `asked` are the pages of packets taken and not answered.  A page is not asked for twice, no VMO has two
 * packets, nothing follows COMPLETE; and when everything asked has been answered, nobody sleeps.
 */
#include "pager_world.h"
#include "vm/aspace.h"
#include "vm/pager.h"
#include "vm/pager_watch.h"
#include "vm/reclaim.h"
#include "vm/vmo_pages.h"

#define MINUTE 60000000000ull

struct model models[VMOS];
bool overtaking;

static struct pager *pager;
static struct port *port;
static bool port_closed, pager_closed;
static uint64_t last_key;
static uint64_t detached_keys[64];              /* VMOs that are gone and whose COMPLETE has not come */
static uint32_t detached_key_count;

/* --- The pager's side. --- */

static void take_complete(const port_packet_t *packet)
{
    for (uint32_t i = 0; i < VMOS; i++) {
        if (models[i].key == packet->key) {
            check(models[i].detached && !models[i].complete);
            models[i].complete = true;
            return;
        }
    }
    for (uint32_t i = 0; i < detached_key_count; i++) {
        if (detached_keys[i] == packet->key) {
            detached_keys[i] = detached_keys[--detached_key_count];
            return;
        }
    }
    fail("COMPLETE for key %lu, which ended long ago or never was", packet->key);
}

static void take_request(const port_packet_t *packet)
{
    uint64_t first = packet->page_request.offset >> PAGE_SHIFT, count = packet->page_request.length >> PAGE_SHIFT;
    struct model *model = NULL;

    check_equal(packet->page_request.command, PAGER_VMO_READ);
    for (uint32_t i = 0; i < VMOS; i++)
        if (models[i].key == packet->key)
            model = &models[i];
    if (!model)                                 /* its VMO went while the packet was queued */
        return;
    check(!model->complete);
    check(count > 0 && first + count <= PAGES);
    for (uint64_t page = first; page < first + count; page++) {
        if (model->asked[page] && !model->abandoned[page])
            fail("page %lu of key %lu is asked for again", page, model->key);
        model->asked[page] = true;
    }
    model->packets++;
    model->pages_asked += count;
}

static bool take_packet(void)
{
    status_t status = port_wait(port, 0, WINDOW_BASE);
    port_packet_t packet;

    if (status == ERR_TIMED_OUT || status == ERR_CANCELED)
        return false;
    check_equal(status, OK);
    memcpy(&packet, window, sizeof packet);
    check_equal(packet.type, PKT_PAGE_REQUEST);
    step("packet: key %lu, command %u, %lu pages from %lu", packet.key, packet.page_request.command,
         packet.page_request.length >> PAGE_SHIFT, packet.page_request.offset >> PAGE_SHIFT);
    if (packet.page_request.command == PAGER_VMO_COMPLETE)
        take_complete(&packet);
    else
        take_request(&packet);
    return true;
}

static struct vmo *make_aux(const struct model *model, uint64_t first, uint64_t count, uint64_t offset)
{
    struct vmo *aux;
    uint64_t done;

    check_equal(vmo_create((count << PAGE_SHIFT) + offset, false, &aux), OK);
    for (uint64_t i = 0; i < count; i++) {
        if (content(model, first + i) == 0 && one_in(2))
            continue;                           /* absent: supplied as zeros */
        memset(window, content(model, first + i), PAGE_SIZE);
        check_equal(vmo_copy(aux, offset + (i << PAGE_SHIFT), WINDOW_BASE, PAGE_SIZE, VMO_FROM_USER, false, &done), OK);
    }
    return aux;
}

static void answered(struct model *model, uint64_t first, uint64_t count)
{
    for (uint64_t page = first; page < first + count; page++)
        model->asked[page] = model->abandoned[page] = false;
}

/* A supply that ran out of memory is repeated: what came first stays. */
static void supply(struct model *model, uint64_t first, uint64_t count)
{
    uint64_t offset = choose(3) << PAGE_SHIFT;
    status_t status, expected = first + count > model->vmo->size >> PAGE_SHIFT ? ERR_OUT_OF_RANGE
                                : model->detached ? ERR_BAD_STATE : OK;
    struct vmo *aux = make_aux(model, first, count, offset);
    uint64_t size = aux->size, mapped = 0;

    if (one_in(4))
        check_equal(aspace_map(director_process()->aspace, VM_READ | VM_WRITE | VM_MAP_RANGE, VM_READ | VM_WRITE, 0, aux, 0,
                               size, &mapped), OK);
    if (expected == OK)
        answered(model, first, count);
    fail_allocation(one_in(8) ? choose_between(1, 4) : 0);
    status = supply_pages(model->vmo, first << PAGE_SHIFT, count << PAGE_SHIFT, aux, offset);
    step("supply %lu pages from %lu of key %lu: %d", count, first, model->key, status);
    if (allocation_failed())
        check(status == ERR_NO_MEMORY || status == expected);
    else
        check_equal(status, expected);
    check_equal(aux->resident, 0);
    if (mapped) {
        check_mappings(director_process()->aspace);
        check_equal(aspace_unmap(director_process()->aspace, mapped, size), OK);
    }
    object_unref(&aux->object);
    if (status == ERR_NO_MEMORY)
        supply(model, first, count);
}

static void fail_pages(struct model *model, uint64_t first, uint64_t count)
{
    static const status_t codes[] = { ERR_IO, ERR_IO_DATA_INTEGRITY, ERR_NO_SPACE };
    status_t expected = first + count > model->vmo->size >> PAGE_SHIFT ? ERR_OUT_OF_RANGE
                        : model->detached ? ERR_BAD_STATE : OK;

    step("fail %lu pages from %lu of key %lu", count, first, model->key);
    model->failed = true;
    if (expected == OK)
        answered(model, first, count);
    abandon(model);
    check_equal(pager_op_range(model->vmo, PAGER_OP_FAIL, first << PAGE_SHIFT, count << PAGE_SHIFT, (uint64_t)codes[choose(3)], NULL), expected);
    check_equal(pager_op_range(model->vmo, PAGER_OP_FAIL, first << PAGE_SHIFT, count << PAGE_SHIFT, 5, NULL), ERR_INVALID_ARGS);
}

/* Answer something asked, all of it or a part; or pages nobody asked for. */
static void answer_some(void)
{
    struct model *model = &models[choose(VMOS)];
    uint64_t first = choose(PAGES), count = choose_between(1, 6);

    for (uint64_t i = 0; i < PAGES && !one_in(6); i++)
        if (!model->asked[first])
            first = (first + 1) % PAGES;
    count = min_u64(count, PAGES - first);
    if (one_in(5))
        fail_pages(model, first, count);
    else
        supply(model, first, count);
}

static void detach(struct model *model)
{
    step("detach key %lu", model->key);
    model->detached = true;
    memset(model->asked, 0, sizeof model->asked);
    pager_detach_vmo(model->vmo);
}

static void set_size(struct model *model)
{
    uint64_t pages = choose(PAGES + 1);

    step("key %lu: %lu pages", model->key, pages);
    model->shrank = true;
    if (pages < model->vmo->size >> PAGE_SHIFT)
        answered(model, pages, PAGES - pages);
    abandon(model);
    for (uint64_t page = pages; page < PAGES; page++)
        model->may_be_zero[page] = true;
    check_equal(vmo_set_size(model->vmo, pages << PAGE_SHIFT), OK);
}

static void zero(struct model *model)
{
    uint64_t pages = model->vmo->size >> PAGE_SHIFT, first = choose(PAGES), count = choose_between(1, 3);

    if (first + count > pages)
        return;
    step("zero %lu pages from %lu of key %lu", count, first, model->key);
    for (uint64_t page = first; page < first + count; page++)
        model->may_be_zero[page] = true;
    answered(model, first, count);
    abandon(model);
    check_equal(vmo_zero(model->vmo, first << PAGE_SHIFT, count << PAGE_SHIFT, false), OK);
}

/* Without MAY_BLOCK nothing is asked. */
static void peek(struct model *model)
{
    uint64_t page = choose(PAGES), done;
    bool inside = page < model->vmo->size >> PAGE_SHIFT;
    status_t status = vmo_copy(model->vmo, (page << PAGE_SHIFT) + 5, WINDOW_BASE + 0x70000, 1, VMO_TO_USER, false, &done);

    step("look at page %lu of key %lu: %d", page, model->key, status);
    if (status == OK)
        check_content(model, page, window[0x70000]);
    else
        check_equal(status, !inside ? ERR_OUT_OF_RANGE : model->detached ? ERR_BAD_STATE : ERR_SHOULD_WAIT);
}

/* --- Beginnings and ends. --- */

static void new_vmo(struct model *model)
{
    uint64_t pages = one_in(3) ? PAGES : choose_between(1, PAGES);
    status_t status = ERR_NO_MEMORY;

    *model = (struct model){ .key = ++last_key };
    for (uint64_t page = pages; page < PAGES; page++)
        model->may_be_zero[page] = true;
    for (uint64_t n = one_in(3); status == ERR_NO_MEMORY; n = n ? n + 1 : 0) {
        fail_allocation(n);
        status = pager_create_vmo(pager, VMO_RESIZABLE, port, model->key, pages << PAGE_SHIFT, &model->vmo);
        if (allocation_failed() && !overtaking)
            check_equal(status, ERR_NO_MEMORY);
        else if (status != ERR_NO_MEMORY)
            check_equal(status, OK);
    }
}

static void drop_vmo(struct model *model)
{
    step("close the VMO with key %lu", model->key);
    if (!model->complete && !port_closed && !pager_closed && detached_key_count < array_size(detached_keys))
        detached_keys[detached_key_count++] = model->key;
    object_unref(&model->vmo->object);
    model->key = 0;
}

static void new_world(void)
{
    struct object *made;

    check_equal(port_create(&made), OK);
    port = container_of(made, struct port, object);
    object_add_handle(made);
    check_equal(pager_create(false, &made), OK);
    pager = pager_from_object(made);
    object_add_handle(made);
    port_closed = pager_closed = false;
    detached_key_count = 0;
    for (uint32_t i = 0; i < VMOS; i++)
        new_vmo(&models[i]);
}

static void close_pager(void)
{
    step("close the pager");
    pager_closed = true;
    for (uint32_t i = 0; i < VMOS; i++) {
        models[i].detached = true;
        memset(models[i].asked, 0, sizeof models[i].asked);
    }
    object_drop_handle((struct object *)pager);
}

/* Nobody can hear of a request now; who waits is woken by the limit of time. */
static void close_port(void)
{
    step("close the port");
    port_closed = true;
    object_drop_handle(&port->object);
    if (!pager_closed && one_in(2)) {
        for (uint32_t i = 0; i < VMOS; i++)
            models[i].timed_out = true;
        run_all();
        for (uint32_t i = 0; i < 24; i++) {
            advance_time(MINUTE / 4);
            run_all();
        }
        reap_actors();
        for (uint32_t i = 0; i < ACTORS; i++)
            check(!actors[i].thread);
    }
}

/* Answer everything: then nobody may be left asleep. */
static void drain(void)
{
    bool busy = true;

    step("answer everything");
    while (busy) {
        run_all();
        busy = take_packet();
        for (uint32_t i = 0; i < VMOS; i++) {
            for (uint64_t page = 0; page < PAGES; page++) {
                if (!models[i].asked[page])
                    continue;
                busy = true;
                if (page < models[i].vmo->size >> PAGE_SHIFT)
                    supply(&models[i], page, 1);
                else                            /* it shrank while the packet was queued */
                    answered(&models[i], page, 1);
            }
        }
    }
    reap_actors();
    for (uint32_t i = 0; i < ACTORS; i++)
        if (actors[i].thread)
            fail("actor %u sleeps although nothing is asked for", i);
    check_equal(detached_key_count, 0);
    for (uint32_t i = 0; i < VMOS; i++) {
        check_equal(models[i].complete, models[i].detached);
        memset(models[i].abandoned, 0, sizeof models[i].abandoned);
    }
}

static void end_world(void)
{
    if (one_in(2)) {
        close_port();
        close_pager();
    } else {
        close_pager();
        while (one_in(2) && take_packet())
            ;
        close_port();
    }
    run_all();
    reap_actors();
    for (uint32_t i = 0; i < ACTORS; i++)
        check(!actors[i].thread);
    for (uint32_t i = 0; i < VMOS; i++)
        drop_vmo(&models[i]);
    object_unref((struct object *)pager);
    object_unref(&port->object);
}

/* --- Checks after each step. --- */

static void check_vmo(const struct model *model)
{
    struct vmo *vmo = model->vmo;
    struct user_source *source = user_source_of(vmo);
    uint64_t resident = 0, dirty = 0, queued = 0, index = 0;
    struct page *page;

    for (; (page = page_list_next(&vmo->pages, &index, UINT64_MAX)); index++) {
        check(index < vmo->size >> PAGE_SHIFT);
        check(page->owner == vmo->family && page->index == index && page->shares == 1 && page->busy == 0);
        resident++;
        dirty += page->state == PAGE_DIRTY;
    }
    check_equal(vmo->resident, resident);
    check_equal(vmo->dirty, dirty);
    list_for_each(&port->packets, node)
        queued += node == &source->packet.link;
    check(queued <= 1);
    check_equal(source->requests, model->packets);
    check_equal(source->pages_asked, model->pages_asked);
}

static void check_all(void)
{
    uint64_t frames = 0;

    for (uint32_t i = 0; i < VMOS; i++) {
        check_vmo(&models[i]);
        frames += models[i].vmo->resident;
    }
    check_equal(frames_live_of_kind(FRAME_PAGER), frames);
    for (uint32_t i = 0; i < ACTORS; i++)
        if (actors[i].thread)
            check_mappings(actors[i].process->aspace);
}

/* Memory is short.  A page that is evicted and supplied again counts twice, so requests may end early and be made anew. */
static void take_back(void)
{
    uint64_t before = frames_live_of_kind(FRAME_PAGER), went;

    for (uint32_t i = 0; i < VMOS; i++)
        abandon(&models[i]);
    went = reclaim(1 + choose(2 * PAGES));
    if (!overtaking)
        check_equal(frames_live_of_kind(FRAME_PAGER) + went, before);
}

static void pager_step(void)
{
    struct model *model = &models[choose(VMOS)];
    struct actor *actor = &actors[choose(ACTORS)];

    switch (choose(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (!actor->thread)
            start_actor(actor);
        break;
    case 4:
    case 5:
        take_packet();
        break;
    case 6:
    case 7:
        answer_some();
        break;
    case 8:
        if (actor->thread && !actor->killed && one_in(2))
            kill_actor(actor);
        else
            peek(model);
        break;
    case 9:
        if (one_in(5))
            set_size(model);
        else if (one_in(5))
            zero(model);
        break;
    case 10:
        if (one_in(15))
            detach(model);
        else if (!in_use(model) && one_in(4)) {
            drop_vmo(model);
            new_vmo(model);
        }
        break;
    default:
        if (one_in(12))
            drain();
        else if (one_in(3))
            take_back();
        else if (one_in(60)) {
            end_world();
            new_world();
        }
    }
}

static void drive(uint32_t steps, uint32_t odds)
{
    overtaking = odds > 0;
    new_world();
    while (steps-- > 0 && choices_left()) {
        interleave_odds(odds);
        pager_step();
        if (one_in(2))
            run_all();
        reap_actors();
        interleave_odds(0);
        check_all();
    }
    drain();
    end_world();
}

void drive_pagers(uint32_t steps)
{
    drive(steps, 0);
}

void drive_races(uint32_t steps)
{
    drive(steps, 3);
}
