/* SPDX-License-Identifier: MIT */
/* The library as a guest: processes that its host makes, files under fire, roots
 * and mounts. (process.c: descriptors, threads, output; guest.c, signals.c: hosts that load it.) */
#include "support.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

/* What a child may see; safe to run in the child of any thread. */
static int answers_in_child(hrm_manager *m)
{
    hrm_manager *other = NULL;
    hrm_error err = HRM_ERROR_INIT;
    int wrong = 0;
    wrong += hrm_manager_create(NULL, &other, &err) != HRM_ERR_FORKED;
    wrong += hrm_enable_hot_reload(m, "x", "/bin/sh", &err) != HRM_ERR_FORKED;
    wrong += hrm_is_hot_reload_enabled_ex(m, "p", NULL, NULL) != HRM_ERR_FORKED;
    wrong += hrm_dispatch(m, 0, -1, &err) != HRM_ERR_FORKED;
    wrong += hrm_manager_destroy(m) != HRM_ERR_FORKED;
    return wrong;
}

static int ended_well(pid_t pid)
{
    int status = -1;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A whole life; also what programs that the host starts do. */
static int whole_life(const char *f, int mode)
{
    hrm_manager *m = manager(mode, 0);
    hrm_error err = HRM_ERROR_INIT;
    static recorder r;
    int ok;
    memset(&r, 0, sizeof r);
    write_version(f, 1);
    record_into(m, &r);
    ok = hrm_enable_hot_reload(m, "p", f, &err) == HRM_OK;
    if (!ok)
        printf("   %s\n", err.message);
    replace_version(f, 2);
    if (mode == HRM_DISPATCH_MANUAL)
        while (ok && count(&r, HRM_EVENT_FILE_CHANGED, "p") == 0)
            ok = hrm_dispatch(m, 1, PATIENCE, &err) == 1;
    else
        ok = ok && await(&r, HRM_EVENT_FILE_CHANGED, "p", 1);
    ok = ok && nth(&r, HRM_EVENT_FILE_CHANGED, "p", 0).version == 2;
    return hrm_manager_destroy(m) == HRM_OK && ok;
}

/* ------------------------------------------------------------------- forks */

static void forked_before_there_is_a_manager(void)
{
    pid_t pid;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(20);
        _exit(answers_in_child((hrm_manager *)&pid));
    }
    CHECK(ended_well(pid));
    CHECK(whole_life(in(scratch(), "f"), HRM_DISPATCH_THREAD));
}

/* Past the C library's fork handlers, and children of children. */
static void children_of_every_kind(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    pid_t pid;
    fflush(stdout);
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
    pid = _Fork();
    if (pid == 0) {
        alarm(20);
        _exit(answers_in_child(m));
    }
    CHECK(ended_well(pid));
#endif
    pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        alarm(20);
        _exit(answers_in_child(m));
    }
    CHECK(ended_well(pid));
    pid = fork();
    if (pid == 0) {
        pid = fork();
        if (pid == 0) {
            alarm(20);
            _exit(answers_in_child(m));
        }
        _exit(ended_well(pid) ? 0 : 1);
    }
    CHECK(ended_well(pid));
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

static int stop;

static void *hammer(void *arg)
{
    hrm_manager *m = arg;
    const char *f = in(scratch(), "hammered");
    int v = 1;
    write_version(f, v);
    while (!LOAD(stop)) {
        char id[24];
        snprintf(id, sizeof id, "%ld", syscall(SYS_gettid));
        hrm_enable_hot_reload(m, id, f, NULL);
        write_version(f, ++v);
        hrm_is_hot_reload_enabled(m, id);
        hrm_disable_hot_reload(m, id);
    }
    return NULL;
}

static void *fork_often(void *arg)
{
    intptr_t bad = 0;
    int i;
    for (i = 0; i < 60; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20); /* a call that hangs must not hang the test */
            if (answers_in_child(arg) != 0)
                _exit(1);
            if (i % 2)
                _exit(0);
            exit(0); /* with what runs at exit */
        }
        bad += !ended_well(pid);
    }
    return (void *)bad;
}

/* Children made by several threads while others are inside the library. */
static void forks_under_load(void)
{
    static recorder r;
    hrm_manager *m = manager(HRM_DISPATCH_THREAD, 0);
    pthread_t busy[3], forking[2];
    void *bad;
    int i;
    record_into(m, &r);
    STORE(stop, 0);
    fflush(stdout);
    for (i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&busy[i], NULL, hammer, m), 0);
    for (i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&forking[i], NULL, fork_often, m), 0);
    for (i = 0; i < 2; i++) {
        pthread_join(forking[i], &bad);
        CHECK(bad == NULL);
    }
    STORE(stop, 1);
    for (i = 0; i < 3; i++)
        pthread_join(busy[i], NULL);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK(whole_life(in(scratch(), "f"), HRM_DISPATCH_THREAD));
}

