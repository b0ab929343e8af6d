/* SPDX-License-Identifier: MIT */
/* The places of plugins and versions, which are used again and never freed. */
#define _GNU_SOURCE
#include "places.h"

#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#include <malloc.h>
static hrmc_lock tables;
#else
static hrmc_lock tables = PTHREAD_MUTEX_INITIALIZER;
#endif

void *hrmc_place_take(hrmc_table *t)
{
    hrmc_entry *e = NULL;
    hrmc_lock_take(&tables);
    if (t->free_first != NULL) {
        e = t->free_first;
        t->free_first = e->next;
        e->next = NULL;
    } else if (t->used < HRMC_PLACES) {
        const unsigned place = t->used;
        char *chunk = atomic_load_explicit(&t->chunks[place / HRMC_IN_CHUNK], memory_order_relaxed);
        if (chunk == NULL) {
#if defined(_WIN32)
            chunk = _aligned_malloc(HRMC_IN_CHUNK * t->size, 64);
#else
            chunk = aligned_alloc(64, HRMC_IN_CHUNK * t->size);
#endif
            if (chunk != NULL)
                memset(chunk, 0, HRMC_IN_CHUNK * t->size);
            atomic_store_explicit(&t->chunks[place / HRMC_IN_CHUNK], chunk, memory_order_release);
        }
        if (chunk != NULL) {
            e = (hrmc_entry *)(void *)(chunk + place % HRMC_IN_CHUNK * t->size);
            e->last = t->kind << HRMC_PLACE_BITS | place;
            t->used++;
        }
    }
    hrmc_lock_give(&tables);
    return e;
}

void hrmc_place_publish(hrmc_entry *e)
{
    const uintptr_t next = e->last + ((uintptr_t)1 << HRMC_TAG_SHIFT);
    /* After the last tag comes the first one, not 0. */
    e->last = next >> HRMC_TAG_SHIFT != 0 ? next : next + ((uintptr_t)1 << HRMC_TAG_SHIFT);
    atomic_store_explicit(&e->handle, e->last, memory_order_release);
}

void hrmc_place_give(hrmc_table *t, hrmc_entry *e)
{
    atomic_store_explicit(&e->handle, 0, memory_order_release);
    hrmc_lock_take(&tables);
    if (t->free_first == NULL)
        t->free_first = e;
    else
        t->free_last->next = e;
    t->free_last = e;
    e->next = NULL;
    hrmc_lock_give(&tables);
}
