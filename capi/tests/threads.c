/* SPDX-License-Identifier: MIT */
/* The threads of a host: each finds itself after a call as it was before, and in a
 * callback too. Signal handlers that call the library are refused where that is seen. */
#include "loaded.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What a thread has of its own that a library could change. */
struct state {
    sigset_t mask;
    stack_t stack;
    int policy;
    cpu_set_t processors;
    char name[16];
};

static struct state state_now(void)
{
    struct state s;
    memset(&s, 0, sizeof s);
    pthread_sigmask(SIG_SETMASK, NULL, &s.mask);
    sigaltstack(NULL, &s.stack);
    s.policy = sched_getscheduler(0);
    sched_getaffinity(0, sizeof s.processors, &s.processors);
    prctl(PR_GET_NAME, s.name);
    return s;
}

/* 0 if they are equal, or a signal that only one of them blocks. */
static int differently_blocked(const sigset_t *a, const sigset_t *b)
{
    int s;
    for (s = 1; s < 65; s++)
        if (sigismember(a, s) != sigismember(b, s))
            return s;
    return 0;
}

/* Names the call that did it. */
static void is_as_before(const struct state *before, const char *call)
{
    struct state now = state_now();
    int bad = check_bad;
    CHECK_INT(differently_blocked(&now.mask, &before->mask), 0);
    CHECK_INT(now.stack.ss_flags, before->stack.ss_flags);
    if ((before->stack.ss_flags & SS_DISABLE) == 0) {
        CHECK(now.stack.ss_sp == before->stack.ss_sp);
        CHECK_INT(now.stack.ss_size, before->stack.ss_size);
    }
    CHECK_INT(now.policy, before->policy);
    CHECK(CPU_EQUAL(&now.processors, &before->processors));
    CHECK_STR(now.name, before->name);
    if (check_bad != bad)
        printf("   after %s\n", call);
}

/* ------------------------------------------------ callbacks that look around -- */

struct seen {
    int times;
    struct state first;
};

static void look(struct seen *s)
{
    if (__atomic_load_n(&s->times, __ATOMIC_SEQ_CST) == 0)
        s->first = state_now();
    __atomic_add_fetch(&s->times, 1, __ATOMIC_SEQ_CST);
}

static void look_plain(void *s) { look(s); }

static void look_reload(const char *id, void *s)
{
    (void)id;
    look(s);
}

static void look_event(const hrm_event *ev, void *s)
{
    if (ev->kind == HRM_EVENT_FILE_CHANGED)
        look(s);
}

static int32_t look_candidate(const hrm_candidate *c, char *reason, size_t room, void *s)
{
    (void)c, (void)reason, (void)room;
    look(s);
    return HRM_ACCEPT;
}

static int is_seen(void *s) { return __atomic_load_n(&((struct seen *)s)->times, __ATOMIC_SEQ_CST) != 0; }

enum { RELOAD, EVENT, VALIDATOR, WAKEUP, REPLACED, GONE, KINDS };
static const char *const kinds[KINDS] = {"the reload callback", "the event callback", "the validator", "the wakeup callback",
                                         "a destroy function", "a destroy function of hrm_manager_destroy"};

/* ---------------------------------------------------------- each call, compared -- */

