/*
 * console.h: the serial console: kernel messages, user output, typed bytes.
 */
#pragma once

#include "object/object.h"

extern const struct object_ops console_ops;

void console_init(void);
struct object *console_object(void);            /* the one console, borrowed */
/* Kernel messages: goes out at once, waiting for room (rare and short). */
void console_write_kernel(const char *text, size_t length);
/* User output from a kernel buffer: sleeps while the output queue is full.  CANCELED. */
status_t console_write(const char *text, size_t length, size_t *out_done);
/* Typed bytes into a kernel buffer: sleeps until there is one.  CANCELED. */
status_t console_read(char *buffer, size_t length, size_t *out_done);
