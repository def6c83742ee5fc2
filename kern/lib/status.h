/*
 * status.h: statuses that exist only inside the kernel; syscall_dispatch asserts that none escapes.
 */
#pragma once

#include "lib/types.h"

enum {
    ERR_RETRY      = -1001,     /* something changed meanwhile: look again from the top */
    ERR_USER_FAULT = -1002,     /* a copy met a page that is not there: resolve it, call again */
};
