/* hog MIB: writes so much anonymous memory, then reads it in order and at random, and verifies every page. */
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <string.h>

static uint64_t mix(uint64_t x) { x ^= x >> 30; x *= 0xbf58476d1ce4e5b9ul; x ^= x >> 27; x *= 0x94d049bb133111ebul; return x ^ x >> 31; }

int main(int argc, char **argv)
{
    uint64_t pages = (argc > 1 ? strtoul(argv[1], NULL, 10) : 64) * 256, bad = 0;
    uint64_t *memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) { perror("mmap"); return 1; }
    for (uint64_t i = 0; i < pages; i++)
        for (uint64_t w = 0; w < 512; w += 64)
            memory[i * 512 + w] = mix(i * 512 + w);
    printf("written\n");
    for (uint64_t i = 0; i < pages; i++)
        for (uint64_t w = 0; w < 512; w += 64)
            bad += memory[i * 512 + w] != mix(i * 512 + w);
    printf("read in order, %lu wrong\n", (unsigned long)bad);
    for (uint64_t n = 0; n < pages; n++) {
        uint64_t i = mix(n) % pages;
        bad += memory[i * 512 + 64] != mix(i * 512 + 64);
        if (n % 3 == 0) memory[i * 512 + 128] = mix(i * 512 + 128);
    }
    printf("read at random, %lu wrong\n", (unsigned long)bad);
    return bad != 0;
}
