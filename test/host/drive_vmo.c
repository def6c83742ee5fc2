/*
 * drive_vmo.c: anonymous VMOs, and mappings of them, against arrays of bytes.
 *
 * The model of a VMO is its size, its bytes, and which pages hold a frame.  After each step the numbers of frames must
 * be exact, and every mapping must show the page that its VMO holds.
 */
#include <stdlib.h>

#include "host.h"
#include "vm/aspace.h"

#define VMOS       3u
#define PAGES      24u
#define BYTES      (PAGES * PAGE_SIZE)
#define REGIONS    12u

struct model {
    struct vmo *vmo, *reference;        /* two names of the same pages; reference may be NULL */
    bool resizable;
    uint64_t size, content_size;
    bool resident[PAGES];
    uint8_t bytes[BYTES];
};

static struct model models[VMOS];
static struct { uint64_t base, length, offset; struct vmo *through; uint32_t vmo, flags; } regions[REGIONS];
static uint32_t region_count;

static struct model *choose_model(void)         { return &models[choose(VMOS)]; }
static struct aspace *aspace(void)              { return director_process()->aspace; }

/* By which of its names an operation is asked for makes no difference. */
static struct vmo *name_of(const struct model *model)
{
    return model->reference && one_in(2) ? model->reference : model->vmo;
}

static uint64_t choose_offset(const struct model *model)
{
    uint64_t offset = choose(model->size + PAGE_SIZE + 1);

    return one_in(3) ? page_floor(offset) : offset;
}

static uint64_t choose_length(void)
{
    uint64_t length = one_in(3) ? choose(5 * PAGE_SIZE) : choose(PAGE_SIZE + 1);

    return one_in(3) ? page_ceil(length) : one_in(40) ? UINT64_MAX - choose(3) : length;
}

static void create(struct model *model)
{
    model->size = choose(BYTES + 1);
    model->resizable = !one_in(3);
    check_equal(vmo_create(model->size, model->resizable, &model->vmo), OK);
    model->content_size = model->size;
    model->size = page_ceil(model->size);
    memset(model->bytes, 0, BYTES);
    memset(model->resident, 0, sizeof model->resident);
}

/* A reference comes or goes. */
static void change_reference(struct model *model)
{
    status_t status = OK;

    if (model->reference) {
        object_unref(&model->reference->object);
        model->reference = NULL;
    } else {
        fail_allocation(choose(3));
        status = vmo_create_child(name_of(model), VMO_CHILD_REFERENCE, 0, 0, &model->reference);
        check_equal(status, allocation_failed() ? ERR_NO_MEMORY : OK);
        if (status != OK)
            model->reference = NULL;
    }
    step("the reference of vmo %ld %s: %d", model - models, model->reference ? "comes" : "goes", status);
}

/* Pages [offset, offset + length) have frames now, unless the allocation that was to fail did. */
static void now_resident(struct model *model, uint64_t offset, uint64_t length)
{
    for (uint64_t i = offset >> PAGE_SHIFT; length > 0 && i < page_ceil(offset + length) >> PAGE_SHIFT; i++)
        model->resident[i] = true;
}

static void now_absent(struct model *model, uint64_t first, uint64_t end)
{
    for (; first < end; first++) {
        model->resident[first] = false;
        memset(model->bytes + (first << PAGE_SHIFT), 0, PAGE_SIZE);
    }
}

/* --- Reading and writing. --- */

static void write_bytes(struct model *model)
{
    uint64_t offset = choose_offset(model), length = choose_length(), done;
    status_t status, expected = range_inside(offset, length, model->size) ? OK : ERR_OUT_OF_RANGE;

    for (uint64_t i = 0; expected == OK && i < length; i++)
        window[i] = (uint8_t)(1 + choose(255));
    fail_allocation(one_in(6) ? choose_between(1, 8) : 0);
    status = vmo_copy(name_of(model), offset, WINDOW_BASE, length, VMO_FROM_USER, one_in(2), &done);
    if (allocation_failed() && expected == OK)
        expected = ERR_NO_MEMORY;
    step("write 0x%lx bytes at 0x%lx of vmo %ld: %d", length, offset, model - models, status);
    check_equal(status, expected);
    check_equal(done, status == OK ? length : status == ERR_NO_MEMORY ? done : 0);
    memcpy(model->bytes + min_u64(offset, BYTES), window, done);
    now_resident(model, offset, done);
}