/* Every way to start a program, each using the library itself, beside a live manager. */
static void programs_are_started(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_THREAD, 0);
    char self[512] = "", command[1024];
    const char *f = in(scratch(), "f"), *g = in(scratch(), "g");
    char *const argv[] = {"manners", "--whole", (char *)g, NULL};
    FILE *p;
    pid_t pid;
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    write_version(f, 1);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    fflush(stdout);
    CHECK_INT(posix_spawn(&pid, self, NULL, NULL, argv, environ), 0);
    CHECK(ended_well(pid));
    pid = vfork();
    if (pid == 0) {
        execv(self, argv);
        _exit(99);
    }
    CHECK(ended_well(pid));
    pid = fork();
    if (pid == 0) {
        execv(self, argv);
        _exit(99);
    }
    CHECK(ended_well(pid));
    snprintf(command, sizeof command, "'%s' --whole '%s'", self, g);
    CHECK_INT(system(command), 0);
    p = popen(command, "r");
    CHECK(p != NULL && pclose(p) == 0);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "p"), 1);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

/* ---------------------------------------------------- files under fire */

static int signalled;
static void on_signal(int s)
{
    (void)s;
    ADD(signalled, 1);
}

enum { OPENINGS = 25000 };

/* Counts into shared memory, so that a writer can be another process. */
struct writer {
    const char *file;
    int opened, failed, stop;
};

static void *write_often(void *arg)
{
    struct writer *w = arg;
    int i, pause = 0;
    while (!LOAD(w->stop) && !w->failed) {
        int fd = open(w->file, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || pwrite(fd, "BEGIN 1", 7, 0) != 7 || close(fd) != 0)
            STORE(w->failed, 1);
        for (i = 0; i < pause; i++) /* closed for long enough that there is a lease to run into */
            LOAD(w->stop);
        pause = (pause * 7 + 11) % 16384;
        ADD(w->opened, 1);
    }
    return NULL;
}

static int all_opened(void *arg)
{
    struct writer *w = arg;
    return LOAD(w->opened) >= OPENINGS || LOAD(w->failed);
}

/* Every notification that is read makes the library look at the file. */
static int often_probed(void *m)
{
    hrm_stats_t st;
    memset(&st, 0, sizeof st);
    st.struct_size = sizeof st;
    return hrm_stats(m, &st) == HRM_OK && st.notifications >= 5000;
}

/* The children of a host that forks meanwhile have the probe's descriptor, too,
 * and with it the lease if that is not given back by name. */
enum { CHILDREN = 40 };

static void stay(pid_t *child, int n)
{
    int i;
    for (i = 0; i < n; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            alarm(100);
            for (;;)
                pause();
        }
    }
}

struct last {
    const char *file;
    int version;
};

static void note_last(const char *id, void *arg)
{
    struct last *last = arg;
    if (strcmp(id, "p7") == 0)
        STORE(last->version, read_version(last->file));
}

static int is_version_2(void *arg) { return LOAD(((struct last *)arg)->version) == 2; }

/* Writers that run into the probe's lease as often as can be: they go on at once,
 * although the kernel would let them wait for /proc/sys/fs/lease-break-time, and
 * the host gets none of the signals by which the kernel reports it. */
