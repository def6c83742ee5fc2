/*
 * format.c: the formatter behind kprintf.
 *
 * The output counts every character and stores those that fit, so one pass serves "how long would
 * it be" and "write it" alike.
 * Invariant: a buffer of size > 0 is always zero terminated.
 */
#include "lib/kprintf.h"

#include "lib/string.h"

struct output {
    char *buffer;
    size_t size;            /* of buffer, the zero included */
    size_t length;          /* characters so far, those that did not fit included */
};

/* One conversion, as written between '%' and its letter. */
struct conversion {
    bool left, zeros, negative;
    size_t width;
    size_t precision;       /* SIZE_MAX: none given */
    int longs;              /* how many l; z counts as one */
};

static void put(struct output *output, char c)
{
    if (output->length + 1 < output->size)
        output->buffer[output->length] = c;
    output->length++;
}

static void put_repeated(struct output *output, char c, size_t count)
{
    while (count--)
        put(output, c);
}

/* Text with its padding; a sign goes before padding zeros and after padding spaces. */
static void put_padded(struct output *output, const struct conversion *conversion, const char *text,
                       size_t length)
{
    size_t total = length + conversion->negative;
    size_t padding = conversion->width > total ? conversion->width - total : 0;

    if (!conversion->left && !conversion->zeros)
        put_repeated(output, ' ', padding);
    if (conversion->negative)
        put(output, '-');
    if (!conversion->left && conversion->zeros)
        put_repeated(output, '0', padding);
    for (size_t i = 0; i < length; i++)
        put(output, text[i]);
    if (conversion->left)
        put_repeated(output, ' ', padding);
}

static void put_number(struct output *output, const struct conversion *conversion, uint64_t value,
                       unsigned base)
{
    char digits[20];
    size_t first = sizeof(digits);

    do {
        digits[--first] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    put_padded(output, conversion, digits + first, sizeof(digits) - first);
}

static const char *parse_number(const char *format, va_list *arguments, size_t *out_number)
{
    *out_number = 0;
    if (*format == '*') {
        int given = va_arg(*arguments, int);

        *out_number = given < 0 ? 0 : (size_t)given;
        return format + 1;
    }
    for (; *format >= '0' && *format <= '9'; format++)
        *out_number = *out_number * 10 + (size_t)(*format - '0');
    return format;
}

/* Flags, width, precision and size; the conversion's letter is what remains. */
static const char *parse_conversion(const char *format, va_list *arguments,
                                    struct conversion *conversion)
{
    *conversion = (struct conversion){ .precision = SIZE_MAX };
    for (;; format++) {
        if (*format == '-')
            conversion->left = true;
        else if (*format == '0')
            conversion->zeros = true;
        else
            break;
    }
    format = parse_number(format, arguments, &conversion->width);
    if (*format == '.')
        format = parse_number(format + 1, arguments, &conversion->precision);
    for (; *format == 'l' || *format == 'z'; format++)
        conversion->longs++;
    return format;
}

static void put_conversion(struct output *output, char letter, struct conversion *conversion,
                           va_list *arguments)
{
    char character;
    const char *text;
    int64_t number;

    switch (letter) {
    case 'd':
        number = conversion->longs ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);
        conversion->negative = number < 0;
        put_number(output, conversion, number < 0 ? -(uint64_t)number : (uint64_t)number, 10);
        break;
    case 'u':
    case 'x':
        put_number(output, conversion,
                   conversion->longs ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned),
                   letter == 'u' ? 10 : 16);
        break;
    case 'p':
        put(output, '0');
        put(output, 'x');
        put_number(output, conversion, (uintptr_t)va_arg(*arguments, void *), 16);
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        if (!text)
            text = "(null)";
        put_padded(output, conversion, text, strnlen(text, conversion->precision));
        break;
    case 'c':
        character = (char)va_arg(*arguments, int);
        put_padded(output, conversion, &character, 1);
        break;
    default:                /* %% and letters that mean nothing stand for themselves */
        put(output, letter);
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
            put(&output, *format);
            continue;
        }
        format = parse_conversion(format + 1, &rest, &conversion);
        if (!*format)
            break;
        put_conversion(&output, *format, &conversion, &rest);
    }
    va_end(rest);
    if (size)
        buffer[output.length < size ? output.length : size - 1] = '\0';
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
