/*
 * kprintf.c: messages from the kernel to the person at the console, and the formatter behind them.
 *
 * A message is formatted on the stack and handed over whole, so two harts never mix theirs; what
 * exceeds MESSAGE_MAX is cut.  The formatter's output counts every character and stores those that
 * fit, so one pass serves "how long would it be" and "write it" alike.
 * Invariant: a buffer of size > 0 is always zero terminated.
 */
#include "lib/kprintf.h"

#include "lib/string.h"

#define MESSAGE_MAX 512

struct output {
    char *buffer;
    size_t size;            /* of buffer, the zero included */
    size_t length;          /* characters so far, those that did not fit included */
};

/* One conversion, as written between '%' and its letter. */
struct conversion {
    bool left, zeros, is_long;
    size_t width;
    size_t precision;       /* SIZE_MAX: none given */
};

static void put(struct output *output, const char *text, size_t length)
{
    for (; length > 0; length--, text++, output->length++)
        if (output->length + 1 < output->size)
            output->buffer[output->length] = *text;
}

static void put_padding(struct output *output, const char *c, size_t count)
{
    while (count--)
        put(output, c, 1);
}

/* Text with its padding; the sign goes before padding zeros and after padding spaces. */
static void put_padded(struct output *output, const struct conversion *conversion,
                       const char *sign, const char *text, size_t length)
{
    size_t total = strlen(sign) + length;
    size_t padding = conversion->width > total ? conversion->width - total : 0;

    if (!conversion->left && !conversion->zeros)
        put_padding(output, " ", padding);
    put(output, sign, strlen(sign));
    if (!conversion->left && conversion->zeros)
        put_padding(output, "0", padding);
    put(output, text, length);
    if (conversion->left)
        put_padding(output, " ", padding);
}

static void put_number(struct output *output, const struct conversion *conversion,
                       const char *sign, uint64_t value, unsigned base)
{
    char digits[20];
    size_t first = sizeof(digits);

    do {
        digits[--first] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    put_padded(output, conversion, sign, digits + first, sizeof(digits) - first);
}

static const char *parse_number(const char *format, size_t *out_number)
{
    for (*out_number = 0; *format >= '0' && *format <= '9'; format++)
        *out_number = *out_number * 10 + (size_t)(*format - '0');
    return format;
}

/* Flags, width, precision and size; the conversion's letter is what remains. */
static const char *parse_conversion(const char *format, va_list *arguments,
                                    struct conversion *conversion)
{
    *conversion = (struct conversion){ .precision = SIZE_MAX };
    for (; *format == '-' || *format == '0'; format++) {
        conversion->left |= *format == '-';
        conversion->zeros |= *format == '0';
    }
    format = parse_number(format, &conversion->width);
    if (*format == '.')
        format = parse_number(format + 1, &conversion->precision);
    if (*format == '*') {
        conversion->precision = va_arg(*arguments, unsigned);
        format++;
    }
    for (; *format == 'l' || *format == 'z'; format++)
        conversion->is_long = true;
    return format;
}

static void put_conversion(struct output *output, char letter, const struct conversion *conversion,
                           va_list *arguments)
{
    const char *text;
    uint64_t value;
    int64_t number;

    switch (letter) {
    case 'd':
        number = conversion->is_long ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);
        put_number(output, conversion, number < 0 ? "-" : "",
                   number < 0 ? -(uint64_t)number : (uint64_t)number, 10);
        break;
    case 'u':
    case 'x':
        value = conversion->is_long ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);
        put_number(output, conversion, "", value, letter == 'u' ? 10 : 16);
        break;
    case 'p':
        put_number(output, conversion, "0x", (uintptr_t)va_arg(*arguments, void *), 16);
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        if (!text)
            text = "(null)";
        put_padded(output, conversion, "", text, strnlen(text, conversion->precision));
        break;
    case 'c':
        letter = (char)va_arg(*arguments, int);
        put_padded(output, conversion, "", &letter, 1);
        break;
    default:                /* %% and letters that mean nothing stand for themselves */
        put(output, &letter, 1);
    }
}

size_t format_string_v(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct output output = { buffer, size, 0 };
    struct conversion conversion;
    va_list rest;

    va_copy(rest, arguments);
    for (; *format; format++) {
        if (*format != '%') {
            put(&output, format, 1);
            continue;
        }
        format = parse_conversion(format + 1, &rest, &conversion);
        if (!*format)
            break;
        put_conversion(&output, *format, &conversion, &rest);
    }
    va_end(rest);
    if (size)
        buffer[min_u64(output.length, size - 1)] = '\0';
    return output.length;
}

size_t format_string(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_string_v(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}

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
