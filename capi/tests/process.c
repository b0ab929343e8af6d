/* SPDX-License-Identifier: MIT */
/* The library as a guest: fork, dlopen, output, threads, descriptors, memory. */
#include "support.h"

#include <dlfcn.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char *library;

static void nothing(void *p) { (void)p; }

static void count_destroy(void *p) { ADD(*(int *)p, 1); }

/* Runs in the child of a fork; the number of answers that are not HRM_ERR_FORKED. */
static int calls_in_child(hrm_manager *m)
{
    hrm_manager *other = (hrm_manager *)&other;
    hrm_error err = HRM_ERROR_INIT;
    hrm_stats_t st;
    size_t size = 0;
    int wrong = 0, gone = 0;
    int32_t yes = 1;
    st.struct_size = sizeof st;
    wrong += hrm_manager_create(NULL, &other, &err) != HRM_ERR_FORKED;
    wrong += other != NULL || err.code != HRM_ERR_FORKED || err.message[0] == 0;
    wrong += hrm_enable_hot_reload(m, "x", "/bin/sh", &err) != HRM_ERR_FORKED;
    wrong += hrm_enable_hot_reload_ex(m, "x", "/bin/sh", NULL, &err) != HRM_ERR_FORKED;
    wrong += hrm_disable_hot_reload(m, "p") != HRM_ERR_FORKED;
    wrong += hrm_is_hot_reload_enabled(m, "p") != 0;
    wrong += hrm_is_hot_reload_enabled_ex(m, "p", &yes, NULL) != HRM_ERR_FORKED || yes != 0;
    wrong += hrm_get_hot_reload_plugins(m, NULL, &size) != HRM_ERR_FORKED;
    wrong += hrm_clear(m) != HRM_ERR_FORKED;
    wrong += hrm_set_global_hot_reload_enabled(m, 0) != HRM_ERR_FORKED;
    wrong += hrm_is_global_hot_reload_enabled(m) != 0;
    wrong += hrm_is_global_hot_reload_enabled_ex(m, NULL, NULL) != HRM_ERR_FORKED;
    wrong += hrm_set_reload_callback(m, on_reload, &gone, count_destroy) != HRM_ERR_FORKED;
    wrong += hrm_set_event_callback(m, on_event, &gone, count_destroy) != HRM_ERR_FORKED;
    wrong += hrm_set_wakeup_callback(m, nothing, &gone, count_destroy) != HRM_ERR_FORKED;
    wrong += gone != 3;
    wrong += hrm_dispatch(m, 0, -1, &err) != HRM_ERR_FORKED;
    wrong += hrm_event_fd(m) != HRM_ERR_FORKED;
    wrong += hrm_stats(m, &st) != HRM_ERR_FORKED;
    wrong += hrm_manager_destroy(m) != HRM_ERR_FORKED;
    wrong += strcmp(hrm_version_string(), HRM_VERSION_STRING) != 0;
    wrong += strcmp(hrm_error_name(HRM_ERR_FORKED), "HRM_ERR_FORKED") != 0;
    return wrong;
}

static void fork_child_is_told(void)
{
    static recorder r;
    const char *f = in(scratch(), "plugin.so");
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    int status = -1;
    pid_t pid;
    write_version(f, 1);
    record_into(m, &r);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(10); /* a call that hangs must not hang the test */
        _exit(calls_in_child(m));
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    replace_version(f, 2); /* the parent is unaffected */
    CHECK_INT(hrm_dispatch(m, 1, PATIENCE, NULL), 1);
    CHECK_INT(hrm_dispatch(m, 1, PATIENCE, NULL), 1);
    CHECK_INT(count(&r, HRM_EVENT_FILE_CHANGED, "p"), 1);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

/* Descriptors that a program started by the host would inherit. */
static void nothing_is_inherited(void)
{
    hrm_manager *m[2];
    char path[64], target[64];
    int fd, before = fds_now(), inherited = 0;
    m[0] = manager(HRM_DISPATCH_MANUAL, 0);
    m[1] = manager(HRM_DISPATCH_THREAD, 0);
    CHECK_INT(hrm_enable_hot_reload(m[0], "p", "/bin/sh", NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m[1], "p", "/bin/sh", NULL), HRM_OK);
    CHECK(fds_now() > before);
    for (fd = 3; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);
        ssize_t n;
        if (flags == -1 || (flags & FD_CLOEXEC))
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = 0;
        if (strncmp(target, "anon_inode:", 11) == 0) /* what watchers and events are */
            inherited++;
    }
    CHECK_INT(inherited, 0);
    hrm_manager_destroy(m[0]);
    hrm_manager_destroy(m[1]);
}