static void read_bytes(struct model *model)
{
    uint64_t offset = choose_offset(model), length = choose_length(), done;
    status_t status, expected = range_inside(offset, length, model->size) ? OK : ERR_OUT_OF_RANGE;

    if (expected == OK && length > WINDOW_SIZE)
        return;
    step("read 0x%lx bytes at 0x%lx of vmo %ld", length, offset, model - models);
    status = vmo_copy(name_of(model), offset, WINDOW_BASE, length, VMO_TO_USER, one_in(2), &done);
    check_equal(status, expected);
    if (status == OK && memcmp(window, model->bytes + offset, length) != 0)
        fail("the bytes read are not those written");
}

/* The user's side is not there: nothing happens to the VMO beyond what was reported. */
static void copy_with_bad_buffer(struct model *model)
{
    uint64_t offset = choose_offset(model), length = 1 + choose(PAGE_SIZE), done;
    status_t expected = range_inside(offset, length, model->size) ? ERR_INVALID_ARGS : ERR_OUT_OF_RANGE;
    uaddr_t address = one_in(2) ? USER_TOP - choose(10) : one_in(2) ? 0 : UINT64_MAX - choose(5000);
    bool write = one_in(2);

    step("%s vmo %ld at 0x%lx with the buffer 0x%lx", write ? "write" : "read", model - models, offset, address);
    check_equal(write ? vmo_copy(name_of(model), offset, address, length, VMO_FROM_USER, false, &done)
                      : vmo_copy(name_of(model), offset, address, length, VMO_TO_USER, false, &done), expected);
    check_equal(done, 0);
    if (write && expected == ERR_INVALID_ARGS && range_inside(address, length, USER_TOP))
        now_resident(model, offset, 1);
}

/* --- Sizes and ranges. --- */

static void set_size(struct model *model)
{
    uint64_t size = one_in(20) ? VMO_SIZE_MAX + choose(3) : choose(BYTES + 1), pages = page_ceil(size) >> PAGE_SHIFT;
    status_t expected = !model->resizable ? ERR_UNAVAILABLE : size > VMO_SIZE_MAX ? ERR_OUT_OF_RANGE : OK;

    if (size == VMO_SIZE_MAX)
        return;
    step("set the size of vmo %ld to 0x%lx", model - models, size);
    check_equal(vmo_set_size(name_of(model), size), expected);
    if (expected != OK)
        return;
    if (pages < PAGES)
        now_absent(model, pages, PAGES);
    model->size = page_ceil(size);
    model->content_size = min_u64(model->content_size, size);
}

static void set_content_size(struct model *model)
{
    uint64_t size = choose(BYTES + 1);

    step("set the content size of vmo %ld to 0x%lx", model - models, size);
    check_equal(vmo_set_content_size(name_of(model), size), size > model->size ? ERR_OUT_OF_RANGE : OK);
    if (size <= model->size)
        model->content_size = size;
}

