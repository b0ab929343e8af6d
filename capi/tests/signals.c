/* SPDX-License-Identifier: MIT */
/* The signals of a host that loads the library are the host's. */
#include "loaded.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int owned[] = {SIGINT, SIGSEGV, SIGCHLD, SIGPROF, SIGURG, SIGTERM, SIGHUP, SIGUSR1, 34 /* SIGRTMIN */, SIGIO, SIGALRM, SIGPIPE};
enum { OWNED = sizeof owned / sizeof *owned };
static int got[65];
static int wrong_thread; /* a signal that a thread of the library took */
static __thread int of_the_host;

static void note_signal(int s)
{
    __atomic_add_fetch(&got[s], 1, __ATOMIC_SEQ_CST);
    if (!of_the_host)
        wrong_thread = s;
}

static sigjmp_buf back;
static void on_fault(int s)
{
    __atomic_add_fetch(&got[s], 1, __ATOMIC_SEQ_CST);
    siglongjmp(back, 1);
}

static void own(int flags)
{
    struct sigaction sa;
    int i;
    of_the_host = 1;
    memset(&sa, 0, sizeof sa);
    sa.sa_flags = flags;
    sigfillset(&sa.sa_mask); /* a dozen nested in each other need more than a signal stack has */
    for (i = 0; i < OWNED; i++) {
        sa.sa_handler = owned[i] == SIGSEGV ? on_fault : note_signal;
        sigaction(owned[i], &sa, NULL);
    }
}

static void still_owned(int except_segv)
{
    struct sigaction sa;
    int i;
    for (i = 0; i < OWNED; i++) {
        sigaction(owned[i], NULL, &sa);
        if (owned[i] == SIGSEGV && except_segv)
            continue; /* the runtime's own, which hands on what is not its fault */
        CHECK(sa.sa_handler == (owned[i] == SIGSEGV ? on_fault : note_signal));
    }
}

static volatile int *volatile nowhere;

/* A fault in the host's code reaches the host's handler. */
static void fault_in_host(void)
{
    int before = got[SIGSEGV];
    if (sigsetjmp(back, 1) == 0)
        *nowhere = 1;
    CHECK_INT(got[SIGSEGV], before + 1);
}

static int got_any(void *signal) { return __atomic_load_n(&got[*(int *)signal], __ATOMIC_SEQ_CST) != 0; }

