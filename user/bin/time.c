/* time.c: run a command and say how long it took. */
#include <err.h>
#include <inttypes.h>
#include <quire.h>
#include <quire/tool.h>
#include <stdio.h>

int main(int argument_count, char **arguments)
{
    int64_t code = 0;
    if (argument_count < 2)
        return usage("time COMMAND [ARGUMENT...]");
    int64_t begin = sys_clock_get();
    status_t status = program_run((const char *const *)arguments + 1, &code);
    int64_t spent = sys_clock_get() - begin;
    if (status != OK) {
        warnx("%s: %s", arguments[1],
              status == ERR_NOT_FOUND ? "no such program" : status_text(status));
        return status == ERR_NOT_FOUND ? 127 : 126;
    }
    fprintf(stderr, "%" PRId64 ".%06" PRId64 " s\n", spent / 1000000000, spent / 1000 % 1000000);
    return code == EXIT_CODE_KILLED ? 137 : code == EXIT_CODE_FAULT ? 139 : code;
}
