/*
 * command_line.h: options of the kernel command line, words of the form name=value before a `--`.
 */
#pragma once

#include "lib/types.h"

/* The value of an option, not zero terminated, or NULL. */
const char *command_line_value(const char *name, size_t *out_length);
/* A decimal option, or `otherwise` where it is missing or no number. */
uint64_t command_line_number(const char *name, uint64_t otherwise);