#define CALLED(call, want)                                                                                            \
    do {                                                                                                              \
        struct state before_ = state_now();                                                                           \
        CHECK_INT(call, want);                                                                                        \
        is_as_before(&before_, #call);                                                                                \
    } while (0)

/* Every function, on this thread. */
static void call_all(void)
{
    struct seen seen[KINDS];
    struct state mine = state_now();
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_safe_options so = HRM_SAFE_OPTIONS_INIT;
    hrm_enable_options eo = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    hrm_stats_t st;
    size_t size = 0;
    char snapshots[96];
    int i;
    memset(seen, 0, sizeof seen);
    memset(&st, 0, sizeof st);
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", dir);
    st.struct_size = sizeof st;
    o.dispatch_mode = HRM_DISPATCH_MANUAL;
    o.quiet_ms = 10;
    o.safe = &so;
    o.snapshot_dir = snapshots;
    write_file("one");
    o.struct_size = 3;
    CALLED(p_hrm_manager_create(&o, &m, &err), HRM_ERR_INVALID_ARGUMENT);
    o.struct_size = sizeof o;
    CALLED(p_hrm_manager_create(&o, &m, &err), HRM_OK);
    CALLED(p_hrm_set_reload_callback(m, look_reload, &seen[REPLACED], look_plain), HRM_OK);
    CALLED(p_hrm_set_reload_callback(m, look_reload, &seen[RELOAD], NULL), HRM_OK);
    CALLED(p_hrm_set_event_callback(m, look_event, &seen[EVENT], NULL), HRM_OK);
    CALLED(p_hrm_set_validator(m, look_candidate, &seen[VALIDATOR], NULL), HRM_OK);
    CALLED(p_hrm_set_wakeup_callback(m, look_plain, &seen[WAKEUP], NULL), HRM_OK);
    CALLED(p_hrm_enable_hot_reload(m, "p", file, &err), HRM_OK);
    CALLED(p_hrm_enable_hot_reload_ex(m, "q", file, &eo, &err), HRM_OK);
    CALLED(p_hrm_enable_hot_reload(m, "r", "/nonexistent", &err), HRM_ERR_FILE_NOT_FOUND);
    CALLED(p_hrm_is_hot_reload_enabled(m, "q"), 1);
    CALLED(p_hrm_get_hot_reload_plugins(m, NULL, &size), 2);
    CALLED(p_hrm_set_global_hot_reload_enabled(m, 1), HRM_OK);
    CALLED(p_hrm_is_global_hot_reload_enabled(m), 1);
    CHECK(p_hrm_event_fd(m) >= 0);
    is_as_before(&mine, "hrm_event_fd");
    CHECK(wait_for(is_seen, &seen[WAKEUP]));
    write_file("another");
    while (seen[RELOAD].times < 2 && p_hrm_dispatch(m, 0, 20000, &err) > 0)
        is_as_before(&mine, "hrm_dispatch");
    is_as_before(&mine, "hrm_dispatch");
    CALLED(p_hrm_report_reload(m, "p", 1, HRM_RELOAD_OK, "fine", &err), HRM_OK);
    CALLED(p_hrm_stats(m, &st), HRM_OK);
    CALLED(p_hrm_disable_hot_reload(m, "p"), 1);
    CALLED(p_hrm_clear(m), 1);
    CALLED(p_hrm_set_event_callback(m, NULL, &seen[GONE], look_plain), HRM_OK);
    CALLED(p_hrm_manager_destroy(m), HRM_OK);
    CALLED(p_hrm_manager_destroy(m), HRM_ERR_INVALID_HANDLE);
    CALLED(p_hrm_clear((hrm_manager *)&m), HRM_ERR_INVALID_HANDLE);
    /* On this thread everything of it is as it was; the library's own have the mask of the manager's creator. */
    for (i = 0; i < KINDS; i++) {
        int bad = check_bad;
        CHECK(is_seen(&seen[i]));
        if (i == VALIDATOR || i == WAKEUP)
            CHECK_INT(differently_blocked(&seen[i].first.mask, &mine.mask), 0);
        else
            is_as_before(&seen[i].first, "a call");
        if (check_bad != bad)
            printf("   in %s\n", kinds[i]);
    }
}

static void *call_all_twice(void *unused)
{
    (void)unused;
    call_all(); /* the first call of a thread is special to Go's runtime */
    call_all();
    return NULL;
}

static void *with_everything_blocked(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return call_all_twice(unused);
}

static void *with_some_blocked(void *unused)
{
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGSEGV);
    sigaddset(&some, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &some, NULL);
    return call_all_twice(unused);
}

static void *with_a_signal_stack(void *size)
{
    stack_t own = {.ss_size = *(size_t *)size};
    own.ss_sp = malloc(own.ss_size);
    CHECK_INT(sigaltstack(&own, NULL), 0);
    call_all_twice(NULL);
    own.ss_flags = SS_DISABLE;
    CHECK_INT(sigaltstack(&own, NULL), 0);
    free(own.ss_sp);
    return call_all_twice(NULL); /* Go's runtime does not know that the stack is gone */
}

