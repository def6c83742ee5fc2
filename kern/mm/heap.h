/* heap.h: small kernel objects by size class, out of frames; a frame that is wholly free goes back.  Never sleeps. */
#pragma once

#include "lib/types.h"

#define HEAP_MAX 2048ul

void heap_init(void);
void *heap_alloc(size_t size);          /* uninitialised, 16-byte aligned; NULL without memory */
void *heap_alloc_zeroed(size_t size);
void heap_free(void *object);           /* NULL is allowed */
