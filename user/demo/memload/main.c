/*
 * main.c: memload: more memory than there is, in several processes, every word of it verified.
 *
 * Each process has a part of the memory and goes through the phases with it, for some rounds or seconds.  With swap space (swapon) that may be
 * much more than the machine has.  -n: beside a process whose pager never answers; -o: at the end there must not be more objects than before.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memload.h"

enum { PROCESSES_MAX = 15, PHASES_MAX = 16, OBJECT_TYPES = 16, REST = 10000000 };
#define SECOND   1000000000l
#define PATIENCE (60 * SECOND)

static struct {
    uint64_t processes, mib, rounds, seconds, seed;
    bool silent, objects;
    const struct phase *phases[PHASES_MAX];
    size_t phase_count;
} plan = { .processes = 4, .mib = 256, .rounds = 1, .seed = 1 };

static int print_usage(void)
{
    fprintf(stderr, "usage: memload [-no] [-p PROCESSES] [-m MIB] [-r ROUNDS] [-t SECONDS] [-s SEED] [PHASE...]\n"
                    "MIB: of all processes; ROUNDS of all phases, or as many as fit in SECONDS\n"
                    "-n: beside a pager that never answers; -o: no object may be left over\n");
    for (const struct phase *phase = phases; phase->name; phase++)
        fprintf(stderr, "%8s  %s\n", phase->name, phase->what);
    return 2;
}

static bool add_phase(const char *name)
{
    for (const struct phase *phase = phases; phase->name && plan.phase_count < PHASES_MAX; phase++) {
        if (strcmp(phase->name, name) == 0) {
            plan.phases[plan.phase_count++] = phase;
            return true;
        }
    }
    return false;
}

static bool read_arguments(int count, char **arguments)
{
    int option;
    while ((option = getopt(count, arguments, "nop:m:r:t:s:")) != -1) {
        switch (option) {
        case 'n': plan.silent = true; break;
        case 'o': plan.objects = true; break;
        case 'p': plan.processes = strtoul(optarg, NULL, 10); break;
        case 'm': plan.mib = strtoul(optarg, NULL, 10); break;
        case 'r': plan.rounds = strtoul(optarg, NULL, 10); break;
        case 't': plan.seconds = strtoul(optarg, NULL, 10); break;
        case 's': plan.seed = strtoul(optarg, NULL, 10); break;
        default: return false;
        }
    }
    for (; optind < count; optind++)
        if (!add_phase(arguments[optind]))
            return false;
    if (plan.phase_count == 0)
        return add_phase("write") && add_phase("read") && add_phase("random");
    return plan.processes > 0 && plan.processes <= PROCESSES_MAX && plan.mib >= plan.processes &&
           plan.mib / plan.processes < 4096;
}

static void work(uint32_t number)
{
    int64_t end = sys_clock_get() + (int64_t)plan.seconds * SECOND;
    struct area area;
    area_create(&area, number, plan.mib * (1 << 20) / PAGE_SIZE / plan.processes, plan.seed << 32);
    for (uint64_t round = 0; plan.seconds > 0 ? round == 0 || sys_clock_get() < end : round < plan.rounds; round++)
        for (size_t i = 0; i < plan.phase_count; i++)
            plan.phases[i]->run(&area);
    printf("memload %" PRIu32 ": %" PRIu64 " pages verified, %" PRIu64 " written\n", number, area.verified, area.written);
}

/* False: one of them found something wrong, or died. */
static bool run_processes(void)
{
    int processes[PROCESSES_MAX], status;
    bool good = true;
    for (uint64_t i = 0; i < plan.processes; i++) {
        fflush(stdout);
        processes[i] = fork();
        if (processes[i] < 0)
            err(1, "fork");
        if (processes[i] == 0) {
            work((uint32_t)i + 1);
            exit(0);
        }
    }
    for (uint64_t i = 0; i < plan.processes; i++) {
        if (waitpid(processes[i], &status, 0) != processes[i])
            err(1, "wait");
        if (status == 0)
            continue;
        fprintf(stderr, "memload: process %" PRIu64 " ended with status %#x\n", i + 1, (unsigned)status);
        good = false;
    }
    return good;
}

static info_system_t system_now(void)
{
    info_system_t info;
    require(sys_object_get_info(system_handle(), INFO_SYSTEM, &info, sizeof info, NULL, NULL), "ask for the system");
    return info;
}

/* Processes that have ended, also those of before, go a little later. */
static bool no_more_objects_than(const info_system_t *before)
{
    int64_t end = sys_clock_get() + PATIENCE;
    info_system_t now;
    int type;
    do {
        now = system_now();
        for (type = 0; type < OBJECT_TYPES && now.objects[type] <= before->objects[type]; type++)
            ;
        if (type == OBJECT_TYPES)
            return true;
        sys_nanosleep(sys_clock_get() + REST);
    } while (sys_clock_get() < end);
    fprintf(stderr, "memload: objects of type %d: %" PRIu64 ", before %" PRIu64 "\n", type, now.objects[type],
            before->objects[type]);
    return false;
}

/* What the library makes for fork and wait stays: it is there before anything is counted. */
static void fork_once(void)
{
    int process = fork();
    if (process == 0)
        _exit(0);
    wait_for_success(process, "an empty process");
}

int main(int argument_count, char **arguments)
{
    int silent = 0, end = 0;
    if (!read_arguments(argument_count, arguments))
        return print_usage();
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    fork_once();
    info_system_t before = system_now();
    if (plan.silent)
        silent_start(&silent, &end);
    bool good = run_processes();
    if (plan.silent)
        silent_stop(silent, end);
    if (plan.objects)
        good &= no_more_objects_than(&before);
    printf("memload: %s\n", good ? "every word was right" : "FAILED");
    return good ? 0 : 1;
}
