/* SPDX-License-Identifier: MIT */
/* hot_reload_plugin.h: several plugins, the orders of an exchange, and what a host may
 * do where. */
#include "plugins.h"

#include <signal.h>
#include <sys/wait.h>

/* ------------------------------------------------------------------ helpers -- */

static hrm_plugin *open_as(const char *id, const char *file, int version, const char *more, const hrm_plugin_options *o)
{
    hrm_plugin_options own = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_plugin *p = NULL;
    if (o != NULL)
        own = *o;
    if (own.symbols == NULL)
        own.symbols = symbols;
    f = in(dir, file);
    build(version, more);
    CHECK_INT(hrm_host_open(host, id, f, &own, &p, &err), HRM_OK);
    CHECK_STR(err.message, "");
    return p;
}

static int answer(hrm_plugin *p, size_t index)
{
    const hrm_plugin_version *v = hrm_plugin_acquire(p);
    int n = v == NULL ? -1 : ((int (*)(void))hrm_plugin_function(v, index))();
    hrm_plugin_release(v);
    return n;
}

/* A plugin's step that waits for a file. */
#define WAIT_FOR(name) "while (access(\"" name "\", F_OK) != 0) usleep(1000);"
#define PLAIN_STATE                                                                                                    \
    "size_t plugin_save_state(void *to, size_t room) { if (room >= sizeof state) *(int *)to = state; return sizeof "   \
    "state; }\n"

