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
#include <link.h>
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

#if defined(__linux__)
/*
 * Go's threads can block every signal but those in a table of its runtime that
 * says they must not be: the faults, and also SIGCHLD, SIGPROF and SIGRTMIN. A
 * SIGCHLD that a host awaits by signalfd or sigwait, with the signal blocked in
 * all its threads, would be lost in one of Go's. So the table is told otherwise
 * before Go reads it. It is found by its content; where that is not as expected, all stays
 * as it is (guest.c of the tests notices).
 */
struct go_signal { /* runtime.sigTabT */
    int32_t flags;
    const char *name;
    intptr_t length;
};
enum { GO_SET_STACK = 64, GO_UNBLOCK = 128, GO_RTMIN = 34 };

struct search {
    struct go_signal *table;
};

#define UNINSTRUMENTED __attribute__((no_sanitize("address", "thread", "undefined")))

/* Whether the module has these bytes in memory, writable or not. */
UNINSTRUMENTED static int has(const struct dl_phdr_info *m, const void *p, size_t n, uint32_t flags)
{
    uintptr_t at = (uintptr_t)p - m->dlpi_addr;
    int i, inside = 0;
    for (i = 0; i < m->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &m->dlpi_phdr[i];
        int within = at >= h->p_vaddr && at - h->p_vaddr <= h->p_memsz && h->p_memsz - (at - h->p_vaddr) >= n;
        if (h->p_type == PT_LOAD && (h->p_flags & flags) == flags)
            inside |= within;
        if (h->p_type == PT_GNU_RELRO && within && (flags & PF_W))
            return 0;
    }
    return inside;
}

UNINSTRUMENTED static int is_signal(const struct dl_phdr_info *m, const struct go_signal *s, int32_t flags,
                                    const char *name)
{
    intptr_t n = 0;
    while (name[n] != 0)
        n++;
    if (s->flags != flags || s->length != n || !has(m, s->name, (size_t)n, PF_R))
        return 0;
    while (n-- > 0)
        if (s->name[n] != name[n])
            return 0;
    return 1;
}

UNINSTRUMENTED static int find_table(struct dl_phdr_info *m, size_t size, void *arg)
{
    struct search *found = arg;
    int i;
    (void)size;
    if (!has(m, (const void *)&unusable, sizeof unusable, PF_W))
        return 0;
    for (i = 0; i < m->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &m->dlpi_phdr[i];
        uintptr_t p = m->dlpi_addr + h->p_vaddr, end = p + h->p_filesz;
        if (h->p_type != PT_LOAD || !(h->p_flags & PF_W))
            continue;
        p = (p + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
        for (; p + 65 * sizeof(struct go_signal) <= end; p += sizeof(void *)) {
            struct go_signal *t = (struct go_signal *)p;
            if (is_signal(m, &t[0], 0, "SIGNONE: no trap") &&
                is_signal(m, &t[SIGCHLD], 1 + GO_UNBLOCK + 256, "SIGCHLD: child status has changed") &&
                is_signal(m, &t[SIGPROF], 1 + GO_UNBLOCK, "SIGPROF: profiling alarm clock") &&
                is_signal(m, &t[GO_RTMIN], GO_SET_STACK + GO_UNBLOCK, "signal 34") &&
                has(m, t, 65 * sizeof *t, PF_W)) {
                found->table = t;
                return 1;
            }
        }
    }
    return 1;
}

static void let_go_block_signals(void)
{
    struct search s = {NULL};
    dl_iterate_phdr(find_table, &s);
    if (s.table != NULL) {
        s.table[SIGCHLD].flags &= ~GO_UNBLOCK;
        s.table[SIGPROF].flags &= ~GO_UNBLOCK;
        if (SIGRTMIN == GO_RTMIN) /* as with glibc, which keeps the two before for itself */
            s.table[GO_RTMIN].flags &= ~GO_UNBLOCK;
    }
}
#endif

/* Runs before Go's runtime starts, which does so from a constructor without a
 * priority. */
__attribute__((constructor(101))) static void before_go(void)
{
    pthread_atfork(NULL, NULL, in_child);
#if defined(__linux__)
    mark_process();
    let_go_block_signals();
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
