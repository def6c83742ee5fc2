/*
 * swap_books.c: what kern/vm/swap.c and backing_store.c write down about pages and blocks, compared with each other.
 *
 * Each slot of each VMO is looked at, each block in use, and each transfer.  A page has as many holders as slots; a block as many as slots
 * name it, or one: the page that has it or the transfer that brings it away.  Nothing else has a block.
 */
#include "swap_world.h"
#include "vm/aspace.h"
#include "vm/swap.h"
#include "vm/vmo_pages.h"

#define FAMILIES    64u
#define BLOCKS      (DISK_BYTES / PAGE_SIZE)

static struct vmo_family *families[FAMILIES];
static struct { uint64_t number; struct swap_entry entry; uint32_t named, by_page, by_transfer; } blocks[DISKS][BLOCKS];
static uint32_t holders_seen[PLENTY];       /* of each frame, slots */
static bool going[PLENTY], coming[PLENTY];  /* in a transfer */
static uint64_t pages_seen, clean_seen, paged_seen;

void remember_family(struct vmo *vmo)
{
    uint32_t i = 0;

    while (i < FAMILIES && families[i] && families[i] != vmo->family)
        i++;
    check(i < FAMILIES);
    if (!families[i])
        atomic_fetch_add(&vmo->family->references, 1);
    families[i] = vmo->family;
}

static uint64_t number_of(const struct page *page)
{
    const char *first = (const char *)frame_by_number(0);
    uint64_t number = (uint64_t)((const char *)page - first) / (uint64_t)((const char *)frame_by_number(1) - first);

    check(number < frame_total && frame_by_number(number) == page);
    return number;
}

/* --- What there is. --- */

static void look_only(void *owner) { (void)owner; }

static void gather_blocks(void)
{
    memset(blocks, 0, sizeof blocks);
    for (uint32_t i = 0; i < DISKS; i++) {
        uint64_t block = SWAP_NONE, offset, count = 0;
        struct swap_entry entry;
        info_backing_store_t info;

        if (!swap_stores[i])
            continue;
        for (; swap_next_used(swap_stores[i], &block, &entry, look_only); block++, count++) {
            check_equal(swap_place(block, &offset)->disk, i);
            blocks[i][offset >> PAGE_SHIFT].number = block;
            blocks[i][offset >> PAGE_SHIFT].entry = entry;
        }
        if (backing_store_info(swap_stores[i], &info) == OK)
            check_equal(info.pages_total, info.pages_free + info.pages_retired + count);
    }
}

/* Where the books have this block, which must be in use for this page. */
static typeof(&blocks[0][0]) find_block(uint64_t number, const struct vmo_family *family, uint64_t index)
{
    uint64_t offset;
    const struct swap_device *device = swap_place(number, &offset);

    check(device->object && device->disk < DISKS && offset < DISK_BYTES);
    typeof(&blocks[0][0]) block = &blocks[device->disk][offset >> PAGE_SHIFT];

    if (block->number != number)
        fail("block %lx is not in use, but page %lu has it", number, index);
    if (block->entry.owner != family || block->entry.index != index)
        fail("block %lx is in use for page %lu of a family, not for page %lu of this one", number, block->entry.index, index);
    return block;
}

static void gather_transfers(void)
{
    uint64_t leaving = 0;
    bool any = false;

    memset(going, 0, sizeof going);
    memset(coming, 0, sizeof coming);
    for (uint32_t i = 0; i < SWAP_TRANSFERS; i++) {
        const struct swap_transfer *transfer = &swap_transfers[i];

        any |= transfer->used;
        if (!transfer->used || transfer->count == 0)
            continue;
        leaving += transfer->vmo ? 0 : transfer->count;
        for (uint32_t j = 0; j < transfer->count; j++) {
            struct page *page = transfer->pages[j];
            bool has = page->block == transfer->block + j;
            typeof(&blocks[0][0]) block = find_block(transfer->block + j, transfer->family, transfer->number + j);

            check(has);
            (transfer->vmo ? coming : going)[number_of(page)] = true;
            if (page->shares > 0)
                continue;
            check(!transfer->vmo);      /* nobody holds it any more: it is freed at the end */
            pages_seen++;
            clean_seen++;
            block->by_transfer++;
        }
    }
    check_equal(swap_leaving, leaving);
    check_equal(swap_in_flight(), any);
}

