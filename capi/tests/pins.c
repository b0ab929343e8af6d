/* SPDX-License-Identifier: MIT */
/* The door to a plugin (capi/pins.h): no caller gets a version that has ended, and
 * none is lost. With the argument "measure" it prints what a call costs. */
#include "../pins.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    hrmc_version v;
    long calls; /* under way, by what the calls themselves say */
    int alive;
} version;

static hrmc_pins pins;
static _Atomic int stop;
static _Atomic long answered, refused;

static version *new_version(void)
{
    version *v = aligned_alloc(64, (sizeof(version) + 63) / 64 * 64);
    CHECK(v != NULL);
    memset(v, 0, sizeof *v);
    CHECK(hrmc_version_init(&v->v));
    v->alive = 1;
    CHECK(hrmc_pins_add(&pins, &v->v));
    return v;
}

static void free_version(version *v)
{
    CHECK(v->alive); /* plain reads and writes: a race shows under ThreadSanitizer */
    v->alive = 0;
    hrmc_pins_remove(&pins, &v->v);
    free(v);
}

static void *caller(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        version *v = (version *)hrmc_try_acquire(&pins);
        if (v == NULL && hrmc_has_version(&pins))
            v = (version *)hrmc_acquire_slowly(&pins, -1);
        if (v == NULL) {
            atomic_fetch_add(&refused, 1);
            continue;
        }
        CHECK(v->alive == 1);
        hrmc_release(&v->v);
        atomic_fetch_add(&answered, 1);
    }
    return NULL;
}

/* Ends a wait after a moment. */
static void *cancels(void *v)
{
    struct timespec moment = {0, 2000000};
    nanosleep(&moment, NULL);
    hrmc_cancel_wait(v);
    return NULL;
}

/* Versions are exchanged under load: side by side, held, and turned back. */
static void under_load(int exchanges, int kinds)
{
    pthread_t threads[4];
    version *active = new_version();
    int i;
    hrmc_activate(&pins, &active->v);
    atomic_store(&stop, 0);
    atomic_store(&answered, 0);
    atomic_store(&refused, 0);
    for (i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, caller, NULL) == 0);
    for (i = 0; i < exchanges || (atomic_load(&answered) == 0 && i < 100000000); i++) {
        version *next = new_version(), *old = active;
        switch (i % kinds) {
        case 0: /* side by side */
            hrmc_activate(&pins, &next->v);
            CHECK(hrmc_await_idle(&old->v));
            break;
        case 1: /* exit first */
            hrmc_hold(&pins);
            CHECK(hrmc_await_idle(&old->v));
            CHECK(hrmc_await_idle(&old->v)); /* and nobody begins */
            hrmc_activate(&pins, &next->v);
            break;
        case 2: /* turned back, then exchanged */
            hrmc_hold(&pins);
            hrmc_hold(&pins);
            CHECK(hrmc_await_idle(&old->v));
            hrmc_activate(&pins, &old->v);
            hrmc_activate(&pins, &next->v);
            CHECK(hrmc_await_idle(&old->v));
            break;
        default: /* shut for a moment */
            hrmc_shut(&pins);
            CHECK(hrmc_await_idle(&old->v));
            hrmc_activate(&pins, &next->v);
        }
        free_version(old);
        active = next;
    }
    atomic_store(&stop, 1);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    hrmc_shut(&pins);
    CHECK(kinds > 3 || atomic_load(&refused) == 0); /* who is held gets a version */
    CHECK(hrmc_await_idle(&active->v));
    CHECK(active->v.begun == (atomic_load(&active->v.ended) & ~HRMC_AWAITED));
    free_version(active);
    CHECK(atomic_load(&answered) > 0);
}