static void range_operation(struct model *model)
{
    uint64_t offset = choose_offset(model), length = choose_length();
    uint64_t first = page_ceil(offset) >> PAGE_SHIFT, end = (offset + length) >> PAGE_SHIFT;
    status_t status, expected = range_inside(offset, length, model->size) ? OK : ERR_OUT_OF_RANGE;

    switch (choose(3)) {
    case 0:
        fail_allocation(one_in(4) ? choose_between(1, 6) : 0);
        status = vmo_commit(name_of(model), offset, length, WANT_WRITE, one_in(2));
        step("commit 0x%lx at 0x%lx of vmo %ld: %d", length, offset, model - models, status);
        if (allocation_failed()) {
            check_equal(status, ERR_NO_MEMORY);
            for (uint64_t i = 0; i < PAGES; i++)
                model->resident[i] |= page_list_get(&model->vmo->pages, i) != SLOT_EMPTY;
            return;
        }
        check_equal(status, expected);
        if (status == OK)
            now_resident(model, offset, length);
        break;
    case 1:
        step("decommit 0x%lx at 0x%lx of vmo %ld", length, offset, model - models);
        check_equal(vmo_decommit(name_of(model), offset, length), expected);
        if (expected == OK)
            now_absent(model, first, end);
        break;
    default:
        step("zero 0x%lx at 0x%lx of vmo %ld", length, offset, model - models);
        check_equal(vmo_zero(name_of(model), offset, length, one_in(2)), expected);
        if (expected == OK) {
            memset(model->bytes + offset, 0, length);
            now_absent(model, first, end);
        }
    }
}

/* --- Transfers with a device. --- */

static status_t expect_transfer(const struct model *model, uint64_t offset, uint64_t length, bool into_memory)
{
    if (!range_inside(offset, length, model->size))
        return ERR_OUT_OF_RANGE;
    for (uint64_t at = page_floor(offset); at < offset + length; at += PAGE_SIZE)
        if (!into_memory && !model->resident[at >> PAGE_SHIFT])
            return ERR_NOT_FOUND;
    return OK;
}

struct waiter { struct model *model; uint64_t offset; bool done; status_t status; };

/* Touches a page that a device fills: must sleep until it is there. */
static void waiter_body(void *argument)
{
    struct waiter *waiter = argument;
    uint64_t done;

    waiter->status = vmo_copy(name_of(waiter->model), waiter->offset, WINDOW_BASE + 0x80000, 1, VMO_TO_USER, false, &done);
    waiter->done = true;
}

static void transfer(struct model *model)
{
    uint64_t offset = choose_offset(model) & ~511ul, length = choose_between(1, 60) * 512;
    bool into_memory = one_in(2), broken = one_in(3);
    struct waiter waiter = { .model = model, .offset = offset };
    struct process *process = NULL;
    struct thread *thread = NULL;
    struct vmo_transfer transfer;
    status_t status, expected = expect_transfer(model, offset, length, into_memory);

    fail_allocation(one_in(5) ? choose_between(1, 6) : 0);
    status = vmo_transfer_begin(name_of(model), offset, length, into_memory, &transfer);
    step("transfer %s 0x%lx at 0x%lx of vmo %ld: %d", into_memory ? "into" : "from", length, offset, model - models, status);
    check_equal(status, allocation_failed() ? ERR_NO_MEMORY : expected);
    if (status != OK)
        return;

    check_equal(vmo_transfer_begin(name_of(model), offset, 512, into_memory, &(struct vmo_transfer){ 0 }), ERR_BAD_STATE);
    if (into_memory && one_in(2)) {
        check_equal(process_create("waiter", NULL, &process), OK);
        thread = spawn(process, waiter_body, &waiter);
        run_all();
        check_equal(waiter.done, model->resident[offset >> PAGE_SHIFT]);
    }
    for (uint64_t at = offset; into_memory && at < offset + length; at += 512) {
        struct page *page = transfer.pages[(at >> PAGE_SHIFT) - (offset >> PAGE_SHIFT)];
        uint8_t *bytes = (uint8_t *)page_to_virt(page) + (at & PAGE_MASK);

        memset(bytes, (int)(1 + choose(255)), 512);
        if (!broken || model->resident[at >> PAGE_SHIFT])
            memcpy(model->bytes + at, bytes, 512);
    }
    end_transfer(&transfer, broken ? ERR_IO : OK);
    if (thread) {
        run_all();
        check(waiter.done && thread_ended(thread));
        check_equal(waiter.status, broken && !model->resident[offset >> PAGE_SHIFT] ? ERR_IO : OK);
        if (!broken && !model->resident[offset >> PAGE_SHIFT])
            check_equal(window[0x80000], model->bytes[offset]);
        object_unref(&thread->object);
        object_unref(&process->object);
    }
    if (into_memory && !broken)
        now_resident(model, offset, length);
}

