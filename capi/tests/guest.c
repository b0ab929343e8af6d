/*
 * The library in hosts that load it at run time. This program is not linked to
 * it: each test is a process of its own that loads it when its host is ready.
 *   guest libhotreload.so second.so
 */
#include "check.h"
#include "hot_reload_manager.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int check_bad, check_passed, check_failed;

static const char *library, *second;
static char dir[64], file[128];

/* The functions that the tests use, found by name. */
#define FUNCTIONS(F)                                                                                                  \
    F(hrm_manager_create)                                                                                             \
    F(hrm_manager_destroy)                                                                                            \
    F(hrm_enable_hot_reload)                                                                                          \
    F(hrm_set_reload_callback)                                                                                        \
    F(hrm_dispatch)                                                                                                   \
    F(hrm_stats)                                                                                                      \
    F(hrm_is_hot_reload_enabled)                                                                                      \
    F(hrm_version_number)
#define DECLARE(f) static __typeof__(f) *p_##f;
FUNCTIONS(DECLARE)

static void *load_as(int flags)
{
    void *so = dlopen(library, flags);
    if (so == NULL) {
        printf("   %s\n", dlerror());
        check_bad++;
        return NULL;
    }
#define FIND(f) *(void **)&p_##f = dlsym(so, #f);
    FUNCTIONS(FIND)
    return so;
}

static void load(void) { load_as(RTLD_NOW | RTLD_LOCAL); }

static void write_file(const char *text)
{
    char spare[160];
    int fd;
    snprintf(spare, sizeof spare, "%s.new", file);
    fd = open(spare, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0 || rename(spare, file) != 0)
        abort();
}

static int is_open(void *told) { return __atomic_load_n((int *)told, __ATOMIC_SEQ_CST) != 0; }

static int wait_for(int (*holds)(void *), void *arg)
{
    int i;
    for (i = 0; i < 4000 && !holds(arg); i++)
        poll(NULL, 0, 2);
    return holds(arg);
}

static void on_reload(const char *id, void *told)
{
    (void)id;
    __atomic_add_fetch((int *)told, 1, __ATOMIC_SEQ_CST);
}

/* One manager from beginning to end, with a change told on the library's thread. */
static void use(void)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    int told = 0;
    o.quiet_ms = 10;
    write_file("one");
    CHECK_INT(p_hrm_manager_create(&o, &m, &err), HRM_OK);
    CHECK_STR(err.message, "");
    CHECK_INT(p_hrm_set_reload_callback(m, on_reload, &told, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, &err), HRM_OK);
    write_file("another");
    CHECK(wait_for(is_open, &told));
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

