/* hot_reload_plugin.h: plugins loaded with dlopen, exchanged while in use. */
#define HRM_PLUGIN_IMPLEMENTATION
#include "hot_reload_plugin.h"
#include "support.h"

static const char *dir, *f;
static hrm_plugin_host *host;
static hrm_plugin *plugin;

static struct {
    pthread_mutex_t mu;
    int n, seen, close_inside;
    struct {
        int result;
        uint64_t generation, present;
        char message[400];
    } o[64];
} told = {PTHREAD_MUTEX_INITIALIZER, 0, 0, 0, {{0, 0, 0, ""}}};

static void on_outcome(const hrm_plugin_outcome *o, void *arg)
{
    CHECK(arg == &told);
    pthread_mutex_lock(&told.mu);
    told.o[told.n % 64].result = o->result;
    told.o[told.n % 64].generation = o->generation;
    told.o[told.n % 64].present = o->present;
    snprintf(told.o[told.n % 64].message, sizeof told.o[0].message, "%s", o->message);
    told.n++;
    pthread_mutex_unlock(&told.mu);
    if (LOAD(told.close_inside))
        hrm_plugin_close(plugin);
}

static int another(void *arg)
{
    int yes;
    if (arg != NULL)
        hrm_dispatch(hrm_plugin_host_manager(host), 0, 5, NULL);
    pthread_mutex_lock(&told.mu);
    yes = told.n > told.seen;
    pthread_mutex_unlock(&told.mu);
    return yes;
}

/* The next outcome: its result, what is present, a part of its message. */
static void expect(int result, int present, const char *message)
{
    int i;
    CHECK(wait_until(another, host->manual ? host : NULL, PATIENCE));
    i = told.seen++ % 64;
    CHECK_INT(told.o[i].result, result);
    CHECK_INT(told.o[i].present, present);
    CHECK_HAS(told.o[i].message, message);
}

static const char *const symbols[] = {"version", "work", NULL};

/* Compiles a plugin and puts it into place in one step. */
static void build(int version, const char *more)
{
    char command[2000];
    FILE *c = fopen(in(dir, "plugin.c"), "w");
    if (c == NULL)
        abort();
    fprintf(c,
            "#include <stddef.h>\n#include <stdlib.h>\n#include <unistd.h>\nstatic int state;\n"
            "int version(void) { return %d; }\nint work(void) { return ++state; }\n%s\n",
            version, more);
    fclose(c);
    snprintf(command, sizeof command, "%s -shared -fPIC -w %s -o %s && mv %s %s", getenv("CC") ? getenv("CC") : "cc",
             in(dir, "plugin.c"), in(dir, "built"), in(dir, "built"), f);
    if (system(command) != 0)
        abort();
}

#define STATE                                                                                                         \
    "size_t plugin_save_state(void *to, size_t room) { if (room >= sizeof state) *(int *)to = state; return sizeof "  \
    "state; }\nint plugin_restore_state(const void *from, size_t size) { state = *(const int *)from; return 0; }\n"

static void begin(int mode)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    dir = scratch();
    f = in(dir, "plugin.so");
    told.n = told.seen = told.close_inside = 0;
    o.dispatch_mode = mode;
    o.quiet_ms = QUIET;
    o.snapshot_dir = in(dir, "snapshots");
    CHECK_INT(hrm_plugin_host_create(&o, on_outcome, &told, &host, &err), HRM_OK);
}

static int32_t try_open(hrm_plugin_options *o, hrm_error *err)
{
    o->symbols = symbols;
    return hrm_plugin_open(host, "p", f, o, &plugin, err);
}

static void start(int mode, hrm_plugin_options *o)
{
    hrm_error err = HRM_ERROR_INIT;
    begin(mode);
    build(1, STATE);
    CHECK_INT(try_open(o, &err), HRM_OK);
    CHECK_STR(err.message, "");
    expect(HRM_RELOAD_OK, 1, "");
}

static int call(size_t index)
{
    const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
    int answer = ((int (*)(void))hrm_plugin_function(v, index))();
    hrm_plugin_release(v);
    return answer;
}

static void stop(void)
{
    hrm_plugin_host_destroy(host);
    host = NULL;
}

static void versions_are_exchanged(int mode)
{
    hrm_plugin_options o = {0};
    start(mode, &o);
    CHECK_INT(call(0), 1);
    CHECK_INT(call(1), 1);
    CHECK_INT(call(1), 2);
    build(2, STATE);
    expect(HRM_RELOAD_OK, 2, "");
    CHECK_INT(call(0), 2);
    CHECK_INT(call(1), 3); /* the state went along */
    build(3, "int plugin_init(void) { return -4; }");
    expect(HRM_RELOAD_FAILED, 2, "its init returned -4");
    build(4, "int nothing(void); int more(void) { return nothing(); }");
    expect(HRM_RELOAD_FAILED, 2, "nothing");
    build(5, STATE "int plugin_init(void) { return 0; }");
    expect(HRM_RELOAD_OK, 5, "");
    CHECK_INT(call(1), 4);
    stop();
}

static void on_a_library_thread(void) { versions_are_exchanged(HRM_DISPATCH_THREAD); }
static void inside_hrm_dispatch(void) { versions_are_exchanged(HRM_DISPATCH_MANUAL); }

