/* SPDX-License-Identifier: MIT */
/* Calls of the host's callbacks from Go. */
#define _GNU_SOURCE
#include "host.h"
#include "thread.h"

#if defined(__APPLE__)
#include <pthread.h>
#endif

void hrmc_delivery_starts(void)
{
    hrmc_thread_is_of_the_library(); /* pressure.c sees every thread on Linux */
#if defined(__APPLE__)
    pthread_setname_np("hotreload");
#endif
}

void hrmc_call_reload(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask, const char *id)
{
    HOST_CODE_IN(host, HRMC_IN_STEP, mask, ((hrm_reload_fn)fn)(id, (void *)user_data));
}

void hrmc_call_event(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask, int32_t kind, uint64_t sequence,
                     int64_t timestamp_ns, int64_t first_seen_ns, const char *id, const char *path, uint64_t generation,
                     int32_t health, const char *message, const char *snapshot, uint64_t size, const char *sha256,
                     const char *comment, const char *folder)
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
        .trusted_comment = comment,
        .folder_id = folder,
    };
    HOST_CODE_IN(host, HRMC_IN_STEP, mask, ((hrm_event_fn)fn)(&ev, (void *)user_data));
}

int32_t hrmc_call_validator(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask, const char *id,
                            const char *path, const char *snapshot, uint64_t size, const char *sha256, const char *comment,
                            uint64_t generation, char *reason, uint64_t room)
{
    hrm_candidate c = {
        .struct_size = sizeof c,
        .plugin_id = id,
        .path = path,
        .snapshot_path = snapshot,
        .snapshot_size = size,
        .snapshot_sha256 = sha256,
        .trusted_comment = comment,
        .generation = generation,
    };
    int32_t verdict;
    reason[0] = 0;
    HOST_CODE_IN(host, HRMC_IN_STEP, mask, verdict = ((hrm_validator_fn)fn)(&c, reason, (size_t)room, (void *)user_data));
    return verdict;
}

int32_t hrmc_call_folder_id(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask, const char *path, char *id,
                            uint64_t room)
{
    int32_t is_plugin;
    HOST_CODE_IN(host, HRMC_IN_STEP, mask, is_plugin = ((hrm_folder_id_fn)fn)(path, id, (size_t)room, (void *)user_data));
    return is_plugin;
}

void hrmc_call_log(uintptr_t fn, uintptr_t user_data, uint64_t mask, int32_t level, int64_t timestamp_ns, const char *id,
                   const char *message)
{
    hrm_log_record r = {
        .struct_size = sizeof r, .level = level, .timestamp_ns = timestamp_ns, .plugin_id = id, .message = message};
    HOST_CODE(mask, ((hrm_log_fn)fn)(&r, (void *)user_data));
}

void hrmc_call_plain(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask)
{
    HOST_CODE_IN(host, HRMC_IN_STEP, mask, ((hrm_destroy_fn)fn)((void *)user_data));
}
