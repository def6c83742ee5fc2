/* random.h: random bytes, seeded by the firmware's entropy and the clock; any hart may call. */
#pragma once

#include "lib/types.h"

void random_init(const uint8_t *seed, size_t length);
void random_bytes(void *buffer, size_t length);
