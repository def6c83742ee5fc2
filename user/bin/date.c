/* date.c: the time of day (UTC), as the clock chip tells it. */
#include <quire.h>
#include <stdio.h>
#include <time.h>

int main(void)
{
    char text[64];
    struct tm parts;
    time_t now = sys_clock_wall() / 1000000000;
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &parts));
    printf("%s\n", text);
    return 0;
}
