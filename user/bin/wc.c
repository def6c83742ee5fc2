/* wc.c: count lines, words and bytes of files, or of standard input: wc [-lwc] [FILE...]. */
#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <quire/tool.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct counts {
    uint64_t lines, words, bytes;
};

static char block[16384];
static bool show_lines, show_words, show_bytes;
static struct counts total;

static void print(const struct counts *counts, const char *name)
{
    const char *space = "";
    if (show_lines)
        printf("%" PRIu64, counts->lines), space = " ";
    if (show_words)
        printf("%s%" PRIu64, space, counts->words), space = " ";
    if (show_bytes)
        printf("%s%" PRIu64, space, counts->bytes);
    printf(strcmp(name, "-") == 0 ? "\n" : " %s\n", name);
}

static int count(int descriptor, const char *name)
{
    struct counts counts = { 0 };
    bool in_word = false;
    ssize_t length;
    while ((length = read(descriptor, block, sizeof block)) > 0) {
        counts.bytes += length;
        for (ssize_t i = 0; i < length; i++) {
            bool blank = isspace((unsigned char)block[i]);
            counts.lines += block[i] == '\n';
            counts.words += !blank && !in_word;
            in_word = !blank;
        }
    }
    if (length < 0) {
        warn("%s", name);
        return 1;
    }
    print(&counts, name);
    total.lines += counts.lines;
    total.words += counts.words;
    total.bytes += counts.bytes;
    return 0;
}

int main(int argument_count, char **arguments)
{
    int option;
    while ((option = getopt(argument_count, arguments, "lwc")) != -1) {
        switch (option) {
        case 'l': show_lines = true; break;
        case 'w': show_words = true; break;
        case 'c': show_bytes = true; break;
        default:  return usage("wc [-lwc] [FILE...]");
        }
    }
    if (!show_lines && !show_words && !show_bytes)
        show_lines = show_words = show_bytes = true;
    int code = each_file(arguments + optind, count);
    if (argument_count - optind > 1)
        print(&total, "total");
    return code;
}
