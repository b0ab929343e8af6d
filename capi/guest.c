/* SPDX-License-Identifier: MIT */
/*
 * The library as a guest in somebody's process, where that must be seen to in C:
 * before and after Go's runtime starts, and in the child of a fork.
 */
#define _GNU_SOURCE
#include "bridge.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#endif

#if defined(__linux__)
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#endif

static volatile int32_t unusable; /* HRM_ERR_FORKED or HRM_ERR_NO_MEMORY, for good */
static int started;               /* Go's runtime is up */

#if defined(__linux__)
static const volatile char *own_process; /* 1 here, 0 in the child of any fork; NULL if unknown */
#endif

void hrmc_could_not_start(void) { unusable = HRM_ERR_NO_MEMORY; }

/* Go's runtime starts beside the host. It waits for each thread that it needs, and whoever
 * entered Go meanwhile would wait with it. */
static int32_t await_start(void)
{
#if defined(__linux__)
    enum { REFUSED = 1000, PATIENCE = 60000 }; /* ms */
    const struct timespec one = {0, 1000000};
    int refused = 0, waited;
    for (waited = 0; unusable == HRM_OK && !__atomic_load_n(&started, __ATOMIC_ACQUIRE); waited++) {
        refused = hrmc_threads_are_refused() ? refused + 1 : 0;
        if (refused == REFUSED || waited == PATIENCE)
            return HRM_ERR_NO_MEMORY; /* for now */
        nanosleep(&one, NULL);
    }
#endif
    return unusable;
}

int32_t hrmc_unusable(void)
{
#if defined(__linux__)
    if (own_process != NULL && *own_process == 0)
        return HRM_ERR_FORKED;
#endif
    return unusable != HRM_OK || __atomic_load_n(&started, __ATOMIC_ACQUIRE) ? unusable : await_start();
}

/* Go's runtime cannot be unloaded: its threads would go on running code that is
 * no longer there. On ELF the linker's -z nodelete prevents it. */
#if defined(_WIN32)
__attribute__((constructor)) static void stay_loaded(void)
{
    HMODULE self;
    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, (LPCWSTR)(uintptr_t)&stay_loaded,
                       &self);
}
#elif defined(__APPLE__)
__attribute__((constructor)) static void stay_loaded(void)
{
    Dl_info self;
    if (dladdr((void *)&stay_loaded, &self) != 0)
        dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}
#endif

#if !defined(_WIN32)

static void in_child(void) { unusable = HRM_ERR_FORKED; }

/* SIGPIPE and SIGURG as they were before Go's runtime took them. */
static struct sigaction host_pipe, host_urgent;

#if defined(__linux__)
/* A page that the kernel empties in a child, also in one that was made past the
 * C library's fork handlers, by _Fork() or clone(). Since Linux 4.14. */
static void mark_process(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    if (madvise(page, size, MADV_WIPEONFORK) != 0) {
        munmap(page, size);
        return;
    }
    *page = 1;
    own_process = page;
}

/* What the host asked for the faults that Go's runtime takes. The runtime knows
 * its function alone, and calls it with every signal blocked. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE};
enum { FAULTS = sizeof faults / sizeof *faults };
static struct sigaction host_fault[FAULTS];
static int spent[FAULTS]; /* a handler with SA_RESETHAND has run */

/* The signals that are blocked where the handler interrupted: the kernel's set,
 * which is smaller than the C library's. */
static void interrupted_mask(const void *context, sigset_t *mask)
{
    const size_t kernels = 8;
    sigemptyset(mask);
    memcpy(mask, &((const ucontext_t *)context)->uc_sigmask, sizeof *mask < kernels ? sizeof *mask : kernels);
}

/* Does with a fault what the kernel would have done. */
static void host_has_fault(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *host;
    const int sent = info->si_code <= 0; /* by a process */
    sigset_t mask;
    int i = 0, other, handled;
    while (faults[i] != sig)
        i++;
    host = &host_fault[i];
    handled = host->sa_handler != SIG_IGN;
    if (!handled && sent)
        return;
    if (handled && (host->sa_flags & (int)SA_RESETHAND) != 0)
        handled = __atomic_exchange_n(&spent[i], 1, __ATOMIC_SEQ_CST) == 0;
    if (!handled) { /* nobody can ignore a fault */
        struct sigaction none;
        memset(&none, 0, sizeof none);
        none.sa_handler = SIG_DFL;
        sigaction(sig, &none, NULL);
        if (sent)
            raise(sig); /* comes when this has returned; what faulted runs again then */
        return;
    }
    interrupted_mask(context, &mask);
    for (other = 1; other < NSIG; other++)
        if (sigismember(&host->sa_mask, other) == 1)
            sigaddset(&mask, other);
    if ((host->sa_flags & SA_NODEFER) == 0)
        sigaddset(&mask, sig);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    host->sa_sigaction(sig, info, context); /* one without SA_SIGINFO takes the first only */
}

/* Comes between the runtime and the host's handlers. */
static void keep_host_handlers(void)
{
    struct sigaction mine;
    int i;
    memset(&mine, 0, sizeof mine);
    mine.sa_sigaction = host_has_fault;
    mine.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&mine.sa_mask);
    for (i = 0; i < FAULTS; i++)
        if (sigaction(faults[i], NULL, &host_fault[i]) == 0 && host_fault[i].sa_handler != SIG_DFL)
            sigaction(faults[i], &mine, NULL);
}
#endif

/* Runs before Go's runtime starts, which does so from a constructor without a
 * priority. */
__attribute__((constructor(101))) static void before_go(void)
{
    pthread_atfork(NULL, NULL, in_child);
#if defined(__linux__)
    mark_process();
    keep_host_handlers();
#endif
    sigaction(SIGPIPE, NULL, &host_pipe);
    sigaction(SIGURG, NULL, &host_urgent);
}

static void give_back(int sig, const struct sigaction *as_it_was, const struct sigaction *go)
{
    struct sigaction now;
    /* Unless the host has set its own meanwhile. */
    if (sigaction(sig, NULL, &now) == 0 && now.sa_sigaction == go->sa_sigaction)
        sigaction(sig, as_it_was, NULL);
}

/* Called when Go's runtime is up. It has handlers for the faults that it turns
 * into panics, of which it needs all, and for two more that it does not need
 * here: it writes to no pipe, and is built not to preempt by signals. */
void hrmc_go_started(void)
{
    struct sigaction go;
    __atomic_store_n(&started, 1, __ATOMIC_RELEASE);
    if (sigaction(SIGBUS, NULL, &go) != 0)
        return;
    give_back(SIGPIPE, &host_pipe, &go);
    give_back(SIGURG, &host_urgent, &go);
}

#else

void hrmc_go_started(void) { __atomic_store_n(&started, 1, __ATOMIC_RELEASE); }

#endif
