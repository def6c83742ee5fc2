/*
 * memset.c: filling memory by words; the C library's own goes byte by byte.
 *
 * The empty assembly keeps the compiler from seeing in a loop the very function it implements.
 */
#include <stdint.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias)) word;

#define OPAQUE(pointer) __asm__("" : "+r"(pointer))

void *memset(void *to, int byte, size_t length)
{
    unsigned char *out = to;
    word pattern = (unsigned char)byte * 0x0101010101010101ull;

    for (; length > 0 && (uintptr_t)out % sizeof(word) != 0; length--) {
        *out++ = (unsigned char)byte;
        OPAQUE(out);
    }
    for (; length >= 8 * sizeof(word); length -= 8 * sizeof(word), out += 8 * sizeof(word)) {
        word *target = (word *)out;
        target[0] = target[1] = target[2] = target[3] = pattern;
        target[4] = target[5] = target[6] = target[7] = pattern;
        OPAQUE(out);
    }
    for (; length >= sizeof(word); length -= sizeof(word), out += sizeof(word)) {
        *(word *)out = pattern;
        OPAQUE(out);
    }
    for (; length > 0; length--) {
        *out++ = (unsigned char)byte;
        OPAQUE(out);
    }
    return to;
}
