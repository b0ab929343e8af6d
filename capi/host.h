/* SPDX-License-Identifier: MIT */
/* What the C half of hosts does for host.go: plugins.c has the plugins and versions,
 * steps.c calls the code of plugins and of the host. */
#ifndef HRM_HOST_H
#define HRM_HOST_H

#include "bridge.h"
#include "../include/hot_reload_plugin.h"

typedef struct hrmc_plugin hrmc_plugin;
typedef struct hrmc_loaded hrmc_loaded;

/* A host, as its plugins know it. */
typedef struct hrmc_host_code {
    uintptr_t key, step, user_data;
    uint64_t mask;
} hrmc_host_code;

/* A plugin that is to be opened, in structs of the present size. */
typedef struct hrmc_opening {
    const char *id, *path;
    hrm_plugin_options options;
    hrm_safe_options safe;
    uintptr_t validator, validator_data; /* of the options: Go must not see what the host chose freely as a pointer */
    uintptr_t plugin;                    /* the answer */
} hrmc_opening;

typedef struct hrmc_set {
    const char *id; /* NULL: none */
    int32_t wait_ms;
    uintptr_t check, user_data;
} hrmc_set;

/* plugins.c. A plugin without a handle is found by nobody; a version that is not
 * forgotten may still be in use. */
hrmc_plugin *hrmc_plugin_new(const hrm_plugin_options *o, const char *id, const hrmc_host_code *host);
uintptr_t hrmc_plugin_handle(const hrmc_plugin *p);
uintptr_t hrmc_host_of(uintptr_t plugin); /* 0 if it is none */
void hrmc_plugin_close(hrmc_plugin *p); /* its handle is stale, its callers get no version */
void hrmc_plugin_free(hrmc_plugin *p);
hrmc_loaded *hrmc_version_new(hrmc_plugin *p, const char *path, uint64_t generation, uint64_t instance);
/* Why a version must not be unloaded, and why the loader will keep it; "" if nothing is known. */
void hrmc_version_ends(hrmc_loaded *v, const char *keep, const char *stick);
void hrmc_version_free(hrmc_loaded *v);

/* The door. */
void hrmc_door_activate(hrmc_loaded **versions, uint64_t count);
void hrmc_door_hold(hrmc_plugin *p);
void hrmc_door_shut(hrmc_plugin *p, const char *reason);
void hrmc_door_begin_wait(hrmc_loaded *v);
int32_t hrmc_door_await_idle(hrmc_loaded *v); /* 0 if it was cancelled */
void hrmc_door_cancel_wait(hrmc_loaded *v);

/* library.c. A C++ symbol in words, by the C++ library of the version or of the process; the symbol if there is none. */
void hrmc_in_words(const hrmc_loaded *v, const char *symbol, char *words, uint64_t room);

/* steps.c. The reason of a failure is written into why, as bytes of anybody. */
int32_t hrmc_step(hrmc_loaded *v, int32_t kind, hrmc_loaded *from, hrmc_loaded **needs, uint64_t count, uint32_t *hooks,
                  char *why, uint64_t room);

typedef struct hrmc_outcome_text {
    const char *plugin, *at, *reason, *down, *notes, *message;
} hrmc_outcome_text;
void hrmc_call_outcome(uintptr_t fn, const hrmc_host_code *host, int32_t verdict, int32_t step, uint64_t generation,
                       uint64_t active, uint64_t at_generation, int64_t retry_ms, int32_t attempt,
                       const hrmc_outcome_text *text);
int32_t hrmc_call_check(uintptr_t fn, uintptr_t user_data, const hrmc_host_code *host, const char *set,
                        const hrm_candidate *candidates, uint64_t count, char *why, uint64_t room);
int32_t hrmc_call_plugin_validator(uintptr_t fn, uintptr_t user_data, const hrmc_host_code *host, const hrm_candidate *c,
                                   char *why, uint64_t room);

/* What code of a host or of its plugins this thread is in; bits. */
enum { HRMC_IN_STEP = 1, HRMC_IN_CALLBACK = 2 };
int32_t hrmc_inside_host(uintptr_t host);
/* A call that may run steps on its own thread; no code of a host. */
enum { HRMC_IN_DISPATCH = 4 };
/* Whether this thread runs code of a host inside such a call. Only this thread can run the next step then. */
int hrmc_dispatches_host(uintptr_t host);

/* canary.c: 1 if the library can be used */
int32_t hrmc_canary(const char *program, const char *path, const char *init, int32_t timeout_ms, char *why, uint64_t room);

#endif