/* On this processor only and, where that is allowed, in real time. */
static void *pinned_and_in_a_hurry(void *unused)
{
    struct sched_param first = {.sched_priority = 10};
    cpu_set_t one;
    int cpu = sched_getcpu();
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
    sched_setscheduler(0, SCHED_FIFO, &first);
    prctl(PR_SET_NAME, "audio");
    return call_all_twice(unused);
}

static void on_a_thread(void *(*run)(void *), void *arg)
{
    pthread_t t;
    load();
    CHECK_INT(pthread_create(&t, NULL, run, arg), 0);
    pthread_join(t, NULL);
}

APART(a_thread_is_left_as_it_was) { on_a_thread(call_all_twice, NULL); }
APART(a_thread_that_blocks_every_signal_is_left_as_it_was) { on_a_thread(with_everything_blocked, NULL); }
APART(a_thread_that_blocks_some_signals_is_left_as_it_was) { on_a_thread(with_some_blocked, NULL); }
APART(a_thread_that_is_pinned_and_real_time_is_left_as_it_was) { on_a_thread(pinned_and_in_a_hurry, NULL); }
APART(a_thread_with_a_small_signal_stack_is_left_as_it_was)
{
    size_t size = (size_t)sysconf(_SC_MINSIGSTKSZ);
    on_a_thread(with_a_signal_stack, &size);
}
APART(a_thread_with_a_large_signal_stack_is_left_as_it_was)
{
    size_t size = 1 << 18;
    on_a_thread(with_a_signal_stack, &size);
}
APART(the_first_thread_is_left_as_it_was)
{
    load();
    call_all_twice(NULL);
}

/* A thread that ends: what the host's own destructors find. */
static struct state at_the_end;
static void note_the_end(void *unused)
{
    (void)unused;
    at_the_end = state_now();
}

static void *end_differently(void *m)
{
    static char space[1 << 16];
    stack_t own = {.ss_sp = space, .ss_size = sizeof space};
    static struct state before;
    pthread_key_t late; /* made after the library's: called after it */
    sigset_t all;
    CHECK_INT(pthread_key_create(&late, note_the_end), 0);
    pthread_setspecific(late, &late);
    CHECK_INT(p_hrm_is_global_hot_reload_enabled(m), 1);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    sigaltstack(&own, NULL);
    before = state_now();
    return &before;
}