/* Signals to the whole process, from outside, while the library works. */
static void storm(void)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_manager *m = NULL;
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    int told = 0, i, round, status;
    pid_t pid, me = getpid();
    sigset_t all, none;
    o.quiet_ms = 10;
    write_file("one");
    sigfillset(&all); /* inside callbacks, too: they have the mask of the creator */
    pthread_sigmask(SIG_SETMASK, &all, &none);
    CHECK_INT(p_hrm_manager_create(&o, &m, NULL), HRM_OK);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    CHECK_INT(p_hrm_set_reload_callback(m, on_reload, &told, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, NULL), HRM_OK);
    memset(got, 0, sizeof got);
    setitimer(ITIMER_PROF, &often, NULL);
    pid = fork();
    if (pid == 0) {
        for (round = 0; round < 200; round++)
            for (i = 0; i < OWNED; i++)
                if (owned[i] != SIGSEGV && owned[i] != SIGPROF)
                    kill(me, owned[i]);
        _exit(0);
    }
    for (round = 0; round < 50; round++) {
        char text[32];
        snprintf(text, sizeof text, "version %d", round);
        write_file(text);
        fault_in_host();
        CHECK_INT(p_hrm_is_hot_reload_enabled(m, "p"), 1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    for (i = 0; i < OWNED; i++)
        if (owned[i] != SIGPROF)
            CHECK(wait_for(got_any, (void *)&owned[i]));
    setitimer(ITIMER_PROF, &never, NULL);
    CHECK(wait_for(is_told, &told));
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(wrong_thread, 0);
}

static void owner_before(int flags)
{
    own(flags);
    fault_in_host();
    load();
    use();
    still_owned(1);
    storm();
    still_owned(1);
}
APART(host_has_handlers_before) { owner_before(SA_RESTART); }
APART(host_has_handlers_before_with_onstack) { owner_before(SA_RESTART | SA_ONSTACK); }

/* Installed after loading, over the runtime's own for faults, too. */
static void owner_after(int flags)
{
    load();
    use();
    own(flags);
    storm();
    still_owned(0);
}
APART(host_has_handlers_after) { owner_after(SA_RESTART); }
APART(host_has_handlers_after_with_onstack) { owner_after(SA_RESTART | SA_ONSTACK); }

/* Handlers that the host left as they were, it finds as they were. */
APART(default_and_ignored_stay_so)
{
    struct sigaction before[65], after;
    int s, ends[2], status;
    pid_t pid;
    signal(SIGHUP, SIG_IGN);
    for (s = 1; s < 65; s++)
        sigaction(s, NULL, &before[s]);
    load();
    use();
    for (s = 1; s < 65; s++) {
        if (s == SIGSEGV || s == SIGBUS || s == SIGFPE || sigaction(s, NULL, &after) != 0)
            continue; /* Go's, for faults */
        if (after.sa_handler != before[s].sa_handler)
            CHECK_INT(s, 0);
    }
    /* A writer into a closed pipe ends, as programs in a shell's pipeline must. */
    CHECK_INT(pipe(ends), 0);
    close(ends[0]);
    pid = fork();
    if (pid == 0)
        _exit(write(ends[1], "x", 1) < 0 ? 1 : 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

/* A crash of the host is the host's: the signal it dies of is the real one. */
APART(a_crash_stays_a_crash)
{
    int status;
    pid_t pid;
    load();
    use();
    pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        *nowhere = 1;
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* A host that blocks its signals everywhere and takes them with sigwait. */
static sigset_t in_callback;
static void note_mask(const char *id, void *told)
{
    pthread_sigmask(SIG_SETMASK, NULL, &in_callback);
    on_reload(id, told);
}

APART(host_that_blocks_signals)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_manager *m = NULL;
    sigset_t mine, now;
    int told = 0, taken = 0, s;
    struct timespec patience = {20, 0};
    load(); /* linked programs load it before main */
    sigemptyset(&mine);
    sigaddset(&mine, SIGTERM);
    sigaddset(&mine, SIGINT);
    sigaddset(&mine, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &mine, NULL);
    o.quiet_ms = 10;
    write_file("one");
    CHECK_INT(p_hrm_manager_create(&o, &m, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_reload_callback(m, note_mask, &told, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, NULL), HRM_OK);
    CHECK_INT(kill(getpid(), SIGTERM), 0); /* would end the process on a thread that does not block it */
    write_file("another");
    CHECK(wait_for(is_told, &told));
    taken = sigtimedwait(&mine, NULL, &patience);
    CHECK_INT(taken, SIGTERM);
    for (s = 1; s < 65; s++)
        if (s != 32 && s != 33)
            CHECK_INT(sigismember(&in_callback, s), sigismember(&mine, s));
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    CHECK_INT(sigismember(&now, SIGTERM), 1);
    CHECK_INT(sigismember(&now, SIGQUIT), 0);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

/* SIGCHLD with nothing to handle it: whichever thread takes it drops it. */
APART(children_awaited_by_signalfd)
{
    hrm_manager *m = NULL;
    struct signalfd_siginfo info;
    struct pollfd p;
    sigset_t mine;
    int i, status;
    load();
    sigemptyset(&mine);
    sigaddset(&mine, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &mine, NULL);
    CHECK_INT(p_hrm_manager_create(NULL, &m, NULL), HRM_OK);
    p.fd = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
    p.events = POLLIN;
    for (i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (poll(&p, 1, 8000) != 1) {
            CHECK(!"a child's end was lost");
            break;
        }
        CHECK(read(p.fd, &info, sizeof info) == (ssize_t)sizeof info);
        CHECK_INT(waitpid(pid, &status, 0), pid);
    }
    close(p.fd);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

/* All threads but this one: they block all that the C library does not keep for
 * itself, except faults. A thread of Go's that is just ending is open to signal
 * 34 as well, which musl keeps (runtime.sigsetAllExiting), and soon gone. */
struct threads {
    int others;
    unsigned long long taken; /* by one of them */
};

static int all_blocked(void *arg)
{
    static const int kept[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSTKFLT, SIGKILL, SIGSTOP, 32, 33};
    struct threads *t = arg;
    unsigned long long open_to = 0, blocked;
    struct dirent *e;
    char line[256];
    size_t i;
    DIR *d = opendir("/proc/self/task");
    for (i = 0; i < sizeof kept / sizeof *kept; i++)
        open_to |= 1ull << (kept[i] - 1);
    t->others = 0;
    t->taken = 0;
    while ((e = readdir(d)) != NULL) {
        FILE *f;
        if (atoi(e->d_name) == 0 || atoi(e->d_name) == getpid())
            continue;
        snprintf(line, sizeof line, "/proc/self/task/%.20s/status", e->d_name);
        f = fopen(line, "r");
        while (f != NULL && fgets(line, sizeof line, f) != NULL)
            if (sscanf(line, "SigBlk: %llx", &blocked) == 1) {
                t->others++;
                t->taken |= ~(blocked | open_to);
            }
        if (f != NULL)
            fclose(f);
    }
    closedir(d);
    return t->taken == 0;
}

APART(library_threads_take_no_signals)
{
    hrm_manager *m = NULL;
    struct threads t;
    load();
    use();
    CHECK_INT(p_hrm_manager_create(NULL, &m, NULL), HRM_OK);
    wait_for(all_blocked, &t);
    CHECK_INT(t.taken, 0);
    CHECK(t.others > 1);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

/* What a callback starts does not inherit the blocked signals of its thread. */
static void start_program(const char *id, void *told)
{
    pid_t pid = fork();
    int status = -1;
    (void)id;
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "kill -TERM $$; exit 9", (char *)NULL);
        _exit(99);
    }
    waitpid(pid, &status, 0);
    __atomic_store_n((int *)told, status == SIGTERM ? 1 : -1, __ATOMIC_SEQ_CST);
}

APART(programs_started_in_a_callback_can_be_ended)
{
    hrm_manager *m = NULL;
    int told = 0;
    load();
    write_file("one");
    CHECK_INT(p_hrm_manager_create(NULL, &m, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_reload_callback(m, start_program, &told, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, NULL), HRM_OK);
    write_file("another");
    CHECK(wait_for(is_told, &told));
    CHECK_INT(told, 1);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    RUN(host_has_handlers_before);
    RUN(host_has_handlers_before_with_onstack);
    RUN(host_has_handlers_after);
    RUN(host_has_handlers_after_with_onstack);
    RUN(default_and_ignored_stay_so);
    RUN(a_crash_stays_a_crash);
    RUN(host_that_blocks_signals);
    RUN(children_awaited_by_signalfd);
    RUN(library_threads_take_no_signals);
    RUN(programs_started_in_a_callback_can_be_ended);
    finish();
    DONE();
}
