/* SPDX-License-Identifier: MIT */
/*
 * A process that runs out of threads or address space. Go's runtime ends it
 * where either cannot be had; here a thread is waited for, a little address
 * space is kept back for what runs already, and what needs more is refused while
 * there is little left.
 */
#define _GNU_SOURCE
#include "bridge.h"
#include "thread.h"

#if defined(__linux__)
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
/* What Go's runtime reserves when it starts, and some more. */
#define TO_START (sizeof(void *) >= 8 ? 1024 * MIB : 128 * MIB)
/* For one more arena of its heap, and the stacks of a few threads. */
#define TO_GROW (sizeof(void *) >= 8 ? 128 * MIB : 32 * MIB)
/* Two arenas, so that one is aligned, and smaller pieces. Since Go 1.26 the heap begins
 * anywhere in its first arena, and may need a second one soon. */
#define KEPT_BACK (sizeof(void *) >= 8 ? 256 * MIB : 32 * MIB)

/* Every pthread_create and mmap in this library is linked to the functions below
 * (--wrap, in exports.go), and these to the system's. No weak symbols: a program that
 * is linked statically would get none of the system's. */
extern int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
extern void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);

static void *reserve(size_t n)
{
    return __real_mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static int room_for(size_t n)
{
    void *p = reserve(n);
    return p != MAP_FAILED && munmap(p, n) == 0;
}

/* Address space that the runtime gets where the system has none, for good. */
static uintptr_t kept, kept_end;

static void *take(size_t n, int prot, int flags)
{
    uintptr_t piece = __atomic_load_n(&kept, __ATOMIC_SEQ_CST), next;
    do {
        next = piece + ((n + 65535) & ~(size_t)65535); /* the largest page of any system */
        if (piece == 0 || next < piece || next > kept_end)
            return MAP_FAILED;
    } while (!__atomic_compare_exchange_n(&kept, &piece, next, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return __real_mmap((void *)piece, n, prot, flags | MAP_FIXED, -1, 0);
}

static void keep_back(void)
{
    void *p = reserve(KEPT_BACK);
    if (p == MAP_FAILED)
        return;
    kept_end = (uintptr_t)p + KEPT_BACK;
    __atomic_store_n(&kept, (uintptr_t)p, __ATOMIC_SEQ_CST);
}

void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    void *p = __real_mmap(at, n, prot, flags, fd, offset);
    if (p != MAP_FAILED || errno != ENOMEM || !(flags & MAP_ANONYMOUS) || (flags & MAP_FIXED))
        return p;
    return take(n, prot, flags);
}

/* What a thread of the library runs. */
struct job {
    void *(*start)(void *);
    void *arg;
};

/* A thread inherits from its creator, and the first ones are made by the thread of the
 * host that loads the library. That may be a real-time thread, or pinned to one
 * processor. The library's threads have the usual policy and run where the process may. */
static void leave_creator_behind(void)
{
    struct sched_param usual = {0};
    cpu_set_t process, own;
    int policy = sched_getscheduler(0);
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        sched_setscheduler(0, SCHED_OTHER, &usual);
    if (sched_getaffinity(getpid(), sizeof process, &process) == 0 && sched_getaffinity(0, sizeof own, &own) == 0 &&
        !CPU_EQUAL(&process, &own))
        sched_setaffinity(0, sizeof process, &process);
    prctl(PR_SET_NAME, "hotreload");
}

static void *run_job(void *arg)
{
    struct job job = *(struct job *)arg;
    free(arg);
    hrmc_thread_is_of_the_library();
    leave_creator_behind();
    return job.start(job.arg);
}

/* With every signal blocked that can be, so that none of these threads takes one
 * that was meant for the host: its handlers would run on the small stack of a
 * goroutine. */
static int start_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    sigset_t all, before;
    struct job *job = malloc(sizeof *job);
    int err;
    if (job == NULL)
        return EAGAIN;
    job->start = start;
    job->arg = arg;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = __real_pthread_create(thread, attr, run_job, job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0)
        free(job);
    return err;
}

/* A stack for the same attributes: no less, as the runtime counts on it. It is
 * not used again when the thread has ended. */
static void *kept_stack(const pthread_attr_t *attr, pthread_attr_t *with_stack)
{
    size_t size = 0, guard = 65536;
    int detached = PTHREAD_CREATE_JOINABLE;
    char *p;
    if (attr == NULL || pthread_attr_getstacksize(attr, &size) != 0 || size > KEPT_BACK / 2)
        return MAP_FAILED;
    p = take(guard + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    if (p == MAP_FAILED || mprotect(p + guard, size, PROT_READ | PROT_WRITE) != 0)
        return MAP_FAILED;
    pthread_attr_getdetachstate(attr, &detached);
    pthread_attr_init(with_stack);
    pthread_attr_setdetachstate(with_stack, detached);
    return pthread_attr_setstack(with_stack, p + guard, size) == 0 ? p : MAP_FAILED;
}

static int waiting; /* threads of the runtime that wait for another one */

int hrmc_threads_are_refused(void) { return __atomic_load_n(&waiting, __ATOMIC_SEQ_CST) > 0; }

/* The first thread is that which starts the runtime: without it, or without the
 * room for it, the library is unusable. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    static int started;
    struct timespec wait = {0, 1000000};
    pthread_attr_t with_stack;
    void *stack = MAP_FAILED;
    int err, refused = 0;
    if (!__atomic_exchange_n(&started, 1, __ATOMIC_SEQ_CST)) {
        if (!room_for(TO_START) || start_thread(thread, attr, start, arg) != 0)
            hrmc_could_not_start();
        else
            keep_back();
        return 0;
    }
    while ((err = start_thread(thread, attr, start, arg)) == EAGAIN) {
        if (stack == MAP_FAILED)
            stack = kept_stack(attr, &with_stack);
        if (stack != MAP_FAILED && (err = start_thread(thread, &with_stack, start, arg)) != EAGAIN)
            break;
        if (!refused++)
            __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
        nanosleep(&wait, NULL);
        if (wait.tv_nsec < 100000000)
            wait.tv_nsec *= 2;
    }
    if (refused)
        __atomic_sub_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    return err;
}

static void *end_when_unlocked(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

const char *hrmc_short_of(int threads)
{
    enum { NEEDED = 4 }; /* by a manager: to deliver, to wait for notifications, to ask the disk, and to begin another one */
    pthread_mutex_t all_started = PTHREAD_MUTEX_INITIALIZER;
    pthread_t t[NEEDED];
    int n = 0;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && !room_for(TO_GROW))
        return "less than 128 MiB of address space (32 with 32 bits) are left in this process (RLIMIT_AS)";
    if (!threads)
        return NULL;
    pthread_mutex_lock(&all_started);
    while (n < NEEDED && start_thread(&t[n], NULL, end_when_unlocked, &all_started) == 0)
        n++;
    pthread_mutex_unlock(&all_started);
    threads = n;
    while (n > 0)
        pthread_join(t[--n], NULL);
    return threads == NEEDED ? NULL : "too few threads can be started (RLIMIT_NPROC, the pids.max of a control group); a manager needs 4";
}

#else

const char *hrmc_short_of(int threads)
{
    (void)threads;
    return NULL;
}

#endif
