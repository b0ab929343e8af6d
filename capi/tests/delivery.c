/* SPDX-License-Identifier: MIT */
/* HRM_DISPATCH_THREAD: one library thread, one callback at a time, and nothing
 * after disable, clear or destroy. */
#include "support.h"

static recorder *r;
static hrm_manager *m;
static const char *dir, *f;

static void start(void)
{
    r = calloc(1, sizeof *r);
    dir = scratch();
    f = in(dir, "plugin.so");
    write_version(f, 1);
    m = manager(HRM_DISPATCH_THREAD, 0);
    record_into(m, r);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
}

static void one_thread(void)
{
    char id[24], name[24];
    int i;
    long thread;
    start();
    for (i = 0; i < 30; i++) {
        snprintf(id, sizeof id, "x%d", i);
        snprintf(name, sizeof name, "x%d.so", i);
        write_version(in(dir, name), 1);
        CHECK_INT(hrm_enable_hot_reload(m, id, in(dir, name), NULL), HRM_OK);
    }
    for (i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "x%d.so", i);
        replace_version(in(dir, name), 2);
    }
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, NULL, 30));
    thread = nth(r, 0, NULL, 0).thread;
    CHECK(thread != syscall(SYS_gettid));
    for (i = 0; i < 61; i++) {
        CHECK_INT(nth(r, 0, NULL, i).thread, thread);
        CHECK_INT(nth(r, 0, NULL, i).sequence, i + 1);
    }
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(r->reloads, 30);
    CHECK_INT(r->overlaps, 0);
    free(r);
}

/* The event callback of a change comes just before its reload callback. */
static int order[4], steps;
static void first(const hrm_event *ev, void *arg)
{
    (void)arg;
    if (ev->kind == HRM_EVENT_FILE_CHANGED)
        order[(ADD(steps, 1) - 1) & 3] = 1;
}
static void second(const char *id, void *arg)
{
    (void)id, (void)arg;
    order[(ADD(steps, 1) - 1) & 3] = 2;
}
static int two_steps(void *arg)
{
    (void)arg;
    return LOAD(steps) >= 2;
}

static void event_before_reload(void)
{
    start();
    CHECK_INT(hrm_set_event_callback(m, first, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_set_reload_callback(m, second, NULL, NULL), HRM_OK);
    replace_version(f, 2);
    CHECK(wait_until(two_steps, NULL, PATIENCE));
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(steps, 2);
    CHECK_INT(order[0], 1);
    CHECK_INT(order[1], 2);
    free(r);
}

/* A callback that is held until it is let go. */
struct gate {
    int entered, go, left, calls, destroyed;
};

static void held(const char *id, void *arg)
{
    struct gate *g = arg;
    (void)id;
    ADD(g->calls, 1);
    STORE(g->entered, 1);
    wait_until(is_set, &g->go, PATIENCE);
    STORE(g->left, 1);
}

static void gate_destroyed(void *arg)
{
    struct gate *g = arg;
    ADD(g->destroyed, LOAD(g->left) || !LOAD(g->entered) ? 1 : 100);
}

struct call {
    int which, started, returned, left_before_return;
    int32_t result;
    struct gate *g;
};

static void *make_call(void *arg)
{
    struct call *c = arg;
    int32_t result;
    STORE(c->started, 1);
    switch (c->which) {
    case 0: result = hrm_disable_hot_reload(m, "p"); break;
    case 1: result = hrm_clear(m); break;
    case 2: result = hrm_set_reload_callback(m, NULL, NULL, NULL); break;
    case 3: result = hrm_set_global_hot_reload_enabled(m, 0); break;
    case 4: result = hrm_set_plugin_paused(m, "p", 1); break;
    default: result = hrm_manager_destroy(m);
    }
    c->result = result;
    c->left_before_return = LOAD(c->g->left);
    STORE(c->returned, 1);
    return NULL;
}

static void waits_for_the_running_callback(void)
{
    int which;
    for (which = 0; which < 6; which++) {
        struct gate g;
        struct call c;
        pthread_t t;
        memset(&g, 0, sizeof g);
        memset(&c, 0, sizeof c);
        start();
        CHECK_INT(hrm_set_reload_callback(m, held, &g, gate_destroyed), HRM_OK);
        replace_version(f, 2);
        CHECK(wait_until(is_set, &g.entered, PATIENCE));
        c.which = which;
        c.g = &g;
        pthread_create(&t, NULL, make_call, &c);
        CHECK(wait_until(is_set, &c.started, PATIENCE));
        let_pass(40); /* long enough for a call that does not wait to be back */
        CHECK_INT(LOAD(c.returned), 0);
        CHECK_INT(hrm_is_global_hot_reload_enabled_ex(m, NULL, NULL) == HRM_ERR_PANIC, 0); /* others are not held up */
        STORE(g.go, 1);
        CHECK(wait_until(is_set, &c.returned, PATIENCE));
        pthread_join(t, NULL);
        CHECK_INT(c.left_before_return, 1);
        CHECK_INT(c.result, which < 2 ? 1 : HRM_OK);
        replace_version(f, 3);
        let_pass(3 * QUIET);
        CHECK_INT(LOAD(g.calls), 1);
        if (which != 5)
            CHECK_INT(hrm_manager_destroy(m), HRM_OK);
        CHECK_INT(LOAD(g.destroyed), 1);
        free(r);
    }
}

/* Every function from inside a callback; the last ends the manager. */
static int inside_calls, inside_done, inside_destroyed;

static void everything(const char *id, void *arg)
{
    hrm_error err = HRM_ERROR_INIT;
    hrm_stats_t st;
    size_t size = 0;
    if (ADD(inside_calls, 1) > 1)
        return;
    st.struct_size = sizeof st;
    CHECK_STR(id, "p");
    CHECK_INT(hrm_is_hot_reload_enabled(m, "p"), 1);
    CHECK_INT(hrm_enable_hot_reload(m, "q", f, &err), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m, "q", f, &err), HRM_ERR_ALREADY_EXISTS);
    CHECK_INT(hrm_get_hot_reload_plugins(m, NULL, &size), 2);
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, 0), HRM_OK);
    CHECK_INT(hrm_is_global_hot_reload_enabled(m), 0);
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, 1), HRM_OK);
    CHECK_INT(hrm_stats(m, &st), HRM_OK);
    CHECK_INT(hrm_dispatch(m, 0, 0, &err), HRM_ERR_NOT_SUPPORTED);
    CHECK_INT(hrm_event_fd(m), HRM_ERR_NOT_SUPPORTED);
    CHECK_INT(hrm_set_event_callback(m, NULL, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    CHECK_INT(hrm_clear(m), 1);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(hrm_manager_destroy(m), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_is_hot_reload_enabled_ex(m, "p", NULL, NULL), HRM_ERR_INVALID_HANDLE);
    CHECK_STR(id, "p"); /* still valid: the callback has not returned */
    CHECK_INT(LOAD(inside_destroyed), 0);
    (void)arg;
    STORE(inside_done, 1);
}

static void inside_destroy(void *arg)
{
    (void)arg;
    ADD(inside_destroyed, 1);
}

static void callback_calls_everything(void)
{
    start();
    CHECK_INT(hrm_set_reload_callback(m, everything, NULL, inside_destroy), HRM_OK);
    replace_version(f, 2);
    CHECK(wait_until(is_set, &inside_done, PATIENCE));
    CHECK(wait_until(is_set, &inside_destroyed, PATIENCE));
    CHECK_INT(LOAD(inside_calls), 1);
    CHECK_INT(LOAD(inside_destroyed), 1);
    free(r);
}

/* A callback that replaces itself: its own user_data lives until it returns. */
static int swapped, old_gone;
static void replacement(const char *id, void *arg)
{
    (void)id, (void)arg;
    ADD(swapped, 1);
}
static void on_gone(void *arg)
{
    (void)arg;
    ADD(old_gone, 1);
}
static void replaces_itself(const char *id, void *arg)
{
    (void)id, (void)arg;
    CHECK_INT(hrm_set_reload_callback(m, replacement, NULL, NULL), HRM_OK);
    CHECK_INT(LOAD(old_gone), 0);
}

/* A plugin that is paused waits, and no other one with it. */
static void pauses_one_plugin(void)
{
    const char *g;
    start();
    g = in(scratch(), "other.so");
    write_version(g, 1);
    CHECK_INT(hrm_enable_hot_reload(m, "other", g, NULL), HRM_OK);
    CHECK_INT(hrm_set_plugin_paused(m, "p", 1), HRM_OK);
    replace_version(f, 2);
    replace_version(f, 3);
    replace_version(g, 2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "other", 1));
    CHECK_INT(hrm_check_now(m, NULL), HRM_OK);
    replace_version(g, 3);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "other", 2));
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "p"), 0);
    CHECK_INT(hrm_set_plugin_paused(m, "p", 0), HRM_OK);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, "p", 1));
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).version, 3);
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).generation, 1);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    free(r);
}

