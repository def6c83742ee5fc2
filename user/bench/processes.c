/*
 * processes.c: starting and ending threads and programs.
 */
#include "bench.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMES = 101 };

static struct samples samples;

/* --- Threads. --- */

static void do_nothing(void *argument)
{
    (void)argument;
}

static void create_and_join(void)
{
    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = instructions();
        handle_t thread;

        require(quire_thread_create(do_nothing, NULL, &thread), "thread");
        require(quire_thread_join(thread), "join");
        sample(&samples, spent_since(begin));
    }
    report("thread create and join", &samples, 1);
}

/* --- Programs. --- */

/* The least that is a program: it exits with code 0. */
struct minimal_file {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    uint32_t code[3];
};

static handle_t minimal_program(void)
{
    struct minimal_file file = {
        .header = {
            .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
            .e_type = ET_EXEC, .e_machine = 243, .e_version = EV_CURRENT,
            .e_entry = USER_BASE + offsetof(struct minimal_file, code),
            .e_phoff = offsetof(struct minimal_file, segment), .e_ehsize = sizeof(Elf64_Ehdr),
            .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1,
        },
        .segment = {
            .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = USER_BASE, .p_align = PAGE_SIZE,
            .p_filesz = sizeof file, .p_memsz = sizeof file,
        },
        .code = { 0x00000513, 0x01200293, 0x00000073 },     /* li a0, 0; li t0, 0x12; ecall */
    };
    handle_t vmo;

    require(sys_vmo_create(sizeof file, 0, &vmo), "create");
    require(sys_vmo_write(vmo, 0, &file, 0, sizeof file), "write");
    return vmo;
}

static void spawn_and_wait(handle_t image, const char *name, const char *operation)
{
    const char *arguments[] = { name, NULL };

    for (int i = 0; i < TIMES; i++) {
        struct spawn_arguments how = { .image = image, .arguments = arguments };
        uint64_t begin = instructions();
        handle_t process;
        int64_t code;

        require(spawn(&how, &process), "spawn");
        require(process_wait(process, &code), "wait");
        sample(&samples, spent_since(begin));
        require(code == 0 ? OK : ERR_BAD_STATE, name);
    }
    report(operation, &samples, 1);
}

static void run_by_name(void)
{
    const char *arguments[] = { "true", NULL };

    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = instructions();
        int64_t code;

        require(program_run(arguments, &code), "run");
        sample(&samples, spent_since(begin));
    }
    report("find, spawn and wait, C program", &samples, 1);
}

/* --- Copies of this process. --- */

int main(void)
{
    handle_t image;

    create_and_join();
    spawn_and_wait(minimal_program(), "minimal", "spawn and wait, minimal program");
    require(program_open("true", &image), "open");
    spawn_and_wait(image, "true", "spawn and wait, C program");
    run_by_name();
    return 0;
}
