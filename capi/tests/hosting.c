/* SPDX-License-Identifier: MIT */
/* hot_reload_plugin.h: handles, options, what a host may call where, threads, the canary. */
#include "hosts.h"

#include <signal.h>
#include <sys/wait.h>

/* ----------------------------------------------------------- handles, races -- */

static void handles_are_checked(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_plugin_condition c = HRM_PLUGIN_CONDITION_INIT;
    hrm_error err = HRM_ERROR_INIT;
    const hrm_plugin_version *v, *none = NULL;
    hrm_plugin *p, *again = NULL;
    hrm_host *was;
    uintptr_t i;
    char path[600];
    start(HRM_DISPATCH_THREAD, &o);
    for (i = 1; i < 100000000000; i *= 3) {
        p = (hrm_plugin *)i;
        if (p == plugin || (const void *)p == (const void *)host)
            continue;
        CHECK(hrm_plugin_acquire(p) == NULL && hrm_plugin_try_acquire(p) == NULL);
        CHECK_INT(hrm_plugin_acquire_ex(p, -1, &none, &err), HRM_ERR_INVALID_HANDLE);
        CHECK_INT(hrm_plugin_release((const hrm_plugin_version *)p), HRM_ERR_INVALID_HANDLE);
        CHECK(hrm_plugin_function((const hrm_plugin_version *)p, 0) == NULL);
        CHECK_INT(hrm_plugin_close(p, -1, &err), HRM_ERR_INVALID_HANDLE);
        CHECK_INT(hrm_host_destroy((hrm_host *)(void *)((char *)p + 1), -1, &err), HRM_ERR_INVALID_HANDLE);
    }
    CHECK(hrm_plugin_acquire(NULL) == NULL && hrm_plugin_data(NULL) == NULL && hrm_plugin_path(NULL) == NULL);
    CHECK_INT(hrm_plugin_release(NULL), HRM_OK);
    CHECK_INT(hrm_plugin_acquire_all(&plugin, 0, &none), HRM_ERR_INVALID_ARGUMENT);
    CHECK(hrm_host_manager(NULL) == NULL && hrm_host_find(NULL, "p") == NULL);
    v = hrm_plugin_acquire(plugin);
    CHECK(hrm_plugin_acquire((hrm_plugin *)v) == NULL); /* a version is no plugin */
    CHECK_INT(hrm_plugin_release((const hrm_plugin_version *)plugin), HRM_ERR_INVALID_HANDLE);
    CHECK(hrm_plugin_symbol(v, 2) == NULL && hrm_plugin_function(v, 99) == NULL);
    snprintf(path, sizeof path, "%s", hrm_plugin_path(v));
    CHECK_INT(hrm_plugin_state(plugin, &c, &err), HRM_OK);
    CHECK(c.active == 1 && c.pending == 0 && c.last_verdict == HRM_VERDICT_DONE && c.last_ns > 0);
    CHECK_STR(c.text, "");

    /* A pin outlives the plugin, and its files stay. */
    CHECK_INT(hrm_plugin_close(plugin, 20, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "generation 1 of p is in use");
    CHECK_INT(hrm_plugin_close(plugin, 0, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_plugin_state(plugin, &c, &err), HRM_ERR_INVALID_HANDLE);
    CHECK(hrm_plugin_acquire(plugin) == NULL);
    CHECK_INT(((int (*)(void))hrm_plugin_function(v, 0))(), 1);
    CHECK(access(path, R_OK) == 0);
    CHECK_INT(hrm_host_open(host, "p", f, &o, &again, &err), HRM_OK); /* beside it */
    CHECK(again != plugin);
    was = host;
    CHECK_INT(hrm_host_destroy(host, 20, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "generation 1 of p is in use");
    CHECK_INT(hrm_host_destroy(was, 20, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(((int (*)(void))hrm_plugin_function(v, 0))(), 1);
    CHECK_INT(hrm_plugin_release(v), HRM_OK);
    host = NULL;
    manual = 0;
    expect_unloaded("/plugin.so");
    CHECK_INT(hrm_plugin_release(v), HRM_ERR_INVALID_HANDLE);
}

static struct {
    int go, won, lost, other;
} race;

static void *opens(void *arg)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_plugin *p = NULL;
    int32_t code;
    (void)arg;
    o.symbols = symbols;
    while (!LOAD(race.go)) {
    }
    code = hrm_host_open(host, "p", f, &o, &p, NULL);
    ADD(*(code == HRM_OK && p != NULL                 ? &race.won
          : code == HRM_ERR_ALREADY_EXISTS && p == NULL ? &race.lost
                                                        : &race.other), 1);
    return NULL;
}

static void of_two_that_open_one_plugin_one_wins(void)
{
    pthread_t thread[4];
    int i, round;
    begin(HRM_DISPATCH_THREAD);
    build(1, "");
    for (round = 0; round < 5; round++) {
        memset(&race, 0, sizeof race);
        for (i = 0; i < 4; i++)
            CHECK_INT(pthread_create(&thread[i], NULL, opens, NULL), 0);
        STORE(race.go, 1);
        for (i = 0; i < 4; i++)
            pthread_join(thread[i], NULL);
        CHECK_INT(race.won, 1);
        CHECK_INT(race.lost, 3);
        CHECK_INT(hrm_host_close_plugin(host, "p", PATIENCE, NULL), HRM_OK);
        CHECK_INT(hrm_host_close_plugin(host, "p", PATIENCE, NULL), HRM_ERR_INVALID_ARGUMENT);
    }
    stop();
}

static void options_are_copied(void)
{
    char *names[3], init[20] = "begin", file[600];
    hrm_plugin_options *o = malloc(sizeof *o);
    hrm_error err = HRM_ERROR_INIT;
    begin(HRM_DISPATCH_THREAD);
    CHECK(o != NULL);
    memset(o, 0, sizeof *o);
    o->struct_size = sizeof *o;
    names[0] = strdup("version");
    names[1] = strdup("work");
    names[2] = NULL;
    o->symbols = (const char *const *)names;
    o->init = init;
    o->exit = "";
    snprintf(file, sizeof file, "%s", f);
    build(1, "int begin(void) { return 0; } void plugin_exit(void) { abort(); }");
    CHECK_INT(hrm_host_open(host, "p", file, o, &plugin, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    memset(o, 0xff, sizeof *o);
    memset(init, 'x', sizeof init);
    memset(file, 'x', sizeof file);
    strcpy(names[0], "gone");
    free(o);
    free(names[0]);
    free(names[1]);
    names[0] = names[1] = NULL;
    build(2, "int begin(void) { return 8; }");
    expect(HRM_VERDICT_FAILED, 1, "init: it returned 8");
    stop();
}

static void bad_options_are_refused(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_host *h = NULL;
    begin(HRM_DISPATCH_THREAD);
    build(1, "");
    o.flags = 1u << 30;
    CHECK_INT(try_open(&o, &err), HRM_ERR_NOT_SUPPORTED);
    CHECK_HAS(err.message, "hrm_plugin_options.flags has bits 0x40000000");
    o.flags = 0;
    o.mode = 3;
    CHECK_INT(try_open(&o, &err), HRM_ERR_NOT_SUPPORTED);
    o.mode = 0;
    o.hand_over_timeout_ms = -1;
    CHECK_INT(try_open(&o, &err), HRM_ERR_INVALID_ARGUMENT);
    o.hand_over_timeout_ms = 0;
    o.reserved = 1;
    CHECK_INT(try_open(&o, &err), HRM_ERR_NOT_SUPPORTED);
    o.reserved = 0;
    o.struct_size = 11;
    CHECK_INT(try_open(&o, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "hrm_plugin_options.struct_size is 11");
    ho.flags = 8;
    CHECK_INT(hrm_host_create(&ho, &h, &err), HRM_ERR_NOT_SUPPORTED);
    CHECK(h == NULL);
    stop();
}

/* ----------------------------------------------------------------- callbacks -- */

static struct {
    hrm_host *host;
    int n, destroyed, code, released;
    hrm_plugin *opened;
    const char *file;
} acts;

static void destroys(const hrm_plugin_outcome *o, void *arg)
{
    (void)arg;
    if (o->verdict == HRM_VERDICT_DONE) {
        CHECK_INT(hrm_host_destroy(acts.host, -1, NULL), HRM_OK);
        CHECK_INT(hrm_host_destroy(acts.host, -1, NULL), HRM_ERR_INVALID_HANDLE);
        ADD(acts.destroyed, 1);
    }
    ADD(acts.n, 1);
}
static void released(void *arg) { ADD(((int *)arg)[0], 1); }

static void destroyed_inside_its_callback(int mode)
{
    hrm_options mo = HRM_OPTIONS_INIT;
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    begin(HRM_DISPATCH_THREAD); /* for its directory */
    stop();
    memset(&acts, 0, sizeof acts);
    mo.dispatch_mode = mode;
    mo.quiet_ms = QUIET;
    mo.snapshot_dir = in(dir, "snapshots");
    ho.manager = &mo;
    ho.outcome = destroys;
    ho.user_data = &acts.released;
    ho.destroy = released;
    CHECK_INT(hrm_host_create(&ho, &acts.host, NULL), HRM_OK);
    build(1, "");
    o.flags = HRM_PLUGIN_DO_NOT_WAIT;
    CHECK_INT(hrm_host_open(acts.host, "p", f, &o, &plugin, NULL), HRM_OK);
    while (mode == HRM_DISPATCH_MANUAL && hrm_dispatch(hrm_host_manager(acts.host), 0, 10, NULL) >= 0) {
    }
    CHECK(wait_until(is_set, &acts.released, PATIENCE));
    CHECK_INT(acts.destroyed, 1);
    CHECK_INT(acts.n, 1);
    CHECK(!loaded("/plugin.so"));
    CHECK(hrm_plugin_acquire(plugin) == NULL);
}

static void destroyed_inside_its_callback_on_a_library_thread(void) { destroyed_inside_its_callback(HRM_DISPATCH_THREAD); }
static void destroyed_inside_its_callback_in_hrm_dispatch(void) { destroyed_inside_its_callback(HRM_DISPATCH_MANUAL); }

static void opens_another(const hrm_plugin_outcome *o, void *arg)
{
    hrm_plugin_options own = HRM_PLUGIN_OPTIONS_INIT;
    (void)arg;
    if (strcmp(o->plugin_id, "p") == 0 && o->verdict == HRM_VERDICT_DONE) {
        acts.code = hrm_host_open(acts.host, "q", acts.file, NULL, &acts.opened, NULL);
        own.flags = HRM_PLUGIN_DO_NOT_WAIT;
        if (acts.code != HRM_OK)
            CHECK_INT(hrm_host_open(acts.host, "q", acts.file, &own, &acts.opened, NULL), HRM_OK);
    }
    if (o->verdict == HRM_VERDICT_DONE)
        ADD(acts.n, 1);
}

static int two_outcomes(void *arg)
{
    if (*(int *)arg == HRM_DISPATCH_MANUAL)
        hrm_dispatch(hrm_host_manager(acts.host), 0, 5, NULL);
    return LOAD(acts.n) == 2;
}

static void opening_inside_a_callback(int mode, int32_t expected)
{
    hrm_options mo = HRM_OPTIONS_INIT;
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    begin(HRM_DISPATCH_THREAD);
    stop();
    memset(&acts, 0, sizeof acts);
    build(1, "");
    acts.file = f;
    mo.dispatch_mode = mode;
    mo.quiet_ms = QUIET;
    mo.snapshot_dir = in(dir, "snapshots");
    ho.manager = &mo;
    ho.outcome = opens_another;
    CHECK_INT(hrm_host_create(&ho, &acts.host, NULL), HRM_OK);
    CHECK_INT(hrm_host_open(acts.host, "p", f, NULL, &plugin, NULL), HRM_OK);
    CHECK(wait_until(two_outcomes, &mode, PATIENCE));
    CHECK_INT(acts.code, expected);
    CHECK(acts.opened != NULL);
    CHECK_INT(hrm_host_destroy(acts.host, PATIENCE, NULL), HRM_OK);
    CHECK(!loaded("/plugin.so"));
}

static void opening_inside_a_callback_works(void) { opening_inside_a_callback(HRM_DISPATCH_THREAD, HRM_OK); }
static void opening_inside_hrm_dispatch_is_refused(void)
{
    opening_inside_a_callback(HRM_DISPATCH_MANUAL, HRM_ERR_NOT_SUPPORTED);
}

/* Callbacks of the host's manager are inside of the host, too. */
static void ends_all(const hrm_event *ev, void *arg)
{
    hrm_plugin *p = NULL;
    (void)arg;
    if (ev->kind != HRM_EVENT_FILE_CHANGED || ev->generation != 2)
        return;
    acts.code = hrm_host_open(acts.host, "q", acts.file, NULL, &p, NULL);
    CHECK_INT(hrm_plugin_close(plugin, -1, NULL), HRM_OK);
    CHECK_INT(hrm_host_destroy(acts.host, -1, NULL), HRM_OK);
    ADD(acts.destroyed, 1);
}

static void destroyed_inside_an_event_callback(void)
{
    hrm_options mo = HRM_OPTIONS_INIT;
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    begin(HRM_DISPATCH_THREAD); /* for its directory */
    stop();
    memset(&acts, 0, sizeof acts);
    build(1, "");
    acts.file = f;
    mo.quiet_ms = QUIET;
    mo.snapshot_dir = in(dir, "snapshots");
    ho.manager = &mo;
    ho.user_data = &acts.released;
    ho.destroy = released;
    CHECK_INT(hrm_host_create(&ho, &acts.host, NULL), HRM_OK);
    CHECK_INT(hrm_set_event_callback(hrm_host_manager(acts.host), ends_all, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_host_open(acts.host, "p", f, NULL, &plugin, NULL), HRM_OK); /* the callback is called beside the host's own */
    build(2, "");
    CHECK(wait_until(is_set, &acts.released, PATIENCE));
    CHECK_INT(acts.destroyed, 1);
    CHECK_INT(acts.code, HRM_ERR_NOT_SUPPORTED);
    CHECK(!loaded("/plugin.so"));
}

/* --------------------------------------------------------------- threads -- */

#define TELLS_THREAD "#include <sys/syscall.h>\nlong *where; void plugin_exit(void) { *where = syscall(SYS_gettid); }\n"

static void versions_end_on_another_thread(int mode, uint32_t flags, int own)
{
    static const char *const names[] = {"version", "work", "where", NULL};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    const hrm_plugin_version *v;
    long thread = 0;
    hrm_plugin *p;
    host_flags = flags;
    begin(mode);
    host_flags = 0;
    o.symbols = names;
    p = open_as("p", "plugin.so", 1, TELLS_THREAD, &o);
    expect(HRM_VERDICT_DONE, 1, "");
    v = hrm_plugin_acquire(p);
    *(long **)hrm_plugin_symbol(v, 2) = &thread;
    build(2, "long *where;");
    expect(HRM_VERDICT_DONE, 2, "");
    hrm_plugin_release(v); /* the last use */
    CHECK(own || LOAD(thread) != syscall(SYS_gettid));
    expect_unloaded("/1/plugin.so");
    CHECK(LOAD(thread) != 0 && (LOAD(thread) == syscall(SYS_gettid)) == own);
    stop();
}

static void a_version_never_ends_where_it_is_released(void) { versions_end_on_another_thread(HRM_DISPATCH_THREAD, 0, 0); }
static void a_version_ends_in_hrm_dispatch(void) { versions_end_on_another_thread(HRM_DISPATCH_MANUAL, 0, 1); }
static void a_version_ends_on_a_library_thread_if_wanted(void)
{
    versions_end_on_another_thread(HRM_DISPATCH_MANUAL, HRM_HOST_RETIRE_ON_LIBRARY_THREAD, 0);
}

/* The thread that dispatches calls the plugin as well: it never waits for itself. */
static void one_thread_that_dispatches_and_calls(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    int i;
    o.mode = HRM_MODE_EXIT_FIRST;
    start(HRM_DISPATCH_MANUAL, &o);
    for (i = 2; i < 6; i++) {
        build(i, STATE);
        while (call(0) != i)
            hrm_dispatch(hrm_host_manager(host), 1, 1, NULL);
        told.seen = told.n;
    }
    CHECK_INT(call(1), 1);
    stop();
}

/* Only the thread that is in the step could let go of the callers. */
static int32_t acquires_its_plugin(hrm_preparation *p, char *reason, size_t room, void *arg)
{
    const hrm_plugin_version *v = NULL;
    hrm_error err = HRM_ERROR_INIT;
    (void)reason, (void)room;
    if (hrm_plugin_generation(p->version) == 1)
        return 0;
    ADD(*(int *)arg, 1);
    acts.code = hrm_plugin_acquire_ex(plugin, 200, &v, &err);
    CHECK_INT(acts.code, HRM_ERR_NOT_SUPPORTED);
    CHECK_HAS(err.message, "would wait for this step");
    if (acts.code != HRM_ERR_NOT_SUPPORTED)
        return 1; /* the others would wait for ever */
    CHECK(hrm_plugin_acquire(plugin) == NULL);
    CHECK_INT(hrm_plugin_acquire_all(&plugin, 1, &v), HRM_ERR_NOT_SUPPORTED);
    CHECK(v == NULL);
    return 0;
}

static void a_step_in_hrm_dispatch_never_waits_for_itself(void)
{
    static const int modes[] = {HRM_MODE_SIDE_BY_SIDE, HRM_MODE_EXIT_FIRST, HRM_MODE_UNLOAD_FIRST};
    size_t i;
    for (i = 0; i < sizeof modes / sizeof *modes; i++) {
        hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
        int n = 0;
        o.mode = modes[i];
        o.prepare = acquires_its_plugin;
        o.prepare_data = &n;
        start(HRM_DISPATCH_MANUAL, &o);
        build(2, STATE);
        expect(HRM_VERDICT_DONE, 2, "");
        CHECK_INT(n, 1);
        CHECK_INT(call(0), 2);
        stop();
    }
}

static void in_the_child_of_a_fork(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    int status = -1;
    pid_t child;
    start(HRM_DISPATCH_THREAD, &o);
    child = fork();
    if (child == 0) {
        const int good = call(0) == 1 && hrm_host_open(host, "q", f, NULL, NULL, NULL) == HRM_ERR_FORKED &&
                         hrm_plugin_close(plugin, -1, NULL) == HRM_ERR_FORKED &&
                         hrm_host_destroy(host, -1, NULL) == HRM_ERR_FORKED && hrm_host_manager(host) == NULL &&
                         !hrm_plugin_canary(f, NULL, 100, NULL, 0);
        _exit(good ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    stop();
}

/* A host that takes the status of its children away still gets the right verdict. */
static void a_canary_whose_status_the_host_takes(void)
{
    char why[300];
    void (*before)(int);
    begin(HRM_DISPATCH_THREAD);
    build(1, "int plugin_init(void) { return 0; }"); /* which needs the compiler's status */
    before = signal(SIGCHLD, SIG_IGN);
    CHECK_INT(hrm_plugin_canary(f, NULL, PATIENCE, why, sizeof why), 1);
    signal(SIGCHLD, before);
    build(2, "int plugin_init(void) { abort(); }");
    before = signal(SIGCHLD, SIG_IGN);
    CHECK_INT(hrm_plugin_canary(f, NULL, PATIENCE, why, sizeof why), 0);
    signal(SIGCHLD, before);
    CHECK_HAS(why, "it crashed or ended the process; the host has taken its status");
    stop();
}

static void a_canary_in_a_program_of_its_own(void)
{
    const char *program = getenv("HOTRELOAD_CANARY");
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    char why[300] = "";
    CHECK(program != NULL);
    o.canary_timeout_ms = PATIENCE;
    o.canary_program = program;
    start(HRM_DISPATCH_THREAD, &o);
    build(2, "int plugin_init(void) { abort(); }");
    expect(HRM_VERDICT_REJECTED, 1, "in a child process it crashed: signal 6");
    build(3, "int plugin_init(void) { return 6; }");
    expect(HRM_VERDICT_REJECTED, 1, "in a child process: its init returned 6");
    CHECK(hrm_plugin_canary_by("/nowhere", f, NULL, 1000, why, sizeof why) == 0);
    CHECK_HAS(why, "no canary: /nowhere: ");
    CHECK(hrm_plugin_canary_by("/bin/true", f, NULL, 1000, why, sizeof why) == 0);
    CHECK_HAS(why, "/bin/true reports nothing on descriptor 3");
    CHECK(hrm_plugin_canary_by(program, f, NULL, 0, why, sizeof why) == 0);
    CHECK_HAS(why, "timeout_ms is less than 1");
    stop();
}

int main(void)
{
    RUN(handles_are_checked);
    RUN(of_two_that_open_one_plugin_one_wins);
    RUN(options_are_copied);
    RUN(bad_options_are_refused);
    RUN(destroyed_inside_its_callback_on_a_library_thread);
    RUN(destroyed_inside_its_callback_in_hrm_dispatch);
    RUN(opening_inside_a_callback_works);
    RUN(opening_inside_hrm_dispatch_is_refused);
    RUN(destroyed_inside_an_event_callback);
    RUN(a_version_never_ends_where_it_is_released);
    RUN(a_version_ends_in_hrm_dispatch);
    RUN(a_version_ends_on_a_library_thread_if_wanted);
    RUN(one_thread_that_dispatches_and_calls);
    RUN(a_step_in_hrm_dispatch_never_waits_for_itself);
    RUN(in_the_child_of_a_fork);
    RUN(a_canary_whose_status_the_host_takes);
    RUN(a_canary_in_a_program_of_its_own);
    DONE();
}
