/* SPDX-License-Identifier: MIT */
/* hot_reload_plugin.h: shared libraries, exchanged while in use. */
#include "plugins.h"

#include <dlfcn.h>

static void versions_are_exchanged(int mode)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    start(mode, &o);
    CHECK_INT(call(0), 1);
    CHECK_INT(call(1), 1);
    CHECK_INT(call(1), 2);
    build(2, STATE);
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(call(0), 2);
    CHECK_INT(call(1), 3); /* the state went along */
    build(3, "int plugin_init(void) { return -4; }");
    expect(HRM_VERDICT_FAILED, 2, "init: it returned -4");
    build(4, "int nothing(void); int more(void) { return nothing(); }");
    expect(HRM_VERDICT_FAILED, 2, "nothing");
    build(5, STATE "int plugin_init(void) { return 0; }");
    expect(HRM_VERDICT_DONE, 5, "");
    CHECK_INT(call(1), 4);
    stop();
}

static void on_a_library_thread(void) { versions_are_exchanged(HRM_DISPATCH_THREAD); }
static void inside_hrm_dispatch(void) { versions_are_exchanged(HRM_DISPATCH_MANUAL); }

static void opening_fails(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    char no_room[8];
    begin(HRM_DISPATCH_THREAD);
    CHECK_INT(try_open(&o, &err), HRM_ERR_FILE_NOT_FOUND);
    CHECK_INT(hrm_host_open(NULL, "p", f, &o, &plugin, &err), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_host_open(host, NULL, f, &o, &plugin, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_host_open(host, "p", NULL, &o, &plugin, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_host_create(NULL, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    write_version(f, 1);
    CHECK_INT(try_open(&o, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "p: generation 1 failed: load: ");
    build(1, "int plugin_init(void) { return 9; }");
    CHECK_INT(try_open(&o, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "init: it returned 9");
    build(1, "int plugin_init(void) { return 0; }");
    CHECK_INT(try_open(&o, &err), HRM_OK);
    CHECK_INT(try_open(&o, &err), HRM_ERR_ALREADY_EXISTS);
    CHECK_HAS(err.message, "\"p\"");
    CHECK_INT(hrm_plugin_canary(in(dir, "missing"), NULL, 1000, no_room, sizeof no_room), 0);
    CHECK_INT(hrm_plugin_close(NULL, -1, &err), HRM_OK);
    CHECK_INT(hrm_host_destroy(NULL, -1, &err), HRM_OK);
    stop();
}

static void a_canary_dies_in_its_place(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    o.canary_timeout_ms = 400;
    start(HRM_DISPATCH_THREAD, &o);
    build(2, "int plugin_init(void) { abort(); }");
    expect(HRM_VERDICT_REJECTED, 1, "crashed: signal 6");
    build(3, "int plugin_init(void) { for (;;) ; }");
    expect(HRM_VERDICT_REJECTED, 1, "did not return within 400 ms");
    build(4, "int plugin_init(void) { _exit(0); }");
    expect(HRM_VERDICT_REJECTED, 1, "ended the process");
    build(5, "__attribute__((constructor)) static void early(void) { *(volatile int *)0 = 0; }");
    expect(HRM_VERDICT_REJECTED, 1, "crashed: signal 11");
    build(6, "int plugin_init(void) { return 6; }");
    expect(HRM_VERDICT_REJECTED, 1, "in a child process: its init returned 6");
    build(6, "int plugin_init(void) { int i; for (i = 3; i < 1000; i++) close(i); for (;;) ; }");
    expect(HRM_VERDICT_REJECTED, 1, "did not return within 400 ms");
    build(7, "");
    expect(HRM_VERDICT_DONE, 2, "");
    stop();
}

/* The other end of the pipe is in the host and in what it has forked. */
static int ends_everywhere(int pipe_end)
{
    struct pollfd ready = {pipe_end, POLLIN, 0};
    char byte;
    return poll(&ready, 1, PATIENCE) == 1 && read(pipe_end, &byte, 1) == 0;
}

static void what_a_library_starts_in_a_canary_ends_with_it(void)
{
    static const char *const ways[] = {"return 0;", "abort();", "for (;;) pause();"};
    char source[300], why[300];
    size_t i;
    begin(HRM_DISPATCH_THREAD);
    for (i = 0; i < sizeof ways / sizeof *ways; i++) {
        int ends[2];
        snprintf(source, sizeof source, "int plugin_init(void) { if (fork() == 0) { alarm(20); pause(); } %s }", ways[i]);
        build(1, source);
        CHECK_INT(pipe(ends), 0);
        CHECK_INT(hrm_plugin_canary(f, NULL, i == 2 ? 400 : PATIENCE, why, sizeof why), i == 0);
        close(ends[1]);
        CHECK(ends_everywhere(ends[0]));
        close(ends[0]);
    }
    build(1, "int plugin_init(void) { fork(); return 0; }"); /* both say that it works */
    for (i = 0; i < 20; i++) {
        CHECK_INT(hrm_plugin_canary(f, NULL, PATIENCE, why, sizeof why), 1);
        CHECK_STR(why, "");
    }
    stop();
}

/* What a reason quotes comes from files: it cannot write to a terminal what it likes. */
static void reasons_are_printable(void)
{
    static const char *const hostile[] = {"a\x1b[2J\xe2\x80\xae\xc2\x9b\n", NULL};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    char why[500], path[300];
    begin(HRM_DISPATCH_THREAD);
    build(1, "");
    snprintf(path, sizeof path, "%s/no\x1b[2J\xe2\x80\xae\xc2\x9b\xff.so", dir);
    CHECK_INT(hrm_plugin_canary(path, NULL, PATIENCE, why, sizeof why), 0);
    CHECK_HAS(why, "no\\x1b[2J\\xe2\\x80\\xae\\xc2\\x9b\\xff.so");
    o.symbols = hostile;
    CHECK_INT(hrm_host_open(host, "p", f, &o, &plugin, &err), HRM_ERR_IO);
    expect(HRM_VERDICT_FAILED, 0, "it does not export a\\x1b[2J\\u202e\\u009b\\n");
    stop();
}

static void *loads_libraries(void *arg)
{
    while (!LOAD(*(int *)arg)) {
        void *library = dlopen(f, RTLD_NOW | RTLD_LOCAL);
        if (library == NULL || dlclose(library) != 0)
            return NULL;
    }
    return arg;
}

#ifdef __SANITIZE_ADDRESS__
enum { ALLOWED = 1000 };
#else
enum { ALLOWED = PATIENCE };
#endif

/* A fork that falls into another thread's dlopen leaves a child that cannot load
 * anything; that says nothing about the version. */
static void a_canary_beside_a_thread_that_loads(void)
{
    pthread_t thread;
    void *result = NULL;
    int i, ending = 0, good = 0;
    char why[300] = "";
    begin(HRM_DISPATCH_THREAD);
    build(1, "int plugin_init(void) { return 0; }");
    CHECK_INT(pthread_create(&thread, NULL, loads_libraries, &ending), 0);
    for (i = 0; i < 100; i++) {
        int works = hrm_plugin_canary(f, NULL, ALLOWED, why, sizeof why);
#ifdef __SANITIZE_ADDRESS__ /* whose malloc may hang for ever in the child of a fork */
        works = works || strstr(why, "did not return") != NULL;
#endif
        CHECK_STR(works ? "" : why, "");
        good += works;
    }
    STORE(ending, 1);
    pthread_join(thread, &result);
    CHECK(result == &ending);
    CHECK_INT(good, 100);
    stop();
}

static int32_t only_even(const hrm_candidate *c, char *reason, size_t size, void *arg)
{
    CHECK(arg == symbols && strcmp(c->plugin_id, "p") == 0);
    if (c->generation % 2 == 0)
        return HRM_ACCEPT;
    snprintf(reason, size, "generation %d is odd", (int)c->generation);
    return c->generation == 1 ? HRM_ACCEPT : HRM_REJECT;
}

static void a_validator_of_its_own(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    o.validator = only_even;
    o.validator_data = (void *)symbols;
    start(HRM_DISPATCH_THREAD, &o);
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "");
    build(3, "");
    expect(HRM_VERDICT_REJECTED, 2, "generation 3 is odd");
    stop();
}

static void going_back_later(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    start(HRM_DISPATCH_THREAD, &o);
    build(2, STATE);
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(call(0), 2);
    CHECK_INT(hrm_plugin_fail(plugin, 2, "it answers nonsense", &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    CHECK_INT(call(0), 1);
    CHECK_INT(hrm_plugin_fail(plugin, 77, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    stop();
}

/* What is pinned stays loaded, and holds the exchange up only where state is handed over. */
static void pinned_versions(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    const hrm_plugin_version *old;
    hrm_error err = HRM_ERROR_INIT;
    begin(HRM_DISPATCH_THREAD);
    build(1, "");
    CHECK_INT(try_open(&o, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    old = hrm_plugin_acquire(plugin);
    build(2, STATE);
    expect(HRM_VERDICT_DONE, 2, ""); /* the old one has no state: no waiting */
    CHECK_INT(call(0), 2);
    CHECK_INT(((int (*)(void))hrm_plugin_function(old, 0))(), 1);
    CHECK_INT(hrm_plugin_generation(old), 1);
    hrm_plugin_release(old);
    expect_unloaded("/1/plugin.so");
    CHECK_INT(hrm_plugin_close(plugin, PATIENCE, &err), HRM_OK);
    CHECK(!loaded("/plugin.so"));

    o.hand_over_timeout_ms = 50;
    build(3, STATE);
    CHECK_INT(try_open(&o, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    old = hrm_plugin_acquire(plugin);
    build(4, STATE);
    expect(HRM_VERDICT_POSTPONED, 1, "is tried again in 1s (attempt 1): generation 1, calls under way did not end within 50ms");
    CHECK_INT(call(0), 3);
    hrm_plugin_release(old);
    expect(HRM_VERDICT_DONE, 2, ""); /* busy is not bad */
    CHECK_INT(call(0), 4);
    stop();
}

/* Going back to a version that is in use still: it is the same image, so it is not initialised again, and not
 * left when that use ends. */
static void going_back_to_a_pinned_version(void)
{
    static const char *const three[] = {"version", "work", "live", NULL};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    const hrm_plugin_version *pinned;
    hrm_error err = HRM_ERROR_INIT;
    int *live;
    begin(HRM_DISPATCH_THREAD);
    o.hand_over_timeout_ms = 50;
    o.symbols = three;
    build(1, STATE "int live; int plugin_init(void) { return live++; }\nvoid plugin_exit(void) { live = -100; }");
    CHECK_INT(hrm_host_open(host, "p", f, &o, &plugin, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    CHECK_INT(call(1), 1);
    pinned = hrm_plugin_acquire(plugin);
    live = hrm_plugin_symbol(pinned, 2);
    build(2, "int live; size_t plugin_save_state(void *to, size_t room) { return 0; }"); /* and takes none: no waiting */
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(hrm_plugin_fail(plugin, 2, "it answers nonsense", &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, ""); /* although the call under way does not end in time to take the state over */
    CHECK_INT(call(0), 1);
    CHECK_INT(call(1), 2); /* its state is what it was */
    hrm_plugin_release(pinned);
    CHECK_INT(*live, 1);
    CHECK_INT(call(1), 3);
    expect_unloaded("/2/plugin.so");
    build(3, STATE "int live;");
    expect(HRM_VERDICT_DONE, 3, "");
    CHECK_INT(call(1), 4);
    expect_unloaded("/1/plugin.so");
    stop();
}

/* Each going back gives up a wait for the end of the same calls, and begins another one: none that was given up
 * may take the end of a call from the last one. */
static void a_wait_that_was_given_up_is_over(void)
{
    enum { TIMES = 12 };
    static const char takes_no_state[] = "size_t plugin_save_state(void *to, size_t room) { return 0; }";
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    const hrm_plugin_version *pinned;
    hrm_error err = HRM_ERROR_INIT;
    int i;
    o.hand_over_timeout_ms = 50;
    start(HRM_DISPATCH_THREAD, &o);
    pinned = hrm_plugin_acquire(plugin);
    for (i = 2; i < 2 + TIMES; i++) {
        build(i, takes_no_state);
        expect(HRM_VERDICT_DONE, i, "");
        let_pass(20); /* the wait for the end of the call is under way */
        CHECK_INT(hrm_plugin_fail(plugin, (uint64_t)i, "it answers nonsense", &err), HRM_OK);
        expect(HRM_VERDICT_DONE, 1, "");
    }
    build(i, takes_no_state);
    expect(HRM_VERDICT_DONE, i, "");
    let_pass(20);
    hrm_plugin_release(pinned);
    expect_unloaded("/1/plugin.so");
    stop();
}

static void closed_inside_its_callback(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    start(HRM_DISPATCH_THREAD, &o);
    STORE(told.close_inside, 1);
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "");
    expect_unloaded("/plugin.so");
    CHECK(hrm_plugin_acquire(plugin) == NULL);
    CHECK_INT(hrm_plugin_close(plugin, -1, NULL), HRM_ERR_INVALID_HANDLE);
    stop();
}

static struct {
    int ending;
    long good, bad;
} load;

static void *requests(void *arg)
{
    (void)arg;
    while (!LOAD(load.ending)) {
        const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
        int version = ((int (*)(void))hrm_plugin_function(v, 0))();
        ADD(*(version >= 1 ? &load.good : &load.bad), 1);
        hrm_plugin_release(v);
    }
    return NULL;
}

static void under_load(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    pthread_t thread[3];
    int i;
    start(HRM_DISPATCH_THREAD, &o);
    memset(&load, 0, sizeof load);
    for (i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, requests, NULL), 0);
    for (i = 2; i <= 8; i++) {
        build(i, i % 3 == 0 ? "int plugin_init(void) { return 1; }" : STATE);
        CHECK(another_comes());
        told.seen++;
    }
    STORE(load.ending, 1);
    for (i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    CHECK_INT(load.bad, 0);
    CHECK(load.good > 0);
    CHECK_INT(call(0), 8);
    stop();
}

/* What the host was given holds for a plugin that does not name the field. */
static void the_hosts_safeguards_hold_for_each_plugin(void)
{
    static const char *const keys[] = {"RWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR", NULL};
    hrm_safe_options all = HRM_SAFE_OPTIONS_INIT, own = HRM_SAFE_OPTIONS_INIT;
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    all.public_keys = keys;
    everybody = &all;
    begin(HRM_DISPATCH_THREAD);
    build(1, "");
    CHECK_INT(try_open(&o, &err), HRM_ERR_IO); /* names nothing */
    CHECK_HAS(err.message, "plugin.so.minisig");
    own.keep_generations = 3;
    o.safe = &own;
    CHECK_INT(try_open(&o, &err), HRM_ERR_IO); /* names something else */
    CHECK_HAS(err.message, "plugin.so.minisig");
    own.public_keys = symbols + 2; /* an empty list */
    CHECK_INT(try_open(&o, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "public_keys");
    stop();

    all.public_keys = own.public_keys = NULL;
    all.flags = HRM_SAFE_STRICT_MODES;
    begin(HRM_DISPATCH_THREAD);
    build(1, "");
    CHECK(chmod(f, 0777) == 0);
    CHECK_INT(try_open(&o, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "others could exchange");
    own.flags = HRM_SAFE_NO_STRICT_MODES;
    CHECK_INT(try_open(&o, &err), HRM_OK);
    everybody = NULL;
    stop();
}

/* The host's manager is for its plugins: another one that is enabled there has no
 * validator that knows it, and is rejected. */
static void rejected(const hrm_event *ev, void *n)
{
    if (ev->kind == HRM_EVENT_REJECTED)
        ADD(*(int *)n, 1);
}

static void a_plugin_that_nobody_opened_is_rejected(void)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    int n = 0;
    begin(HRM_DISPATCH_THREAD);
    write_version(f, 1);
    o.safe = &safe;
    o.flags = HRM_ENABLE_DELIVER_PRESENT;
    CHECK_INT(hrm_set_event_callback(hrm_host_manager(host), rejected, &n, NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload_ex(hrm_host_manager(host), "q", f, &o, &err), HRM_OK);
    CHECK(wait_until(is_set, &n, PATIENCE));
    stop();
}

static void messages_are_printable(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    begin(HRM_DISPATCH_THREAD);
    f = in(dir, "plugin\x1b[31m\n.so");
    write_version(f, 1); /* whose name dlerror() repeats */
    CHECK_INT(try_open(&o, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "plugin\\x1b[31m\\n.so");
    CHECK(strpbrk(err.message, "\x1b\n") == NULL);
    expect(HRM_VERDICT_FAILED, 0, "plugin\\x1b[31m\\n.so");
    stop();
}

/* Options of a header that had no dispatch_mode yet. */
static void options_that_end_early(void)
{
    hrm_options *o = malloc(sizeof o->struct_size);
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    CHECK(o != NULL);
    o->struct_size = sizeof o->struct_size;
    ho.manager = o;
    CHECK_INT(hrm_host_create(&ho, &host, &err), HRM_OK);
    CHECK_INT(hrm_dispatch(hrm_host_manager(host), 0, 0, &err), HRM_ERR_NOT_SUPPORTED);
    stop();
    free(o);
}

int main(void)
{
    RUN(on_a_library_thread);
    RUN(inside_hrm_dispatch);
    RUN(opening_fails);
    RUN(a_canary_dies_in_its_place);
    RUN(what_a_library_starts_in_a_canary_ends_with_it);
    RUN(reasons_are_printable);
    RUN(a_canary_beside_a_thread_that_loads);
    RUN(a_validator_of_its_own);
    RUN(going_back_later);
    RUN(pinned_versions);
    RUN(going_back_to_a_pinned_version);
    RUN(a_wait_that_was_given_up_is_over);
    RUN(closed_inside_its_callback);
    RUN(under_load);
    RUN(the_hosts_safeguards_hold_for_each_plugin);
    RUN(a_plugin_that_nobody_opened_is_rejected);
    RUN(messages_are_printable);
    RUN(options_that_end_early);
    DONE();
}
