/*
 * boot.c: the program that is linked into the kernel and becomes the first process.
 *
 * The kernel knows no file formats: it hands us the boot archive and its command line, and we find
 * the first program in the one, named by `init=` in the other, and start it with the words that
 * follow the `--`.  When that program ends the machine is switched off with its exit code.
 *
 * It is mapped as it was linked (kern/sys/boot_program.S), so it is an ordinary program otherwise.
 */
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 256 };               /* as many as fit the command line of 511 characters */

static void power_off(int64_t code)
{
    fflush(stdout);
    sys_system_power(system_handle(), POWER_OFF, code & 0xff);
}

static void give_up(const char *path, const char *what)
{
    printf("quire: cannot start the first program, %s: %s\n"
           "quire: give the emulator a boot archive (-initrd, cpio newc) that holds sbin/init,\n"
           "quire: or name another program of the archive with init=\n", path, what);
    power_off(1);
}

/* What a status means here. */
static const char *reason(status_t status)
{
    const char *first;
    size_t length;
    uint64_t size;
    switch (status) {
    case ERR_NOT_FOUND:
        return initrd_entry(0, &first, &length, &size) == OK
                   ? "the boot archive does not hold it"
                   : "there is no boot archive, or it does not begin at a page";
    case ERR_IO_DATA_INTEGRITY:
        return "the boot archive is damaged";
    case ERR_INVALID_ARGS:
        return "it is not a program for this machine, or damaged";
    default:
        return status_text(status);
    }
}

/*
 * Take the command line apart: what the kernel's options say of the first program's path, and its
 * arguments from the first on, which the array has room for.
 */
static const char *parse(char *command_line, const char **arguments)
{
    const char *path = "sbin/init";
    bool options = true;
    for (char *word = strtok(command_line, " "); word != NULL; word = strtok(NULL, " ")) {
        if (!options)
            *arguments++ = word;
        else if (strcmp(word, "--") == 0)
            options = false;
        else if (strncmp(word, "init=", 5) == 0)
            path = word + 5;
    }
    return path;
}

/* A program is called by the last part of its path. */
static status_t start(const char *path, const char **arguments, handle_t *out_process)
{
    handle_t image;
    const char *slash = strrchr(path, '/');
    arguments[0] = slash != NULL ? slash + 1 : path;
    status_t status = initrd_open(path + (*path == '/'), &image);
    if (status != OK)
        return status;
    status = spawn(&(struct spawn_arguments){
        .image = image, .arguments = arguments, .descriptors = (const int[]){ -1 },
    }, out_process);
    sys_handle_close(image);
    return status;
}

int main(int argument_count, char **words)
{
    const char *arguments[WORDS_MAX] = { NULL };
    handle_t process;
    int64_t code;
    if (argument_count != 1)
        return 1;
    const char *path = parse(words[0], arguments + 1);
    status_t status = start(path, arguments, &process);
    if (status != OK)
        give_up(path, reason(status));
    status = process_wait(process, &code);
    if (status != OK)
        give_up(path, reason(status));
    printf("quire: the first program ended with code %lld: power off\n", (long long)code);
    power_off(code);
    return 1;
}
