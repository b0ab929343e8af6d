/* SPDX-License-Identifier: MIT */
/* A destroy function may call every function: whichever callback it belongs to,
 * in both dispatch modes, however the callback was removed. */
#include "support.h"

#include <signal.h>

enum { RELOAD, EVENT, WAKEUP, VALIDATOR, LOG, SLOTS };
static const char *const slot_names[] = {"reload", "event", "wakeup", "validator", "log"};

/* How a callback comes to its end: inside itself, or from another thread. */
enum { REMOVED_INSIDE, REPLACED_INSIDE, DESTROYED_INSIDE, REMOVED, REPLACED, DESTROYED, WAYS };
static const char *const way_names[] = {"removed inside",    "replaced inside",        "destroyed inside",
                                        "removed while it runs", "replaced while it runs", "destroyed while it runs"};

static hrm_manager *m;
static const char *f, *empty;
static int slot, mode, way, call; /* the present combination */
static int running, released, stop;

static void no_reload(const char *id, void *arg) { (void)id, (void)arg; }
static void no_event(const hrm_event *ev, void *arg) { (void)ev, (void)arg; }
static void no_wakeup(void *arg) { (void)arg; }
static void no_log(const hrm_log_record *record, void *arg) { (void)record, (void)arg; }
static int32_t no_validator(const hrm_candidate *c, char *reason, size_t size, void *arg)
{
    (void)c, (void)reason, (void)size, (void)arg;
    return HRM_ACCEPT;
}

static void set(int which, int some, void *arg, hrm_destroy_fn destroy);

/* What a destroy function calls. */
static const char *const call_names[] = {
    "hrm_manager_destroy", "hrm_enable_hot_reload", "hrm_enable_hot_reload_ex", "hrm_disable_hot_reload",
    "hrm_is_hot_reload_enabled", "hrm_get_hot_reload_plugins", "hrm_clear", "hrm_set_global_hot_reload_enabled",
    "hrm_is_global_hot_reload_enabled", "hrm_set_reload_callback", "hrm_set_event_callback", "hrm_set_validator",
    "hrm_report_reload", "hrm_dispatch", "hrm_event_fd", "hrm_set_wakeup_callback", "hrm_stats", "hrm_manager_create",
    "hrm_is_hot_reload_enabled_ex", "hrm_is_global_hot_reload_enabled_ex",
    "hrm_set_plugin_paused", "hrm_is_plugin_paused", "hrm_check_now", "hrm_plugin_status", "hrm_explain",
    "hrm_set_log_callback", "hrm_metrics", "hrm_enable_folder", "hrm_disable_folder", "hrm_plugin_decisions"};
#define CALLS (int)(sizeof call_names / sizeof *call_names)

static void do_call(void)
{
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_stats_t s = {0};
    hrm_plugin_status_t ps = HRM_PLUGIN_STATUS_INIT;
    hrm_manager *other = NULL;
    char ids[100];
    size_t size = sizeof ids;
    s.struct_size = sizeof s;
    switch (call) {
    case 0: hrm_manager_destroy(m); break;
    case 1: hrm_enable_hot_reload(m, "q", f, &err); break;
    case 2: hrm_enable_hot_reload_ex(m, "q", f, &o, &err); break;
    case 3: hrm_disable_hot_reload(m, "p"); break;
    case 4: hrm_is_hot_reload_enabled(m, "p"); break;
    case 5: hrm_get_hot_reload_plugins(m, ids, &size); break;
    case 6: hrm_clear(m); break;
    case 7: hrm_set_global_hot_reload_enabled(m, 0); break;
    case 8: hrm_is_global_hot_reload_enabled(m); break;
    case 9: hrm_set_reload_callback(m, no_reload, NULL, NULL); break;
    case 10: hrm_set_event_callback(m, no_event, NULL, NULL); break;
    case 11: hrm_set_validator(m, NULL, NULL, NULL); break;
    case 12: hrm_report_reload(m, "p", 1, HRM_RELOAD_FAILED, "no", &err); break;
    case 13: hrm_dispatch(m, 0, 1, &err); break;
    case 14: hrm_event_fd(m); break;
    case 15: hrm_set_wakeup_callback(m, no_wakeup, NULL, NULL); break;
    case 16: hrm_stats(m, &s); break;
    case 17:
        CHECK_INT(hrm_manager_create(NULL, &other, &err), HRM_OK);
        CHECK_INT(hrm_manager_destroy(other), HRM_OK);
        break;
    case 18: hrm_is_hot_reload_enabled_ex(m, "p", NULL, &err); break;
    case 19: hrm_is_global_hot_reload_enabled_ex(m, NULL, &err); break;
    case 20: hrm_set_plugin_paused(m, "p", 1); break;
    case 21: hrm_is_plugin_paused(m, "p"); break;
    case 22: hrm_check_now(m, NULL); break;
    case 23: hrm_plugin_status(m, "p", &ps); break;
    case 24: hrm_explain(m, "p", ids, &size); break;
    case 25: hrm_set_log_callback(m, HRM_LOG_DEBUG, no_log, NULL, NULL); break;
    case 26: hrm_metrics(m, ids, &size, &err); break;
    case 27: hrm_enable_folder(m, "folder", empty, NULL, &err); break;
    case 28: hrm_disable_folder(m, "folder"); break;
    case 29: hrm_plugin_decisions(m, "p", NULL, &size, &err); break;
    }
}

