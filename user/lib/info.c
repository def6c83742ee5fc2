/*
 * info.c: whole lists from sys_object_get_info.
 */
#include <quire.h>
#include <stdlib.h>

/* The list may grow between two calls: ask again with some room to spare until all of it fits. */
status_t info_list(handle_t handle, uint32_t topic, size_t record_size, void **out_records,
                   size_t *out_count)
{
    size_t room = 16;
    for (;;) {
        size_t actual = 0, available = 0;
        void *records = malloc(room * record_size);
        if (records == NULL)
            return ERR_NO_MEMORY;
        status_t status = sys_object_get_info(handle, topic, records, room * record_size, &actual,
                                              &available);
        if (status == OK && available <= room) {
            *out_records = records;
            *out_count = actual;
            return OK;
        }
        free(records);
        if (status != OK)
            return status;
        room = available + available / 4 + 8;
    }
}