static void opening_fails(void)
{
    hrm_plugin_options o = {0};
    hrm_error err = HRM_ERROR_INIT;
    char no_room[8];
    begin(HRM_DISPATCH_THREAD);
    CHECK_INT(try_open(&o, &err), HRM_ERR_FILE_NOT_FOUND);
    CHECK_INT(hrm_plugin_open(NULL, "p", f, &o, &plugin, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_plugin_host_create(NULL, NULL, NULL, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    write_version(f, 1);
    CHECK_INT(try_open(&o, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "plugin \"p\"");
    build(1, "int plugin_init(void) { return 9; }");
    CHECK_INT(try_open(&o, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "its init returned 9");
    build(1, "int plugin_init(void) { return 0; }");
    CHECK_INT(try_open(&o, &err), HRM_OK);
    CHECK_INT(try_open(&o, &err), HRM_ERR_ALREADY_EXISTS);
    CHECK_HAS(err.message, "\"p\"");
    CHECK_INT(hrm_plugin_canary(in(dir, "missing"), NULL, 1000, no_room, sizeof no_room), 0);
    hrm_plugin_close(NULL);
    hrm_plugin_host_destroy(NULL);
    stop();
}

static void a_canary_dies_in_its_place(void)
{
    hrm_plugin_options o = {0};
    o.canary_timeout_ms = 400;
    start(HRM_DISPATCH_THREAD, &o);
    build(2, "int plugin_init(void) { abort(); }");
    expect(0, 1, "crashed: signal 6");
    build(3, "int plugin_init(void) { for (;;) ; }");
    expect(0, 1, "did not return within 400 ms");
    build(4, "int plugin_init(void) { _exit(0); }");
    expect(0, 1, "ended the process");
    build(5, "__attribute__((constructor)) static void early(void) { *(volatile int *)0 = 0; }");
    expect(0, 1, "crashed: signal 11");
    build(6, "int plugin_init(void) { return 6; }");
    expect(0, 1, "in a child process: its init returned 6");
    build(7, "");
    expect(HRM_RELOAD_OK, 2, "");
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
    hrm_plugin_options o = {0};
    o.validator = only_even;
    o.validator_data = (void *)symbols;
    start(HRM_DISPATCH_THREAD, &o);
    build(2, "");
    expect(HRM_RELOAD_OK, 2, "");
    build(3, "");
    expect(0, 2, "generation 3 is odd");
    stop();
}

static void going_back_later(void)
{
    hrm_plugin_options o = {0};
    hrm_error err = HRM_ERROR_INIT;
    start(HRM_DISPATCH_THREAD, &o);
    build(2, STATE);
    expect(HRM_RELOAD_OK, 2, "");
    CHECK_INT(call(0), 2);
    CHECK_INT(hrm_plugin_fail(plugin, 2, "it answers nonsense", &err), HRM_OK);
    expect(HRM_RELOAD_OK, 1, "");
    CHECK_INT(call(0), 1);
    CHECK_INT(hrm_plugin_fail(plugin, 77, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    stop();
}

static int loaded(const char *part)
{
    char line[1000];
    int yes = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        yes = yes || strstr(line, part) != NULL;
    if (maps != NULL)
        fclose(maps);
    return yes;
}

/* What is pinned stays loaded, and holds the exchange up only where state is handed over. */
static void pinned_versions(void)
{
    hrm_plugin_options o = {0};
    const hrm_plugin_version *old;
    hrm_error err = HRM_ERROR_INIT;
    begin(HRM_DISPATCH_THREAD);
    build(1, "");
    CHECK_INT(try_open(&o, &err), HRM_OK);
    expect(HRM_RELOAD_OK, 1, "");
    old = hrm_plugin_acquire(plugin);
    build(2, STATE);
    expect(HRM_RELOAD_OK, 2, ""); /* the old one has no state: no waiting */
    CHECK_INT(call(0), 2);
    CHECK_INT(((int (*)(void))hrm_plugin_function(old, 0))(), 1);
    CHECK_INT(hrm_plugin_generation(old), 1);
    hrm_plugin_release(old);
    CHECK(!loaded("/1/plugin.so"));
    hrm_plugin_close(plugin);
    CHECK(!loaded("/plugin.so"));

    o.hand_over_timeout_ms = 50;
    build(3, STATE);
    CHECK_INT(try_open(&o, &err), HRM_OK);
    expect(HRM_RELOAD_OK, 1, "");
    old = hrm_plugin_acquire(plugin);
    build(4, STATE);
    expect(HRM_RELOAD_FAILED, 1, "calls under way did not end in time");
    CHECK_INT(call(0), 3);
    hrm_plugin_release(old);
    build(5, STATE);
    expect(HRM_RELOAD_OK, 3, "");
    stop();
}

static void closed_inside_its_callback(void)
{
    hrm_plugin_options o = {0};
    start(HRM_DISPATCH_THREAD, &o);
    STORE(told.close_inside, 1);
    build(2, "");
    expect(HRM_RELOAD_OK, 2, "");
    CHECK_INT(hrm_manager_destroy(hrm_plugin_host_manager(host)), HRM_OK); /* waits for the callback */
    CHECK(host->first == NULL);
    CHECK(!loaded("/plugin.so"));
    host->manager = NULL;
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
    hrm_plugin_options o = {0};
    pthread_t thread[3];
    int i;
    start(HRM_DISPATCH_THREAD, &o);
    memset(&load, 0, sizeof load);
    for (i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, requests, NULL), 0);
    for (i = 2; i <= 8; i++) {
        build(i, i % 3 == 0 ? "int plugin_init(void) { return 1; }" : STATE);
        CHECK(wait_until(another, NULL, PATIENCE));
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

int main(void)
{
    RUN(on_a_library_thread);
    RUN(inside_hrm_dispatch);
    RUN(opening_fails);
    RUN(a_canary_dies_in_its_place);
    RUN(a_validator_of_its_own);
    RUN(going_back_later);
    RUN(pinned_versions);
    RUN(closed_inside_its_callback);
    RUN(under_load);
    DONE();
}
