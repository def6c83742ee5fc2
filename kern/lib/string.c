/*
 * string.c: the memory and string functions that the compiler and the kernel use.
 *
 * Copies and fills go by words where both sides allow it; strings go byte by byte, they are short.  The Makefile
 * keeps the compiler from recognising a loop as the very function that it implements.
 */
#include "lib/string.h"

#include <stdint.h>

typedef uint64_t __attribute__((may_alias)) word;
struct __attribute__((may_alias)) four_words { word words[4]; };

#define WORD sizeof(word)

void *memcpy(void *to, const void *from, size_t length)
{
    unsigned char *out = to;
    const unsigned char *in = from;

    if ((((uintptr_t)out ^ (uintptr_t)in) & (WORD - 1)) == 0) {
        for (; length && ((uintptr_t)out & (WORD - 1)); length--)
            *out++ = *in++;
        for (; length >= 4 * WORD; length -= 4 * WORD, in += 4 * WORD, out += 4 * WORD)
            *(struct four_words *)out = *(const struct four_words *)in;
        for (; length >= WORD; length -= WORD, in += WORD, out += WORD)
            *(word *)out = *(const word *)in;
    }
    for (; length; length--)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int byte, size_t length)
{
    unsigned char *out = to;
    word pattern = (unsigned char)byte * 0x0101010101010101ull;

    for (; length && ((uintptr_t)out & (WORD - 1)); length--)
        *out++ = (unsigned char)byte;
    for (; length >= 8 * WORD; length -= 8 * WORD, out += 8 * WORD) {
        word *target = (word *)out;

        target[0] = target[1] = target[2] = target[3] = pattern;
        target[4] = target[5] = target[6] = target[7] = pattern;
    }
    for (; length >= WORD; length -= WORD, out += WORD)
        *(word *)out = pattern;
    for (; length; length--)
        *out++ = (unsigned char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
    const unsigned char *left = a, *right = b;

    for (; length; length--, left++, right++)
        if (*left != *right)
            return *left - *right;
    return 0;
}

size_t strlen(const char *text) { return strnlen(text, SIZE_MAX); }

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length])
        length++;
    return length;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t length)
{
    for (; length; length--, a++, b++)
        if (*a != *b || !*a)
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}
