/*
 * drivers.c: the list of drivers.
 */
#include "host.h"

#define X(name, steps, what) void drive_##name(uint32_t);
#include "drivers.def"
#undef X

const struct driver drivers[] = {
#define X(name, steps, what) { #name, what, drive_##name, steps },
#include "drivers.def"
#undef X
    { NULL, NULL, NULL, 0 },
};
