/* SPDX-License-Identifier: MIT */
/*
 * The door to one plugin: a call pins the version that answers by one atomic
 * addition, and gives it back by another one. Go is not entered.
 *
 * A plugin has one word: which version answers, whether callers are held, and how
 * many calls have begun in that version. A version has a count of the calls that
 * have ended. When the word is exchanged, the number of calls begun is known for
 * good; the version is idle once as many have ended.
 *
 *   word   slot (8 bits) | held (1) | calls begun since the slot was put there (55)
 *   ended  awaited (1)   | calls ended (63)
 *
 * At 50 million calls a second 55 bits last for 22 years.
 *
 * Doors and versions are never freed, but used again: whoever comes late touches
 * memory that is one.
 */
#ifndef HRM_PINS_H
#define HRM_PINS_H

#include "wait.h"

#include <stdatomic.h>
#include <stddef.h>

#define HRMC_SLOTS 256 /* slot 0: no version */
#define HRMC_SLOT_SHIFT 56
#define HRMC_HELD (UINT64_C(1) << 55)
#define HRMC_BEGUN (HRMC_HELD - 1)
#define HRMC_AWAITED (UINT64_C(1) << 63)

struct hrmc_pins;

/* A version as callers see it. What hosts add to it comes after it. */
typedef struct hrmc_version {
    _Alignas(64) _Atomic uint64_t ended; /* written by every caller: alone in its cache line */
    _Alignas(64) struct hrmc_pins *pins;
    uint64_t begun; /* while another version, or none, answers; under the lock */
    unsigned slot;  /* 0: it has none */
    _Atomic int cancelled; /* nobody waits any more for the end of its calls */
    hrmc_sem idle;  /* posted when a call ends while that is awaited */
} hrmc_version;

typedef struct hrmc_pins {
    _Alignas(64) _Atomic uint64_t word;
    _Alignas(64) hrmc_version *_Atomic slots[HRMC_SLOTS];
    hrmc_lock lock; /* never held while something is waited for */
    hrmc_cond changed;
} hrmc_pins;

/* The memory is zero. */
static inline bool hrmc_pins_init(hrmc_pins *p) { return hrmc_lock_init(&p->lock) && hrmc_cond_init(&p->changed); }
static inline bool hrmc_version_init(hrmc_version *v) { return hrmc_sem_init(&v->idle); }

/* Gives a version a slot; false if all are taken by versions that are in use. */
static inline bool hrmc_pins_add(hrmc_pins *p, hrmc_version *v)
{
    unsigned i;
    atomic_store_explicit(&v->ended, 0, memory_order_relaxed);
    atomic_store_explicit(&v->cancelled, 0, memory_order_relaxed);
    v->pins = p;
    v->begun = 0;
    v->slot = 0;
    hrmc_lock_take(&p->lock);
    for (i = 1; i < HRMC_SLOTS && v->slot == 0; i++) {
        if (atomic_load_explicit(&p->slots[i], memory_order_relaxed) == NULL) {
            v->slot = i;
            atomic_store_explicit(&p->slots[i], v, memory_order_release);
        }
    }
    hrmc_lock_give(&p->lock);
    return v->slot != 0;
}

/* The version is idle and does not answer. */
static inline void hrmc_pins_remove(hrmc_pins *p, hrmc_version *v)
{
    hrmc_lock_take(&p->lock);
    if (v->slot != 0)
        atomic_store_explicit(&p->slots[v->slot], NULL, memory_order_relaxed);
    v->slot = 0;
    hrmc_lock_give(&p->lock);
}

/* Pins the version that answers; NULL if callers are held or there is none. Never
 * waits: for real-time threads. */
static inline hrmc_version *hrmc_try_acquire(hrmc_pins *p)
{
    const uint64_t word = atomic_fetch_add_explicit(&p->word, 1, memory_order_acquire);
    if (word >> HRMC_SLOT_SHIFT == 0 || (word & HRMC_HELD) != 0)
        return NULL; /* the addition counts for nothing: nobody reads it from such a word */
    return atomic_load_explicit(&p->slots[word >> HRMC_SLOT_SHIFT], memory_order_relaxed);
}

