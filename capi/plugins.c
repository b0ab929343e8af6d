/* SPDX-License-Identifier: MIT */
/*
 * The plugins of hosts and their versions, and the functions by which callers pin
 * them. None of these enters Go.
 */
#define _GNU_SOURCE
#define HRM_BUILDING 1
#include "plugins.h"
#include "shim.h"

#include <stdio.h>
#include <string.h>

static hrmc_table plugins = {.size = HRMC_PADDED(hrmc_plugin), .kind = 0};
static hrmc_table versions = {.size = HRMC_PADDED(hrmc_loaded), .kind = 1};

#if defined(_WIN32)
static hrmc_lock activation;
#else
static hrmc_lock activation = PTHREAD_MUTEX_INITIALIZER;
#endif

/* ---------------------------------------------------------------- plugins -- */

static char *copy(const char *s, const char *usual) { return strdup(s != NULL ? s : usual); }

static void free_names(hrmc_plugin *p)
{
    size_t i;
    for (i = 0; p->symbols != NULL && i < p->count; i++)
        free(p->symbols[i]);
    free(p->symbols);
    free(p->id);
    free(p->init);
    free(p->exit);
    free(p->save_state);
    free(p->restore_state);
    p->symbols = NULL;
    p->id = p->init = p->exit = p->save_state = p->restore_state = NULL;
    p->count = 0;
}

static int copy_names(hrmc_plugin *p, const hrm_plugin_options *o, const char *id)
{
    size_t i, n = 0;
    int good;
    while (o->symbols != NULL && o->symbols[n] != NULL)
        n++;
    p->symbols = calloc(n + 1, sizeof *p->symbols);
    if (p->symbols == NULL)
        return 0;
    p->count = n;
    good = (p->id = copy(id, NULL)) != NULL;
    good = (p->init = copy(o->init, "plugin_init")) != NULL && good;
    good = (p->exit = copy(o->exit, "plugin_exit")) != NULL && good;
    good = (p->save_state = copy(o->save_state, "plugin_save_state")) != NULL && good;
    good = (p->restore_state = copy(o->restore_state, "plugin_restore_state")) != NULL && good;
    for (i = 0; i < n; i++)
        good = (p->symbols[i] = copy(o->symbols[i], NULL)) != NULL && good;
    return good;
}

hrmc_plugin *hrmc_plugin_new(const hrm_plugin_options *o, const char *id, const hrmc_host_code *host)
{
    hrmc_plugin *p = hrmc_place_take(&plugins);
    if (p == NULL)
        return NULL;
    if (!p->initialised && !(p->initialised = hrmc_pins_init(&p->pins)))
        goto failed;
    if (!copy_names(p, o, id))
        goto failed;
    p->flags = o->flags;
    p->connect = o->connect;
    p->prepare = o->prepare;
    p->dispose = o->dispose;
    p->prepare_data = o->prepare_data;
    p->host = host->key;
    p->mask = host->mask;
    p->step = (hrm_step_fn)host->step;
    p->user_data = (void *)host->user_data;
    snprintf(p->reason, sizeof p->reason, "it has no version yet");
    hrmc_place_publish(&p->e);
    return p;
failed:
    free_names(p);
    hrmc_place_give(&plugins, &p->e);
    return NULL;
}

uintptr_t hrmc_plugin_handle(const hrmc_plugin *p) { return p->e.last; }

uintptr_t hrmc_host_of(uintptr_t plugin)
{
    const hrmc_plugin *p = hrmc_find(&plugins, (const void *)plugin);
    return p == NULL ? 0 : p->host;
}

void hrmc_plugin_close(hrmc_plugin *p)
{
    atomic_store_explicit(&p->e.handle, 0, memory_order_release);
    hrmc_door_shut(p, "it was closed");
}

void hrmc_plugin_free(hrmc_plugin *p)
{
    free_names(p);
    hrmc_place_give(&plugins, &p->e);
}

hrmc_loaded *hrmc_version_new(hrmc_plugin *p, const char *path, uint64_t generation, uint64_t instance)
{
    hrmc_loaded *v = hrmc_place_take(&versions);
    if (v == NULL)
        return NULL;
    if (!v->initialised && !(v->initialised = hrmc_version_init(&v->v)))
        goto failed;
    v->p = p;
    v->generation = generation;
    v->instance = instance;
    v->path = strdup(path);
    v->count = p->count;
    v->symbols = calloc(p->count + 1, sizeof *v->symbols);
    if (v->path == NULL || v->symbols == NULL || !hrmc_pins_add(&p->pins, &v->v))
        goto failed;
    v->e.owner = p->e.last;
    hrmc_place_publish(&v->e);
    return v;
failed:
    free(v->path);
    free(v->symbols);
    v->path = NULL;
    v->symbols = NULL;
    hrmc_place_give(&versions, &v->e);
    return NULL;
}

