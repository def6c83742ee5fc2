/*
 * dirent.h: directory entries, for the C library's <dirent.h>, which leaves them to the system.
 */
#pragma once

#include <sys/types.h>

enum {
    DT_UNKNOWN = 0, DT_FIFO = 1, DT_CHR = 2, DT_DIR = 4, DT_BLK = 6, DT_REG = 8, DT_LNK = 10,
    DT_SOCK = 12,
};

struct dirent {
    ino_t d_ino;
    unsigned char d_type;
    char d_name[256];
};

typedef struct __dirstream DIR;
