/* poweroff.c: switch the machine off; its exit status is the argument, or 0. */
#include <err.h>
#include <quire.h>
#include <stdlib.h>

int main(int argument_count, char **arguments)
{
    int code = argument_count > 1 ? atoi(arguments[1]) : 0;
    status_t status = sys_system_power(system_handle(), POWER_OFF, code);
    errx(1, "%s", status_text(status));
}