void hrmc_version_ends(hrmc_loaded *v, const char *keep, const char *stick)
{
    snprintf(v->keep, sizeof v->keep, "%s", keep);
    snprintf(v->stick, sizeof v->stick, "%s", stick);
}

void hrmc_version_free(hrmc_loaded *v)
{
    atomic_store_explicit(&v->e.handle, 0, memory_order_release);
    hrmc_pins_remove(&v->p->pins, &v->v);
    free(v->path);
    free(v->symbols);
    free(v->state);
    hrmc_version_ends(v, "", "");
    v->path = NULL;
    v->symbols = NULL;
    v->count = 0;
    v->state = v->data = v->library = NULL;
    v->init = NULL;
    v->exit = NULL;
    v->save = NULL;
    v->restore = NULL;
    v->prepared = 0;
    hrmc_place_give(&versions, &v->e);
}

/* ------------------------------------------------------------------- doors -- */

/* Odd while versions are exchanged: so hrm_plugin_acquire_all sees that it has some
 * of before and some of after. */
static _Atomic uint64_t epoch;

void hrmc_door_activate(hrmc_loaded **all, uint64_t count)
{
    uint64_t i;
    hrmc_lock_take(&activation);
    atomic_fetch_add(&epoch, 1);
    for (i = 0; i < count; i++)
        hrmc_activate(&all[i]->p->pins, &all[i]->v);
    atomic_fetch_add(&epoch, 1);
    hrmc_lock_give(&activation);
}

void hrmc_door_hold(hrmc_plugin *p) { hrmc_hold(&p->pins); }

void hrmc_door_shut(hrmc_plugin *p, const char *reason)
{
    hrmc_lock_take(&p->pins.lock);
    snprintf(p->reason, sizeof p->reason, "%s", reason);
    hrmc_lock_give(&p->pins.lock);
    hrmc_shut(&p->pins);
}

void hrmc_door_begin_wait(hrmc_loaded *v) { hrmc_begin_wait(&v->v); }
int32_t hrmc_door_await_idle(hrmc_loaded *v) { return hrmc_await_idle(&v->v); }
void hrmc_door_cancel_wait(hrmc_loaded *v) { hrmc_cancel_wait(&v->v); }

/* ------------------------------------------------------------------ public -- */

static inline hrmc_plugin *plugin_of(const hrm_plugin *handle) { return hrmc_find(&plugins, handle); }
static inline hrmc_loaded *version_of(const hrm_plugin_version *handle) { return hrmc_find(&versions, handle); }
static inline hrmc_loaded *loaded_of(hrmc_version *v)
{
    return v == NULL ? NULL : (hrmc_loaded *)(void *)((char *)v - offsetof(hrmc_loaded, v));
}

/* The version's handle, if the plugin was not closed, and its place not used again,
 * between the look at its handle and the pin. */
static inline const hrm_plugin_version *checked(hrmc_version *pinned, const hrm_plugin *plugin)
{
    hrmc_loaded *v = loaded_of(pinned);
    if (v == NULL)
        return NULL;
    if (v->e.owner == (uintptr_t)plugin)
        return (const hrm_plugin_version *)v->e.last;
    hrmc_release(pinned);
    return NULL;
}

const hrm_plugin_version *HRM_CALL hrm_plugin_try_acquire(hrm_plugin *plugin)
{
    hrmc_plugin *p = plugin_of(plugin);
    return p == NULL ? NULL : checked(hrmc_try_acquire(&p->pins), plugin);
}

/* A time that is over: a step that hrm_dispatch runs does not wait for the steps after it. */
enum { NOW = 0 };

const hrm_plugin_version *HRM_CALL hrm_plugin_acquire(hrm_plugin *plugin)
{
    hrmc_plugin *p = plugin_of(plugin);
    hrmc_version *v;
    if (p == NULL)
        return NULL;
    v = hrmc_try_acquire(&p->pins);
    if (v == NULL && hrmc_has_version(&p->pins) && hrmc_unusable() == HRM_OK)
        v = hrmc_acquire_slowly(&p->pins, hrmc_dispatches_host(p->host) ? NOW : -1);
    return checked(v, plugin);
}

