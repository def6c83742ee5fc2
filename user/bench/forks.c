/*
 * forks.c: fork, and what comes after it.
 */
#include "bench.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMES = 40 };

static struct samples samples;

static void fork_and_wait(const char *operation)
{
    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = instructions();
        int status;
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        require(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? OK : ERR_BAD_STATE,
                operation);
        sample(&samples, spent_since(begin));
    }
    report(operation, &samples, 1);
}

static void fork_with_memory(void)
{
    enum { SIZE = 16 << 20 };
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    require(memory != MAP_FAILED ? OK : ERR_NO_MEMORY, "memory");
    for (size_t i = 0; i < SIZE; i += PAGE_SIZE)
        memory[i] = 1;
    fork_and_wait("fork, exit and wait, 16 MiB touched");
    munmap(memory, SIZE);
}

static void fork_exec_and_wait(void)
{
    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = instructions();
        int status;
        pid_t pid = fork();

        if (pid == 0) {
            execlp("true", "true", NULL);
            _exit(127);
        }
        require(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? OK : ERR_BAD_STATE,
                "exec");
        sample(&samples, spent_since(begin));
    }
    report("fork, exec and wait, C program", &samples, 1);
}

int main(void)
{
    fork_and_wait("fork, exit and wait");
    fork_with_memory();
    fork_exec_and_wait();
    return 0;
}
