/*
 * ktap.c: main of every test program.
 *
 * TEST puts a record into the section quire_tests, and the linker marks where it begins and ends: that is
 * the list of cases.  Each runs with a jump buffer behind it, so that a check that fails in the depth of
 * a helper ends the case.  The exit code is 1 if a case failed.
 *
 * Locks: none; `failed` is atomic because other threads may set it.
 */
#include <quire/test.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#define REASON_LENGTH 400

extern const struct test_case __start_quire_tests[], __stop_quire_tests[];

int test_argument_count;
char **test_arguments;

static jmp_buf end_of_case;
static _Thread_local bool owns_case;    /* true in the thread that runs the cases */
static atomic_int failed;
static const char *skipped;
static char reason[REASON_LENGTH];      /* of the first failure */

void test_failed(const char *file, int line, const char *format, ...)
{
    char text[REASON_LENGTH];
    va_list arguments;
    int used = snprintf(text, sizeof text, "%s:%d: ", file, line);

    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    va_end(arguments);

    if (atomic_exchange(&failed, 1))
        printf("# and then %s\n", text);
    else
        snprintf(reason, sizeof reason, "%s", text);
    if (owns_case)
        longjmp(end_of_case, 1);
}

void test_skip(const char *why)
{
    skipped = why;
    longjmp(end_of_case, 1);
}

static bool run_case(size_t number, const struct test_case *test)
{
    failed = 0;
    skipped = NULL;
    reason[0] = '\0';
    if (setjmp(end_of_case) == 0)
        test->run();

    if (failed)
        printf("not ok %zu - %s # %s\n", number, test->name, reason);
    else if (skipped)
        printf("ok %zu - %s # SKIP %s\n", number, test->name, skipped);
    else
        printf("ok %zu - %s\n", number, test->name);
    fflush(stdout);
    return !failed;
}

int main(int argc, char **argv)
{
    size_t count = (size_t)(__stop_quire_tests - __start_quire_tests);
    size_t failures = 0;

    test_argument_count = argc;
    test_arguments = argv;
    if (argc > 1 && test_helper)
        return test_helper(argc, argv);

    owns_case = true;
    printf("KTAP version 1\n1..%zu\n", count);
    for (size_t i = 0; i < count; i++)
        if (!run_case(i + 1, &__start_quire_tests[i]))
            failures++;
    return failures > 0;
}
