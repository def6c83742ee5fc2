/*
 * random.c: a ChaCha20 generator (RFC 8439's block function) that needs no lock.
 *
 * The key is fixed at boot; every block of output uses a block number nobody else has used, taken from one atomic
 * counter.  So harts never wait for each other, and no two callers see the same bytes.
 *
 * Invariant: `key` is written by random_init only, before the other harts run.
 */
#include "lib/random.h"

#include "arch.h"
#include "lib/string.h"

struct block { uint32_t words[16]; };

static uint32_t key[8];
static _Atomic uint64_t next_block;

/* a += b, and d is mixed with the sum. */
static void mix(uint32_t *a, uint32_t b, uint32_t *d, unsigned bits)
{
    *a += b;
    *d ^= *a;
    *d = *d << bits | *d >> (32 - bits);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    mix(a, *b, d, 16);
    mix(c, *d, b, 12);
    mix(a, *b, d, 8);
    mix(c, *d, b, 7);
}

/* The block function on constants, key, a fresh block number and a nonce of zero. */
static struct block fresh_block(void)
{
    uint64_t number = atomic_fetch_add_explicit(&next_block, 1, memory_order_relaxed);
    struct block start = { { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 } }, block;
    uint32_t *x = block.words;

    memcpy(&start.words[4], key, sizeof(key));
    start.words[12] = (uint32_t)number;
    start.words[13] = (uint32_t)(number >> 32);
    block = start;
    for (int round = 0; round < 20; round++)        /* columns and diagonals in turn */
        for (int i = 0, turn = round % 2; i < 4; i++)
            quarter_round(&x[i], &x[4 + (i + turn) % 4], &x[8 + (i + 2 * turn) % 4],
                          &x[12 + (i + 3 * turn) % 4]);
    for (int i = 0; i < 16; i++)
        x[i] += start.words[i];
    return block;
}

static void absorb(const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)key)[i % sizeof(key)] ^= ((const uint8_t *)bytes)[i];
}

void random_init(const uint8_t *seed, size_t length)
{
    uint64_t clocks[2] = { arch_time(), arch_wall_time() };

    absorb(seed, length);
    absorb(clocks, sizeof(clocks));
}

void random_bytes(void *buffer, size_t length)
{
    struct block block;

    for (size_t done = 0; done < length; done += sizeof(block)) {
        block = fresh_block();
        memcpy((char *)buffer + done, &block, min_u64(length - done, sizeof(block)));
    }
}
