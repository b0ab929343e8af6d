/* SPDX-License-Identifier: MIT */
/* HRM_DISPATCH_MANUAL: everything happens inside hrm_dispatch. */
#include "support.h"

static recorder *r;
static hrm_manager *m;
static const char *dir, *f;
static int pokes;

static void on_wakeup(void *arg) { ADD(*(int *)arg, 1); }

static void start(void)
{
    r = calloc(1, sizeof *r);
    dir = scratch();
    f = in(dir, "plugin.so");
    write_version(f, 1);
    m = manager(HRM_DISPATCH_MANUAL, 0);
    record_into(m, r);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    CHECK_INT(hrm_dispatch(m, 0, PATIENCE, NULL), 1); /* HRM_EVENT_ENABLED */
}

static void stop(void)
{
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(r->overlaps, 0);
    free(r);
}

static int readable(int ms)
{
    struct pollfd p = {hrm_event_fd(m), POLLIN, 0};
    int n;
    do
        n = poll(&p, 1, ms); /* the Go runtime's SIGURG may interrupt it */
    while (n < 0 && errno == EINTR);
    return n == 1 && (p.revents & POLLIN);
}

static void nothing_outside_dispatch(void)
{
    start();
    CHECK(!readable(0));
    replace_version(f, 2);
    CHECK(readable(PATIENCE));
    CHECK_INT(count(r, 0, NULL), 1); /* ready, but not delivered */
    CHECK(readable(0));              /* and level-triggered */
    CHECK_INT(hrm_dispatch(m, 0, 0, NULL), 1);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "p"), 1);
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).thread, syscall(SYS_gettid));
    CHECK_INT(r->reloads, 1);
    CHECK(!readable(0));
    CHECK_INT(hrm_dispatch(m, 0, 0, NULL), 0);
    stop();
}

static void at_most_max(void)
{
    char id[24];
    int i;
    start();
    for (i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "x%d", i);
        CHECK_INT(hrm_enable_hot_reload(m, id, f, NULL), HRM_OK);
    }
    CHECK_INT(hrm_dispatch(m, 2, 0, NULL), 2);
    CHECK(readable(0));
    CHECK_INT(hrm_dispatch(m, 1, 0, NULL), 1);
    CHECK_INT(hrm_dispatch(m, 100, 0, NULL), 2);
    CHECK(!readable(0));
    for (i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "x%d", i);
        CHECK_STR(nth(r, 0, NULL, i + 1).id, id); /* in order */
        CHECK_INT(nth(r, 0, NULL, i + 1).sequence, i + 2);
    }
    stop();
}

static void waits_as_long_as_told(void)
{
    int64_t before;
    start();
    before = now_ms();
    CHECK_INT(hrm_dispatch(m, 0, 120, NULL), 0);
    CHECK(now_ms() - before >= 115);
    CHECK(now_ms() - before < 120 + PATIENCE / 2);
    replace_version(f, 2);
    CHECK_INT(hrm_dispatch(m, 0, -1, NULL), 1); /* for ever, until it comes */
    stop();
}

static int poked(void *want) { return LOAD(pokes) >= *(int *)want; }

static void wakeups_are_coalesced(void)
{
    int want = 1, i, bound;
    char id[24];
    start();
    STORE(pokes, 0);
    CHECK_INT(hrm_set_wakeup_callback(m, on_wakeup, &pokes, NULL), HRM_OK);
    for (i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "x%d", i);
        CHECK_INT(hrm_enable_hot_reload(m, id, f, NULL), HRM_OK);
    }
    CHECK(wait_until(poked, &want, PATIENCE));
    CHECK(readable(PATIENCE));
    replace_version(f, 2);
    let_pass(3 * QUIET); /* time in which more pokes would come */
    CHECK_INT(LOAD(pokes), 1);
    CHECK_INT(hrm_dispatch(m, 1, 0, NULL), 1);
    want = 2; /* the rest is still waiting: once more */
    CHECK(wait_until(poked, &want, PATIENCE));
    bound = LOAD(pokes);
    while (hrm_dispatch(m, 0, 200, NULL) > 0)
        bound++;
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, NULL), 21);
    CHECK(LOAD(pokes) <= bound);
    want = LOAD(pokes) + 1;
    replace_version(f, 3);
    CHECK(wait_until(poked, &want, PATIENCE));
    CHECK(readable(PATIENCE));
    CHECK(hrm_dispatch(m, 0, 0, NULL) >= 1);
    stop();
}

/* A callback set while something is waiting already must be poked, too. */
static void late_wakeup_callback(void)
{
    int want = 1;
    start();
    STORE(pokes, 0);
    replace_version(f, 2);
    CHECK(readable(PATIENCE));
    CHECK_INT(hrm_set_wakeup_callback(m, on_wakeup, &pokes, NULL), HRM_OK);
    CHECK(wait_until(poked, &want, PATIENCE));
    CHECK_INT(hrm_dispatch(m, 0, 0, NULL), 1);
    stop();
}

static int nested_result, nested_ready;
static void on_nested(const char *id, void *arg)
{
    (void)id, (void)arg;
    nested_ready = readable(0);
    nested_result = hrm_dispatch(m, 0, 1000, NULL);
}

