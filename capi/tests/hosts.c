/* SPDX-License-Identifier: MIT */
/* hot_reload_plugin.h: the orders of an exchange, several plugins, states, and steps of
 * another language. */
#include "hosts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

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

/* ---------------------------------------------------------- what exists once -- */

#define OWNS_A_PORT                                                                                                    \
    "#include <arpa/inet.h>\n#include <errno.h>\n#include <sys/socket.h>\nstatic int s = -1;\n"                       \
    "int plugin_init(void) { struct sockaddr_in a = {AF_INET, htons(PORT), {htonl(INADDR_LOOPBACK)}};\n"               \
    "s = socket(AF_INET, SOCK_STREAM, 0);\nreturn bind(s, (void *)&a, sizeof a) != 0 ? errno : listen(s, 1); }\n"      \
    "void plugin_exit(void) { close(s); }\n"

/* A port that nobody has. */
static int free_port(void)
{
    struct sockaddr_in a;
    socklen_t size = sizeof a;
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(s, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(s, (struct sockaddr *)&a, &size) == 0);
    close(s);
    return ntohs(a.sin_port);
}

static void a_plugin_that_owns_a_port(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    char source[1200];
    hrm_plugin *p;
    begin(HRM_DISPATCH_THREAD);
    snprintf(source, sizeof source, "#define PORT %d\n" OWNS_A_PORT, free_port());
    p = open_as("p", "plugin.so", 1, source, NULL);
    expect(HRM_VERDICT_DONE, 1, "");
    build(2, source);
    expect(HRM_VERDICT_FAILED, 1, "init: it returned "); /* side by side the port is taken */
    CHECK_INT(hrm_plugin_close(p, PATIENCE, NULL), HRM_OK);
    o.mode = HRM_MODE_EXIT_FIRST;
    p = open_as("p", "plugin.so", 3, source, &o);
    expect(HRM_VERDICT_DONE, 1, "");
    build(4, source);
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(answer(p, 0), 4);
    build(5, "int plugin_init(void) { return 1; }");
    expect(HRM_VERDICT_FAILED, 2, "init: it returned 1"); /* and the old one has its port again */
    CHECK_INT(answer(p, 0), 4);
    stop();
}

#define REGISTERS                                                                                                      \
    "#include <fcntl.h>\n__attribute__((constructor)) static void enter(void)\n"                                       \
    "{ int fd = open(REGISTRY, O_CREAT | O_EXCL, 0600); if (fd < 0) abort(); close(fd); }\n"                           \
    "__attribute__((destructor)) static void leave(void) { unlink(REGISTRY); }\n"

/* One that registers itself when it is loaded, in a registry that aborts the second time. */
static void a_plugin_in_a_registry(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    char source[1200];
    hrm_plugin *p;
    int i;
    begin(HRM_DISPATCH_THREAD);
    snprintf(source, sizeof source, "#define REGISTRY \"%s\"\n" REGISTERS, in(dir, "registry"));
    o.mode = HRM_MODE_UNLOAD_FIRST;
    p = open_as("p", "plugin.so", 1, source, &o);
    expect(HRM_VERDICT_DONE, 1, "");
    for (i = 2; i < 5; i++) {
        build(i, source);
        expect(HRM_VERDICT_DONE, i, "");
        CHECK_INT(answer(p, 0), i);
    }
    build(5, "int plugin_init(void) { return 1; }");
    expect(HRM_VERDICT_FAILED, 4, "init: it returned 1");
    CHECK_INT(answer(p, 0), 4);
    CHECK(access(in(dir, "registry"), F_OK) == 0);
    stop();
    CHECK(access(in(dir, "registry"), F_OK) != 0);
}

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
    char text[16];
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
        let_pass(i == 2 ? 1000 : 1); /* the key comes later: nothing is said meanwhile */
        CHECK_INT(told.n, told.seen);
        CHECK_INT(told.notes, 0);
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
    static const char *const names[] = {"", "load", "init", "", "save", "exit", "unload", "restore", "prepare", "activate"};
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
    CHECK_HAS(steps.log, "load 1; init 1; activate 1; ");
    CHECK_HAS(steps.log, "exit 1; unload 1; ");
}

static void steps_of_another_language_on_library_threads(void) { steps_of_another_language(HRM_DISPATCH_THREAD); }
static void steps_of_another_language_in_hrm_dispatch(void) { steps_of_another_language(HRM_DISPATCH_MANUAL); }

int main(void)
{
    RUN(no_request_fails_side_by_side);
    RUN(no_request_fails_exit_first);
    RUN(no_request_fails_unload_first);
    RUN(a_plugin_that_owns_a_port);
    RUN(a_plugin_in_a_registry);
    RUN(a_hand_over_holds_up_no_other_plugin);
    RUN(a_restore_may_wait_for_who_uses_another_plugin);
    RUN(a_plugin_that_hangs_holds_up_no_other);
    RUN(a_dependent_is_exchanged_with_what_it_needs);
    RUN(a_certificate_and_its_key_are_never_mixed);
    RUN(a_plugin_whose_file_is_missing);
    RUN(a_state_that_cannot_be_saved);
    RUN(a_library_that_stays_in_memory_is_named);
    RUN(steps_of_another_language_on_library_threads);
    RUN(steps_of_another_language_in_hrm_dispatch);
    DONE();
}