/* Whether a version answers, or answered when callers were held. What try_acquire has
 * seen may be over by now: only with the lock held the two fit together. */
static inline bool hrmc_has_version(hrmc_pins *p)
{
    return atomic_load_explicit(&p->word, memory_order_relaxed) >> HRMC_SLOT_SHIFT != 0;
}

static inline bool hrmc_is_held(hrmc_pins *p)
{
    const uint64_t word = atomic_load_explicit(&p->word, memory_order_relaxed);
    return word >> HRMC_SLOT_SHIFT != 0 && (word & HRMC_HELD) != 0;
}

/* Pins the version that answers. Waits while callers are held, until a time (less
 * than 0: for ever); NULL if none answers. */
static inline hrmc_version *hrmc_acquire_slowly(hrmc_pins *p, int64_t until)
{
    hrmc_version *v;
    hrmc_lock_take(&p->lock);
    while ((v = hrmc_try_acquire(p)) == NULL && hrmc_is_held(p) && (until < 0 || hrmc_now_ms() < until))
        hrmc_cond_wait(&p->changed, &p->lock, until);
    hrmc_lock_give(&p->lock);
    return v;
}

static inline void hrmc_release(hrmc_version *v)
{
    if ((atomic_fetch_add_explicit(&v->ended, 1, memory_order_acq_rel) & HRMC_AWAITED) != 0)
        hrmc_sem_post(&v->idle); /* one too many is only looked at once */
}

/* Exchanges the word; the lock is held. */
static inline void hrmc_pins_set(hrmc_pins *p, uint64_t word)
{
    const uint64_t old = atomic_exchange_explicit(&p->word, word, memory_order_acq_rel);
    hrmc_version *v = atomic_load_explicit(&p->slots[old >> HRMC_SLOT_SHIFT], memory_order_relaxed);
    if (v != NULL && (old & HRMC_HELD) == 0)
        v->begun += old & HRMC_BEGUN;
    hrmc_cond_wake(&p->changed);
}

/* Has a version answer, and held callers go on. */
static inline void hrmc_activate(hrmc_pins *p, hrmc_version *v)
{
    hrmc_lock_take(&p->lock);
    hrmc_pins_set(p, (uint64_t)v->slot << HRMC_SLOT_SHIFT);
    hrmc_lock_give(&p->lock);
}

/* Has new callers wait. */
static inline void hrmc_hold(hrmc_pins *p)
{
    hrmc_lock_take(&p->lock);
    hrmc_pins_set(p, (atomic_load_explicit(&p->word, memory_order_relaxed) & ~HRMC_BEGUN) | HRMC_HELD);
    hrmc_lock_give(&p->lock);
}

/* Has callers get no version. */
static inline void hrmc_shut(hrmc_pins *p)
{
    hrmc_lock_take(&p->lock);
    hrmc_pins_set(p, 0);
    hrmc_lock_give(&p->lock);
}

/* Whether no call is under way in a version that is held or does not answer. */
static inline bool hrmc_is_idle(hrmc_version *v)
{
    bool idle;
    hrmc_lock_take(&v->pins->lock);
    idle = (atomic_load_explicit(&v->ended, memory_order_acquire) & ~HRMC_AWAITED) == v->begun;
    hrmc_lock_give(&v->pins->lock);
    return idle;
}

/* Waits for that until hrmc_cancel_wait; one waiter at a time. */
static inline bool hrmc_await_idle(hrmc_version *v)
{
    bool idle;
    atomic_fetch_or_explicit(&v->ended, HRMC_AWAITED, memory_order_acq_rel);
    while (!(idle = hrmc_is_idle(v)) && atomic_load(&v->cancelled) == 0)
        hrmc_sem_wait(&v->idle);
    atomic_fetch_and_explicit(&v->ended, ~HRMC_AWAITED, memory_order_acq_rel); /* calls that end later need tell nobody */
    return idle;
}

/* Before the next wait. */
static inline void hrmc_begin_wait(hrmc_version *v) { atomic_store(&v->cancelled, 0); }

static inline void hrmc_cancel_wait(hrmc_version *v)
{
    atomic_store(&v->cancelled, 1);
    hrmc_sem_post(&v->idle);
}

#endif