APART(a_thread_that_ends_is_left_as_it_was)
{
    hrm_manager *m = NULL;
    pthread_t t;
    void *before;
    load();
    CHECK_INT(p_hrm_manager_create(NULL, &m, NULL), HRM_OK);
    CHECK_INT(pthread_create(&t, NULL, end_differently, m), 0);
    pthread_join(t, &before);
    CHECK_INT(differently_blocked(&at_the_end.mask, &((struct state *)before)->mask), 0);
    CHECK(at_the_end.stack.ss_sp == ((struct state *)before)->stack.ss_sp);
    CHECK_INT(at_the_end.stack.ss_flags, ((struct state *)before)->stack.ss_flags);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

/* --------------------------------------------------------------- in callbacks -- */

/* What a callback inside hrm_dispatch does to its thread stays. */
static void block_and_look(const char *id, void *s)
{
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    look_reload(id, s);
}

APART(what_a_callback_does_to_its_thread_stays)
{
    struct seen seen;
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_manager *m = NULL;
    sigset_t now;
    load();
    memset(&seen, 0, sizeof seen);
    o.dispatch_mode = HRM_DISPATCH_MANUAL;
    o.quiet_ms = 10;
    write_file("one");
    CHECK_INT(p_hrm_manager_create(&o, &m, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_reload_callback(m, block_and_look, &seen, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, NULL), HRM_OK);
    write_file("another");
    while (!is_seen(&seen) && p_hrm_dispatch(m, 0, 20000, NULL) > 0)
        ;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    CHECK_INT(sigismember(&now, SIGTERM), 1);
    CHECK_INT(sigismember(&now, SIGINT), 0);
    CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
}

/* On the library's thread each callback of a manager has the mask of its creator,
 * whoever sets it: destroy functions that run there late, too. */
static hrm_manager *in_hand;
static void replace_and_look(const char *id, void *seen)
{
    struct seen *s = seen;
    (void)id;
    look(&s[RELOAD]);
    CHECK_INT(p_hrm_set_event_callback(in_hand, NULL, NULL, NULL), HRM_OK);
}

APART(callbacks_of_library_threads_have_the_mask_of_the_creator)
{
    struct seen seen[KINDS];
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_safe_options so = HRM_SAFE_OPTIONS_INIT;
    sigset_t creators, others;
    char snapshots[96];
    int i;
    load();
    memset(seen, 0, sizeof seen);
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", dir);
    o.quiet_ms = 10;
    o.safe = &so;
    o.snapshot_dir = snapshots;
    sigemptyset(&creators);
    sigaddset(&creators, SIGHUP);
    sigemptyset(&others);
    sigaddset(&others, SIGUSR1);
    write_file("one");
    pthread_sigmask(SIG_SETMASK, &creators, NULL);
    CHECK_INT(p_hrm_manager_create(&o, &in_hand, NULL), HRM_OK);
    pthread_sigmask(SIG_SETMASK, &others, NULL);
    CHECK_INT(p_hrm_set_reload_callback(in_hand, replace_and_look, seen, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_event_callback(in_hand, look_event, &seen[REPLACED], look_plain), HRM_OK);
    CHECK_INT(p_hrm_set_validator(in_hand, look_candidate, &seen[VALIDATOR], NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(in_hand, "p", file, NULL), HRM_OK);
    write_file("another");
    CHECK(wait_for(is_seen, &seen[RELOAD]));
    CHECK(wait_for(is_seen, &seen[REPLACED]));
    CHECK(wait_for(is_seen, &seen[VALIDATOR]));
    CHECK_INT(p_hrm_manager_destroy(in_hand), HRM_OK);
    for (i = 0; i < KINDS; i++)
        if (is_seen(&seen[i]))
            CHECK_INT(differently_blocked(&seen[i].first.mask, &creators), 0);
}

/* ------------------------------------------------------------ signal handlers -- */

static hrm_error said;
static int answer, handled;

static void call_in_handler(int sig)
{
    hrm_error err = HRM_ERROR_INIT;
    (void)sig;
    answer = p_hrm_enable_hot_reload(in_hand, "from a handler", "/nonexistent", &err);
    if (answer == HRM_ERR_FILE_NOT_FOUND)
        return; /* just before the call that is to be interrupted, or behind it */
    said = err;
    __atomic_store_n(&handled, 1, __ATOMIC_SEQ_CST);
}

static void handle(int flags)
{
    struct sigaction sa;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = call_in_handler;
    sa.sa_flags = flags;
    CHECK_INT(sigaction(SIGUSR1, &sa, NULL), 0);
    handled = 0;
    answer = 0;
}

static void was_refused(void)
{
    CHECK_INT(handled, 1);
    CHECK_INT(answer, HRM_ERR_NOT_SUPPORTED);
    CHECK_INT(said.code, HRM_ERR_NOT_SUPPORTED);
    CHECK_HAS(said.message, "signal handler");
}

static int gone_calls;
static void count_gone(void *unused)
{
    (void)unused;
    gone_calls++;
}

static void *interrupt_until_handled(void *thread)
{
    int i;
    for (i = 0; i < 4000 && !is_told(&handled); i++) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        poll(NULL, 0, 1);
    }
    return NULL;
}

static hrm_manager *manual(void)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_manager *m = NULL;
    o.dispatch_mode = HRM_DISPATCH_MANUAL;
    o.quiet_ms = 10;
    write_file("one");
    CHECK_INT(p_hrm_manager_create(&o, &m, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(m, "p", file, NULL), HRM_OK);
    return m;
}

static void refused_while_dispatch_waits(int flags)
{
    pthread_t me = pthread_self(), other;
    int i;
    load();
    in_hand = manual();
    handle(flags);
    CHECK_INT(pthread_create(&other, NULL, interrupt_until_handled, &me), 0);
    for (i = 0; i < 40 && !is_told(&handled); i++)
        CHECK_INT(p_hrm_dispatch(in_hand, 0, 200, NULL), 0);
    pthread_join(other, NULL);
    was_refused();
    call_all(); /* and all is well */
    CHECK_INT(p_hrm_manager_destroy(in_hand), HRM_OK);
}
APART(a_handler_that_interrupts_a_call_is_refused) { refused_while_dispatch_waits(0); }
APART(a_handler_that_interrupts_a_call_on_a_signal_stack_is_refused) { refused_while_dispatch_waits(SA_ONSTACK); }

/* Whatever a call does when the signal comes. */
static int done;
static void *interrupt_often(void *thread)
{
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
        if (pthread_kill(*(pthread_t *)thread, SIGUSR1) != 0)
            return "no thread";
    return NULL;
}

/* Collections of garbage, which shrink the stacks of goroutines. */
static void make_garbage(void)
{
    hrm_manager *m = NULL;
    int i;
    for (i = 0; i < 200; i++) {
        CHECK_INT(p_hrm_manager_create(NULL, &m, NULL), HRM_OK);
        CHECK_INT(p_hrm_manager_destroy(m), HRM_OK);
    }
}

static volatile int refusals, wrong_answers; /* counted by the handler */

static void storm(void (*handler)(int), int flags)
{
    pthread_t me = pthread_self(), other;
    struct sigaction sa;
    void *said_by_other;
    int i;
    load();
    in_hand = manual();
    make_garbage();
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = handler;
    sa.sa_flags = flags;
    CHECK_INT(sigaction(SIGUSR1, &sa, NULL), 0);
    CHECK_INT(pthread_create(&other, NULL, interrupt_often, &me), 0);
    for (i = 0; i < 50000 || (refusals == 0 && i < 50000000); i++)
        CHECK_INT(p_hrm_is_hot_reload_enabled(in_hand, "p"), 1);
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    pthread_join(other, &said_by_other);
    CHECK(said_by_other == NULL);
    make_garbage();
    CHECK_INT(p_hrm_manager_destroy(in_hand), HRM_OK);
}

static void ask_in_handler(int sig)
{
    hrm_stats_t st;
    int32_t enabled = 0, code = p_hrm_is_hot_reload_enabled_ex(in_hand, "p", &enabled, NULL);
    (void)sig;
    st.struct_size = sizeof st;
    if (code != HRM_ERR_NOT_SUPPORTED || enabled != 0)
        wrong_answers++;
    p_hrm_is_hot_reload_enabled(in_hand, "p"); /* it does not always see that this is a handler; it must not hang */
    if (p_hrm_stats(in_hand, &st) != HRM_ERR_NOT_SUPPORTED)
        wrong_answers++;
    refusals += code == HRM_ERR_NOT_SUPPORTED;
}

APART(a_storm_of_signals_whose_handler_calls_ends_nobody)
{
    static char space[1 << 16];
    stack_t own = {.ss_sp = space, .ss_size = sizeof space};
    sigaltstack(&own, NULL);
    storm(ask_in_handler, SA_ONSTACK | SA_RESTART);
    CHECK(refusals > 0);
    CHECK_INT(wrong_answers, 0);
}

/* Questions are asked without a signal stack for Go: on a thread that has none the
 * handler runs wherever the question is. */
static void need_much_stack(int sig)
{
    volatile char much[40000];
    memset((void *)much, sig, sizeof much);
    refusals += much[17] == sig;
}

APART(a_handler_may_need_much_stack_during_a_question)
{
    storm(need_much_stack, SA_RESTART);
    CHECK(refusals > 0);
}

/* Between calls and in callbacks a handler is seen on a signal stack only. */
static void interrupt_here(const char *id, void *unused)
{
    (void)id, (void)unused;
    raise(SIGUSR1);
}

static void refused_in_callback(int mode)
{
    static char space[1 << 16];
    stack_t own = {.ss_sp = space, .ss_size = sizeof space};
    hrm_options o = HRM_OPTIONS_INIT;
    load();
    sigaltstack(&own, NULL);
    handle(SA_ONSTACK);
    o.dispatch_mode = mode;
    o.quiet_ms = 10;
    write_file("one");
    CHECK_INT(p_hrm_manager_create(&o, &in_hand, NULL), HRM_OK);
    CHECK_INT(p_hrm_set_reload_callback(in_hand, interrupt_here, NULL, NULL), HRM_OK);
    CHECK_INT(p_hrm_enable_hot_reload(in_hand, "p", file, NULL), HRM_OK);
    write_file("another");
    if (mode == HRM_DISPATCH_MANUAL)
        while (!handled && p_hrm_dispatch(in_hand, 0, 20000, NULL) > 0)
            ;
    CHECK(wait_for(is_told, &handled));
    CHECK_INT(p_hrm_manager_destroy(in_hand), HRM_OK);
    was_refused();
}
APART(a_handler_on_a_signal_stack_in_a_callback_of_dispatch_is_refused) { refused_in_callback(HRM_DISPATCH_MANUAL); }
APART(a_handler_on_a_signal_stack_in_a_callback_of_the_library_is_refused) { refused_in_callback(HRM_DISPATCH_THREAD); }

/* The destroy function of what is refused runs, and questions about codes are answered. */
static void set_in_handler(int sig)
{
    (void)sig;
    answer = p_hrm_set_reload_callback(in_hand, on_reload, NULL, count_gone);
    handled = strcmp(p_hrm_error_name(answer), "HRM_ERR_NOT_SUPPORTED") == 0 && p_hrm_version_number() == HRM_VERSION_NUMBER;
}

APART(a_registration_in_a_handler_is_refused_and_its_data_released)
{
    static char space[1 << 16];
    stack_t own = {.ss_sp = space, .ss_size = sizeof space};
    struct sigaction sa;
    load();
    in_hand = manual();
    sigaltstack(&own, NULL);
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = set_in_handler;
    sa.sa_flags = SA_ONSTACK;
    CHECK_INT(sigaction(SIGUSR1, &sa, NULL), 0);
    raise(SIGUSR1);
    CHECK_INT(answer, HRM_ERR_NOT_SUPPORTED);
    CHECK_INT(handled, 1);
    CHECK_INT(gone_calls, 1);
    CHECK_INT(p_hrm_manager_destroy(in_hand), HRM_OK);
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    RUN(a_thread_is_left_as_it_was);
    RUN(a_thread_that_blocks_every_signal_is_left_as_it_was);
    RUN(a_thread_that_blocks_some_signals_is_left_as_it_was);
    RUN(a_thread_that_is_pinned_and_real_time_is_left_as_it_was);
    RUN(a_thread_with_a_small_signal_stack_is_left_as_it_was);
    RUN(a_thread_with_a_large_signal_stack_is_left_as_it_was);
    RUN(the_first_thread_is_left_as_it_was);
    RUN(a_thread_that_ends_is_left_as_it_was);
    RUN(what_a_callback_does_to_its_thread_stays);
    RUN(callbacks_of_library_threads_have_the_mask_of_the_creator);
    RUN(a_handler_that_interrupts_a_call_is_refused);
    RUN(a_handler_that_interrupts_a_call_on_a_signal_stack_is_refused);
    RUN(a_storm_of_signals_whose_handler_calls_ends_nobody);
    RUN(a_handler_may_need_much_stack_during_a_question);
    RUN(a_handler_on_a_signal_stack_in_a_callback_of_dispatch_is_refused);
    RUN(a_handler_on_a_signal_stack_in_a_callback_of_the_library_is_refused);
    RUN(a_registration_in_a_handler_is_refused_and_its_data_released);
    finish();
    DONE();
}
