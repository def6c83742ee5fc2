/*
 * tool.c: what the programs that look at the system share.
 */
#include "internal.h"

#include <inttypes.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>

char *size_text(uint64_t bytes, char out[static SIZE_TEXT])
{
    static const char units[] = "BKMGTPE";
    unsigned unit = 0;
    double size = bytes;
    while (size >= 1000 && unit < sizeof units - 2) {
        size /= 1024;
        unit++;
    }
    snprintf(out, SIZE_TEXT, unit > 0 && size < 9.95 ? "%.1f%c" : "%.0f%c", size, units[unit]);
    return out;
}

int64_t interval_read(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    return end == text || *end != 0 || !(seconds >= 0.01 && seconds < 1e6) ? -1
                                                                         : (int64_t)(seconds * 1e9);
}

long count_read(const char *text)
{
    char *end;
    long count = strtol(text, &end, 10);
    return end == text || *end != 0 || count < 1 ? -1 : count;
}

status_t process_open(uint64_t koid, handle_t *out_process)
{
    return sys_object_get_child(system_handle(), koid, RIGHT_READ | RIGHT_INSPECT, out_process);
}

status_t system_info(info_system_t *out_info)
{
    return sys_object_get_info(system_handle(), INFO_SYSTEM, out_info, sizeof *out_info, NULL,
                               NULL);
}
