/*
 * giving.h: the start message of a program, for spawn and exec (giving.c).
 */
#pragma once

#include "internal.h"

enum { GIVEN_MAX = 2 * DESCRIPTOR_MAX + CHANNEL_MAX_HANDLES };

struct giving {
    status_t status;                    /* the first failure; later steps do nothing then */
    uint32_t count;
    uint32_t tags[GIVEN_MAX];
    handle_t handles[GIVEN_MAX];
};

void giving_init(struct giving *giving);
/* Close what was not sent. */
void giving_drop(struct giving *giving);
/* Give a handle; it moves in every case.  A copy of one; nothing if it is HANDLE_INVALID. */
void give(struct giving *giving, handle_t handle, uint32_t tag);
void give_copy(struct giving *giving, handle_t handle, uint32_t tag);
/* What every program has: the process' and thread's own handles, the console, ... */
void give_usual(struct giving *giving, handle_t process, handle_t thread);
void give_descriptor(struct giving *giving, const struct descriptor *descriptor, uint32_t number);
/*
 * Write it into the channel; the handles are gone in every case.  environment may be NULL: the
 * caller's.  Status OUT_OF_RANGE: arguments too long.
 */
void giving_send(struct giving *giving, handle_t channel, const struct elf_image *image,
                 const char *const *arguments, const char *const *environment);