static void on_destroy(void *arg)
{
    CHECK(arg == &slot);
    do_call();
    ADD(released, 1);
}

static void during(void)
{
    if (ADD(running, 1) > 1)
        return;
    switch (way) {
    case REMOVED_INSIDE: set(slot, 0, NULL, NULL); break;
    case REPLACED_INSIDE: set(slot, 1, NULL, NULL); break;
    case DESTROYED_INSIDE: hrm_manager_destroy(m); break;
    default: let_pass(1); /* so that the removal mostly meets it running */
    }
}

static void the_reload(const char *id, void *arg) { (void)id, (void)arg, during(); }
static void the_event(const hrm_event *ev, void *arg)
{
    (void)arg;
    if (ev->kind == HRM_EVENT_FILE_CHANGED)
        during();
}
static void the_wakeup(void *arg) { (void)arg, during(); }
static void the_log(const hrm_log_record *record, void *arg) { (void)record, (void)arg, during(); }
static int32_t the_validator(const hrm_candidate *c, char *reason, size_t size, void *arg)
{
    (void)c, (void)reason, (void)size, (void)arg;
    during();
    return HRM_ACCEPT;
}

/* With arg the one that is tested. */
static void set(int which, int some, void *arg, hrm_destroy_fn destroy)
{
    switch (which) {
    case RELOAD: hrm_set_reload_callback(m, !some ? NULL : arg ? the_reload : no_reload, arg, destroy); break;
    case EVENT: hrm_set_event_callback(m, !some ? NULL : arg ? the_event : no_event, arg, destroy); break;
    case WAKEUP: hrm_set_wakeup_callback(m, !some ? NULL : arg ? the_wakeup : no_wakeup, arg, destroy); break;
    case LOG: hrm_set_log_callback(m, HRM_LOG_DEBUG, !some ? NULL : arg ? the_log : no_log, arg, destroy); break;
    default: hrm_set_validator(m, !some ? NULL : arg ? the_validator : no_validator, arg, destroy);
    }
}

static void *dispatches(void *arg)
{
    while (!LOAD(stop) && hrm_dispatch(m, 0, 1, NULL) >= 0) {
    }
    return arg;
}

