/* kill.c: end processes by their koid, as ps shows it; -0 only asks whether they are there. */
#include <err.h>
#include <quire/tool.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int main(int argument_count, char **arguments)
{
    int code = 0, first = 1, signal = SIGKILL;
    if (argument_count > 1 && arguments[1][0] == '-') {
        signal = strcmp(arguments[1], "-0") == 0 ? 0 : SIGKILL;
        first = 2;
    }
    if (first >= argument_count)
        return usage("kill [-SIGNAL] KOID...");
    for (int i = first; i < argument_count; i++) {
        char *end;
        unsigned long number = strtoul(arguments[i], &end, 10);
        if (*end != 0 || number == 0 || number > INT32_MAX) {
            warnx("%s: not a koid", arguments[i]);
            code = 1;
        } else if (kill(number, signal) != 0) {
            warn("%s", arguments[i]);
            code = 1;
        }
    }
    return code;
}
