/* SPDX-License-Identifier: MIT */
/*
 * The host's threads. Go's runtime gives a thread that calls it a signal stack and
 * opens it to a few signals, and leaves both until the thread ends. Here they are
 * there during a call, and the thread is the host's again afterwards.
 */
#define _GNU_SOURCE
#include "bridge.h"
#include "thread.h"

#include <string.h>

#if !defined(_WIN32)
#include <pthread.h>
#endif

/* -------------------------------------------------------- ThreadSanitizer -- */

#if defined(__linux__) && !defined(HRM_WITH_RACE_DETECTOR)
/* In a process that runs under it; otherwise there are none. */
extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));
static char order;

static void publish(void)
{
    if (__tsan_release != NULL)
        __tsan_release(&order);
}

static void see(void)
{
    if (__tsan_acquire != NULL)
        __tsan_acquire(&order);
}
#else
#define publish() ((void)0)
#define see() ((void)0)
#endif

void hrmc_waited_for_callbacks(void) { see(); }

#if !defined(_WIN32)

#if defined(__linux__)
/* Found without a call, in a signal handler too. Go's runtime needs the static block anyway. */
#define OF_THREAD static __thread __attribute__((tls_model("initial-exec")))
#else
#define OF_THREAD static __thread
#endif

OF_THREAD hrmc_call *inside; /* the call that this thread is in, outside callbacks */
OF_THREAD int of_library;

void hrmc_thread_is_of_the_library(void) { of_library = 1; }

/* ------------------------------------------------ signal stack and mask -- */

#if defined(__linux__)

/* Go's signal stack for this thread: known after the first call. On it Go turns a
 * fault of its own code into a panic; the stack of a goroutine is too small. */
OF_THREAD stack_t go_stack;

/* Go's runtime takes the stack back when a thread ends. */
static pthread_key_t end_of_thread;
static int has_key;
static void forget_stack(void *stack) { memset(stack, 0, sizeof go_stack); }
__attribute__((constructor)) static void make_key(void) { has_key = pthread_key_create(&end_of_thread, forget_stack) == 0; }

static void learn_stack(void)
{
    stack_t now;
    if (go_stack.ss_sp != NULL || sigaltstack(NULL, &now) != 0 || now.ss_flags != 0)
        return;
    go_stack = now;
    if (has_key)
        pthread_setspecific(end_of_thread, &go_stack);
}

/* 0 if the thread runs on its signal stack: it is in a handler. */
static int prepare(hrmc_call *call)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE};
    const stack_t none = {.ss_flags = SS_DISABLE}; /* Go makes its own then */
    const int first = go_stack.ss_sp == NULL;
    sigset_t open;
    size_t i;
    if (sigaltstack(first ? &none : &go_stack, &call->stack) != 0)
        return 0;
    call->new_stack = 1;
    if (!first && (call->stack.ss_flags & SS_DISABLE) == 0 && call->stack.ss_size >= go_stack.ss_size) {
        sigaltstack(&call->stack, NULL); /* handlers of the host may need all of theirs */
        call->new_stack = 0;
    }
    sigemptyset(&open);
    for (i = 0; i < sizeof faults / sizeof *faults; i++)
        sigaddset(&open, faults[i]);
    pthread_sigmask(SIG_UNBLOCK, &open, &call->mask);
    call->new_mask = first; /* Go opens some more */
    for (i = 0; i < sizeof faults / sizeof *faults; i++)
        call->new_mask |= sigismember(&call->mask, faults[i]);
    return 1;
}

/* Whether Go has this thread already, and nothing needs to be changed for a moment:
 * the goroutine's stack has room for a handler of the host (capi/mklib/overlay.go). */
static int prepare_shortly(hrmc_call *call)
{
    const uintptr_t here = (uintptr_t)call, stack = (uintptr_t)go_stack.ss_sp;
    if (stack == 0)
        return prepare(call);
    call->new_stack = call->new_mask = 0;
    return here < stack || here - stack >= go_stack.ss_size;
}

static void give_back(hrmc_call *call)
{
    learn_stack();
    if (call->new_stack)
        sigaltstack(&call->stack, NULL);
    if (call->new_mask)
        pthread_sigmask(SIG_SETMASK, &call->mask, NULL);
}

static void mask_of(const hrmc_call *call, sigset_t *mask) { *mask = call->mask; }

#else

static void learn_stack(void) {}
static int prepare(hrmc_call *call)
{
    (void)call;
    return 1;
}
static int prepare_shortly(hrmc_call *call) { return prepare(call); }
static void give_back(hrmc_call *call) { (void)call; }
static void mask_of(const hrmc_call *call, sigset_t *mask)
{
    (void)call;
    pthread_sigmask(SIG_SETMASK, NULL, mask);
}

#endif

uint64_t hrmc_host_mask(const hrmc_call *call)
{
    sigset_t mask;
    uint64_t bits = 0;
    mask_of(call, &mask);
    memcpy(&bits, &mask, sizeof mask < sizeof bits ? sizeof mask : sizeof bits);
    return bits;
}

/* ------------------------------------------------------- calls, callbacks -- */

static int enter(hrmc_call *call, int (*prepare_it)(hrmc_call *))
{
    if (inside != NULL || !prepare_it(call)) /* a handler has interrupted a call, or is on its own stack */
        return 0;
    inside = call;
    publish();
    return 1;
}

int hrmc_enter(hrmc_call *call) { return enter(call, prepare); }
int hrmc_enter_shortly(hrmc_call *call) { return enter(call, prepare_shortly); }

void hrmc_leave(hrmc_call *call)
{
    inside = NULL;
    give_back(call);
}

/* A callback is the host's code: on its own thread it finds everything as it was
 * before the call. A thread of the library, which blocks every signal, has the mask
 * of the manager's creator meanwhile, and so do the threads and programs that the
 * callback starts. */
void hrmc_callback_begins(hrmc_callback *c, uint64_t mask)
{
    sigset_t host;
    see();
    c->call = inside;
    if (c->call != NULL) {
        hrmc_leave(c->call);
    } else if (of_library) {
        learn_stack();
        sigemptyset(&host);
        memcpy(&host, &mask, sizeof host < sizeof mask ? sizeof host : sizeof mask);
        pthread_sigmask(SIG_SETMASK, &host, &c->mask);
    }
}

void hrmc_callback_ends(hrmc_callback *c)
{
    if (c->call != NULL) {
        prepare(c->call);
        inside = c->call;
    } else if (of_library) {
        pthread_sigmask(SIG_SETMASK, &c->mask, NULL);
    }
    publish();
}

#else

int hrmc_enter(hrmc_call *call)
{
    (void)call;
    return 1;
}
int hrmc_enter_shortly(hrmc_call *call) { return hrmc_enter(call); }
void hrmc_leave(hrmc_call *call) { (void)call; }
uint64_t hrmc_host_mask(const hrmc_call *call)
{
    (void)call;
    return 0;
}
void hrmc_callback_begins(hrmc_callback *c, uint64_t mask) { (void)c, (void)mask; }
void hrmc_callback_ends(hrmc_callback *c) { (void)c; }
void hrmc_thread_is_of_the_library(void) {}

#endif
