/*
 * pmap.c: the memory of processes, region by region.
 *
 * Each region shows a range of one VMO.  Resident is what of it is in the page table.  A VMO is
 * shared (s) if fork shares it or other address spaces show it too, otherwise private (p).  The
 * totals count each VMO once: virtual is the size of the regions, private what private anonymous
 * memory and copies really hold.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct totals {
    uint64_t virtual, resident, private;
    uint64_t *counted;                  /* koids of VMOs, in the order in which they were met */
    size_t counted_count;
};

static bool is_shared(const info_map_t *map, const info_vmo_t *vmo)
{
    return (map->flags & VM_SHARED) != 0 || vmo->share_count > 1;
}

static const char *kind_of(const info_vmo_t *vmo)
{
    return vmo->flags & INFO_VMO_IS_COW_CLONE ? "copy" :
           vmo->flags & INFO_VMO_PAGER_BACKED ? "pager" :
           vmo->flags & INFO_VMO_PAGED ? "anon" : "other";
}

/* The memory of a private VMO, the first time it is met. */
static void count_private(struct totals *totals, const info_map_t *map, const info_vmo_t *vmo)
{
    if (is_shared(map, vmo) || !(vmo->flags & INFO_VMO_PAGED) ||
        ((vmo->flags & INFO_VMO_PAGER_BACKED) && !(vmo->flags & INFO_VMO_IS_COW_CLONE)))
        return;
    for (size_t i = 0; i < totals->counted_count; i++)
        if (totals->counted[i] == vmo->koid)
            return;
    totals->counted[totals->counted_count++] = vmo->koid;
    totals->private += vmo->committed_bytes;
}

static void print_region(handle_t process, const info_map_t *map, struct totals *totals)
{
    info_vmo_t vmo = { .name = "?" };
    info_map_t again;
    handle_t handle;
    /* It may have gone since the list was made. */
    if (sys_vm_get_mapping(process, map->base, &again, &handle) == OK) {
        if (again.vmo_koid == map->vmo_koid)
            sys_object_get_info(handle, INFO_VMO, &vmo, sizeof vmo, NULL, NULL);
        sys_handle_close(handle);
    }
    printf("%010" PRIx64 " %8" PRIu64 "K %7" PRIu64 "K %c%c%c%c %-5s %8" PRIx64 " %6" PRIu64
           " %s\n", map->base, map->length / 1024, map->resident_bytes / 1024,
           map->flags & VM_READ ? 'r' : '-', map->flags & VM_WRITE ? 'w' : '-',
           map->flags & VM_EXECUTE ? 'x' : '-', is_shared(map, &vmo) ? 's' : 'p', kind_of(&vmo),
           map->vmo_offset, map->vmo_koid, vmo.name);
    totals->virtual += map->length;
    totals->resident += map->resident_bytes;
    count_private(totals, map, &vmo);
}

static status_t print_process(handle_t process, const info_process_t *info)
{
    void *records;
    size_t count;
    status_t status = info_list(process, INFO_PROCESS_MAPS, sizeof(info_map_t), &records, &count);
    if (status != OK)
        return status;
    struct totals totals = { .counted = calloc(count + 1, sizeof *totals.counted) };
    if (totals.counted == NULL) {
        free(records);
        return ERR_NO_MEMORY;
    }
    printf("%" PRIu64 ": %s\n", info->koid, info->name);
    printf("   ADDRESS      SIZE RESIDENT PROT KIND    OFFSET    VMO NAME\n");
    for (size_t i = 0; i < count; i++)
        print_region(process, (const info_map_t *)records + i, &totals);
    printf("virtual %" PRIu64 "K, resident %" PRIu64 "K, private %" PRIu64 "K\n",
           totals.virtual / 1024, totals.resident / 1024, totals.private / 1024);
    free(totals.counted);
    free(records);
    return OK;
}

/* Is that what the user means: the koid, the name, or the name without its folders? */
static bool is_meant(const info_process_t *info, const char *text)
{
    char *end;
    uint64_t koid = strtoull(text, &end, 10);
    const char *slash = strrchr(info->name, '/');
    return (*end == 0 && koid == info->koid) || strcmp(info->name, text) == 0 ||
           (slash != NULL && strcmp(slash + 1, text) == 0);
}

/* All processes of that name or koid.  1 if there is none. */
static int print_meant(const info_process_t *processes, size_t count, const char *text)
{
    int code = 1;
    for (size_t i = 0; i < count; i++) {
        handle_t process;
        if (!is_meant(&processes[i], text) || processes[i].exited)
            continue;
        status_t status = process_open(processes[i].koid, &process);
        if (status == ERR_NOT_FOUND)    /* it has just ended */
            continue;
        if (status == OK) {
            status = print_process(process, &processes[i]);
            sys_handle_close(process);
        }
        if (status != OK)
            errx(1, "%s: %s", text, status_text(status));
        code = 0;
    }
    if (code != 0)
        warnx("%s: no such process", text);
    return code;
}

int main(int argument_count, char **arguments)
{
    void *records;
    size_t count;
    int code = 0;
    if (argument_count < 2 || arguments[1][0] == '-')
        return usage("pmap KOID|NAME...");
    status_t status = info_list(system_handle(), INFO_PROCESS_LIST, sizeof(info_process_t),
                                &records, &count);
    if (status != OK)
        errx(1, "%s", status_text(status));
    for (int i = 1; i < argument_count; i++)
        code |= print_meant(records, count, arguments[i]);
    free(records);
    return code;
}
