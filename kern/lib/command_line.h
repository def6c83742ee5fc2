/*
 * command_line.h: the kernel command line: words name=value, then a word `--` and the words that
 * the first program gets (user/boot).
 */
#pragma once

#include "lib/types.h"

/* The value of an option before the `--`, not zero terminated, or NULL. */
const char *command_line_value(const char *name, size_t *out_length);
/* A decimal option, or `otherwise` where it is missing or no number. */
uint64_t command_line_number(const char *name, uint64_t otherwise);
