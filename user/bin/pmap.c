/*
 * pmap.c: the memory of processes, region by region.
 *
 * Each region shows a range of one VMO.  Resident is what of it is in the page table; swapped is what
 * of the whole VMO is on backing store only.  A VMO is shared (s) if fork shares it or other address
 * spaces show it too, otherwise private (p).  The totals: virtual is the size of the regions, private
 * what private anonymous memory and copies really hold, in memory or on backing store, and swapped
 * what of all VMOs is on backing store, each VMO once.
 */
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct maps {
    info_map_t *all;
    size_t count;
    uint64_t virtual, resident, private, swapped;   /* of those that were printed */
};

static bool is_shared(const struct maps *maps, const info_map_t *map, const info_vmo_t *vmo)
{
    uint32_t own = 0;
    for (size_t i = 0; i < maps->count; i++)
        own += maps->all[i].vmo_koid == map->vmo_koid;
    return (map->flags & VM_SHARED) != 0 || vmo->num_mappings > own;
}

static const char *kind_of(const info_vmo_t *vmo)
{
    return vmo->flags & INFO_VMO_IS_COW_CLONE ? "copy" :
           vmo->flags & INFO_VMO_PAGER_BACKED ? "pager" :
           vmo->flags & INFO_VMO_PAGED ? "anon" : "other";
}

/* The first region of its VMO. */
static bool is_first(const struct maps *maps, const info_map_t *map)
{
    for (const info_map_t *earlier = maps->all; earlier < map; earlier++)
        if (earlier->vmo_koid == map->vmo_koid)
            return false;
    return true;
}

static void print_region(handle_t process, struct maps *maps, const info_map_t *map)
{
    info_vmo_t vmo;
    info_map_t again;
    handle_t handle;
    if (sys_vm_get_mapping(process, map->base, &again, &handle) != OK)
        return;                         /* it has gone since the list was made */
    status_t status = sys_object_get_info(handle, INFO_VMO, &vmo, sizeof vmo, NULL, NULL);
    sys_handle_close(handle);
    if (status != OK || again.vmo_koid != map->vmo_koid)
        return;
    bool shared = is_shared(maps, map, &vmo);
    const char *kind = kind_of(&vmo);
    uint64_t swapped = vmo.populated_bytes - vmo.committed_bytes;
    printf("%010" PRIx64 " %8" PRIu64 "K %7" PRIu64 "K %c%c%c%c %-5s %8" PRIx64 " %6" PRIu64
           " %7" PRIu64 "K %s\n", map->base, map->length / 1024, map->resident_bytes / 1024,
           map->flags & VM_READ ? 'r' : '-', map->flags & VM_WRITE ? 'w' : '-',
           map->flags & VM_EXECUTE ? 'x' : '-', shared ? 's' : 'p', kind, map->vmo_offset,
           map->vmo_koid, swapped / 1024, vmo.name);
    maps->virtual += map->length;
    maps->resident += map->resident_bytes;
    if (!is_first(maps, map))
        return;
    maps->swapped += swapped;
    if (!shared && strcmp(kind, "pager") != 0)
        maps->private += vmo.populated_bytes;
}

static status_t print_process(handle_t process, const info_process_t *info)
{
    void *records;
    struct maps maps = { .count = 0 };
    status_t status = info_list(process, INFO_PROCESS_MAPS, sizeof(info_map_t), &records,
                                &maps.count);
    if (status != OK)
        return status;
    maps.all = records;
    printf("%" PRIu64 ": %s\n", info->koid, info->name);
    printf("   ADDRESS      SIZE RESIDENT PROT KIND    OFFSET    VMO  SWAPPED NAME\n");
    for (size_t i = 0; i < maps.count; i++)
        print_region(process, &maps, &maps.all[i]);
    printf("virtual %" PRIu64 "K, resident %" PRIu64 "K, private %" PRIu64 "K, swapped %" PRIu64
           "K\n", maps.virtual / 1024, maps.resident / 1024, maps.private / 1024,
           maps.swapped / 1024);
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
