/*
 * pagerstat.c: every pager-backed VMO, and what its pager was asked for.
 */
#include <inttypes.h>
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    void *records;
    size_t count;
    status_t status = info_list(system_handle(), INFO_PAGER_LIST, sizeof(info_pager_vmo_t),
                                &records, &count);
    if (status != OK) {
        fprintf(stderr, "pagerstat: %s\n", status_text(status));
        return 1;
    }
    const info_pager_vmo_t *vmos = records;
    printf(" PAGER    VMO              KEY      SIZE  RESIDENT REQUESTS   ASKED SUPPLIED FAILURES"
           " OWNER\n");
    for (size_t i = 0; i < count; i++) {
        const info_pager_vmo_t *vmo = &vmos[i];
        printf("%6" PRIu64 " %6" PRIu64 " %16" PRIx64 " %8" PRIu64 "K %8" PRIu64 "K %8" PRIu64
               " %7" PRIu64 " %8" PRIu64 " %8" PRIu64 " %s%s\n", vmo->pager_koid, vmo->vmo_koid,
               vmo->key, vmo->size_bytes / 1024, vmo->resident_bytes / 1024, vmo->requests,
               vmo->pages_asked, vmo->pages_supplied, vmo->failures, vmo->owner,
               vmo->detached ? " (detached)" : vmo->outstanding ? " (waited for)" : "");
    }
    free(records);
    return 0;
}