static void alone(void)
{
    version *v = new_version(), *w;
    hrmc_version *held;
    pthread_t thread;
    int i;
    CHECK(hrmc_acquire_slowly(&pins, -1) == NULL);
    CHECK(hrmc_await_idle(&v->v));
    hrmc_activate(&pins, &v->v);
    held = hrmc_try_acquire(&pins);
    CHECK(held == &v->v);
    hrmc_hold(&pins);
    CHECK(hrmc_try_acquire(&pins) == NULL);
    CHECK(hrmc_acquire_slowly(&pins, hrmc_now_ms() + 1) == NULL);
    hrmc_begin_wait(&v->v);
    CHECK(pthread_create(&thread, NULL, cancels, &v->v) == 0);
    CHECK(!hrmc_await_idle(&v->v)); /* a call is under way */
    pthread_join(thread, NULL);
    hrmc_activate(&pins, &v->v);
    CHECK(hrmc_try_acquire(&pins) == &v->v);
    hrmc_release(held);
    hrmc_release(&v->v); /* the second pin */
    hrmc_shut(&pins);
    for (i = 0; i < 1000; i++)
        CHECK(hrmc_try_acquire(&pins) == NULL);
    CHECK(hrmc_await_idle(&v->v));
    /* A plugin has room for 255 versions that are in use. */
    version *many[HRMC_SLOTS];
    for (i = 2; i < HRMC_SLOTS; i++)
        many[i] = new_version();
    w = aligned_alloc(64, sizeof *w + 64 - sizeof *w % 64);
    CHECK(w != NULL && !hrmc_pins_add(&pins, &w->v));
    free(w);
    for (i = 2; i < HRMC_SLOTS; i++)
        free_version(many[i]);
    free_version(v);
}

static _Atomic int go;
static double nanoseconds(struct timespec a, struct timespec b)
{
    return (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
}
static _Atomic long cpu; /* nanoseconds that calls took, of the processor's time: others may use it, too */
static void *measured(void *at)
{
    hrmc_pins *p = at;
    struct timespec a, b;
    long i;
    while (!atomic_load(&go)) {
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (i = 0; i < 5000000; i++)
        hrmc_release(hrmc_try_acquire(p));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    atomic_fetch_add(&cpu, (long)nanoseconds(a, b));
    return NULL;
}

/* What a call costs, with threads on the same plugin or on plugins of their own. */
static void measure(int threads, int separate)
{
    static hrmc_pins own[2];
    pthread_t t[2];
    version *v[2];
    int i;
    atomic_store(&cpu, 0);
    for (i = 0; i < 2; i++) {
        CHECK(hrmc_pins_init(&own[i]));
        v[i] = aligned_alloc(64, (sizeof(version) + 63) / 64 * 64);
        memset(v[i], 0, sizeof(version));
        CHECK(hrmc_version_init(&v[i]->v) && hrmc_pins_add(&own[i], &v[i]->v));
        hrmc_activate(&own[i], &v[i]->v);
    }
    atomic_store(&go, 0);
    for (i = 0; i < threads; i++)
        pthread_create(&t[i], NULL, measured, &own[separate ? i : 0]);
    atomic_store(&go, 1);
    for (i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    printf("%d threads, %s: %.1f ns for acquire and release\n", threads, separate ? "separate plugins" : "one plugin",
           (double)atomic_load(&cpu) / threads / 5000000);
    for (i = 0; i < 2; i++) {
        hrmc_shut(&own[i]);
        hrmc_pins_remove(&own[i], &v[i]->v);
        free(v[i]);
    }
}

static void versions_are_exchanged_under_load(void) { under_load(2000, 4); }
static void while_versions_are_exchanged_every_call_gets_one(void) { under_load(2000, 3); }

int main(int argc, char **argv)
{
    CHECK(hrmc_pins_init(&pins));
    RUN(alone);
    RUN(versions_are_exchanged_under_load);
    RUN(while_versions_are_exchanged_every_call_gets_one);
    if (argc > 1 && strcmp(argv[1], "measure") == 0) {
        measure(1, 0);
        measure(2, 0);
        measure(2, 1);
    }
    DONE();
}