static void writers_in_a_tight_loop(void)
{
    struct last last = {NULL, 0};
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_manager *m = NULL;
    struct sigaction sa, old[65];
    const char *f = in(scratch(), "f");
    char id[16];
    pthread_t t;
    struct writer *other = mmap(NULL, sizeof *other, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct writer mine = {f, 0, 0, 0};
    int i, s;
    pid_t pid, child[CHILDREN];
    CHECK(other != MAP_FAILED);
    *other = mine;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = on_signal;
    sa.sa_flags = SA_ONSTACK | SA_RESTART;
    for (s = 1; s < 65; s++)
        if (s == SIGIO || s == SIGURG || s >= SIGRTMIN)
            sigaction(s, &sa, &old[s]);
    write_version(f, 1);
    o.quiet_ms = HRM_NO_QUIET; /* a probe at every notification */
    CHECK_INT(hrm_manager_create(&o, &m, NULL), HRM_OK);
    last.file = f;
    CHECK_INT(hrm_set_reload_callback(m, note_last, &last, NULL), HRM_OK);
    for (i = 0; i < 200; i++) { /* after every close the file is probed that often */
        snprintf(id, sizeof id, "p%d", i);
        CHECK_INT(hrm_enable_hot_reload(m, id, f, NULL), HRM_OK);
    }
    fflush(stdout);
    stay(child, CHILDREN);
    pid = fork(); /* a writer is another process, then it is a thread of this */
    if (pid == 0) {
        write_often(other);
        _exit(0);
    }
    CHECK(wait_until(all_opened, other, 4 * PATIENCE)); /* one opening held up is 45 s */
    STORE(other->stop, 1);
    CHECK(ended_well(pid));
    CHECK_INT(pthread_create(&t, NULL, write_often, &mine), 0);
    CHECK(wait_until(all_opened, &mine, 4 * PATIENCE));
    CHECK(wait_until(often_probed, m, 4 * PATIENCE));
    STORE(mine.stop, 1);
    pthread_join(t, NULL);
    for (i = 0; i < CHILDREN; i++)
        CHECK(kill(child[i], SIGKILL) == 0 && waitpid(child[i], NULL, 0) == child[i]);
    CHECK_INT(other->failed + mine.failed, 0);
    munmap(other, sizeof *other);
    write_version(f, 2);
    CHECK(wait_until(is_version_2, &last, PATIENCE));
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(LOAD(signalled), 0);
    for (s = 1; s < 65; s++)
        if (s == SIGIO || s == SIGURG || s >= SIGRTMIN)
            sigaction(s, &old[s], NULL);
}

/* ------------------------------------------------------------------ limits */

/* Whatever number of descriptors is left: a manager that works, or a clear no. */
static void few_descriptors(void)
{
    struct rlimit old, few;
    int next, spare, before = fds_now(), refused = 0, made = 0;
    getrlimit(RLIMIT_NOFILE, &old);
    next = dup(0);
    close(next);
    for (spare = 0; spare < 10; spare++) {
        hrm_options o = HRM_OPTIONS_INIT;
        hrm_error err = HRM_ERROR_INIT;
        hrm_manager *m = NULL;
        int32_t code;
        few = old;
        few.rlim_cur = (rlim_t)(next + spare);
        o.dispatch_mode = HRM_DISPATCH_MANUAL;
        setrlimit(RLIMIT_NOFILE, &few);
        code = hrm_manager_create(&o, &m, &err);
        setrlimit(RLIMIT_NOFILE, &old);
        if (code != HRM_OK) {
            refused++;
            CHECK_INT(code, HRM_ERR_NO_MEMORY);
            CHECK_INT(err.os_error, EMFILE);
            CHECK_HAS(err.message, "descriptor");
        } else
            made += hrm_manager_destroy(m) == HRM_OK;
        CHECK_INT(fds_now(), before);
    }
    CHECK(refused > 0);
    CHECK(made > 0);
}

/* --------------------------------------------------- another root, another mount */

/* Runs this program with arguments, as root of a user namespace if need be. */
static int as_root(const char *options, const char *script, const char *dir)
{
    char self[512] = "", command[2048];
    if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0)
        return -1;
    snprintf(command, sizeof command, "self='%s'; dir='%s'; export self dir; exec unshare %s%s sh -c '%s'", self, dir,
             geteuid() == 0 ? "" : "-r ", options, script);
    fflush(stdout);
    return system(command);
}

static void in_a_chroot(void)
{
    /* Without /proc, /sys and /dev. */
    CHECK_INT(as_root("-m", "exec \"$self\" --chroot \"$dir\"", scratch()), 0);
}

static int live_in(const char *dir)
{
    if (chroot(dir) != 0 || chdir("/") != 0)
        return 1;
    return whole_life("/plugin.so", HRM_DISPATCH_MANUAL) && whole_life("plugin.so", HRM_DISPATCH_MANUAL) ? 0 : 2;
}

static void on_a_read_only_file_system(void)
{
    CHECK_INT(as_root("-m", "mkdir \"$dir/rw\" \"$dir/ro\" && mount --bind \"$dir/rw\" \"$dir/ro\" && "
                            "mount -o remount,bind,ro \"$dir/ro\" && exec \"$self\" --read-only \"$dir\"", scratch()), 0);
}

/* The file is seen through a read-only mount, and changed through another. */
static int watch_read_only(const char *dir)
{
    static recorder r;
    const char *seen = in(dir, "ro/plugin.so"), *changed = in(dir, "rw/plugin.so");
    hrm_manager *m = manager(HRM_DISPATCH_THREAD, 0);
    int v, ok = open(seen, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) == -1 && errno == EROFS;
    write_version(changed, 1);
    record_into(m, &r);
    ok = ok && hrm_enable_hot_reload(m, "p", seen, NULL) == HRM_OK;
    for (v = 2; ok && v < 5; v++) {
        replace_version(changed, v);
        ok = await(&r, HRM_EVENT_FILE_CHANGED, "p", v - 1) && nth(&r, HRM_EVENT_FILE_CHANGED, "p", v - 2).version == v;
    }
    ok = ok && count(&r, HRM_EVENT_HEALTH, NULL) == 0;
    return hrm_manager_destroy(m) == HRM_OK && ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--whole") == 0)
        exit(whole_life(argv[2], HRM_DISPATCH_THREAD) ? 0 : 1);
    if (argc == 3 && strcmp(argv[1], "--chroot") == 0)
        exit(live_in(argv[2]));
    if (argc == 3 && strcmp(argv[1], "--read-only") == 0)
        exit(watch_read_only(argv[2]));
    RUN(forked_before_there_is_a_manager);
    RUN(children_of_every_kind);
    RUN(forks_under_load);
    RUN(programs_are_started);
    RUN(writers_in_a_tight_loop);
    RUN(few_descriptors);
    RUN(in_a_chroot);
    RUN(on_a_read_only_file_system);
    DONE();
}