/* --- Mappings. --- */

static void map_region(void)
{
    uint32_t vmo = choose(VMOS), options = VM_READ;
    struct model *model = &models[vmo];
    struct vmo *through = name_of(model);
    uint64_t offset = page_floor(choose_offset(model)), length = choose_between(1, 6 * PAGE_SIZE), address = 0;
    status_t status;

    options |= (one_in(2) ? VM_WRITE : 0) | (one_in(4) ? VM_EXECUTE : 0) | (one_in(3) ? VM_MAP_RANGE : 0);
    if (region_count == REGIONS || !range_inside(offset, page_ceil(length), model->size))
        return;
    fail_allocation(one_in(5) ? choose_between(1, 4) : 0);
    status = aspace_map(aspace(), options, VM_READ | VM_WRITE, 0, through, offset, length, &address);
    step("map 0x%lx at 0x%lx of vmo %u: %d, 0x%lx", length, offset, vmo, status, address);
    if (!allocation_failed() || status != ERR_NO_MEMORY)
        check_equal(status, OK);
    if (status != OK)
        return;
    regions[region_count].base = address;
    regions[region_count].length = page_ceil(length);
    regions[region_count].offset = offset;
    regions[region_count].vmo = vmo;
    regions[region_count].through = through;
    regions[region_count++].flags = options & (VM_READ | VM_WRITE | VM_EXECUTE);
}

/* Unmap a whole region, or cut off an end: then the model keeps the rest. */
static void unmap_region(void)
{
    if (region_count == 0)
        return;
    uint32_t i = choose(region_count);
    uint64_t cut = one_in(2) ? regions[i].length : choose_between(1, regions[i].length >> PAGE_SHIFT) << PAGE_SHIFT;
    bool front = one_in(2);
    uint64_t at = front ? regions[i].base : regions[i].base + regions[i].length - cut;

    step("unmap 0x%lx at 0x%lx", cut, at);
    check_equal(aspace_unmap(aspace(), at, cut), OK);
    regions[i].base += front ? cut : 0;
    regions[i].offset += front ? cut : 0;
    regions[i].length -= cut;
    if (regions[i].length == 0)
        regions[i] = regions[--region_count];
}

static void protect_region(void)
{
    if (region_count == 0)
        return;
    uint32_t i = choose(region_count), flags = one_in(2) ? VM_READ : VM_READ | VM_WRITE;

    step("protect the region at 0x%lx: %u", regions[i].base, flags);
    check_equal(aspace_protect(aspace(), flags, regions[i].base, regions[i].length), OK);
    check_equal(aspace_protect(aspace(), VM_READ | VM_EXECUTE, regions[i].base, PAGE_SIZE), ERR_ACCESS_DENIED);
    regions[i].flags = flags;
}

static void access_region(void)
{
    if (region_count == 0)
        return;
    uint32_t i = choose(region_count);
    struct model *model = &models[regions[i].vmo];
    uint64_t at = choose(regions[i].length), offset = regions[i].offset + at;
    bool write = one_in(2);
    uint8_t value = (uint8_t)choose(256);
    status_t status, expected = write && !(regions[i].flags & VM_WRITE) ? ERR_ACCESS_DENIED
                                : offset >= model->size ? ERR_OUT_OF_RANGE : OK;

    fail_allocation(one_in(6) ? choose_between(1, 4) : 0);
    status = user_access(regions[i].base + at, write, &value);
    step("%s 0x%lx, byte 0x%lx of vmo %u: %d", write ? "store to" : "load from", regions[i].base + at, offset,
         regions[i].vmo, status);
    if (allocation_failed() && (write || status != OK)) {       /* neighbours of a load are mapped if there is room */
        check_equal(status, ERR_NO_MEMORY);
        if (write)
            model->resident[offset >> PAGE_SHIFT] |= page_list_get(&model->vmo->pages, offset >> PAGE_SHIFT) != SLOT_EMPTY;
        return;
    }
    check_equal(status, expected);
    if (status != OK)
        return;
    if (write) {
        model->bytes[offset] = value;
        model->resident[offset >> PAGE_SHIFT] = true;
    } else {
        check_equal(value, model->bytes[offset]);
    }
}

