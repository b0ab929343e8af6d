/* SPDX-License-Identifier: MIT */
/* Private declarations shared by the Go and the C half of the library. */
#ifndef HRM_BRIDGE_H
#define HRM_BRIDGE_H

#include <stdlib.h>
#include "../include/hot_reload_manager.h"

typedef const char hrm_cchar; /* cgo emits no const of its own */

/* invoke.c: Go cannot call C function pointers itself. host is the key of the host whose
 * manager it is, or 0: functions of that host do not wait for this callback then. On a thread of the library
 * the callback runs with the mask, that of the thread that created the manager. */
void hrmc_call_reload(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask, const char *id);
void hrmc_call_event(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask, int32_t kind, uint64_t sequence,
                     int64_t timestamp_ns, int64_t first_seen_ns, const char *id, const char *path, uint64_t generation,
                     int32_t health, const char *message, const char *snapshot, uint64_t size, const char *sha256,
                     const char *comment, const char *folder);
int32_t hrmc_call_folder_id(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask, const char *path, char *id,
                            uint64_t room);
int32_t hrmc_call_validator(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask, const char *id,
                            const char *path, const char *snapshot, uint64_t size, const char *sha256, const char *comment,
                            uint64_t generation, char *reason, uint64_t room);
void hrmc_call_log(uintptr_t fn, uintptr_t user_data, uint64_t mask, int32_t level, int64_t timestamp_ns, const char *id,
                   const char *message);
/* hrm_wakeup_fn and hrm_destroy_fn have one shape. */
void hrmc_call_plain(uintptr_t fn, uintptr_t user_data, uintptr_t host, uint64_t mask);
/* Called first on a manager's delivery thread. */
void hrmc_delivery_starts(void);

/* guest.c: the process it is in */
int32_t hrmc_unusable(void); /* HRM_OK, or why Go must not be entered */
void hrmc_could_not_start(void);
void hrmc_go_started(void);

/* handles.c: keys that leak checkers find there. One call at a time. */
void hrmc_keep_key(void *key);
void hrmc_forget_key(void *key);

/* How many decisions about a plugin hrmgo_decisions has room for; the core keeps fewer. */
#define HRMC_DECISIONS 16

/* pressure.c */
const char *hrmc_short_of(int threads); /* NULL, or what there is too little of */
int hrmc_threads_are_refused(void);     /* the runtime waits for a thread that it needs */

#endif
