/*
 * The library as a guest in somebody's process, where that must be seen to in C:
 * before Go's runtime starts, when it starts threads, and in the child of a fork.
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
#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#endif

static volatile int32_t unusable; /* HRM_ERR_FORKED or HRM_ERR_NO_MEMORY, for good */

#if defined(__linux__)
static const volatile char *own_process; /* 1 here, 0 in the child of any fork; NULL if unknown */
#endif

int32_t hrmc_unusable(void)
{
#if defined(__linux__)
    if (own_process != NULL && *own_process == 0)
        return HRM_ERR_FORKED;
#endif
    return unusable;
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
#endif

/* Runs before Go's runtime starts, which does so from a constructor without a
 * priority. glibc passes what it passes to main. */
__attribute__((constructor(101))) static void before_go(int argc, char **argv)
{
    pthread_atfork(NULL, NULL, in_child);
#if defined(__linux__)
    mark_process();
    hrmc_let_go_block_signals();
    hrmc_remember_arguments(argc, argv);
#else
    (void)argc, (void)argv;
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
    if (sigaction(SIGBUS, NULL, &go) != 0)
        return;
    give_back(SIGPIPE, &host_pipe, &go);
    give_back(SIGURG, &host_urgent, &go);
}

#else

void hrmc_go_started(void) {}

#endif

#if defined(__linux__)
/*
 * Every pthread_create in this library, which is Go's runtime, is linked to this
 * function (--wrap). All signals that can be are blocked in its threads, so that
 * none takes a signal that was meant for the host: its handlers would run on the
 * small stack of a goroutine. And what Go answers with the end of the process, no
 * thread to be had, is waited for; at the very start the library stays unusable.
 */
extern int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)
    __attribute__((weak)); /* absent without --wrap */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);

/* What Go's runtime reserves of the address space when it starts, and some more. */
#define GO_NEEDS ((size_t)(sizeof(void *) >= 8 ? 1ul << 30 : 1ul << 27))

static int room_for_go(void)
{
    void *p = mmap(NULL, GO_NEEDS, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p != MAP_FAILED && munmap(p, GO_NEEDS) == 0;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    static int started;
    sigset_t all, before;
    struct timespec wait = {0, 1000000};
    int first = !__atomic_exchange_n(&started, 1, __ATOMIC_SEQ_CST), err;
    if (first && !room_for_go()) {
        unusable = HRM_ERR_NO_MEMORY;
        return 0;
    }
    if (first)
        hrmc_hide_environment();
    sigfillset(&all);
    for (;;) {
        pthread_sigmask(SIG_SETMASK, &all, &before);
        err = __real_pthread_create(thread, attr, start, arg);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (err == 0)
            return 0;
        if (first) {
            unusable = HRM_ERR_NO_MEMORY;
            return 0;
        }
        if (err != EAGAIN)
            return err;
        nanosleep(&wait, NULL);
        if (wait.tv_nsec < 100000000)
            wait.tv_nsec *= 2;
    }
}
#endif
