/*
 * desk.h: what the files of swapdesk share: commands, which get their words, ended by NULL.
 */
#pragma once

#include <quire/tool.h>

#define WORDS (PAGE_SIZE / sizeof(uint64_t))

static inline uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

/* --- sheets.c --- */

void write_command(char **words);
void empty_command(char **words);
void new_command(char **words);
void drop_command(char **words);
void check_command(char **words);
void load_command(char **words);
void commit_command(char **words);
void decommit_command(char **words);
void map_command(char **words);
void out_command(char **words);
void shuffle_command(char **words);
void work_command(char **words);
void steps_command(char **words);
void rest_command(char **words);
