/* SPDX-License-Identifier: MIT */
/* A crash in the host's code, inside a callback or outside, stays the host's: the
 * process ends by the same signal as without the library, nothing is printed, and a
 * handler of the host sees the fault first, once, and on the thread that it happened on. */
#include "loaded.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---------------------------------------------------- how a host can crash -- */

static volatile int *volatile nowhere;
static volatile int zero;

static void write_to_nowhere(void) { *nowhere = 1; }

static void write_behind_a_file(void)
{
    char name[160];
    volatile char *p;
    int fd;
    snprintf(name, sizeof name, "%s/empty", dir);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    *p = 1;
}

static void divide_by_zero(void)
{
#if defined(__x86_64__) || defined(__i386__)
    volatile int dividend = 7;
    zero = dividend / zero;
#else
    raise(SIGFPE); /* not every processor has a fault for it */
#endif
}

static void run_no_instruction(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("ud2");
#else
    raise(SIGILL);
#endif
}

static void run_a_breakpoint(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("int3");
#else
    raise(SIGTRAP);
#endif
}

static int deeper(volatile char *above)
{
    volatile char here[4096];
    here[0] = above[0];
    return here[0] == 0 ? 0 : deeper(here) + here[0]; /* never 0 */
}

static void overflow_the_stack(void)
{
    volatile char start = 1;
    zero = deeper(&start);
}

static void be_sent_a_fault(void) { kill(getpid(), SIGSEGV); }
static void raise_a_fault(void) { raise(SIGBUS); }

static const struct crash {
    const char *name;
    void (*happen)(void);
    int signal;
} crashes[] = {
    {"a write to NULL", write_to_nowhere, SIGSEGV},
    {"a write behind the end of a mapped file", write_behind_a_file, SIGBUS},
    {"a division by zero", divide_by_zero, SIGFPE},
    {"an illegal instruction", run_no_instruction, SIGILL},
    {"a breakpoint without a debugger", run_a_breakpoint, SIGTRAP},
    {"abort()", abort, SIGABRT},
    {"a stack overflow", overflow_the_stack, SIGSEGV},
    {"kill(getpid(), SIGSEGV)", be_sent_a_fault, SIGSEGV},
    {"raise(SIGBUS)", raise_a_fault, SIGBUS},
};
enum { CRASHES = sizeof crashes / sizeof *crashes };

/* ---------------------------------------------------------- where it crashes -- */

static const struct crash *crash;
static volatile int waiting = 1;

static void on_change(const char *id, void *user_data)
{
    (void)id, (void)user_data;
    crash->happen();
    while (waiting) /* kill() is for the process: any thread may die of it */
        pause();
}

static void in_callback(int mode)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_manager *m = NULL;
    o.quiet_ms = 10;
    o.dispatch_mode = mode;
    write_file("one");
    p_hrm_manager_create(&o, &m, NULL);
    p_hrm_set_reload_callback(m, on_change, NULL, NULL);
    p_hrm_enable_hot_reload(m, "p", file, NULL);
    write_file("another");
    if (mode == HRM_DISPATCH_MANUAL)
        p_hrm_dispatch(m, 0, 20000, NULL);
    while (waiting)
        pause();
}

static void in_callback_of_library_thread(void) { in_callback(HRM_DISPATCH_THREAD); }
static void in_callback_of_dispatch(void) { in_callback(HRM_DISPATCH_MANUAL); }
static void outside_callbacks(void)
{
    use();
    on_change(NULL, NULL);
}

/* ------------------------------------------------------------------- the tests -- */

enum handler { NONE, BEFORE, AFTER, IGNORED, ONCE };

static void note(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (signal == crash->signal && info->si_signo == signal)
        (void)!write(2, "!", 1);
    _exit(42);
}

static void note_and_return(int signal)
{
    (void)!write(2, signal == crash->signal ? "!" : "?", 1);
}

static void set_for_faults(void (*handler)(int), int flags)
{
    struct sigaction sa;
    size_t i;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = handler;
    sa.sa_flags = flags;
    for (i = 0; i < CRASHES; i++)
        sigaction(crashes[i].signal, &sa, NULL);
}

static void handle_faults(void)
{
    static char stack[65536];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa;
    size_t i;
    sigaltstack(&own, NULL);
    memset(&sa, 0, sizeof sa);
    sa.sa_sigaction = note;
    sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (i = 0; i < CRASHES; i++)
        sigaction(crashes[i].signal, &sa, NULL);
}

