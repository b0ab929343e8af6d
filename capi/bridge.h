/* SPDX-License-Identifier: MIT */
/* Private declarations shared by the Go and the C half of the library. */
#ifndef HRM_BRIDGE_H
#define HRM_BRIDGE_H

#include <stdlib.h>
#include "../include/hot_reload_manager.h"

typedef const char hrm_cchar; /* cgo emits no const of its own */

/* invoke.c: Go cannot call C function pointers itself. */
void hrmc_call_reload(uintptr_t fn, const char *id, uintptr_t user_data);
void hrmc_call_event(uintptr_t fn, uintptr_t user_data, int32_t kind, uint64_t sequence, int64_t timestamp_ns,
                     int64_t first_seen_ns, const char *id, const char *path, uint64_t generation, int32_t health,
                     const char *message, const char *snapshot, uint64_t size, const char *sha256);
int32_t hrmc_call_validator(uintptr_t fn, uintptr_t user_data, uint64_t mask_of_host, const char *id, const char *path,
                            const char *snapshot, uint64_t size, const char *sha256, uint64_t generation, char *reason,
                            uint64_t room);
/* hrm_wakeup_fn and hrm_destroy_fn have one shape. */
void hrmc_call_plain(uintptr_t fn, uintptr_t user_data);
/* Called first on a manager's delivery thread; the mask is that of its creator. */
void hrmc_start_delivery(uint64_t mask);
uint64_t hrmc_signal_mask(void);

/* guest.c: the process it is in */
int32_t hrmc_unusable(void); /* HRM_OK, or why Go must not be entered */
void hrmc_could_not_start(void);
void hrmc_go_started(void);

/* pressure.c */
const char *hrmc_short_of(int threads); /* NULL, or what there is too little of */

#endif
