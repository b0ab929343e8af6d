/* SPDX-License-Identifier: MIT */
/*
 * The steps of a version, and the callbacks of hosts: code of plugins and of the host,
 * called from Go. Each runs with the signals of the host's thread, and is known to be
 * inside of its host meanwhile.
 */
#define _GNU_SOURCE
#include "plugins.h"
#include "thread.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ inside -- */

#if defined(_WIN32)
/* Not __thread: MinGW's needs a DLL of the compiler. */
static DWORD place = TLS_OUT_OF_INDEXES;
__attribute__((constructor)) static void make_place(void) { place = TlsAlloc(); }
static hrmc_frame *innermost(void) { return TlsGetValue(place); }
static void set_innermost(hrmc_frame *f) { TlsSetValue(place, f); }
#else
#if defined(__linux__)
static __thread __attribute__((tls_model("initial-exec"))) hrmc_frame *innermost_frame;
#else
static __thread hrmc_frame *innermost_frame;
#endif
static hrmc_frame *innermost(void) { return innermost_frame; }
static void set_innermost(hrmc_frame *f) { innermost_frame = f; }
#endif

int32_t hrmc_inside_host(uintptr_t host)
{
    int32_t what = 0;
    const hrmc_frame *f;
    for (f = innermost(); f != NULL; f = f->outer)
        if (f->host == host)
            what |= f->what;
    return what;
}

int hrmc_dispatches_host(uintptr_t host)
{
    int in_code = 0;
    const hrmc_frame *f;
    for (f = innermost(); f != NULL; f = f->outer) {
        if (in_code && f->what == HRMC_IN_DISPATCH)
            return 1;
        in_code = in_code || (f->what != HRMC_IN_DISPATCH && f->host == host);
    }
    return 0;
}

void hrmc_frame_begins(hrmc_frame *f, uintptr_t host, int32_t what)
{
    f->host = host;
    f->what = what;
    f->outer = innermost();
    set_innermost(f);
}

void hrmc_frame_ends(const hrmc_frame *f) { set_innermost(f->outer); }

/* ------------------------------------------------- steps of a shared library -- */

static const hrm_plugin_version *handle_of(const hrmc_loaded *v) { return (const hrm_plugin_version *)v->e.last; }

static int32_t call_prepare(hrmc_loaded *v, hrm_prepare_fn fn, const hrm_plugin_version *const *needs, uint64_t count,
                            char *why, size_t room)
{
    hrm_preparation p = {
        .struct_size = sizeof p,
        .needs_count = (uint32_t)count,
        .plugin_id = v->p->id,
        .version = handle_of(v),
        .needs = needs,
        .data = v->data,
    };
    int32_t code = fn(&p, why, room, v->p->prepare_data);
    v->data = p.data;
    if (code != 0 && why[0] == 0)
        snprintf(why, room, "it returned %d", (int)code);
    return code == 0 ? HRM_STEP_DONE : HRM_STEP_FAILED;
}

static int32_t init(hrmc_loaded *v, hrmc_loaded **needs, uint64_t count, char *why, size_t room)
{
    int32_t result = HRM_STEP_DONE;
    int code;
    uint64_t i;
    if (v->p->connect != NULL) {
        const hrm_plugin_version **handles = calloc((size_t)count + 1, sizeof *handles);
        if (handles == NULL) {
            snprintf(why, room, "out of memory");
            return HRM_STEP_NOT_NOW;
        }
        for (i = 0; i < count; i++)
            handles[i] = handle_of(needs[i]);
        result = call_prepare(v, v->p->connect, handles, count, why, room);
        free(handles);
    }
    if (result == HRM_STEP_DONE && v->init != NULL && (code = v->init()) != 0) {
        snprintf(why, room, "it returned %d", code);
        result = HRM_STEP_FAILED;
    }
    return result;
}

static int32_t save(hrmc_loaded *v, char *why, size_t room)
{
    const size_t most = v->save(NULL, 0);
    void *state = malloc(most > 0 ? most : 1);
    size_t used;
    if (state == NULL) {
        snprintf(why, room, "out of memory for %zu bytes of state", most);
        return HRM_STEP_FAILED;
    }
    used = v->save(state, most);
    if (used > most) {
        snprintf(why, room, "the state grew from %zu to %zu bytes while it was saved", most, used);
        free(state);
        return HRM_STEP_FAILED;
    }
    free(v->state);
    v->state = state;
    v->state_size = used;
    return HRM_STEP_DONE;
}

static int32_t restore(hrmc_loaded *v, const hrmc_loaded *from, char *why, size_t room)
{
    const int code = v->restore(from->state, from->state_size);
    if (code != 0)
        snprintf(why, room, "it returned %d", code);
    return code == 0 ? HRM_STEP_DONE : HRM_STEP_FAILED;
}

static int32_t prepare(hrmc_loaded *v, char *why, size_t room)
{
    const int32_t result = call_prepare(v, v->p->prepare, NULL, 0, why, room);
    v->prepared = result == HRM_STEP_DONE;
    return result;
}

/* Ends what prepare and init began, both in any case. */
static int32_t leave(hrmc_loaded *v, char *why, size_t room)
{
    int32_t result = HRM_STEP_DONE;
    if (v->prepared && v->p->dispose != NULL)
        result = call_prepare(v, v->p->dispose, NULL, 0, why, room);
    if (v->prepared)
        v->data = NULL;
    v->prepared = 0;
    if (v->exit != NULL)
        v->exit();
    return result;
}

