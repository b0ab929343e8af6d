/* SPDX-License-Identifier: MIT */
/* Calls of the host's callbacks from Go. */
#define _GNU_SOURCE
#include "bridge.h"

#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#include <string.h>

/* On a delivery thread: the signals that are blocked in its host. */
static pthread_key_t host_mask;
static int has_host_mask;

__attribute__((constructor)) static void make_key(void) { has_host_mask = pthread_key_create(&host_mask, free) == 0; }

/* The signals that the calling thread blocks, as a number. */
uint64_t hrmc_signal_mask(void)
{
    sigset_t mask;
    uint64_t bits = 0;
    if (pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0)
        memcpy(&bits, &mask, sizeof mask < sizeof bits ? sizeof mask : sizeof bits);
    return bits;
}

static void set_of(uint64_t mask, sigset_t *set)
{
    sigemptyset(set);
    memcpy(set, &mask, sizeof *set < sizeof mask ? sizeof *set : sizeof mask);
}

void hrmc_start_delivery(uint64_t mask)
{
    sigset_t *kept = has_host_mask ? malloc(sizeof *kept) : NULL;
    if (kept != NULL) {
        set_of(mask, kept);
        if (pthread_setspecific(host_mask, kept) != 0)
            free(kept);
    }
#if defined(__APPLE__)
    pthread_setname_np("hotreload"); /* as pressure.c names every thread on Linux */
#endif
}

/* A callback is the host's code. On the library's thread, which blocks every
 * signal, it runs with those blocked that were so where the manager was created,
 * and so do the threads and programs that it starts. */
#define WITH_MASK(wanted, call)                                                                                        \
    do {                                                                                                               \
        const sigset_t *mask = wanted;                                                                                 \
        sigset_t library;                                                                                              \
        if (mask != NULL)                                                                                              \
            pthread_sigmask(SIG_SETMASK, mask, &library);                                                              \
        call;                                                                                                          \
        if (mask != NULL)                                                                                              \
            pthread_sigmask(SIG_SETMASK, &library, NULL);                                                              \
    } while (0)
#define HOST_CODE(call) WITH_MASK(has_host_mask ? pthread_getspecific(host_mask) : NULL, call)

#else

uint64_t hrmc_signal_mask(void) { return 0; }
void hrmc_start_delivery(uint64_t mask) { (void)mask; }
#define HOST_CODE(call) call
#define WITH_MASK(wanted, call) call

#endif

void hrmc_call_reload(uintptr_t fn, const char *id, uintptr_t user_data)
{
    HOST_CODE(((hrm_reload_fn)fn)(id, (void *)user_data));
}

void hrmc_call_event(uintptr_t fn, uintptr_t user_data, int32_t kind, uint64_t sequence, int64_t timestamp_ns,
                     int64_t first_seen_ns, const char *id, const char *path, uint64_t generation, int32_t health,
                     const char *message, const char *snapshot, uint64_t size, const char *sha256)
{
    hrm_event ev = {
        .struct_size = sizeof ev,
        .kind = kind,
        .sequence = sequence,
        .timestamp_ns = timestamp_ns,
        .first_seen_ns = first_seen_ns,
        .plugin_id = id,
        .path = path,
        .generation = generation,
        .health = health,
        .message = message,
        .snapshot_path = snapshot,
        .snapshot_size = size,
        .snapshot_sha256 = sha256,
    };
    HOST_CODE(((hrm_event_fn)fn)(&ev, (void *)user_data));
}

/* Always on a thread of the library. */
int32_t hrmc_call_validator(uintptr_t fn, uintptr_t user_data, uint64_t mask_of_host, const char *id, const char *path,
                            const char *snapshot, uint64_t size, const char *sha256, uint64_t generation, char *reason,
                            uint64_t room)
{
    hrm_candidate c = {
        .struct_size = sizeof c,
        .plugin_id = id,
        .path = path,
        .snapshot_path = snapshot,
        .snapshot_size = size,
        .snapshot_sha256 = sha256,
        .generation = generation,
    };
    int32_t verdict;
#if !defined(_WIN32)
    sigset_t host;
    set_of(mask_of_host, &host);
#endif
    (void)mask_of_host;
    reason[0] = 0;
    WITH_MASK(&host, verdict = ((hrm_validator_fn)fn)(&c, reason, (size_t)room, (void *)user_data));
    return verdict;
}

void hrmc_call_plain(uintptr_t fn, uintptr_t user_data)
{
    HOST_CODE(((hrm_destroy_fn)fn)((void *)user_data));
}