static void nested_dispatch_returns_zero(void)
{
    int64_t before;
    start();
    nested_result = nested_ready = -1;
    CHECK_INT(hrm_set_reload_callback(m, on_nested, NULL, NULL), HRM_OK);
    replace_version(f, 2);
    CHECK(readable(PATIENCE));
    before = now_ms();
    CHECK_INT(hrm_dispatch(m, 0, 0, NULL), 1);
    CHECK_INT(nested_result, 0);
    CHECK_INT(nested_ready, 0); /* a nested event loop must not spin */
    CHECK(now_ms() - before < 900);
    stop();
}

struct waiter {
    hrm_manager *m;
    int32_t result;
    int started, ended;
};

static void *wait_for_ever(void *arg)
{
    struct waiter *w = arg;
    STORE(w->started, 1);
    STORE(w->result, hrm_dispatch(w->m, 0, -1, NULL));
    STORE(w->ended, 1);
    return NULL;
}

static void destroy_ends_the_waiting(void)
{
    struct waiter w[3];
    pthread_t t[3];
    int i;
    start();
    for (i = 0; i < 3; i++) {
        memset(&w[i], 0, sizeof w[i]);
        w[i].m = m;
        pthread_create(&t[i], NULL, wait_for_ever, &w[i]);
        CHECK(wait_until(is_set, &w[i].started, PATIENCE));
    }
    let_pass(30); /* so that most are really inside */
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    for (i = 0; i < 3; i++) {
        CHECK(wait_until(is_set, &w[i].ended, PATIENCE));
        CHECK(w[i].result == 0 || w[i].result == HRM_ERR_INVALID_HANDLE);
        pthread_join(t[i], NULL);
    }
    CHECK_INT(hrm_dispatch(m, 0, 0, NULL), HRM_ERR_INVALID_HANDLE);
    free(r);
}

static void *dispatch_a_lot(void *arg)
{
    while (!LOAD(((struct waiter *)arg)->ended))
        ADD(((struct waiter *)arg)->result, hrm_dispatch(m, 0, 10, NULL));
    return NULL;
}

static void concurrent_calls_take_turns(void)
{
    struct waiter w;
    pthread_t t[4];
    char id[24];
    int i;
    start();
    memset(&w, 0, sizeof w);
    for (i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, dispatch_a_lot, &w);
    for (i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "x%d", i);
        CHECK_INT(hrm_enable_hot_reload(m, id, f, NULL), HRM_OK);
    }
    replace_version(f, 2);
    CHECK(await(r, HRM_EVENT_FILE_CHANGED, NULL, 101));
    STORE(w.ended, 1);
    for (i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    CHECK_INT(w.result, 201);
    for (i = 0; i < 202; i++)
        CHECK_INT(nth(r, 0, NULL, i).sequence, i + 1);
    stop();
}

static void paused_is_not_ready(void)
{
    start();
    replace_version(f, 2);
    CHECK(readable(PATIENCE));
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, 0), HRM_OK);
    CHECK(!readable(0));
    CHECK_INT(hrm_dispatch(m, 0, 0, NULL), 0);
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, 1), HRM_OK);
    CHECK(readable(PATIENCE));
    CHECK_INT(hrm_dispatch(m, 0, 0, NULL), 1);
    stop();
}

static void disabling_drops_what_is_pending(void)
{
    start();
    replace_version(f, 2);
    CHECK(readable(PATIENCE));
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    CHECK_INT(hrm_dispatch(m, 0, 0, NULL), 1);
    CHECK_INT(count(r, HRM_EVENT_DISABLED, "p"), 1);
    CHECK_INT(count(r, HRM_EVENT_FILE_CHANGED, "p"), 0);
    stop();
}

/* Between the decision and hrm_dispatch the file is torn again: not told then. */
static void torn_again_while_queued(void)
{
    size_t n;
    char *s = contents(3, &n);
    int fd;
    start();
    replace_version(f, 2);
    CHECK(readable(PATIENCE));
    let_pass(20);
    fd = open(f, O_WRONLY | O_TRUNC | O_CLOEXEC);
    CHECK_INT(write(fd, s, n / 2), n / 2);
    CHECK_INT(hrm_dispatch(m, 0, 100, NULL), 0);
    CHECK_INT(write(fd, s + n / 2, n - n / 2), n - n / 2);
    close(fd);
    CHECK_INT(hrm_dispatch(m, 0, PATIENCE, NULL), 1);
    CHECK_INT(nth(r, HRM_EVENT_FILE_CHANGED, "p", 0).version, 3);
    CHECK_INT(hrm_dispatch(m, 0, 4 * QUIET, NULL), 0);
    free(s);
    stop();
}

int main(void)
{
    RUN(nothing_outside_dispatch);
    RUN(at_most_max);
    RUN(waits_as_long_as_told);
    RUN(wakeups_are_coalesced);
    RUN(late_wakeup_callback);
    RUN(nested_dispatch_returns_zero);
    RUN(destroy_ends_the_waiting);
    RUN(concurrent_calls_take_turns);
    RUN(paused_is_not_ready);
    RUN(disabling_drops_what_is_pending);
    RUN(torn_again_while_queued);
    DONE();
}
