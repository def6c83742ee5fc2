/*
 * random.h: random bytes for programs and for generations and priorities of the kernel.
 *
 * A ChaCha20 generator seeded by the firmware's entropy and the clock; each hart may call at any time.
 */
#pragma once

#include "lib/types.h"

void random_init(const uint8_t *seed, size_t length);
void random_bytes(void *buffer, size_t length);