/* One crash in a process of its own. */
static void crashes_so(const struct crash *how, void (*where)(void), const char *place, enum handler handler)
{
    char said[4096];
    ssize_t n, all = 0;
    int ends[2], status = -1, bad = check_bad;
    pid_t pid;
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0}, small = {1 << 20, 1 << 20};
        setrlimit(RLIMIT_CORE, &none);
        setrlimit(RLIMIT_STACK, &small);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        alarm(60);
        crash = how;
        if (handler == BEFORE)
            handle_faults();
        if (handler == IGNORED)
            set_for_faults(SIG_IGN, 0);
        if (handler == ONCE)
            set_for_faults(note_and_return, (int)SA_RESETHAND);
        load();
        if (handler == AFTER)
            handle_faults();
        where();
        _exit(1);
    }
    close(ends[1]);
    while (all < (ssize_t)sizeof said - 1 && (n = read(ends[0], said + all, sizeof said - 1 - (size_t)all)) > 0)
        all += n;
    said[all] = 0;
    close(ends[0]);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    if (handler != BEFORE && handler != AFTER) {
        CHECK(WIFSIGNALED(status));
        CHECK_INT(WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status), how->signal);
        CHECK_STR(said, handler == ONCE ? "!" : "");
    } else {
        CHECK(WIFEXITED(status));
        CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), 42);
        CHECK_STR(said, "!");
    }
    if (check_bad != bad)
        printf("   with %s, %s\n", how->name, place);
}

static void everywhere(enum handler handler)
{
    size_t i;
    for (i = 0; i < CRASHES; i++) {
        crashes_so(&crashes[i], in_callback_of_library_thread, "in a callback on the library's thread", handler);
        crashes_so(&crashes[i], in_callback_of_dispatch, "in a callback of hrm_dispatch", handler);
        crashes_so(&crashes[i], outside_callbacks, "outside callbacks", handler);
    }
}

static void a_crash_ends_the_process_by_its_own_signal(void) { everywhere(NONE); }
static void a_handler_installed_before_loading_sees_the_crash_once(void) { everywhere(BEFORE); }
static void a_handler_installed_after_loading_sees_the_crash_once(void) { everywhere(AFTER); }

/* The kernel lets no process ignore a fault, and forgets the handler of one that
 * is for the first only. What the system does with others needs no library. */
static void where_faults_happen(const char *which, enum handler handler)
{
    size_t i;
    for (i = 0; i < CRASHES; i++)
        if (strcmp(crashes[i].name, which) == 0) {
            crashes_so(&crashes[i], in_callback_of_library_thread, "in a callback on the library's thread", handler);
            crashes_so(&crashes[i], in_callback_of_dispatch, "in a callback of hrm_dispatch", handler);
            crashes_so(&crashes[i], outside_callbacks, "outside callbacks", handler);
        }
}

static void a_crash_ends_a_process_that_ignores_the_signal(void)
{
    where_faults_happen("a write to NULL", IGNORED);
    where_faults_happen("a write behind the end of a mapped file", IGNORED);
    where_faults_happen("a division by zero", IGNORED);
}

static void a_handler_for_the_first_crash_only_sees_it_and_the_second_ends_the_process(void)
{
    where_faults_happen("a write to NULL", ONCE);
    where_faults_happen("a write behind the end of a mapped file", ONCE);
    where_faults_happen("a division by zero", ONCE);
}

static void a_fault_that_is_sent_to_a_process_that_ignores_it_is_ignored(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        signal(SIGSEGV, SIG_IGN);
        load();
        use();
        kill(getpid(), SIGSEGV);
        raise(SIGSEGV);
        _exit(42);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), 42);
}

/* As with a garbage collector or an interpreter that probes memory. */
static jmp_buf before_probe;

static void leave_probe(int signal)
{
    sigset_t mask;
    (void)signal;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (sigismember(&mask, SIGSEGV) || sigismember(&mask, SIGUSR1) || !sigismember(&mask, SIGUSR2))
        _exit(3);
    _longjmp(before_probe, 1);
}

static void probe_often(const char *id, void *user_data)
{
    volatile int left = 100;
    (void)id, (void)user_data;
    while (_setjmp(before_probe), left-- > 0)
        *nowhere = 1;
}

static void a_handler_runs_with_the_signal_mask_that_it_was_installed_with(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        struct sigaction sa;
        hrm_options o = HRM_OPTIONS_INIT;
        hrm_manager *m = NULL;
        alarm(60);
        memset(&sa, 0, sizeof sa);
        sa.sa_handler = leave_probe;
        sa.sa_flags = SA_NODEFER;
        sigaddset(&sa.sa_mask, SIGUSR2);
        sigaction(SIGSEGV, &sa, NULL);
        load();
        probe_often(NULL, NULL);
        o.quiet_ms = 10;
        o.dispatch_mode = HRM_DISPATCH_MANUAL;
        write_file("one");
        p_hrm_manager_create(&o, &m, NULL);
        p_hrm_set_reload_callback(m, probe_often, NULL, NULL);
        p_hrm_enable_hot_reload(m, "p", file, NULL);
        write_file("another");
        _exit(p_hrm_dispatch(m, 0, 20000, NULL) == 1 ? 42 : 1);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), 42);
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    RUN(a_crash_ends_the_process_by_its_own_signal);
    RUN(a_handler_installed_before_loading_sees_the_crash_once);
    RUN(a_handler_installed_after_loading_sees_the_crash_once);
    RUN(a_crash_ends_a_process_that_ignores_the_signal);
    RUN(a_handler_for_the_first_crash_only_sees_it_and_the_second_ends_the_process);
    RUN(a_fault_that_is_sent_to_a_process_that_ignores_it_is_ignored);
    RUN(a_handler_runs_with_the_signal_mask_that_it_was_installed_with);
    finish();
    DONE();
}