static void loads_and_unloads(void)
{
    int i;
    for (i = 0; i < 20; i++) {
        void *so = dlopen(library, RTLD_NOW | RTLD_LOCAL);
        int32_t (*version)(void);
        CHECK(so != NULL);
        if (so == NULL)
            return;
        *(void **)&version = dlsym(so, "hrm_version_number");
        CHECK_INT(version(), HRM_VERSION_NUMBER);
        CHECK_INT(dlclose(so), 0);
    }
    /* Still loaded and alive. */
    CHECK_INT(hrm_manager_destroy(manager(HRM_DISPATCH_THREAD, 0)), HRM_OK);
}

/* One life of a manager, with something to tell. */
static void live(int i, const char *f)
{
    static recorder r;
    hrm_manager *m = manager(i % 2 ? HRM_DISPATCH_THREAD : HRM_DISPATCH_MANUAL, 0);
    r.n = 0;
    CHECK_INT(hrm_set_event_callback(m, on_event, &r, NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    if (i % 2 == 0)
        hrm_dispatch(m, 0, 0, NULL);
    replace_version(f, i);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

struct limits {
    int threads, fds;
};

static int within(void *arg)
{
    struct limits *l = arg;
    return threads_now() <= l->threads && fds_now() == l->fds;
}

#if defined(__SANITIZE_ADDRESS__)
static size_t heap(void) { return 0; } /* the sanitizer's own allocator */
#else
static size_t heap(void) { return mallinfo2().uordblks; }
#endif

static void nothing_is_left(void)
{
    static recorder r;
    const char *f = in(scratch(), "plugin.so");
    struct limits l;
    size_t before;
    int i;
    pthread_mutex_init(&r.mu, NULL);
    write_version(f, 1);
    for (i = 0; i < 50; i++) /* the Go runtime grows to its size */
        live(i, f);
    l.threads = threads_now() + 4; /* the runtime keeps a few for later */
    l.fds = fds_now();
    before = heap();
    for (i = 0; i < 200; i++)
        live(i, f);
    CHECK(wait_until(within, &l, PATIENCE));
    CHECK_INT(fds_now(), l.fds);
    CHECK(threads_now() <= l.threads);
    if (heap() > before + 16 * 1024) /* 200 tombstones of a handle, no more */
        CHECK_INT(heap() - before, 0);
}

/* Everything that a manager does; runs as a program of its own. */
static int work_quietly(void)
{
    const char *dir = scratch(), *f = in(dir, "f"), *large = in(dir, "large");
    int i, big = open(large, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    alarm(30);
    write_version(f, 1);
    if (big < 0 || ftruncate(big, 128 << 20) != 0)
        return 1;
    for (i = 0; i < 4; i++) {
        hrm_manager *m = manager(HRM_DISPATCH_MANUAL, i == 0 ? HRM_IGNORE_UNCHANGED_CONTENT : 0);
        hrm_enable_hot_reload(m, "p", f, NULL);
        if (i == 0) /* hashed: long enough for Go's scheduler to want the thread */
            hrm_enable_hot_reload(m, "large", large, NULL);
        hrm_enable_hot_reload(m, "p", "/nonexistent", NULL);
        replace_version(f, i);
        hrm_dispatch(m, 0, 3 * QUIET, NULL);
        hrm_manager_destroy(m);
        hrm_manager_destroy(m);
    }
    return 7;
}

/* Not even where variables ask the parts of the library for output, or are such
 * that Go's runtime ends the process: they are meant for others. */
static void prints_nothing(void)
{
    static const char *const variables[][2] = {
        {"FSNOTIFY_DEBUG", "1"},  {"GODEBUG", "inittrace=1,gctrace=1,schedtrace=5"},
        {"GOMEMLIMIT", "plenty"}, {"GOGC", "1"},
        {"GOMAXPROCS", "1000"},   {"GOTRACEBACK", "crash"},
    };
    const char *log = in(scratch(), "log");
    char said[200];
    ssize_t n;
    size_t i;
    int fd = open(log, O_RDWR | O_CREAT | O_CLOEXEC, 0600), status = -1;
    pid_t pid;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        dup2(fd, 1);
        dup2(fd, 2);
        for (i = 0; i < sizeof variables / sizeof *variables; i++)
            setenv(variables[i][0], variables[i][1], 1);
        execl("/proc/self/exe", "process", "--quietly", (char *)NULL);
        _exit(99);
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 7);
    n = pread(fd, said, sizeof said - 1, 0);
    said[n < 0 ? 0 : n] = 0;
    CHECK_STR(said, "");
    close(fd);
}

/* Without descriptors a manager is refused or polls, but the host lives on. */
static void no_descriptors_left(void)
{
    static recorder r;
    struct rlimit old, none;
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    const char *f = in(scratch(), "f");
    int32_t code;
    write_version(f, 1);
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = 3;
    o.dispatch_mode = HRM_DISPATCH_MANUAL; /* needs one for hrm_event_fd */
    setrlimit(RLIMIT_NOFILE, &none);
    code = hrm_manager_create(&o, &m, &err);
    setrlimit(RLIMIT_NOFILE, &old);
    CHECK_INT(code, HRM_ERR_NO_MEMORY);
    CHECK(m == NULL);
    CHECK_INT(err.code, HRM_ERR_NO_MEMORY);
    CHECK_INT(err.os_error, EMFILE);
    CHECK(err.message[0] != 0);
    m = manager(HRM_DISPATCH_MANUAL, 0);
    record_into(m, &r);
    setrlimit(RLIMIT_NOFILE, &none);
    code = hrm_enable_hot_reload(m, "p", f, &err);
    setrlimit(RLIMIT_NOFILE, &old);
    CHECK(code == HRM_OK || (code == HRM_ERR_NO_MEMORY && err.os_error == EMFILE));
    if (code != HRM_OK)
        CHECK_INT(hrm_enable_hot_reload(m, "p", f, &err), HRM_OK);
    CHECK_INT(hrm_dispatch(m, 1, PATIENCE, NULL), 1);
    replace_version(f, 2);
    CHECK_INT(hrm_dispatch(m, 1, PATIENCE, NULL), 1);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

/* A host that ends with a manager alive, and one that executes another program. */
static void ends_with_a_live_manager(void)
{
    int mode, status;
    for (mode = 0; mode < 3; mode++) {
        char number[24];
        pid_t pid;
        snprintf(number, sizeof number, "%d", mode);
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            execl("/proc/self/exe", "process", "--end", number, (char *)NULL);
            _exit(99);
        }
        status = -1;
        CHECK_INT(waitpid(pid, &status, 0), pid);
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 7);
    }
}

static int end_in(int mode)
{
    hrm_manager *m = manager(mode == 1 ? HRM_DISPATCH_MANUAL : HRM_DISPATCH_THREAD, 0);
    alarm(20);
    if (hrm_enable_hot_reload(m, "p", "/bin/sh", NULL) != HRM_OK)
        return 1;
    if (mode == 2)
        execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
    return 7;
}

/* SIGIO ends a process by default: nothing the library does may raise it. */
static int signals;
static void on_signal(int s)
{
    (void)s;
    ADD(signals, 1);
}

static void raises_no_signal(void)
{
    static recorder r;
    struct sigaction sa, old, before, after;
    const char *f = in(scratch(), "f");
    hrm_manager *m;
    int i;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = on_signal;
    sa.sa_flags = SA_ONSTACK | SA_RESTART;
    sigaction(SIGIO, &sa, &old);
    sigaction(SIGINT, NULL, &before);
    m = manager(HRM_DISPATCH_THREAD, 0);
    write_version(f, 1);
    record_into(m, &r);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    for (i = 2; i < 300; i++) { /* a writer that runs into the probe's lease */
        int fd = open(f, O_WRONLY | O_CLOEXEC);
        CHECK(fd >= 0);
        CHECK_INT(pwrite(fd, "BEGIN 1", 7, 0), 7);
        close(fd);
    }
    CHECK(await(&r, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(LOAD(signals), 0);
    sigaction(SIGIO, &old, NULL);
    sigaction(SIGINT, NULL, &after);
    CHECK(before.sa_handler == after.sa_handler);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--end") == 0)
        exit(end_in(argv[2][0] - '0'));
    if (argc == 2 && strcmp(argv[1], "--quietly") == 0)
        exit(work_quietly());
    library = argc > 1 ? argv[1] : "libhotreload.so";
    RUN(prints_nothing);
    RUN(fork_child_is_told);
    RUN(nothing_is_inherited);
    RUN(loads_and_unloads);
    RUN(nothing_is_left);
    RUN(raises_no_signal);
    RUN(no_descriptors_left);
    RUN(ends_with_a_live_manager);
    DONE();
}