static int32_t acquire_until(hrm_plugin *plugin, int64_t until, const hrm_plugin_version **out, hrm_error *err)
{
    hrmc_plugin *p = plugin_of(plugin);
    char text[300];
    int held, for_itself = 0;
    if (p == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_HANDLE, "this is not a plugin, or not any more; hrm_host_open gives plugins");
    *out = checked(hrmc_try_acquire(&p->pins), plugin);
    if (*out == NULL && hrmc_has_version(&p->pins)) {
        if (hrmc_unusable() != HRM_OK)
            return hrmc_fail(err, hrmc_unusable(), hrm_strerror(hrmc_unusable()));
        for_itself = hrmc_dispatches_host(p->host);
        *out = checked(hrmc_acquire_slowly(&p->pins, for_itself ? NOW : until), plugin);
    }
    if (*out != NULL)
        return HRM_OK;
    if (plugin_of(plugin) == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_HANDLE, "the plugin was closed");
    hrmc_lock_take(&p->pins.lock);
    held = hrmc_is_held(&p->pins);
    snprintf(text, sizeof text, "no version answers: %s", held ? "callers are held while versions are exchanged" : p->reason);
    hrmc_lock_give(&p->pins.lock);
    if (held && for_itself)
        return hrmc_fail(err, HRM_ERR_NOT_SUPPORTED,
                         "callers are held while versions are exchanged, and the exchange would wait for this step or "
                         "callback to return; acquire the plugin elsewhere");
    return hrmc_fail(err, HRM_ERR_IO, text);
}

int32_t HRM_CALL hrm_plugin_acquire_ex(hrm_plugin *plugin, int32_t timeout_ms, const hrm_plugin_version **out,
                                       hrm_error *err)
{
    if (out == NULL)
        return hrmc_fail(err, HRM_ERR_INVALID_ARGUMENT, "hrm_plugin_acquire_ex: out is NULL; pass where to store the version");
    *out = NULL;
    return acquire_until(plugin, timeout_ms < 0 ? -1 : hrmc_now_ms() + timeout_ms, out, err);
}

static void release_all(const hrm_plugin_version **out, size_t count)
{
    while (count-- > 0) {
        hrm_plugin_version *const none = NULL;
        hrmc_loaded *v = version_of(out[count]);
        if (v != NULL)
            hrmc_release(&v->v);
        out[count] = none;
    }
}

/* Pins all or none; which one it failed for is stored. */
static int try_all(hrm_plugin *const *all, size_t count, const hrm_plugin_version **out, size_t *failed)
{
    size_t i;
    for (i = 0; i < count; i++) {
        hrmc_plugin *p = plugin_of(all[i]);
        out[i] = p == NULL ? NULL : checked(hrmc_try_acquire(&p->pins), all[i]);
        if (out[i] == NULL) {
            release_all(out, i);
            *failed = i;
            return 0;
        }
    }
    return 1;
}

int32_t HRM_CALL hrm_plugin_acquire_all(hrm_plugin *const *all, size_t count, const hrm_plugin_version **out)
{
    const size_t most = 1000;
    size_t i, failed = 0;
    int32_t code;
    int tries = 0;
    if (all == NULL || out == NULL || count == 0 || count > most)
        return HRM_ERR_INVALID_ARGUMENT;
    for (i = 0; i < count; i++)
        out[i] = NULL;
    for (;;) {
        const int alone = ++tries > 3; /* nobody exchanges versions meanwhile */
        const uint64_t before = atomic_load(&epoch);
        int good;
        if (hrmc_unusable() != HRM_OK)
            return hrmc_unusable();
        if (alone)
            hrmc_lock_take(&activation);
        good = try_all(all, count, out, &failed);
        if (alone)
            hrmc_lock_give(&activation);
        if (good && (alone || (before % 2 == 0 && atomic_load(&epoch) == before)))
            return HRM_OK;
        if (good) {
            release_all(out, count);
            continue;
        }
        code = acquire_until(all[failed], -1, &out[failed], NULL); /* waits if it is held */
        if (code != HRM_OK)
            return code;
        release_all(out, failed + 1);
    }
}

int32_t HRM_CALL hrm_plugin_release(const hrm_plugin_version *version)
{
    hrmc_loaded *v = version_of(version);
    if (v == NULL)
        return version == NULL ? HRM_OK : HRM_ERR_INVALID_HANDLE;
    hrmc_release(&v->v);
    return HRM_OK;
}

void *HRM_CALL hrm_plugin_symbol(const hrm_plugin_version *version, size_t index)
{
    const hrmc_loaded *v = version_of(version);
    return v == NULL || index >= v->count ? NULL : v->symbols[index];
}

hrm_plugin_fn HRM_CALL hrm_plugin_function(const hrm_plugin_version *version, size_t index)
{
    const hrmc_loaded *v = version_of(version);
    hrm_plugin_fn f = NULL;
    if (v != NULL && index < v->count)
        memcpy(&f, &v->symbols[index], sizeof f); /* ISO C has no cast for it */
    return f;
}

void *HRM_CALL hrm_plugin_data(const hrm_plugin_version *version)
{
    const hrmc_loaded *v = version_of(version);
    return v == NULL ? NULL : v->data;
}

uint64_t HRM_CALL hrm_plugin_generation(const hrm_plugin_version *version)
{
    const hrmc_loaded *v = version_of(version);
    return v == NULL ? 0 : v->generation;
}

const char *HRM_CALL hrm_plugin_path(const hrm_plugin_version *version)
{
    const hrmc_loaded *v = version_of(version);
    return v == NULL ? NULL : v->path;
}
