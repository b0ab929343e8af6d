/* SPDX-License-Identifier: MIT */
/* What becomes of a fault inside the library. Linked to a build of it that can
 * be made to panic, in the first access to the disk under a named function. */
#include "support.h"

#include <signal.h>

void hrm_test_panic(const char *function);
int32_t hrm_test_fault(int32_t shortly); /* in Go; as a short question, or as any other call */

static recorder r;

static int failed(hrm_manager *m)
{
    hrm_stats_t st;
    memset(&st, 0, sizeof st);
    st.struct_size = sizeof st;
    CHECK_INT(hrm_stats(m, &st), HRM_OK); /* also after a fault */
    return st.failed;
}

static int has_failed(void *m) { return failed(m); }

static int told_of_panic(void)
{
    int i, n = 0;
    pthread_mutex_lock(&r.mu);
    for (i = 0; i < r.n; i++)
        n += r.ev[i].kind == HRM_EVENT_HEALTH && r.ev[i].health == HRM_HEALTH_PANIC;
    pthread_mutex_unlock(&r.mu);
    return n;
}

static int is_told(void *unused)
{
    (void)unused;
    return told_of_panic() != 0;
}

/* The failed manager answers everything with the code, tells of it once, and can
 * be destroyed; the library goes on. */
static void contained(hrm_manager *m, int mode, const char *f)
{
    hrm_error err = HRM_ERROR_INIT;
    size_t size = 0;
    int i;
    CHECK(wait_until(has_failed, m, PATIENCE));
    if (mode == HRM_DISPATCH_MANUAL) {
        while (hrm_dispatch(m, 0, 200, &err) > 0)
            ;
        CHECK_INT(hrm_dispatch(m, 0, -1, &err), HRM_ERR_PANIC); /* does not wait */
    }
    CHECK(wait_until(is_told, NULL, PATIENCE));
    CHECK_INT(told_of_panic(), 1);
    for (i = 0; i < r.n; i++)
        if (r.ev[i].health == HRM_HEALTH_PANIC)
            CHECK_HAS(r.ev[i].message, "injected for the test (inject.go:"); /* and names the place */
    CHECK_INT(hrm_enable_hot_reload(m, "later", f, &err), HRM_ERR_PANIC);
    CHECK_INT(err.code, HRM_ERR_PANIC);
    CHECK_HAS(err.message, "destroy");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), HRM_ERR_PANIC);
    CHECK_INT(hrm_is_hot_reload_enabled(m, "p"), 0);
    CHECK_INT(hrm_is_hot_reload_enabled_ex(m, "p", NULL, NULL), HRM_ERR_PANIC);
    CHECK_INT(hrm_get_hot_reload_plugins(m, NULL, &size), HRM_ERR_PANIC);
    CHECK_INT(hrm_clear(m), HRM_ERR_PANIC);
    CHECK_INT(hrm_set_global_hot_reload_enabled(m, 1), HRM_ERR_PANIC);
    CHECK_INT(hrm_is_global_hot_reload_enabled(m), 0);
    CHECK_INT(hrm_is_global_hot_reload_enabled_ex(m, NULL, NULL), HRM_ERR_PANIC);
    CHECK_INT(hrm_set_reload_callback(m, on_reload, &r, NULL), HRM_ERR_PANIC);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    CHECK_INT(hrm_manager_destroy(m), HRM_ERR_INVALID_HANDLE);
    m = manager(HRM_DISPATCH_MANUAL, 0);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, &err), HRM_OK);
    CHECK_INT(hrm_manager_destroy(m), HRM_OK);
}

static hrm_manager *begin(int mode, const char **f)
{
    hrm_manager *m = manager(mode, 0);
    memset(&r, 0, sizeof r);
    *f = in(scratch(), "plugin.so");
    write_version(*f, 1);
    record_into(m, &r);
    return m;
}