/* Runs a test in a process of its own; it must end by itself, with success. */
static void apart(void (*test)(void))
{
    int status = -1;
    pid_t pid;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        check_bad = 0;
        test();
        fflush(stdout);
        exit(check_bad != 0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        CHECK_STR(strsignal(WTERMSIG(status)), "an end by itself");
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}
#define APART(test)                                                                                                   \
    static void test##_(void);                                                                                        \
    static void test(void) { apart(test##_); }                                                                        \
    static void test##_(void)

/* ------------------------------------------------------- loading, unloading */

APART(a_hundred_times_loaded_and_unloaded)
{
    int i;
    for (i = 0; i < 100; i++) {
        void *so = load_as(i % 2 ? RTLD_NOW : RTLD_LAZY);
        CHECK_INT(p_hrm_version_number(), HRM_VERSION_NUMBER);
        if (i % 10 == 0)
            use();
        CHECK_INT(dlclose(so), 0);
    }
    use(); /* it stays */
}

static void *load_and_unload(void *arg)
{
    int i;
    (void)arg;
    for (i = 0; i < 20; i++) {
        void *so = dlopen(library, RTLD_NOW);
        if (so == NULL)
            return "not loaded";
        dlclose(so);
    }
    return NULL;
}

APART(loaded_by_threads_that_end)
{
    pthread_t t[8];
    void *said;
    int i;
    for (i = 0; i < 8; i++)
        CHECK_INT(pthread_create(&t[i], NULL, load_and_unload, NULL), 0);
    for (i = 0; i < 8; i++) {
        pthread_join(t[i], &said);
        CHECK(said == NULL);
    }
    load();
    use();
}

APART(unloaded_with_a_live_manager)
{
    hrm_manager *m = NULL;
    int told = 0;
    void *so = load_as(RTLD_NOW);
    write_file("one");
    CHECK_INT(p_hrm_manager_create(NULL, &m, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_reload_callback(m, on_reload, &told, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, NULL), HRM_OK);
    CHECK_INT(dlclose(so), 0);
    write_file("another");
    CHECK(wait_for(is_open, &told));
    load();
    CHECK_INT(p_hrm_is_hot_reload_enabled(m, "p"), 1);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

APART(forked_before_it_is_loaded)
{
    int i;
    for (i = 0; i < 3; i++) { /* each in a process of its own, as worker processes do */
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            load();
            use();
            exit(check_bad != 0);
        }
        CHECK_INT(waitpid(pid, &status, 0), pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    load();
    use();
}

/* ------------------------------------------------------- another Go library */

static void *work_of_second(void *arg)
{
    int (*work)(int) = 0, i;
    *(void **)&work = arg;
    for (i = 0; i < 20; i++)
        if (work(50) != 50 * (200 + 64 + 1))
            return "wrong";
    return NULL;
}

static void two_go_libraries(int ours_first, int flags)
{
    pthread_t t[2];
    void *other, *said, *work;
    int i;
    if (ours_first)
        load_as(flags);
    other = dlopen(second, flags);
    CHECK(other != NULL);
    if (!ours_first)
        load_as(flags);
    work = other == NULL ? NULL : dlsym(other, "second_work");
    CHECK(work != NULL);
    if (check_bad)
        return;
    for (i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&t[i], NULL, work_of_second, work), 0);
    for (i = 0; i < 5; i++)
        use();
    for (i = 0; i < 2; i++) {
        pthread_join(t[i], &said);
        CHECK(said == NULL);
    }
    use();
}

APART(a_second_go_library_after) { two_go_libraries(1, RTLD_NOW | RTLD_LOCAL); }
APART(a_second_go_library_before) { two_go_libraries(0, RTLD_NOW | RTLD_LOCAL); }
APART(a_second_go_library_global) { two_go_libraries(1, RTLD_NOW | RTLD_GLOBAL); }

/* ------------------------------------------------------------------ signals */

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
    CHECK(wait_for(is_open, &told));
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
    CHECK(wait_for(is_open, &told));
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
    CHECK(wait_for(is_open, &told));
    CHECK_INT(told, 1);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

/* ------------------------------------------------------------------- limits */

static void count_destroy(void *p) { ++*(int *)p; }

/* What a library says that could not start; the host lives. */
static void refused(const char *says)
{
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = (hrm_manager *)&m;
    int gone = 0;
    hrm_stats_t st;
    memset(&st, 0, sizeof st);
    st.struct_size = sizeof st;
    CHECK_INT(p_hrm_manager_create(NULL, &m, &err), HRM_ERR_NO_MEMORY);
    CHECK(m == NULL);
    CHECK_HAS(err.message, says);
    CHECK_INT(p_hrm_enable_hot_reload((hrm_manager *)&m, "p", file, &err), HRM_ERR_NO_MEMORY);
    CHECK_INT(p_hrm_set_reload_callback((hrm_manager *)&m, on_reload, &gone, count_destroy), HRM_ERR_NO_MEMORY);
    CHECK_INT(gone, 1);
    CHECK_INT(p_hrm_stats((hrm_manager *)&m, &st), HRM_ERR_NO_MEMORY);
    CHECK_INT(p_hrm_manager_destroy(NULL), HRM_OK);
}

APART(loaded_without_address_space)
{
    struct rlimit few = {300u << 20, 300u << 20};
    CHECK_INT(setrlimit(RLIMIT_AS, &few), 0);
    load();
    refused("RLIMIT_AS");
}

/* Root is not held to RLIMIT_NPROC. */
static void become_nobody(void)
{
    if (geteuid() == 0 && (chown(dir, 65534, 65534) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
        abort();
}

static void no_more_threads(int none)
{
    struct rlimit l;
    getrlimit(RLIMIT_NPROC, &l);
    l.rlim_cur = none ? 1 : l.rlim_max;
    if (setrlimit(RLIMIT_NPROC, &l) != 0)
        abort();
}

APART(loaded_without_threads)
{
    become_nobody();
    no_more_threads(1);
    load();
    refused("RLIMIT_NPROC");
}

static void slow_reload(const char *id, void *told)
{
    poll(NULL, 0, 30); /* long enough for the runtime to want another thread */
    on_reload(id, told);
}

static void *raise_limit(void *arg)
{
    (void)arg;
    poll(NULL, 0, 600);
    no_more_threads(0);
    return NULL;
}

static int ten(void *told) { return __atomic_load_n((int *)told, __ATOMIC_SEQ_CST) >= 10; }

/* When threads run out later the library is slow, and then goes on. */
APART(threads_run_out_and_come_back)
{
    enum { MANAGERS = 10 };
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_manager *m[MANAGERS];
    pthread_t helper;
    int told = 0, i;
    become_nobody();
    load();
    write_file("one");
    o.quiet_ms = 10;
    for (i = 0; i < MANAGERS; i++) {
        CHECK_INT(p_hrm_manager_create(&o, &m[i], NULL), HRM_OK);
        CHECK_INT(p_hrm_set_reload_callback(m[i], slow_reload, &told, NULL), HRM_OK);
        CHECK_INT(p_hrm_enable_hot_reload(m[i], "p", file, NULL), HRM_OK);
    }
    CHECK_INT(pthread_create(&helper, NULL, raise_limit, NULL), 0);
    no_more_threads(1);
    write_file("another");
    CHECK(wait_for(ten, &told));
    pthread_join(helper, NULL);
    for (i = 0; i < MANAGERS; i++)
        CHECK_INT(p_hrm_manager_destroy(m[i]), HRM_OK);
    use();
}

/* ------------------------------------------------------------------- stacks */

static void *use_on_thread(void *arg)
{
    (void)arg;
    use();
    return NULL;
}

static void *load_on_thread(void *arg)
{
    load();
    return use_on_thread(arg);
}

static void on_stack_of(size_t size, void *(*run)(void *))
{
    pthread_attr_t a;
    pthread_t t;
    pthread_attr_init(&a);
    CHECK_INT(pthread_attr_setstacksize(&a, size), 0);
    CHECK_INT(pthread_create(&t, &a, run, NULL), 0);
    pthread_join(t, NULL);
}

APART(threads_with_small_stacks)
{
    size_t size;
    on_stack_of(64 * 1024, load_on_thread);
    for (size = 32 * 1024; size <= 128 * 1024; size *= 2)
        on_stack_of(size, use_on_thread);
}

static int remove_scratch(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    library = argv[1];
    second = argv[2];
    snprintf(dir, sizeof dir, "/tmp/hotreload-guest-XXXXXX");
    if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0)
        return 2;
    snprintf(file, sizeof file, "%s/plugin", dir);
    RUN(a_hundred_times_loaded_and_unloaded);
    RUN(loaded_by_threads_that_end);
    RUN(unloaded_with_a_live_manager);
    RUN(forked_before_it_is_loaded);
    RUN(a_second_go_library_after);
    RUN(a_second_go_library_before);
    RUN(a_second_go_library_global);
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
    RUN(loaded_without_address_space);
    RUN(threads_with_small_stacks);
    /* As another user, who owns the directory from then on. */
    RUN(loaded_without_threads);
    RUN(threads_run_out_and_come_back);
    if (remove_scratch() != 0)
        return 2;
    DONE();
}
