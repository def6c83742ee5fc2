/*
 * clone_maps.c: mappings of clones and of what they come from, in two processes.
 *
 * Which entries the page tables have is the kernel's choice; check_mappings compares those that there are with the pages.
 */
#include "clone_world.h"
#include "vm/aspace.h"

#define REGIONS 16u

static struct { uint32_t process; uint64_t base, first, pages; struct model *through; uint32_t flags; } regions[REGIONS];
static uint32_t region_count;

void map_region(struct model *model)
{
    uint32_t process = (uint32_t)choose(2), flags = VM_READ | (one_in(3) ? 0 : VM_WRITE);
    uint64_t first = one_in(2) ? 0 : choose_page(), pages = one_in(2) ? PAGES : choose_between(1, 6), base = 0;
    status_t status;

    if (first >= size_of(model) || region_count == REGIONS)
        return;
    pages = min_u64(pages, size_of(model) - first);
    maybe_fail();
    status = aspace_map(processes[process]->aspace, flags | (one_in(2) ? VM_MAP_RANGE : 0), VM_READ | VM_WRITE, 0,
                        model->vmo, first << PAGE_SHIFT, pages << PAGE_SHIFT, &base);
    step("map %lu pages from %lu of vmo %lu: %d", pages, first, model->serial, status);
    check_status(status, OK);
    if (status != OK)
        return;
    model->references++;
    regions[region_count].process = process;
    regions[region_count].base = base;
    regions[region_count].first = first + base_in_target(model);
    regions[region_count].pages = pages;
    regions[region_count].through = model;
    regions[region_count++].flags = flags;
}

bool unmap_region(void)
{
    uint32_t i = region_count > 0 ? (uint32_t)choose(region_count) : 0;

    if (region_count == 0)
        return false;
    step("unmap what shows vmo %lu", regions[i].through->serial);
    check_equal(aspace_unmap(processes[regions[i].process]->aspace, regions[i].base, regions[i].pages << PAGE_SHIFT), OK);
    model_unref(regions[i].through);
    regions[i] = regions[--region_count];
    return true;
}

void protect_region(void)
{
    uint32_t i = region_count > 0 ? (uint32_t)choose(region_count) : 0, flags = VM_READ | (one_in(2) ? 0 : VM_WRITE);

    if (region_count == 0)
        return;
    step("protect what shows vmo %lu: %u", regions[i].through->serial, flags);
    check_equal(aspace_protect(processes[regions[i].process]->aspace, flags, regions[i].base,
                               regions[i].pages << PAGE_SHIFT), OK);
    regions[i].flags = flags;
}

static void access_page(uint32_t i)
{
    uint64_t page = choose_page(), half = choose(2), index, words[2];
    struct process *director = current_thread()->process;
    struct model *target;
    bool write = one_in(3);
    uint8_t value = (uint8_t)choose(256);
    status_t status, expected;

    if (page >= regions[i].pages)
        return;
    target = target_of(regions[i].through);
    index = regions[i].first + page;
    device_error = OK;
    if (model_read(target, index, words) == ERR_SHOULD_WAIT)
        return;                                 /* see wait_for_pager */
    if (!write || (regions[i].flags & VM_WRITE))
        must_wait |= write ? write_waits(target, index) : read_waits(target, index);
    maybe_fail();
    current_thread()->process = processes[regions[i].process];
    status = user_access(regions[i].base + (page << PAGE_SHIFT) + half * HALF + 8, write, &value);
    current_thread()->process = director;
    step("%s page %lu of vmo %lu: %d", write ? "store to" : "load from", index, target->serial, status);
    expected = write && !(regions[i].flags & VM_WRITE) ? ERR_ACCESS_DENIED : model_read(target, index, words);
    check_status(status, expected);
    if (status == OK && write) {
        uint8_t *word = (uint8_t *)&model_own(target, index)->words[half];

        *word = value;
    } else if (status == OK) {
        check_equal(value, words[half] & 0xff);
    } else if (write && status == ERR_NO_MEMORY && kernel_has_own(target, index)) {
        model_own(target, index);               /* no memory for the page table */
    } else if (write && status == ERR_NO_MEMORY && has_source(target) && target->cells[index].kind == HELD) {
        target->cells[index].frame->dirty = true;
    }
}

void access_region(void)
{
    uint32_t i = region_count > 0 ? (uint32_t)choose(region_count) : 0;

    for (uint64_t times = choose_between(1, 6); region_count > 0 && times > 0; times--)
        access_page(i);
}
