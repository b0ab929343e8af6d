/* SPDX-License-Identifier: MIT */
/*
 * Handles of plugins and versions: keys of two tables that only grow. Any value can be
 * looked up, and memory that a handle has led to stays what it is.
 */
#ifndef HRM_PLACES_H
#define HRM_PLACES_H

#include "wait.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The first part of what a handle leads to: alone in its cache line, and only read
 * while the handle is valid. */
typedef struct hrmc_entry {
    _Alignas(64) _Atomic uintptr_t handle; /* 0: not in use */
    uintptr_t last;                        /* the last handle it had */
    uintptr_t owner;                       /* of a version: its plugin's handle */
    struct hrmc_entry *next;               /* of those not in use */
} hrmc_entry;

/* A handle: how often its place was used | which table | place. */
#define HRMC_PLACE_BITS 16
#define HRMC_TAG_SHIFT (HRMC_PLACE_BITS + 1)
#define HRMC_PLACES (1u << HRMC_PLACE_BITS)
#define HRMC_IN_CHUNK 16u

typedef struct hrmc_table {
    const size_t size; /* of an entry, a multiple of 64 */
    const uintptr_t kind;
    char *_Atomic chunks[HRMC_PLACES / HRMC_IN_CHUNK];
    unsigned used;                      /* places that were in use once */
    hrmc_entry *free_first, *free_last; /* the one that is longest not in use first */
} hrmc_table;

#define HRMC_PADDED(type) ((sizeof(type) + 63) / 64 * 64)

static inline void *hrmc_find(hrmc_table *t, const void *handle)
{
    const uintptr_t key = (uintptr_t)handle;
    const unsigned place = key & (HRMC_PLACES - 1);
    char *chunk = atomic_load_explicit(&t->chunks[place / HRMC_IN_CHUNK], memory_order_acquire);
    hrmc_entry *e;
    if (chunk == NULL || key >> HRMC_TAG_SHIFT == 0)
        return NULL;
    e = (hrmc_entry *)(void *)(chunk + place % HRMC_IN_CHUNK * t->size);
    return atomic_load_explicit(&e->handle, memory_order_acquire) == key ? e : NULL;
}

/* places.c. A place for one more has no handle yet; NULL if there is no memory. */
void *hrmc_place_take(hrmc_table *t);
void hrmc_place_publish(hrmc_entry *e); /* it has a handle */
void hrmc_place_give(hrmc_table *t, hrmc_entry *e);

#endif