static void touch(const char *name)
{
    const int fd = open(in(dir, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    close(fd);
}

/* Source that waits for dir/name. */
static const char *with_wait(const char *format, const char *name)
{
    static char text[1500];
    char wait[600];
    snprintf(wait, sizeof wait, "close(open(\"%s.here\", O_CREAT | O_WRONLY, 0644)); while (access(\"%s\", F_OK) != 0) usleep(1000);",
             in(dir, name), in(dir, name));
    snprintf(text, sizeof text, format, wait);
    return text;
}

static int exists(void *name) { return access(name, F_OK) == 0; }
static void await_file(const char *name) { CHECK(wait_until(exists, (void *)in(dir, name), PATIENCE)); }

#define FCNTL "#include <fcntl.h>\n"

/* -------------------------------------------------------------------- modes -- */

static struct {
    int ending;
    long good, bad;
} load;

static void *requests(void *p)
{
    while (!LOAD(load.ending)) {
        const hrm_plugin_version *v = hrm_plugin_acquire(p);
        const int version = v == NULL ? -2 : ((int (*)(void))hrm_plugin_function(v, 0))();
        ADD(*(version >= 1 ? &load.good : &load.bad), 1);
        hrm_plugin_release(v);
    }
    return NULL;
}

#define ALIVE                                                                                                          \
    STATE "static int alive; int plugin_init(void) { alive = 1; return 0; }\nvoid plugin_exit(void) { alive = 0; }\n"  \
          "int check(void) { return alive ? stamp.number : -1; }\n"

static void no_request_fails_in(int mode)
{
    static const char *const names[] = {"check", "work", NULL};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    pthread_t thread[2];
    hrm_plugin *p;
    int i;
    begin(HRM_DISPATCH_THREAD);
    o.mode = mode;
    o.symbols = names;
    p = open_as("p", "plugin.so", 1, ALIVE, &o);
    expect(HRM_VERDICT_DONE, 1, "");
    CHECK_INT(answer(p, 1), 1);
    memset(&load, 0, sizeof load);
    for (i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, requests, p), 0);
    build(2, ALIVE);
    expect(HRM_VERDICT_DONE, 2, "");
    build(3, "int check(void) { return nothing(); }");
    expect(HRM_VERDICT_FAILED, 2, "load: ");
    build(4, "int check(void) { return 1; } int plugin_init(void) { return 5; }\n" STATE);
    expect(HRM_VERDICT_FAILED, 2, "init: it returned 5");
    build(5, "int check(void) { return 1; } int plugin_init(void) { return 0; }\n" PLAIN_STATE
             "int plugin_restore_state(const void *from, size_t size) { return 6; }");
    expect(HRM_VERDICT_FAILED, 2, "restore: it returned 6");
    build(6, ALIVE);
    expect(HRM_VERDICT_DONE, 6, "");
    STORE(load.ending, 1);
    for (i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    CHECK_INT(load.bad, 0);
    CHECK(load.good > 0);
    CHECK_INT(answer(p, 0), 6);
    CHECK_INT(answer(p, 1), 2); /* the state went along, back and forth */
    stop();
}

static void no_request_fails_side_by_side(void) { no_request_fails_in(HRM_MODE_SIDE_BY_SIDE); }
static void no_request_fails_exit_first(void) { no_request_fails_in(HRM_MODE_EXIT_FIRST); }
static void no_request_fails_unload_first(void) { no_request_fails_in(HRM_MODE_UNLOAD_FIRST); }

/* ------------------------------------------------------ one plugin and others -- */

static void a_hand_over_holds_up_no_other_plugin(void)
{
    hrm_plugin *slow, *other;
    begin(HRM_DISPATCH_THREAD);
    other = open_as("other", "other.so", 7, "", NULL);
    expect(HRM_VERDICT_DONE, 1, "");
    slow = open_as("slow", "slow.so", 1,
                   with_wait(FCNTL "size_t plugin_save_state(void *to, size_t room) { %s return 0; }\n"
                                   "int plugin_restore_state(const void *from, size_t size) { return 0; }",
                             "go"),
                   NULL);
    expect(HRM_VERDICT_DONE, 1, "");
    build(2, STATE);
    await_file("go.here"); /* its state is being saved */
    CHECK_INT(answer(other, 0), 7);
    f = in(dir, "other.so");
    build(8, "");
    expect(HRM_VERDICT_DONE, 2, "other: ");
    CHECK_INT(answer(other, 0), 8);
    touch("go");
    expect(HRM_VERDICT_DONE, 2, "slow: ");
    CHECK_INT(answer(slow, 0), 2);
    stop();
}

static hrm_plugin *used;
static void *uses(void *arg)
{
    while (access(in(dir, "go.here"), F_OK) != 0)
        usleep(1000);
    *(int *)arg = answer(used, 0);
    touch("go");
    return NULL;
}

/* A restore that waits for a thread, which uses another plugin. */
static void a_restore_may_wait_for_who_uses_another_plugin(void)
{
    pthread_t thread;
    hrm_plugin *p;
    int said = 0;
    begin(HRM_DISPATCH_THREAD);
    used = open_as("used", "used.so", 9, STATE, NULL);
    expect(HRM_VERDICT_DONE, 1, "");
    p = open_as("p", "plugin.so", 1, STATE, NULL);
    expect(HRM_VERDICT_DONE, 1, "");
    CHECK_INT(pthread_create(&thread, NULL, uses, &said), 0);
    build(2, with_wait(FCNTL PLAIN_STATE "int plugin_restore_state(const void *from, size_t size) { %s return 0; }", "go"));
    expect(HRM_VERDICT_DONE, 2, "p: ");
    pthread_join(thread, NULL);
    CHECK_INT(said, 9);
    CHECK_INT(answer(p, 0), 2);
    stop();
}

static void a_plugin_that_hangs_holds_up_no_other(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_plugin *hangs, *other;
    begin(HRM_DISPATCH_THREAD);
    other = open_as("other", "other.so", 1, "", NULL);
    expect(HRM_VERDICT_DONE, 1, "");
    o.init_timeout_ms = 100;
    hangs = open_as("hangs", "hangs.so", 1, "", &o);
    expect(HRM_VERDICT_DONE, 1, "");
    build(2, with_wait(FCNTL "int plugin_init(void) { %s return 0; }", "go"));
    expect(HRM_VERDICT_FAILED, 1, "hangs: generation 2 failed: init: did not return within 100ms");
    CHECK_INT(answer(hangs, 0), 1);
    f = in(dir, "other.so");
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "other: ");
    CHECK_INT(answer(other, 0), 2);
    touch("go"); /* what the late init has done is undone */
    expect_unloaded("/3/hangs.so");
    stop();
}

static const char *called;
static int32_t connects(hrm_preparation *p, char *reason, size_t size, void *data)
{
    (void)reason, (void)size;
    CHECK(data == &called && p->needs_count == 1 && hrm_plugin_generation(p->version) > 0);
    *(int *)hrm_plugin_symbol(p->version, 2) = ((int (*)(void))hrm_plugin_function(p->needs[0], 0))();
    return 0;
}

static void a_dependent_is_exchanged_with_what_it_needs(void)
{
    static const char *const names[] = {"version", "work", "base", NULL}, *const needs[] = {"base", NULL};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_plugin *base, *app;
    const hrm_plugin_version *v;
    begin(HRM_DISPATCH_THREAD);
    base = open_as("base", "base.so", 10, "", NULL);
    expect(HRM_VERDICT_DONE, 1, "");
    o.needs = needs;
    o.symbols = names;
    o.connect = connects;
    o.prepare_data = &called;
    app = open_as("app", "app.so", 1, "int base;", &o);
    expect(HRM_VERDICT_DONE, 1, "");
    f = in(dir, "base.so");
    build(11, "");
    expect(HRM_VERDICT_DONE, 2, "base: generation 2 answers now");
    expect(HRM_VERDICT_RESTARTED, 1, "app: generation 1 answers again, restarted for base generation 2");
    v = hrm_plugin_acquire(app);
    CHECK_INT(*(int *)hrm_plugin_symbol(v, 2), 11);
    hrm_plugin_release(v);
    CHECK_INT(hrm_plugin_close(base, -1, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "is needed by \"app\"");
    CHECK_INT(hrm_plugin_close(app, PATIENCE, &err), HRM_OK);
    CHECK_INT(hrm_plugin_close(base, PATIENCE, &err), HRM_OK);
    CHECK_INT(hrm_host_open(host, "app", in(dir, "app.so"), &o, &app, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "needs \"base\", which does not exist");
    stop();
}

/* --------------------------------------------------- a certificate and its key -- */

static void write_text(const char *name, const char *text)
{
    const char *made = in(dir, "made");
    FILE *out = fopen(made, "w");
    CHECK(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
    CHECK_INT(rename(made, in(dir, name)), 0);
}

static void read_text(const char *path, char *to, size_t size)
{
    FILE *from = fopen(path, "r");
    to[0] = 0;
    if (from != NULL) {
        CHECK(fgets(to, (int)size, from) != NULL);
        fclose(from);
    }
}

static int32_t reads(hrm_preparation *p, char *reason, size_t size, void *data)
{
    char text[40];
    (void)data;
    read_text(hrm_plugin_path(p->version), text, sizeof text);
    if (text[0] == 'x') {
        snprintf(reason, size, "it begins with x");
        return 1;
    }
    p->data = strdup(text);
    return 0;
}

static int frees;
static int32_t forgets(hrm_preparation *p, char *reason, size_t size, void *data)
{
    (void)reason, (void)size, (void)data;
    ADD(frees, 1);
    free(p->data);
    return 0;
}

static int32_t same_number(const char *set, const hrm_candidate *c, size_t n, char *reason, size_t size, void *data)
{
    char a[40], b[40];
    CHECK(strcmp(set, "tls") == 0 && n == 2 && data == &frees);
    read_text(c[0].snapshot_path, a, sizeof a);
    read_text(c[1].snapshot_path, b, sizeof b);
    if (strcmp(a, b) == 0)
        return HRM_ACCEPT;
    snprintf(reason, size, "%s is not %s", a, b);
    return HRM_REJECT;
}

static struct {
    hrm_plugin *pair[2];
    int ending, mixed;
    long n;
} tls;

static void *hands_shake(void *arg)
{
    while (!LOAD(tls.ending)) {
        const hrm_plugin_version *v[2];
        CHECK_INT(hrm_plugin_acquire_all(tls.pair, 2, v), HRM_OK);
        ADD(tls.mixed, strcmp(hrm_plugin_data(v[0]), hrm_plugin_data(v[1])) != 0);
        hrm_plugin_release(v[0]);
        hrm_plugin_release(v[1]);
        tls.n++;
    }
    return arg;
}

static void a_certificate_and_its_key_are_never_mixed(void)
{
    hrm_plugin_opening all[2] = {HRM_PLUGIN_OPENING_INIT, HRM_PLUGIN_OPENING_INIT};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_set_options set = HRM_SET_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_plugin *one = NULL;
    pthread_t thread;
    char text[8];
    int i;
    begin(HRM_DISPATCH_THREAD);
    write_text("crt", "1");
    write_text("key", "1");
    o.flags = HRM_PLUGIN_FILE;
    o.prepare = reads;
    o.dispose = forgets;
    all[0].plugin_id = "crt";
    all[1].plugin_id = "key";
    for (i = 0; i < 2; i++) {
        all[i].path = in(dir, all[i].plugin_id);
        all[i].options = &o;
    }
    set.id = "tls";
    set.check = same_number;
    set.user_data = &frees;
    frees = 0;
    CHECK_INT(hrm_host_open_all(host, all, 2, &set, &err), HRM_OK);
    CHECK_STR(err.message, "");
    expect(HRM_VERDICT_DONE, 1, "together with");
    expect(HRM_VERDICT_DONE, 1, "together with");
    memset(&tls, 0, sizeof tls);
    tls.pair[0] = all[0].plugin;
    tls.pair[1] = all[1].plugin;
    CHECK(hrm_host_find(host, "key") == tls.pair[1] && hrm_host_find(host, "tls") == NULL);
    CHECK_INT(pthread_create(&thread, NULL, hands_shake, NULL), 0);
    for (i = 2; i < 6; i++) {
        snprintf(text, sizeof text, "%d", i);
        write_text("crt", text);
        let_pass(i == 2 ? 300 : 1); /* the key comes later: nothing is said meanwhile */
        write_text("key", text);
        expect(HRM_VERDICT_DONE, i, "together with");
        expect(HRM_VERDICT_DONE, i, "together with");
    }
    STORE(tls.ending, 1);
    pthread_join(thread, NULL);
    CHECK_INT(tls.mixed, 0);
    CHECK(tls.n > 0);
    CHECK_INT(hrm_host_open_all(host, all, 2, &set, &err), HRM_ERR_ALREADY_EXISTS);
    CHECK(all[0].plugin == NULL && all[1].plugin == NULL);
    write_text("bad", "x");
    CHECK_INT(hrm_host_open(host, "bad", in(dir, "bad"), &o, &one, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "prepare: it begins with x");
    stop();
    CHECK_INT(frees, 10);
}

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

/* -------------------------------------------------------------------- others -- */

static void a_plugin_whose_file_is_missing(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    const hrm_plugin_version *v = NULL;
    begin(HRM_DISPATCH_THREAD);
    o.flags = HRM_PLUGIN_ALLOW_MISSING;
    CHECK_INT(try_open(&o, &err), HRM_OK);
    CHECK(hrm_plugin_acquire(plugin) == NULL);
    CHECK_INT(hrm_plugin_acquire_ex(plugin, 10, &v, &err), HRM_ERR_IO);
    CHECK_STR(err.message, "no version answers: it has no version yet");
    build(1, "");
    expect(HRM_VERDICT_DONE, 1, "");
    CHECK_INT(call(0), 1);
    CHECK_INT(hrm_plugin_close(plugin, PATIENCE, &err), HRM_OK);
    CHECK_INT(try_open(&o, &err), HRM_OK); /* now it is there: its first version is waited for */
    CHECK_INT(call(0), 1);
    stop();
}

static void a_state_that_cannot_be_saved(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_plugin_condition c = HRM_PLUGIN_CONDITION_INIT;
    hrm_error err = HRM_ERROR_INIT;
    static const char grows[] = "size_t plugin_save_state(void *to, size_t room) { return room + 1; }\n"
                                "int plugin_restore_state(const void *from, size_t size) { return 0; }";
    begin(HRM_DISPATCH_THREAD);
    build(1, grows);
    CHECK_INT(try_open(&o, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    CHECK_INT(hrm_plugin_take_without_state(plugin, &err), HRM_ERR_INVALID_ARGUMENT);
    build(2, grows);
    expect(HRM_VERDICT_WAITING, 1, "save: the state grew from 1 to 2 bytes while it was saved");
    CHECK_INT(hrm_plugin_state(plugin, &c, &err), HRM_OK);
    CHECK(c.pending == 2 && c.active == 1);
    CHECK_HAS(c.text, "generation 2 waits for another version (");
    CHECK_INT(hrm_plugin_take_without_state(plugin, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(hrm_plugin_close(plugin, PATIENCE, &err), HRM_OK);
    o.flags = HRM_PLUGIN_STATE_OPTIONAL;
    CHECK_INT(try_open(&o, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    build(3, STATE);
    expect(HRM_VERDICT_DONE, 2, "without the saved state");
    stop();
}

static void a_library_that_stays_in_memory_is_named(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    begin(HRM_DISPATCH_THREAD);
    o.flags = HRM_PLUGIN_KEEP_LOADED;
    build(1, "");
    CHECK_INT(try_open(&o, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(hrm_plugin_close(plugin, PATIENCE, &err), HRM_OK);
    CHECK(loaded("/1/plugin.so") && loaded("/2/plugin.so"));
    CHECK_INT(told.notes, 0); /* it was asked for */
    stop();
}

/* The steps of another language, which are the host's. */
static struct {
    pthread_mutex_t mu;
    char log[2000];
} steps = {PTHREAD_MUTEX_INITIALIZER, ""};

static int32_t perform(const hrm_step *s, hrm_step_result *r, void *arg)
{
    static const char *const names[] = {"", "load", "init", "", "save", "exit", "unload", "restore", "prepare"};
    char text[40] = "";
    CHECK(arg == &steps && s->struct_size == sizeof *s && s->instance > 0);
    pthread_mutex_lock(&steps.mu);
    if (s->kind != HRM_STEP_FORGET)
        snprintf(steps.log + strlen(steps.log), sizeof steps.log - strlen(steps.log), "%s %d; ", names[s->kind], (int)s->generation);
    pthread_mutex_unlock(&steps.mu);
    switch (s->kind) {
    case HRM_STEP_LOAD:
        CHECK(s->data == NULL);
        read_text(s->path, text, sizeof text);
        r->data = strdup(text);
        r->hooks = HRM_HOOK_INIT | HRM_HOOK_EXIT | HRM_HOOK_SAVE | HRM_HOOK_RESTORE;
        break;
    case HRM_STEP_INIT:
        if (strcmp(s->data, "bad") == 0) {
            snprintf(r->reason, r->reason_size, "it is bad\n");
            return HRM_STEP_FAILED;
        }
        break;
    case HRM_STEP_RESTORE: CHECK(s->from != NULL && s->from != s->data); break;
    case HRM_STEP_UNLOAD: snprintf(r->reason, r->reason_size, "it is sticky"); return HRM_STEP_KEPT;
    case HRM_STEP_FORGET: free(s->data); break;
    default: break;
    }
    return HRM_STEP_DONE;
}

static void steps_of_another_language(int mode)
{
    hrm_options mo = HRM_OPTIONS_INIT;
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    const hrm_plugin_version *v;
    begin(mode);
    stop();
    steps.log[0] = 0;
    mo.dispatch_mode = mode;
    mo.quiet_ms = QUIET;
    mo.snapshot_dir = in(dir, "snapshots");
    ho.manager = &mo;
    ho.outcome = on_outcome;
    ho.step = perform;
    ho.user_data = &steps;
    ho.outcome = NULL;
    CHECK_INT(hrm_host_create(&ho, &host, &err), HRM_OK);
    write_text("text", "one");
    CHECK_INT(hrm_host_open(host, "t", in(dir, "text"), NULL, &plugin, &err), HRM_OK);
    v = hrm_plugin_acquire(plugin);
    CHECK_STR(hrm_plugin_data(v), "one");
    CHECK(hrm_plugin_function(v, 0) == NULL);
    hrm_plugin_release(v);
    write_text("bad", "bad");
    CHECK_INT(hrm_host_open(host, "bad", in(dir, "bad"), NULL, NULL, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "init: it is bad\\n");
    stop();
    CHECK_HAS(steps.log, "load 1; init 1; ");
    CHECK_HAS(steps.log, "exit 1; unload 1; ");
}

static void steps_of_another_language_on_library_threads(void) { steps_of_another_language(HRM_DISPATCH_THREAD); }
static void steps_of_another_language_in_hrm_dispatch(void) { steps_of_another_language(HRM_DISPATCH_MANUAL); }

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
    RUN(no_request_fails_side_by_side);
    RUN(no_request_fails_exit_first);
    RUN(no_request_fails_unload_first);
    RUN(a_hand_over_holds_up_no_other_plugin);
    RUN(a_restore_may_wait_for_who_uses_another_plugin);
    RUN(a_plugin_that_hangs_holds_up_no_other);
    RUN(a_dependent_is_exchanged_with_what_it_needs);
    RUN(a_certificate_and_its_key_are_never_mixed);
    RUN(handles_are_checked);
    RUN(of_two_that_open_one_plugin_one_wins);
    RUN(options_are_copied);
    RUN(bad_options_are_refused);
    RUN(destroyed_inside_its_callback_on_a_library_thread);
    RUN(destroyed_inside_its_callback_in_hrm_dispatch);
    RUN(opening_inside_a_callback_works);
    RUN(opening_inside_hrm_dispatch_is_refused);
    RUN(a_version_never_ends_where_it_is_released);
    RUN(a_version_ends_in_hrm_dispatch);
    RUN(a_version_ends_on_a_library_thread_if_wanted);
    RUN(one_thread_that_dispatches_and_calls);
    RUN(in_the_child_of_a_fork);
    RUN(a_plugin_whose_file_is_missing);
    RUN(a_state_that_cannot_be_saved);
    RUN(a_library_that_stays_in_memory_is_named);
    RUN(steps_of_another_language_on_library_threads);
    RUN(steps_of_another_language_in_hrm_dispatch);
    RUN(a_canary_whose_status_the_host_takes);
    RUN(a_canary_in_a_program_of_its_own);
    DONE();
}
