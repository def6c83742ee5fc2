/*
 * random.c: a ChaCha20 generator (RFC 8439's block function) that needs no lock.
 *
 * The key is fixed at boot; every block of output uses a block number nobody else has used, taken
 * from one atomic counter.  So harts never wait for each other, and no two callers see the same
 * bytes.
 *
 * Invariant: `key` is written by random_init only, before the other harts run.
 */
#include "lib/random.h"

#include <stdatomic.h>

#include "arch.h"
#include "lib/string.h"

#define KEY_WORDS   8
#define BLOCK_WORDS 16

static uint32_t key[KEY_WORDS];
static _Atomic uint64_t next_block;

static uint32_t rotate_left(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate_left(*d ^ *a, 16);
    *c += *d;
    *b = rotate_left(*b ^ *c, 12);
    *a += *b;
    *d = rotate_left(*d ^ *a, 8);
    *c += *d;
    *b = rotate_left(*b ^ *c, 7);
}

/* The block function on an initial state of constants, key, block number and nonce. */
static void chacha_block(const uint32_t state[BLOCK_WORDS], uint32_t out[BLOCK_WORDS])
{
    memcpy(out, state, BLOCK_WORDS * sizeof(uint32_t));
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++)
            quarter_round(&out[i], &out[4 + i], &out[8 + i], &out[12 + i]);
        for (int i = 0; i < 4; i++)
            quarter_round(&out[i], &out[4 + (i + 1) % 4], &out[8 + (i + 2) % 4],
                          &out[12 + (i + 3) % 4]);
    }
    for (int i = 0; i < BLOCK_WORDS; i++)
        out[i] += state[i];
}

static void fresh_block(uint32_t out[BLOCK_WORDS])
{
    uint64_t number = atomic_fetch_add_explicit(&next_block, 1, memory_order_relaxed);
    uint32_t state[BLOCK_WORDS] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

    memcpy(&state[4], key, sizeof(key));
    state[12] = (uint32_t)number;
    state[13] = (uint32_t)(number >> 32);
    chacha_block(state, out);
}

/* Mix up to a key's worth of bytes into the key, and stir. */
static void absorb(const void *bytes, size_t length)
{
    uint32_t block[BLOCK_WORDS] = { 0 };

    memcpy(block, bytes, length);
    for (int i = 0; i < KEY_WORDS; i++)
        key[i] ^= block[i];
    fresh_block(block);
    memcpy(key, block, sizeof(key));
}

void random_init(const uint8_t *seed, size_t length)
{
    uint64_t clocks[2] = { arch_time(), arch_wall_time() };

    for (size_t done = 0; done < length; done += sizeof(key))
        absorb(seed + done, min_u64(length - done, sizeof(key)));
    absorb(clocks, sizeof(clocks));
}

void random_bytes(void *buffer, size_t length)
{
    uint32_t block[BLOCK_WORDS];
    uint8_t *out = buffer;

    while (length) {
        size_t part = min_u64(length, sizeof(block));

        fresh_block(block);
        memcpy(out, block, part);
        out += part;
        length -= part;
    }
}