static void one(void)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_enable_options eo = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    pthread_t host;
    int bad = check_bad;
    running = released = stop = 0;
    o.dispatch_mode = mode;
    o.quiet_ms = HRM_NO_QUIET;
    o.snapshot_dir = in(scratch(), "snapshots");
    eo.flags = HRM_ENABLE_DELIVER_PRESENT;
    eo.safe = &safe;
    CHECK_INT(hrm_manager_create(&o, &m, &err), HRM_OK);
    if (slot != RELOAD && slot != EVENT)
        hrm_set_reload_callback(m, no_reload, NULL, NULL);
    set(slot, 1, &slot, on_destroy);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &eo, &err), HRM_OK);
    if (mode == HRM_DISPATCH_MANUAL && slot != WAKEUP)
        CHECK_INT(pthread_create(&host, NULL, dispatches, NULL), 0);
    CHECK(wait_until(is_set, &running, PATIENCE));
    if (slot == WAKEUP) /* a host that is waiting in hrm_dispatch already is not woken */
        CHECK_INT(pthread_create(&host, NULL, dispatches, NULL), 0);
    switch (way) {
    case REMOVED: set(slot, 0, NULL, NULL); break;
    case REPLACED: set(slot, 1, NULL, NULL); break;
    case DESTROYED: hrm_manager_destroy(m); break;
    }
    CHECK(wait_until(is_set, &released, PATIENCE));
    STORE(stop, 1);
    if (mode == HRM_DISPATCH_MANUAL)
        pthread_join(host, NULL);
    hrm_manager_destroy(m);
    CHECK_INT(released, 1);
    if (check_bad != bad)
        printf("   in: %s callback, %s, %s, then %s\n", slot_names[slot],
               mode == HRM_DISPATCH_MANUAL ? "manual" : "thread", way_names[way], call_names[call]);
}

/* A deadlock ends the program: SIGALRM, and the line says where. */
static void bounded(int sig)
{
    char line[200];
    int n = snprintf(line, sizeof line, "   stuck: %s callback, mode %d, %s, then %s\n", slot_names[slot], mode,
                     way_names[way], call_names[call]);
    (void)sig;
    _exit(write(1, line, (size_t)n) == n ? 1 : 2);
}

/* All 1,620 combinations take a minute. Every third one, and every fourth one under AddressSanitizer, is enough: each
 * function is called in each mode of each callback and in each way, though not in every combination of the three. */
static int is_tried(void)
{
#ifdef __SANITIZE_ADDRESS__
    const int one_of = 4;
#else
    const int one_of = 3;
#endif
    return (call + way + 2 * mode + slot) % one_of == 0;
}

static void all_of(int which)
{
    slot = which;
    for (mode = slot == WAKEUP ? HRM_DISPATCH_MANUAL : HRM_DISPATCH_THREAD; mode <= HRM_DISPATCH_MANUAL; mode++)
        for (way = 0; way < WAYS; way++)
            for (call = 0; call < CALLS && check_bad == 0; call++) {
                if (!is_tried())
                    continue;
                alarm(30);
                one();
            }
    alarm(0);
}

static void of_the_reload_callback(void) { all_of(RELOAD); }
static void of_the_event_callback(void) { all_of(EVENT); }
static void of_the_wakeup_callback(void) { all_of(WAKEUP); }
static void of_the_validator(void) { all_of(VALIDATOR); }
static void of_the_log_callback(void) { all_of(LOG); }

/* Also when the registration fails. */
static void of_a_registration_that_fails(void)
{
    int i;
    slot = RELOAD, mode = HRM_DISPATCH_THREAD, way = 0;
    alarm(30);
    for (i = 0; i < SLOTS; i++)
        for (call = 0; call < CALLS; call++) {
            m = manager(HRM_DISPATCH_THREAD, 0);
            released = 0;
            if (i == WAKEUP) {
                CHECK_INT(hrm_set_wakeup_callback(m, no_wakeup, &slot, on_destroy), HRM_ERR_NOT_SUPPORTED);
                CHECK_INT(LOAD(released), 1);
                hrm_manager_destroy(m);
                continue;
            }
            hrm_manager_destroy(m);
            set(i, 1, &slot, on_destroy);
            CHECK_INT(LOAD(released), 1);
        }
    alarm(0);
}

int main(void)
{
    signal(SIGALRM, bounded);
    f = in(scratch(), "plugin.so");
    empty = scratch();
    write_version(f, 1);
    RUN(of_the_reload_callback);
    RUN(of_the_event_callback);
    RUN(of_the_wakeup_callback);
    RUN(of_the_validator);
    RUN(of_the_log_callback);
    RUN(of_a_registration_that_fails);
    DONE();
}