static int32_t load(hrmc_loaded *v, uint32_t *hooks, char *why, size_t room)
{
    const hrmc_plugin *p = v->p;
    int32_t result = HRM_STEP_DONE;
    if ((p->flags & HRM_PLUGIN_FILE) == 0)
        result = hrmc_library_load(v, why, room);
    *hooks = (v->init != NULL || p->connect != NULL ? HRM_HOOK_INIT : 0) |
             (v->exit != NULL || p->dispose != NULL ? HRM_HOOK_EXIT : 0) | (v->save != NULL ? HRM_HOOK_SAVE : 0) |
             (v->restore != NULL ? HRM_HOOK_RESTORE : 0) | (p->prepare != NULL ? HRM_HOOK_PREPARE : 0);
    return result;
}

static int32_t of_library(hrmc_loaded *v, int32_t kind, hrmc_loaded *from, hrmc_loaded **needs, uint64_t count,
                          uint32_t *hooks, char *why, size_t room)
{
    switch (kind) {
    case HRM_STEP_LOAD: return load(v, hooks, why, room);
    case HRM_STEP_INIT: return init(v, needs, count, why, room);
    case HRM_STEP_SAVE: return save(v, why, room);
    case HRM_STEP_RESTORE: return restore(v, from, why, room);
    case HRM_STEP_PREPARE: return prepare(v, why, room);
    case HRM_STEP_EXIT: return leave(v, why, room);
    case HRM_STEP_UNLOAD: return hrmc_library_unload(v, why, room);
    default: return HRM_STEP_DONE;
    }
}

/* ------------------------------------------------------ steps of a language -- */

static int32_t of_language(hrmc_loaded *v, int32_t kind, const hrmc_loaded *from, hrmc_loaded **needs, uint64_t count,
                           uint32_t *hooks, char *why, size_t room)
{
    void **data = calloc((size_t)count + 1, sizeof *data);
    hrm_step step = {
        .struct_size = sizeof step,
        .kind = kind,
        .generation = v->generation,
        .instance = v->instance,
        .needs_count = count,
        .plugin_id = v->p->id,
        .path = v->path,
        .plugin_data = v->p->prepare_data,
        .data = v->data,
        .from = from == NULL ? NULL : from->data,
        .needs = data,
    };
    hrm_step_result r = {.struct_size = sizeof r, .reason_size = room, .reason = why, .data = v->data};
    int32_t result;
    uint64_t i;
    if (data == NULL) {
        snprintf(why, room, "out of memory");
        return HRM_STEP_NOT_NOW;
    }
    for (i = 0; i < count; i++)
        data[i] = needs[i]->data;
    result = v->p->step(&step, &r, v->p->user_data);
    if (kind != HRM_STEP_ACTIVATE) /* callers may read it meanwhile */
        v->data = r.data;
    *hooks = r.hooks;
    free(data);
    return result;
}

int32_t hrmc_step(hrmc_loaded *v, int32_t kind, hrmc_loaded *from, hrmc_loaded **needs, uint64_t count, uint32_t *hooks,
                  char *why, uint64_t room)
{
    int32_t result = HRM_STEP_FAILED;
    why[0] = 0;
    HOST_CODE_IN(v->p->host, HRMC_IN_STEP, v->p->mask,
                 result = v->p->step != NULL ? of_language(v, kind, from, needs, count, hooks, why, (size_t)room)
                                             : of_library(v, kind, from, needs, count, hooks, why, (size_t)room));
    why[room - 1] = 0;
    return result;
}

/* --------------------------------------------------------------- callbacks -- */

void hrmc_call_outcome(uintptr_t fn, const hrmc_host_code *host, int32_t verdict, int32_t step, uint64_t generation,
                       uint64_t active, uint64_t at_generation, int64_t retry_ms, int32_t attempt,
                       const hrmc_outcome_text *text)
{
    hrm_plugin_outcome o = {
        .struct_size = sizeof o,
        .verdict = verdict,
        .generation = generation,
        .active = active,
        .at_generation = at_generation,
        .retry_ms = retry_ms,
        .attempt = attempt,
        .step = step,
        .plugin_id = text->plugin,
        .at_plugin = text->at,
        .reason = text->reason,
        .down = text->down,
        .notes = text->notes,
        .message = text->message,
    };
    HOST_CODE_IN(host->key, HRMC_IN_CALLBACK, host->mask, ((hrm_plugin_outcome_fn)fn)(&o, (void *)host->user_data));
}

int32_t hrmc_call_check(uintptr_t fn, uintptr_t user_data, const hrmc_host_code *host, const char *set,
                        const hrm_candidate *candidates, uint64_t count, char *why, uint64_t room)
{
    int32_t verdict = HRM_REJECT;
    why[0] = 0;
    HOST_CODE_IN(host->key, HRMC_IN_STEP, host->mask,
                 verdict = ((hrm_check_fn)fn)(set, candidates, (size_t)count, why, (size_t)room, (void *)user_data));
    why[room - 1] = 0;
    return verdict;
}

int32_t hrmc_call_plugin_validator(uintptr_t fn, uintptr_t user_data, const hrmc_host_code *host, const hrm_candidate *c,
                                   char *why, uint64_t room)
{
    int32_t verdict = HRM_REJECT;
    why[0] = 0;
    HOST_CODE_IN(host->key, HRMC_IN_STEP, host->mask,
                 verdict = ((hrm_validator_fn)fn)(c, why, (size_t)room, (void *)user_data));
    why[room - 1] = 0;
    return verdict;
}
