/* kill.c: send signals to processes by their koid, as ps shows it; -0 only asks whether they are there. */
#include <err.h>
#include <quire/tool.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

int main(int argument_count, char **arguments)
{
    int code = 0, first = 1, number = SIGTERM;
    if (argument_count > 1 && arguments[1][0] == '-') {
        number = signal_number(arguments[1] + 1);
        first = 2;
    }
    if (number < 0 || first >= argument_count)
        return usage("kill [-SIGNAL] KOID...");
    for (int i = first; i < argument_count; i++) {
        char *end;
        unsigned long koid = strtoul(arguments[i], &end, 10);
        if (*end != 0 || koid == 0 || koid > INT32_MAX) {
            warnx("%s: not a koid", arguments[i]);
            code = 1;
        } else if (kill(koid, number) != 0) {
            warn("%s", arguments[i]);
            code = 1;
        }
    }
    return code;
}
