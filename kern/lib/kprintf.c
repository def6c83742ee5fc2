/*
 * kprintf.c: messages from the kernel to the person at the console.
 *
 * A message is formatted on the stack and handed over whole, so two harts never mix theirs.  What
 * exceeds MESSAGE_MAX is cut.
 */
#include "lib/kprintf.h"

#define MESSAGE_MAX 512

void kprintf(const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_string_v(message, sizeof(message), format, arguments);
    va_end(arguments);
    console_write_kernel(message, min_u64(length, sizeof(message) - 1));
}
