/* env.c: print the environment, or run a command in another one: env [NAME=VALUE...] [COMMAND] */
#include <err.h>
#include <quire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argument_count, char **arguments)
{
    int64_t code = 0;
    int i = 1;
    for (; i < argument_count && strchr(arguments[i], '=') != NULL; i++) {
        *strchr(arguments[i], '=') = 0;
        if (setenv(arguments[i], arguments[i] + strlen(arguments[i]) + 1, 1) != 0)
            err(1, "%s", arguments[i]);
    }
    if (i == argument_count) {
        for (char **variable = environ; *variable != NULL; variable++)
            puts(*variable);
        return 0;
    }
    status_t status = program_run((const char *const *)arguments + i, &code);
    if (status != OK)
        errx(status == ERR_NOT_FOUND ? 127 : 126, "%s: %s", arguments[i], status_text(status));
    return code;
}