static void in_a_call(int mode)
{
    hrm_error err = HRM_ERROR_INIT;
    const char *f;
    hrm_manager *m = begin(mode, &f);
    hrm_test_panic("Manager).Enable");
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, &err), HRM_ERR_PANIC);
    CHECK_INT(err.code, HRM_ERR_PANIC);
    CHECK_HAS(err.message, "injected for the test");
    contained(m, mode, f);
}
static void in_a_call_thread(void) { in_a_call(HRM_DISPATCH_THREAD); }
static void in_a_call_manual(void) { in_a_call(HRM_DISPATCH_MANUAL); }

static void on_a_worker(int mode)
{
    const char *f;
    hrm_manager *m = begin(mode, &f);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    watch_sentinel(m, scratch());
    hrm_test_panic("Engine).check");
    replace_version(f, 2);
    contained(m, mode, f);
}
static void on_a_worker_thread(void) { on_a_worker(HRM_DISPATCH_THREAD); }
static void on_a_worker_manual(void) { on_a_worker(HRM_DISPATCH_MANUAL); }

static int is_pending(void *m)
{
    hrm_stats_t st;
    memset(&st, 0, sizeof st);
    st.struct_size = sizeof st;
    hrm_stats(m, &st);
    return st.pending != 0;
}

/* A change that has waited for its host is looked at once more when it is told. */
static void in_delivery(int mode)
{
    hrm_error err = HRM_ERROR_INIT;
    const char *f;
    hrm_manager *m = begin(mode, &f);
    CHECK_INT(hrm_set_event_callback(m, NULL, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_set_reload_callback(m, NULL, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_enable_hot_reload(m, "p", f, NULL), HRM_OK);
    replace_version(f, 2);
    CHECK(wait_until(is_pending, m, PATIENCE));
    let_pass(30);
    hrm_test_panic("Engine).confirm");
    CHECK_INT(hrm_set_event_callback(m, on_event, &r, NULL), HRM_OK);
    if (mode == HRM_DISPATCH_MANUAL)
        CHECK_INT(hrm_dispatch(m, 0, PATIENCE, &err), HRM_ERR_PANIC);
    contained(m, mode, f);
}
static void in_delivery_thread(void) { in_delivery(HRM_DISPATCH_THREAD); }
static void in_delivery_manual(void) { in_delivery(HRM_DISPATCH_MANUAL); }

/* A fault of the processor in Go is a panic like any other, whatever signals the
 * thread blocks, and with or without a signal stack of its own. */
static void *fault_often(void *unused)
{
    int i;
    (void)unused;
    for (i = 0; i < 100; i++)
        CHECK_INT(hrm_test_fault(i % 2), HRM_ERR_PANIC);
    return NULL;
}

static void *fault_with_signals_blocked(void *unused)
{
    sigset_t all;
    CHECK_INT(hrm_test_fault(0), HRM_ERR_PANIC);
    sigfillset(&all);
    sigdelset(&all, SIGSEGV); /* a short question does not open it */
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    fault_often(unused);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    CHECK_INT(hrm_test_fault(0), HRM_ERR_PANIC);
    return unused;
}

static void *fault_on_a_signal_stack(void *size)
{
    stack_t own = {.ss_size = *(size_t *)size};
    own.ss_sp = malloc(own.ss_size);
    CHECK_INT(sigaltstack(&own, NULL), 0);
    fault_often(NULL);
    own.ss_flags = SS_DISABLE;
    CHECK_INT(sigaltstack(&own, NULL), 0);
    free(own.ss_sp);
    return fault_often(NULL);
}

static void on_a_thread(void *(*run)(void *), void *arg)
{
    pthread_t t;
    CHECK_INT(pthread_create(&t, NULL, run, arg), 0);
    pthread_join(t, NULL);
}

static void a_fault_in_go_is_contained_on_every_thread(void)
{
    size_t size = 1 << 18;
    fault_often(NULL);
    on_a_thread(fault_often, NULL);
    on_a_thread(fault_with_signals_blocked, NULL);
    on_a_thread(fault_on_a_signal_stack, &size);
}

int main(void)
{
    RUN(a_fault_in_go_is_contained_on_every_thread);
    RUN(in_a_call_thread);
    RUN(in_a_call_manual);
    RUN(on_a_worker_thread);
    RUN(on_a_worker_manual);
    RUN(in_delivery_thread);
    RUN(in_delivery_manual);
    DONE();
}
