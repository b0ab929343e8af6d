/* SPDX-License-Identifier: MIT */
/* The library loaded and unloaded, beside another Go library, in processes with
 * small stacks, and few threads, and little memory. */
#include "loaded.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
    CHECK(wait_for(is_told, &told));
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

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu", &pages) != 1)
        abort();
    fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static int managed_or_refused(hrm_manager **m, const hrm_options *o)
{
    hrm_error err = HRM_ERROR_INIT;
    int32_t code = p_hrm_manager_create(o, m, &err);
    if (code == HRM_OK)
        code = p_hrm_enable_hot_reload(*m, "p", file, &err);
    if (code != HRM_OK) {
        CHECK_INT(code, HRM_ERR_NO_MEMORY);
        CHECK_HAS(err.message, "RLIMIT_");
    }
    return code == HRM_OK;
}

/* Whatever is left: a manager or a clear no, and what runs already runs on. */
APART(address_space_runs_out_later)
{
    static const int mib_left[] = {0, 1, 8, 64, 120, 140, 200, 400, 2000};
    enum { TIMES = sizeof mib_left / sizeof *mib_left, MANAGERS = 10 };
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_manager *first = NULL;
    int told = 0, refused = 0, made = 0, i, n;
    struct rlimit old, few;
    load();
    write_file("one");
    o.quiet_ms = 10;
    CHECK_INT(p_hrm_manager_create(&o, &first, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_reload_callback(first, on_reload, &told, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(first, "p", file, NULL), HRM_OK);
    getrlimit(RLIMIT_AS, &old);
    for (i = 0; i < TIMES; i++) {
        hrm_manager *m[MANAGERS] = {NULL};
        char text[32];
        few = old;
        few.rlim_cur = address_space() + ((rlim_t)mib_left[i] << 20);
        CHECK_INT(setrlimit(RLIMIT_AS, &few), 0);
        for (n = 0; n < MANAGERS; n++)
            if (managed_or_refused(&m[n], &o))
                made++;
            else
                refused++;
        snprintf(text, sizeof text, "version %d", i);
        write_file(text);
        for (n = 0; n < MANAGERS; n++)
            CHECK_INT(p_hrm_manager_destroy(m[n]), HRM_OK);
        setrlimit(RLIMIT_AS, &old);
        CHECK(wait_for(is_told, &told));
        __atomic_store_n(&told, 0, __ATOMIC_SEQ_CST);
    }
    CHECK(refused > 0);
    CHECK(made > 0);
    CHECK_INT(p_hrm_manager_destroy(first), HRM_OK);
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

static int few_threads;

/* A user of its own: the limit is for all processes of one. */
APART(loaded_with_few_threads)
{
    uid_t own = geteuid() == 0 ? 1000000 + (uid_t)getpid() : geteuid();
    struct rlimit l = {few_threads, few_threads};
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    hrm_options o = HRM_OPTIONS_INIT;
    int32_t code;
    if (geteuid() == 0 && (chown(dir, own, own) != 0 || setgid(own) != 0 || setuid(own) != 0))
        abort();
    if (setrlimit(RLIMIT_NPROC, &l) != 0)
        abort();
    load();
    o.quiet_ms = 10;
    code = p_hrm_manager_create(&o, &m, &err); /* must return */
    CHECK(code == HRM_OK || code == HRM_ERR_NO_MEMORY);
    if (code != HRM_OK) {
        CHECK_HAS(err.message, "RLIMIT_NPROC");
        CHECK(m == NULL);
        CHECK(p_hrm_is_hot_reload_enabled_ex(m, "p", NULL, &err) < 0);
    } else {
        write_file("one");
        CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, NULL), HRM_OK);
        CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
    }
    printf("   %d threads: %d\n", few_threads, code);
}

static void loaded_with_two_to_twelve_threads(void)
{
    for (few_threads = 2; few_threads <= 12; few_threads++)
        loaded_with_few_threads();
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

static void on_event(const hrm_event *ev, void *told)
{
    if (ev->kind == HRM_EVENT_FILE_CHANGED)
        on_reload(ev->plugin_id, told);
}

static int32_t on_candidate(const hrm_candidate *c, char *reason, size_t room, void *told)
{
    (void)reason, (void)room;
    on_reload(c->plugin_id, told);
    return HRM_ACCEPT;
}

/* What a host can have called, with callbacks that need next to no stack. */
static void *call_all(void *arg)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_safe_options so = HRM_SAFE_OPTIONS_INIT;
    hrm_enable_options eo = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    hrm_stats_t st;
    size_t size = 0;
    int reloads = 0, events = 0, candidates = 0, pokes = 0, gone = 0;
    char snapshots[96];
    (void)arg;
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", dir);
    memset(&st, 0, sizeof st);
    st.struct_size = sizeof st;
    o.dispatch_mode = HRM_DISPATCH_MANUAL;
    o.quiet_ms = 10;
    o.safe = &so;
    o.snapshot_dir = snapshots;
    write_file("one");
    CHECK_INT(p_hrm_manager_create(&o, &m, &err), HRM_OK);
    CHECK_INT(p_hrm_set_reload_callback(m, on_reload, &reloads, count_destroy), HRM_OK);
    CHECK_INT(p_hrm_set_reload_callback(m, on_reload, &reloads, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_event_callback(m, on_event, &events, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_validator(m, on_candidate, &candidates, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_wakeup_callback(m, count_destroy, &pokes, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, &err), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload_ex(m, "q", file, &eo, &err), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "r", "/nonexistent", &err), HRM_ERR_FILE_NOT_FOUND);
    CHECK_INT(p_hrm_is_hot_reload_enabled(m, "q"), 1);
    CHECK_INT(p_hrm_get_hot_reload_plugins(m, NULL, &size), 2);
    CHECK_INT(p_hrm_set_global_hot_reload_enabled(m, 1), HRM_OK);
    CHECK_INT(p_hrm_is_global_hot_reload_enabled(m), 1);
    CHECK(p_hrm_event_fd(m) >= 0);
    CHECK(wait_for(is_told, &pokes)); /* a dispatch that waits already is not poked */
    write_file("another");
    while (events < 2 && p_hrm_dispatch(m, 0, 20000, &err) > 0)
        ;
    CHECK_INT(events, 2);
    CHECK(reloads >= 2 && candidates >= 2);
    CHECK_INT(p_hrm_report_reload(m, "p", 1, HRM_RELOAD_OK, "fine", &err), HRM_OK);
    CHECK_INT(p_hrm_stats(m, &st), HRM_OK);
    CHECK_INT(p_hrm_disable_hot_reload(m, "p"), 1);
    CHECK_INT(p_hrm_clear(m), 1);
    CHECK_INT(p_hrm_set_reload_callback(m, NULL, &gone, count_destroy), HRM_OK);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_ERR_INVALID_HANDLE);
    CHECK_STR(p_hrm_error_name(HRM_ERR_IO), "HRM_ERR_IO");
    CHECK(p_hrm_strerror(HRM_ERR_IO)[0] != 0 && p_hrm_version_string()[0] == '1');
    return NULL;
}

/* From the smallest that the system allows on. */
APART(threads_with_small_stacks)
{
    size_t size = (size_t)sysconf(_SC_THREAD_STACK_MIN);
    on_stack_of(4 * size, load_on_thread); /* the loader itself needs some */
    for (; size <= 128 * 1024; size *= 2) {
        on_stack_of(size, use_on_thread);
        on_stack_of(size, call_all);
    }
}

/* ------------------------------------------------------- a thread that loads it */

static int real_time; /* whether this process may have real-time threads */
static pid_t loader;

static void *load_in_a_hurry(void *arg)
{
    struct sched_param first = {.sched_priority = 70};
    cpu_set_t one;
    (void)arg;
    loader = (pid_t)syscall(SYS_gettid);
    CPU_ZERO(&one);
    CPU_SET(*(int *)arg, &one);
    CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
    real_time = sched_setscheduler(0, SCHED_FIFO, &first) == 0;
    load();
    use();
    CHECK_INT(sched_getscheduler(0), real_time ? SCHED_FIFO : SCHED_OTHER); /* the host's own is left alone */
    return NULL;
}

/* How many threads of the library there are, or -1 while one is not as it should be:
 * a thread that was just made is still as its creator was. */
static int threads_settled(void)
{
    cpu_set_t process, own;
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *d;
    int threads = 0, wrong = 0;
    CHECK_INT(sched_getaffinity(0, sizeof process, &process), 0);
    while ((d = readdir(tasks)) != NULL) {
        char name[300], said[32] = "";
        pid_t tid = (pid_t)atoi(d->d_name);
        FILE *f;
        if (tid == 0 || tid == getpid() || tid == loader)
            continue;
        snprintf(name, sizeof name, "/proc/self/task/%s/comm", d->d_name);
        f = fopen(name, "re");
        if (f == NULL)
            continue; /* it has ended */
        wrong |= fgets(said, sizeof said, f) != NULL && strcmp(said, "hotreload\n") != 0;
        fclose(f);
        wrong |= sched_getscheduler(tid) > SCHED_OTHER;
        wrong |= sched_getaffinity(tid, sizeof own, &own) == 0 && !CPU_EQUAL(&own, &process);
        threads++;
    }
    closedir(tasks);
    return wrong ? -1 : threads;
}

static int are_settled(void *unused)
{
    (void)unused;
    return threads_settled() > 0;
}

/* The library's threads run where the process may, do not compete with the host's
 * real-time threads, and can be told apart in top or a debugger. */
APART(loaded_by_a_pinned_real_time_thread)
{
    cpu_set_t process;
    pthread_t t;
    int cpu = 0;
    CHECK_INT(sched_getaffinity(0, sizeof process, &process), 0);
    while (!CPU_ISSET(cpu, &process))
        cpu++;
    CHECK_INT(pthread_create(&t, NULL, load_in_a_hurry, &cpu), 0);
    pthread_join(t, NULL);
    use();
    CHECK(wait_for(are_settled, NULL));
}

/* -------------------------------------------------------------- environment */

/* In a program started with them, and set by the program itself. The variables
 * are for other Go libraries and programs; here they would print or end it. */
APART(variables_of_others)
{
    static const char *const variables[][2] = {
        {"GODEBUG", "inittrace=1,gctrace=1,schedtrace=5"}, {"GOMEMLIMIT", "plenty"}, {"GOTRACEBACK", "nonsense"}};
    size_t i;
    for (i = 0; i < sizeof variables / sizeof *variables; i++)
        setenv(variables[i][0], variables[i][1], 1);
    execl("/proc/self/exe", "guest", library, second, file, (char *)NULL);
    CHECK(!"executed");
}

static int with_variables(char **argv)
{
    char said[100];
    ssize_t n;
    int ends[2], out = dup(1), errors = dup(2);
    library = argv[1];
    snprintf(file, sizeof file, "%s", argv[3]);
    if (pipe(ends) != 0 || dup2(ends[1], 1) < 0 || dup2(ends[1], 2) < 0)
        return 2;
    load();
    use();
    CHECK_STR(getenv("GOMEMLIMIT"), "plenty"); /* the host has them still */
    fflush(stdout);
    dup2(out, 1);
    dup2(errors, 2);
    close(ends[1]);
    n = read(ends[0], said, sizeof said - 1);
    said[n < 0 ? 0 : n] = 0;
    CHECK_STR(said, "");
    return check_bad != 0;
}

static int spare_descriptors;

static void first_manager_with_few_descriptors(void)
{
    struct rlimit limit = {64, 64};
    hrm_manager *m = NULL;
    int32_t code;
    int i, last = -1, next;
    load();
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while ((next = dup(0)) >= 0)
        last = next;
    for (i = 0; i < spare_descriptors; i++)
        close(last - i);
    code = p_hrm_manager_create(NULL, &m, NULL);
    if (code == HRM_OK)
        CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
    else
        CHECK_INT(code, HRM_ERR_NO_MEMORY);
    for (i = spare_descriptors; i < 32; i++)
        close(last - i);
    use(); /* with descriptors it works */
}

/* Go's runtime opens descriptors of its own for the first manager. */
static void few_descriptors_at_the_first_manager(void)
{
    for (spare_descriptors = 0; spare_descriptors < 9; spare_descriptors++)
        apart(first_manager_with_few_descriptors);
}

int main(int argc, char **argv)
{
    if (argc == 4)
        exit(with_variables(argv));
    begin(argc, argv);
    RUN(a_hundred_times_loaded_and_unloaded);
    RUN(loaded_by_threads_that_end);
    RUN(unloaded_with_a_live_manager);
    RUN(forked_before_it_is_loaded);
    RUN(a_second_go_library_after);
    RUN(a_second_go_library_before);
    RUN(a_second_go_library_global);
    RUN(loaded_without_address_space);
    RUN(address_space_runs_out_later);
    RUN(threads_with_small_stacks);
    RUN(few_descriptors_at_the_first_manager);
    RUN(loaded_by_a_pinned_real_time_thread);
    RUN(variables_of_others);
    /* As another user, who owns the directory from then on. */
    RUN(loaded_without_threads);
    RUN(loaded_with_two_to_twelve_threads);
    RUN(threads_run_out_and_come_back);
    finish();
    DONE();
}