/* --- Checks after every step. --- */

static bool is_mapped(const struct model *model)
{
    for (uint32_t i = 0; i < region_count; i++)
        if (&models[regions[i].vmo] == model)
            return true;
    return false;
}

/* The kernel makes one region of two that go on in each other. */
static uint32_t merged_regions(void)
{
    uint32_t count = region_count;

    for (uint32_t low = 0; low < region_count; low++)
        for (uint32_t high = 0; high < region_count; high++)
            count -= regions[high].base == regions[low].base + regions[low].length &&
                     regions[high].offset == regions[low].offset + regions[low].length &&
                     regions[high].through == regions[low].through && regions[high].flags == regions[low].flags;
    return count;
}

static void check_model(const struct model *model)
{
    info_vmo_t info;
    uint64_t resident = 0;

    vmo_info(model->vmo, &info);
    if (model->reference || !is_mapped(model))          /* what was mapped through a reference keeps it */
        check_equal((model->vmo->object.signals & SIGNAL_ZERO_CHILDREN) != 0, model->reference == NULL);
    for (uint32_t i = 0; i < PAGES; i++) {
        resident += model->resident[i];
        check_equal(page_list_get(&model->vmo->pages, i) != SLOT_EMPTY, model->resident[i]);
    }
    check_equal(info.committed_bytes, resident << PAGE_SHIFT);
    check_equal(info.size_bytes, model->size);
    check_equal(info.content_size, model->content_size);
}

static void check_all(uint64_t frames)
{
    for (uint32_t i = 0; i < VMOS; i++) {
        check_model(&models[i]);
        for (uint32_t page = 0; page < PAGES; page++)
            frames += models[i].resident[page];
    }
    check_equal(frames_live_of_kind(FRAME_ANON), frames);
    check_equal(aspace()->region_count, merged_regions());
    check_mappings(aspace());
}

static void vmo_step(void)
{
    struct model *model = choose_model();

    switch (choose(12)) {
    case 0:
    case 1:
        write_bytes(model);
        break;
    case 2:
        read_bytes(model);
        break;
    case 3:
        copy_with_bad_buffer(model);
        break;
    case 4:
        set_size(model);
        break;
    case 5:
        range_operation(model);
        break;
    case 6:
        transfer(model);
        break;
    case 7:
        map_region();
        break;
    case 8:
    case 9:
    case 10:
        access_region();
        break;
    default:
        if (one_in(2))
            unmap_region();
        else if (one_in(2))
            protect_region();
        else if (one_in(2))
            set_content_size(model);
        else if (one_in(2))
            change_reference(model);
        else if (!is_mapped(model)) {
            if (model->reference)
                change_reference(model);
            object_unref(&model->vmo->object);
            create(model);
        }
    }
}

void drive_vmo(uint32_t steps)
{
    uint64_t frames = frames_live_of_kind(FRAME_ANON);

    region_count = 0;
    for (uint32_t i = 0; i < VMOS; i++)
        create(&models[i]);
    while (steps-- > 0 && choices_left()) {
        vmo_step();
        check_all(frames);
    }
    while (region_count > 0)
        unmap_region();
    for (uint32_t i = 0; i < VMOS; i++) {
        if (models[i].reference)
            change_reference(&models[i]);
        object_unref(&models[i].vmo->object);
    }
}
