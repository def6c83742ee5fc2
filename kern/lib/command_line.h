/*
 * command_line.h: the kernel command line: words name=value, a word `--`, and the words that the
 * first program gets.
 */
#pragma once

#include "lib/types.h"

/* The value of an option before the `--`, not zero terminated, or NULL. */
const char *command_line_value(const char *name, size_t *out_length);
/* A decimal option, or `otherwise` where it is missing or no number. */
uint64_t command_line_number(const char *name, uint64_t otherwise);

/* Let *at point at the next word from there on; its length, 0 at the end. */
size_t command_line_word(const char **at);
/* What follows the `--`. */
const char *command_line_arguments(void);
