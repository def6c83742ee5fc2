/* reboot.c: start the machine again. */
#include <err.h>
#include <quire.h>

int main(void)
{
    status_t status = sys_system_power(system_handle(), POWER_REBOOT, 0);
    errx(1, "%s", status_text(status));
}