/* --- What has what. --- */

static void note_page(struct vmo *vmo, uint64_t index, struct page *page)
{
    uint64_t number = number_of(page);

    check(page->owner == vmo->family && page->index == vmo->base + index);
    if (holders_seen[number]++ > 0)
        return;
    pages_seen++;
    check_equal(frame_kind(page), FRAME_ANON);
    if (coming[number])
        check(page->state == PAGE_FILLING && page->busy == 1);
    else
        check_equal(page->state, going[number] ? (page->state == PAGE_DIRTY ? PAGE_DIRTY : PAGE_AWAITING_CLEAN)
                                               : page->busy && page->state ? PAGE_FILLING : PAGE_CLEAN);
    if (page->block == 0)
        return;
    clean_seen++;
    find_block(page->block, vmo->family, page->index)->by_page++;
}

static void note_slots(struct vmo *vmo)
{
    uint64_t resident = 0, swapped = 0;

    for (uint64_t i = 0; i < PAGES; i++) {
        slot_t slot = page_list_get(&vmo->pages, i);

        if (slot_kind(slot) == SLOT_PAGE)
            note_page(vmo, i, slot_page(slot));
        else if (slot_kind(slot) == SLOT_BLOCK)
            find_block(slot_block(slot), vmo->family, vmo->base + i)->named++;
        if (i >= vmo->size >> PAGE_SHIFT && slot_kind(slot) != SLOT_ZERO)
            check_equal(slot, SLOT_EMPTY);
        resident += slot_kind(slot) == SLOT_PAGE;
        swapped += slot_kind(slot) == SLOT_BLOCK;
    }
    check_equal(page_list_gap(&vmo->pages, PAGES, 1ull << 36), 1ull << 36);
    check_equal(vmo->resident, resident);
    check_equal(vmo->swapped, swapped);
}

static void check_shares(struct vmo *vmo)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        struct page *page = slot_page(page_list_get(&vmo->pages, i));

        if (page)
            check_equal(page->shares, holders_seen[number_of(page)]);
    }
}

static void each_member(void (*look)(struct vmo *vmo))
{
    for (uint32_t i = 0; i < FAMILIES && families[i]; i++)
        list_for_each(&families[i]->members, node)
            if (!list_entry(node, struct vmo, family_link)->ops)
                look(list_entry(node, struct vmo, family_link));
}

static void check_blocks(void)
{
    for (uint32_t i = 0; i < DISKS; i++)
        for (uint32_t j = 0; j < BLOCKS; j++) {
            if (!blocks[i][j].number)
                continue;
            if (blocks[i][j].by_page + blocks[i][j].by_transfer + (blocks[i][j].named > 0) != 1)
                fail("block %lx of page %lu: %u slots name it, %u pages and %u transfers have it", blocks[i][j].number,
                     blocks[i][j].entry.index, blocks[i][j].named, blocks[i][j].by_page, blocks[i][j].by_transfer);
            if (blocks[i][j].entry.holders != (blocks[i][j].named ? blocks[i][j].named : 1))
                fail("block %lx of page %lu has %u holders, but %u slots name it", blocks[i][j].number,
                     blocks[i][j].entry.index, blocks[i][j].entry.holders, blocks[i][j].named);
        }
}

/* Of a family without members only the record is left, when nothing else keeps it. */
static void forget_ended(void)
{
    uint32_t count = 0;

    while (count < FAMILIES && families[count])
        count++;
    for (uint32_t i = 0; i < count; i++) {
        if (!list_empty(&families[i]->members) || families[i]->references > 1)
            continue;
        vmo_family_unref(families[i]);
        families[i--] = families[--count];
        families[count] = NULL;
    }
}

void check_books(void)
{
    memset(holders_seen, 0, frame_total * sizeof holders_seen[0]);
    pages_seen = clean_seen = paged_seen = 0;
    gather_blocks();
    gather_transfers();
    each_member(note_slots);
    each_member(check_shares);
    check_blocks();
    check_equal(swap_clean, clean_seen);
    if (!swap_overtaken)
        check_equal(frames_live_of_kind(FRAME_ANON), pages_seen);
    for (uint32_t i = 0; i < ACTORS; i++)
        if (swap_actors[i].thread)
            check_mappings(swap_actors[i].process->aspace);
    forget_ended();
}

void forget_families(void)
{
    forget_ended();
    check(!families[0]);
}
