/*
 * status.h: statuses that exist only inside the kernel; syscall_dispatch asserts that none escapes.
 */
#pragma once

#include "lib/types.h"

enum {
    ERR_RETRY      = -1001,     /* something changed or was fetched meanwhile: look again from the top */
    ERR_USER_FAULT = -1002,     /* a copy with faults disabled met a page that is not there: resolve it, call again */
};
