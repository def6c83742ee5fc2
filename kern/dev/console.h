/* console.h: the serial console: user output and typed bytes.  Kernel messages: lib/kprintf.h. */
#pragma once

#include "object/object.h"

void console_init(void);                        /* from here on typed bytes arrive */
struct object *console_object(void);            /* the one console, borrowed */
/*
 * User output from a kernel buffer: sleeps while the output queue is full.  Pieces of up to
 * CONSOLE_PIECE bytes are not interleaved with others'.  CANCELED: *out_done bytes were queued.
 */
#define CONSOLE_PIECE 256u
status_t console_write(const char *text, size_t length, size_t *out_done);
/* Typed bytes, as they came, into a kernel buffer: sleeps until there is one.  CANCELED. */
status_t console_read(char *buffer, size_t length, size_t *out_done);