static void callback_replaces_itself(void)
{
    start();
    CHECK_INT(hrm_set_reload_callback(m, replaces_itself, NULL, on_gone), HRM_OK);
    replace_version(f, 2);
    CHECK(wait_until(is_set, &old_gone, PATIENCE));
    replace_version(f, 3);
    CHECK(wait_until(is_set, &swapped, PATIENCE));
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(old_gone, 1);
    CHECK_INT(swapped, 1);
    free(r);
}

/* Threads that enable, disable, list and pause while files change. */
static int storm_over;
static void *storm(void *arg)
{
    char id[32], buf[4096];
    size_t size;
    int i, me = *(int *)arg;
    for (i = 0; !LOAD(storm_over); i++) {
        snprintf(id, sizeof id, "t%d-%d", me, i % 5);
        if (hrm_enable_hot_reload(m, id, f, NULL) == HRM_ERR_ALREADY_EXISTS)
            hrm_disable_hot_reload(m, id);
        size = sizeof buf;
        hrm_get_hot_reload_plugins(m, buf, &size);
        if (i % 50 == 0) {
            hrm_set_global_hot_reload_enabled(m, 0);
            hrm_set_global_hot_reload_enabled(m, 1);
        }
    }
    return NULL;
}

static void many_threads(void)
{
    pthread_t t[4];
    int id[4], i;
    struct gate g;
    memset(&g, 0, sizeof g);
    STORE(g.go, 1);
    start();
    CHECK_INT(hrm_set_event_callback(m, NULL, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_set_reload_callback(m, held, &g, gate_destroyed), HRM_OK);
    for (i = 0; i < 4; i++) {
        id[i] = i;
        pthread_create(&t[i], NULL, storm, &id[i]);
    }
    for (i = 2; i < 60; i++) {
        replace_version(f, i);
        let_pass(5);
    }
    STORE(storm_over, 1);
    for (i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    CHECK(wait_until(is_set, &g.entered, PATIENCE));
    CHECK(hrm_clear(m) >= 1);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(LOAD(g.destroyed), 1);
    free(r);
}

int main(void)
{
    RUN(one_thread);
    RUN(event_before_reload);
    RUN(waits_for_the_running_callback);
    RUN(callback_calls_everything);
    RUN(pauses_one_plugin);
    RUN(callback_replaces_itself);
    RUN(many_threads);
    DONE();
}
