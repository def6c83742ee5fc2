/*
 * kprintf.c: messages from the kernel to the person at the console, and the formatter behind them.
 *
 * A message is formatted on the stack and handed over whole, so two harts never mix theirs; what exceeds MESSAGE_MAX is cut.
 */
#include "lib/kprintf.h"

#include "lib/string.h"

#define MESSAGE_MAX 512

struct output { char *next, *end; };        /* where characters go; the last one is for the zero */

static void put(struct output *output, const char *text, size_t length)
{
    for (; length > 0 && output->next < output->end; length--)
        *output->next++ = *text++;
}

static void put_number(struct output *output, uint64_t value, unsigned base, size_t digits_wanted)
{
    char digits[20];
    size_t first = sizeof(digits);

    do {
        digits[--first] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0 || sizeof(digits) - first < min_u64(digits_wanted, sizeof(digits)));
    put(output, digits + first, sizeof(digits) - first);
}

/* One conversion, from behind its '%'; returns what follows it. */
static const char *put_conversion(struct output *output, const char *format, va_list *arguments)
{
    size_t digits = 0, limit = SIZE_MAX;
    bool is_long = false;

    for (; *format >= '0' && *format <= '9'; format++)
        digits = digits * 10 + (size_t)(*format - '0');
    if (format[0] == '.' && format[1] == '*') {
        limit = va_arg(*arguments, unsigned);
        format += 2;
    }
    for (; *format == 'l'; format++)
        is_long = true;

    uint64_t number;
    const char *text;

    switch (*format) {
    case 'd':
    case 'u':
    case 'x':
        number = is_long ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);
        if (*format == 'd' && !is_long)
            number = (uint64_t)(int)number;
        if (*format == 'd' && (int64_t)number < 0) {
            put(output, "-", 1);
            number = -number;
        }
        put_number(output, number, *format == 'x' ? 16 : 10, digits);
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        put(output, text, strnlen(text, limit));
        break;
    default:                /* %% and letters that mean nothing stand for themselves */
        put(output, format, *format != 0);
    }
    return format + (*format != 0);
}

size_t format_string_v(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct output output = { buffer, buffer + size - 1 };
    va_list rest;

    va_copy(rest, arguments);
    while (*format) {
        if (*format == '%')
            format = put_conversion(&output, format + 1, &rest);
        else
            put(&output, format++, 1);
    }
    va_end(rest);
    *output.next = '\0';
    return (size_t)(output.next - buffer);
}

void format_string(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    format_string_v(buffer, size, format, arguments);
    va_end(arguments);
}

void kprintf(const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list arguments;

    va_start(arguments, format);
    console_write_kernel(message, format_string_v(message, sizeof(message), format, arguments));
    va_end(arguments);
}
