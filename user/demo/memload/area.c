/*
 * area.c: pages whose every word is known.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memload.h"

/* A word is a mark, the tag's 24 bits, the page's number and its own, times FACTOR: other words are most unlikely to look like one. */
enum { WORD_BITS = 9, PAGE_BITS = 20, TAG_BITS = 24, MARK = 0x52d };
#define FACTOR 0x9e3779b97f4a7c15ul

uint64_t next_random(uint64_t *state)
{
    uint64_t value = *state += 0x9e3779b97f4a7c15ul;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ul;
    value = (value ^ value >> 27) * 0x94d049bb133111ebul;
    return value ^ value >> 31;
}

void require(status_t status, const char *what)
{
    if (status != OK)
        errx(1, "%s: %s", what, status_text(status));
}

static uint64_t bits(uint64_t value, unsigned first, unsigned count)
{
    return value >> first & ((1ul << count) - 1);
}

/* The first word of a page; each further one is FACTOR more. */
static uint64_t first_word(uint32_t tag, uint64_t page)
{
    return ((((uint64_t)MARK << TAG_BITS | tag) << PAGE_BITS | page) << WORD_BITS) * FACTOR;
}

static uint64_t word_step(uint32_t tag) { return tag == 0 ? 0 : FACTOR; }

static void write_words(uint64_t *words, uint32_t tag, uint64_t page)
{
    uint64_t value = first_word(tag, page);
    for (unsigned i = 0; i < WORDS; i++, value += FACTOR)
        words[i] = value;
}

static uint64_t without_factor(uint64_t word)
{
    uint64_t inverse = FACTOR;          /* right in the lowest three bits; each step doubles how many */
    for (int i = 0; i < 5; i++)
        inverse *= 2 - FACTOR * inverse;
    return word * inverse;
}

/* What was found, as far as it can be told. */
static void describe(const struct area *area, uint64_t found, uint64_t page, unsigned word)
{
    uint64_t plain = without_factor(found), its_page = bits(plain, WORD_BITS, PAGE_BITS);
    uint64_t its_word = bits(plain, 0, WORD_BITS), tag = bits(plain, WORD_BITS + PAGE_BITS, TAG_BITS);
    if (found == 0)
        fprintf(stderr, "is zero");
    else if (plain >> (WORD_BITS + PAGE_BITS + TAG_BITS) != MARK)
        fprintf(stderr, "is %#" PRIx64 ", which nobody wrote", found);
    else if (its_page != page || its_word != word)
        fprintf(stderr, "is word %" PRIu64 " of page %" PRIu64 " of process %" PRIu64 ", version %" PRIu64, its_word,
                its_page, tag >> 16, tag & 0xffff);
    else
        fprintf(stderr, "is version %" PRIu64 " of process %" PRIu64, tag & 0xffff, tag >> 16);
    if (area->tags[page] == 0)
        fprintf(stderr, " and should be zero");
    else
        fprintf(stderr, " and should be version %" PRIu32 " of process %" PRIu32, area->tags[page] & 0xffff,
                area->tags[page] >> 16);
}

__attribute__((noreturn, noinline)) static void wrong(const struct area *area, const uint64_t *words, uint64_t page)
{
    uint64_t expected = area->tags[page] ? first_word(area->tags[page], page) : 0, step = word_step(area->tags[page]);
    unsigned first = WORDS, count = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        if (words[i] == expected + i * step)
            continue;
        if (count++ == 0)
            first = i;
    }
    fprintf(stderr, "memload %" PRIu32 ": WRONG: ", area->owner);
    if (count == 0)
        fprintf(stderr, "a word of page %" PRIu64 " was wrong and is right now\n", page);
    else {
        fprintf(stderr, "page %" PRIu64 ": word %u ", page, first);
        describe(area, words[first], page, first);
        fprintf(stderr, "; %u words of the page are wrong\n", count);
    }
    fflush(stderr);
    _Exit(1);
}

static void verify_words(struct area *area, const uint64_t *words, uint64_t page)
{
    uint32_t tag = area->tags[page];
    uint64_t expected = tag ? first_word(tag, page) : 0, step = word_step(tag), difference = 0;
    for (unsigned i = 0; i < WORDS; i++, expected += step)
        difference |= words[i] ^ expected;
    if (difference != 0)
        wrong(area, words, page);
    area->verified++;
}

/* Different from all that the page had before, also if it was zero meanwhile. */
static uint32_t next_tag(struct area *area, uint64_t page)
{
    return area->tags[page] = area->owner << 16 | (++area->written & 0xffff);
}

void page_write(struct area *area, uint64_t page)
{
    write_words(area->words + page * WORDS, next_tag(area, page), page);
}

void page_verify(struct area *area, uint64_t page)
{
    verify_words(area, area->words + page * WORDS, page);
}

void page_write_by_call(struct area *area, uint64_t page)
{
    uint64_t words[WORDS];
    write_words(words, next_tag(area, page), page);
    require(sys_vmo_write(area->vmo, 0, words, page * PAGE_SIZE, PAGE_SIZE), "write a page");
}

void page_verify_by_call(struct area *area, uint64_t page)
{
    uint64_t words[WORDS];
    require(sys_vmo_read(area->vmo, 0, words, page * PAGE_SIZE, PAGE_SIZE), "read a page");
    verify_words(area, words, page);
}

void pages_discard(struct area *area, uint64_t first, uint64_t count)
{
    require(sys_vmo_op_range(area->vmo, VMO_OP_DECOMMIT, first * PAGE_SIZE, count * PAGE_SIZE, NULL, 0), "discard");
    memset(area->tags + first, 0, count * sizeof *area->tags);
}

/* The VMO is there; map it, and make room for the tags. */
static void area_map(struct area *area)
{
    uintptr_t place;
    require(sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, area->vmo, 0, area->pages * PAGE_SIZE, &place), "map");
    area->words = (uint64_t *)place;
    area->tags = calloc(area->pages, sizeof *area->tags);
    if (!area->tags)
        errx(1, "no memory");
}

void area_create(struct area *area, uint32_t owner, uint64_t pages, uint64_t seed)
{
    *area = (struct area){ .pages = pages, .owner = owner, .random = seed + owner };
    require(sys_vmo_create(pages * PAGE_SIZE, 0, &area->vmo), "create memory");
    area_map(area);
}

void area_snapshot(const struct area *area, uint32_t owner, struct area *out_copy)
{
    *out_copy = (struct area){ .pages = area->pages, .owner = owner, .random = area->random + owner,
                               .written = area->written };
    require(sys_vmo_create_child(area->vmo, VMO_CHILD_SNAPSHOT, 0, area->pages * PAGE_SIZE, &out_copy->vmo), "snapshot");
    area_map(out_copy);
    memcpy(out_copy->tags, area->tags, area->pages * sizeof *area->tags);
}

void area_free(struct area *area)
{
    require(sys_vm_unmap(process_self(), (uintptr_t)area->words, area->pages * PAGE_SIZE), "unmap");
    require(sys_handle_close(area->vmo), "close");
    free(area->tags);
}
