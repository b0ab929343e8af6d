/* SPDX-License-Identifier: MIT */
/* Locks, conditions and semaphores of the system, for pins.h. Times are those of a
 * clock that nobody sets. */
#ifndef HRM_WAIT_H
#define HRM_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#if defined(_WIN32)

#include <windows.h>

typedef SRWLOCK hrmc_lock;
typedef CONDITION_VARIABLE hrmc_cond;
typedef HANDLE hrmc_sem;

static inline bool hrmc_lock_init(hrmc_lock *l) { return InitializeSRWLock(l), true; }
static inline void hrmc_lock_take(hrmc_lock *l) { AcquireSRWLockExclusive(l); }
static inline void hrmc_lock_give(hrmc_lock *l) { ReleaseSRWLockExclusive(l); }
static inline bool hrmc_cond_init(hrmc_cond *c) { return InitializeConditionVariable(c), true; }
static inline void hrmc_cond_wake(hrmc_cond *c) { WakeAllConditionVariable(c); }
static inline int64_t hrmc_now_ms(void) { return (int64_t)GetTickCount64(); }
/* until: as hrmc_now_ms; less than 0: for ever. */
static inline void hrmc_cond_wait(hrmc_cond *c, hrmc_lock *l, int64_t until)
{
    const int64_t left = until - hrmc_now_ms();
    SleepConditionVariableSRW(c, l, until < 0 ? INFINITE : left < 0 ? 0 : left > 1000000 ? 1000000 : (DWORD)left, 0);
}
static inline bool hrmc_sem_init(hrmc_sem *s) { return (*s = CreateSemaphoreW(NULL, 0, INT32_MAX, NULL)) != NULL; }
static inline void hrmc_sem_post(hrmc_sem *s) { ReleaseSemaphore(*s, 1, NULL); }
static inline void hrmc_sem_wait(hrmc_sem *s) { WaitForSingleObject(*s, INFINITE); }
static inline void hrmc_pause(void) { Sleep(0); }

#else

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

typedef pthread_mutex_t hrmc_lock;
typedef pthread_cond_t hrmc_cond;

static inline bool hrmc_lock_init(hrmc_lock *l) { return pthread_mutex_init(l, NULL) == 0; }
static inline void hrmc_lock_take(hrmc_lock *l) { pthread_mutex_lock(l); }
static inline void hrmc_lock_give(hrmc_lock *l) { pthread_mutex_unlock(l); }
static inline void hrmc_cond_wake(hrmc_cond *c) { pthread_cond_broadcast(c); }
static inline int64_t hrmc_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static inline void hrmc_pause(void) { sched_yield(); }

#if defined(__APPLE__)

#include <dispatch/dispatch.h>

typedef dispatch_semaphore_t hrmc_sem;

static inline bool hrmc_cond_init(hrmc_cond *c) { return pthread_cond_init(c, NULL) == 0; }
static inline void hrmc_cond_wait(hrmc_cond *c, hrmc_lock *l, int64_t until)
{
    const int64_t left = until - hrmc_now_ms();
    struct timespec t = {left > 0 ? left / 1000 : 0, left > 0 ? left % 1000 * 1000000 : 0};
    if (until < 0)
        pthread_cond_wait(c, l);
    else
        pthread_cond_timedwait_relative_np(c, l, &t);
}
static inline bool hrmc_sem_init(hrmc_sem *s) { return (*s = dispatch_semaphore_create(0)) != NULL; }
static inline void hrmc_sem_post(hrmc_sem *s) { dispatch_semaphore_signal(*s); }
static inline void hrmc_sem_wait(hrmc_sem *s) { dispatch_semaphore_wait(*s, DISPATCH_TIME_FOREVER); }

#else

#include <semaphore.h>

typedef sem_t hrmc_sem;

static inline bool hrmc_cond_init(hrmc_cond *c)
{
    pthread_condattr_t attr;
    bool good = pthread_condattr_init(&attr) == 0;
    if (good) {
        good = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 && pthread_cond_init(c, &attr) == 0;
        pthread_condattr_destroy(&attr);
    }
    return good;
}
static inline void hrmc_cond_wait(hrmc_cond *c, hrmc_lock *l, int64_t until)
{
    struct timespec t = {until / 1000, until % 1000 * 1000000};
    if (until < 0)
        pthread_cond_wait(c, l);
    else
        pthread_cond_timedwait(c, l, &t);
}
static inline bool hrmc_sem_init(hrmc_sem *s) { return sem_init(s, 0, 0) == 0; }
static inline void hrmc_sem_post(hrmc_sem *s) { sem_post(s); }
static inline void hrmc_sem_wait(hrmc_sem *s)
{
    while (sem_wait(s) != 0 && errno == EINTR) {
    }
}

#endif
#endif
#endif
