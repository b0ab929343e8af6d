/* SPDX-License-Identifier: MIT */
/**
 * \file hot_reload_plugin.h
 * \brief A host for plugins that dlopen loads, on top of safe reload. POSIX.
 *
 * Programs compile this header in. One C file of the program defines HRM_PLUGIN_IMPLEMENTATION before it includes the
 * header. That C file needs more of POSIX than -std=c99 and -std=c11 show: compile it with -D_GNU_SOURCE, or with
 * -std=gnu99 and the like. Link with -lhotreload -ldl -lpthread.
 *
 * \section hrm_plugin_life_cycle Life cycle
 * 1. hrm_plugin_host_create() makes a host with a manager of its own.
 * 2. hrm_plugin_open() loads the present version of a plugin and watches its file.
 * 3. hrm_plugin_acquire() pins the version that is in use, hrm_plugin_function() and hrm_plugin_symbol() give what it
 *    exports, and hrm_plugin_release() lets go of it. Any thread may do so at any time.
 * 4. When the file has a new, complete version that passes validation, the new version replaces the old one. Calls that
 *    run end in the version in which they began. That version is unloaded after the last of them.
 * 5. hrm_plugin_close() or hrm_plugin_host_destroy() unloads.
 *
 *   \code
 *   #define HRM_PLUGIN_IMPLEMENTATION // in exactly one C file
 *   #include <hot_reload_plugin.h>
 *
 *   int main(void)
 *   {
 *       static const char *const symbols[] = {"plugin_answer", NULL};
 *       hrm_plugin_options o = {0};
 *       hrm_error err = HRM_ERROR_INIT;
 *       hrm_plugin_host *host = NULL;
 *       hrm_plugin *plugin = NULL;
 *       o.symbols = symbols;
 *       if (hrm_plugin_host_create(NULL, NULL, NULL, &host, &err) < 0 ||
 *           hrm_plugin_open(host, "plugin", "plugin.so", &o, &plugin, &err) < 0) {
 *           fprintf(stderr, "%s: %s\n", hrm_error_name(err.code), err.message);
 *           hrm_plugin_host_destroy(host);
 *           return 1;
 *       }
 *       do { // a question for each line of input; any thread may ask
 *           const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
 *           printf("the plugin answers %d\n", ((int (*)(void))hrm_plugin_function(v, 0))());
 *           fflush(stdout);
 *           hrm_plugin_release(v);
 *       } while (getchar() == '\n');
 *       hrm_plugin_host_destroy(host);
 *       return 0;
 *   }
 *   \endcode
 *
 * \section hrm_plugin_exports What a plugin may export
 * All of it is optional, and hrm_plugin_options can give other names:
 * - `int plugin_init(void)` prepares the version. 0 = it works.
 * - `void plugin_exit(void)` runs before the version is unloaded, on the thread of its last call.
 * - `size_t plugin_save_state(void *to, size_t room)` writes the state and returns how many bytes it needs. It is called
 *   with (NULL, 0) first.
 * - `int plugin_restore_state(const void *from, size_t size)` takes a state over. 0 = it did.
 *
 * With both of the last two the state is handed over while no call runs: hrm_plugin_acquire() waits meanwhile, and the two
 * functions must not call it. The order is: new init, old save, new restore, exchange, old exit.
 *
 * \section hrm_plugin_errors Errors
 * A version that is rejected, does not load, lacks a symbol, or whose init or restore fails changes nothing. The old version
 * stays in use, and the outcome callback receives the reason.
 *
 * \section hrm_plugin_canary_section Canary
 * With hrm_plugin_options.canary_timeout_ms a version is first loaded and initialised in a child of a fork. A version that
 * crashes, hangs or fails there is rejected. Its init thus runs twice, once in a process that has this thread alone.
 */
#ifndef HOT_RELOAD_PLUGIN_H
#define HOT_RELOAD_PLUGIN_H

#include "hot_reload_canary.h"
#include "hot_reload_manager.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A host: a manager and the plugins that it loads.
 * \since 1.0.0
 * \sa hrm_plugin_host_create(), hrm_plugin_host_destroy()
 */
typedef struct hrm_plugin_host hrm_plugin_host;
/**
 * A plugin: a file, and the version of it that is in use.
 * \since 1.0.0
 * \sa hrm_plugin_open(), hrm_plugin_close()
 */
typedef struct hrm_plugin hrm_plugin;
/**
 * A version of a plugin that is loaded. It stays loaded while it is pinned.
 * \since 1.0.0
 * \sa hrm_plugin_acquire(), hrm_plugin_release()
 */
typedef struct hrm_plugin_version hrm_plugin_version;
/**
 * A function of a plugin. Cast it to its type before it is called.
 * \threadsafety As the plugin says.
 * \since 1.0.0
 * \sa hrm_plugin_function()
 */
typedef void (*hrm_plugin_fn)(void);

/**
 * Options of hrm_plugin_open(). 0 and NULL mean the default. Strings and lists must live as long as the plugin.
 *
 * This struct is compiled into the program, as the functions of this header are. It has no struct_size.
 * \since 1.0.0
 * \sa hrm_plugin_open()
 */
typedef struct hrm_plugin_options {
    const char *const *symbols; /**< NULL-terminated: what the plugin must export. Found by their index. */
    const char *init;             /**< The name of its init; NULL = plugin_init. */
    const char *exit;             /**< The name of its exit; NULL = plugin_exit. */
    const char *save_state;       /**< The name of its save_state; NULL = plugin_save_state. */
    const char *restore_state;    /**< The name of its restore_state; NULL = plugin_restore_state. */
    /** Safe reload; its named fields replace those of the host's hrm_options.safe. NULL = all of the host's. */
    const hrm_safe_options *safe;
    hrm_validator_fn validator;   /**< As for hrm_set_validator(), for this plugin; runs before the canary. */
    void *validator_data;         /**< Passed to validator. */
    int32_t quiet_ms;             /**< The quiet period, as hrm_enable_options.quiet_ms. */
    int32_t canary_timeout_ms;    /**< How long init may take in the child process, in milliseconds; 0 = no canary. */
    int32_t open_timeout_ms;      /**< How long hrm_plugin_open() waits for the first version, in milliseconds; 0 = 10000. */
    int32_t hand_over_timeout_ms; /**< How long running calls may delay the hand-over of state, in milliseconds; 0 = 1000. */
} hrm_plugin_options;

/**
 * What became of a version. Strings are never NULL and are valid until the callback returns.
 * \since 1.0.0
 * \sa hrm_plugin_outcome_fn
 */
typedef struct hrm_plugin_outcome {
    const char *plugin_id; /**< The plugin. */
    int32_t result;        /**< #HRM_RELOAD_OK, #HRM_RELOAD_FAILED, or 0: rejected by validation or canary. */
    uint64_t generation;   /**< Of the version; 0 if it was rejected. */
    uint64_t present;      /**< Of the version that is in use now; 0 if there is none. */
    const char *message;   /**< Why the version is not in use: one printable line; "" if it is. */
} hrm_plugin_outcome;

/**
 * Receives what became of each version.
 * \param outcome    the outcome; valid until the function returns
 * \param user_data  as given to hrm_plugin_host_create()
 * \threadsafety Called where the callbacks of the host's manager run. It must not open a plugin or destroy the host.
 * \since 1.0.0
 * \sa hrm_plugin_host_create()
 */
typedef void (*hrm_plugin_outcome_fn)(const hrm_plugin_outcome *outcome, void *user_data);

/**
 * Creates a host with a manager of its own.
 *
 * With #HRM_DISPATCH_MANUAL versions are exchanged inside hrm_dispatch().
 * \param opts       options of the manager, as for hrm_manager_create(); NULL = defaults
 * \param fn         receives every outcome; may be NULL
 * \param user_data  passed to fn
 * \param[out] out   receives the host, or NULL after a failure
 * \param[out] err   receives the detail of a failure; may be NULL
 * \returns 0, or a code of hrm_manager_create(), or
 * \retval HRM_ERR_INVALID_ARGUMENT  out is NULL
 * \retval HRM_ERR_NO_MEMORY         memory ran out
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_host_destroy(), hrm_plugin_open()
 */
int32_t hrm_plugin_host_create(const hrm_options *opts, hrm_plugin_outcome_fn fn, void *user_data,
                               hrm_plugin_host **out, hrm_error *err);
/**
 * Closes every plugin and destroys the host.
 * \param host  the host; NULL does nothing
 * \threadsafety Any thread, but not inside an outcome callback. It waits for calls that run.
 * \since 1.0.0
 * \sa hrm_plugin_host_create(), hrm_plugin_close()
 */
void hrm_plugin_host_destroy(hrm_plugin_host *host);
/**
 * The host's manager, for hrm_dispatch(), hrm_event_fd(), hrm_stats() and pausing. Its event callback and its validator
 * belong to the host.
 * \param host  the host
 * \returns the manager. It lives as long as the host.
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_dispatch(), hrm_event_fd(), hrm_stats(), hrm_set_global_hot_reload_enabled()
 */
hrm_manager *hrm_plugin_host_manager(hrm_plugin_host *host);

/**
 * Loads the present version of a plugin and watches its file.
 * \param host       the host
 * \param plugin_id  the plugin's name, as for hrm_enable_hot_reload()
 * \param path       the plugin's file
 * \param opts       options; NULL = defaults
 * \param[out] out   receives the plugin, or NULL after a failure
 * \param[out] err   receives the detail of a failure; may be NULL
 * \returns 0, or a code of hrm_enable_hot_reload_ex(), or
 * \retval HRM_ERR_INVALID_ARGUMENT  host, plugin_id or out is NULL
 * \retval HRM_ERR_ALREADY_EXISTS    a plugin of this name is open
 * \retval HRM_ERR_NO_MEMORY         memory ran out
 * \retval HRM_ERR_IO                the version is rejected, fails, or is not complete in time
 * \threadsafety Any thread, but not inside an outcome callback. It waits for the first version.
 * \since 1.0.0
 * \sa hrm_plugin_close(), hrm_plugin_options
 */
int32_t hrm_plugin_open(hrm_plugin_host *host, const char *plugin_id, const char *path,
                        const hrm_plugin_options *opts, hrm_plugin **out, hrm_error *err);
/**
 * Stops watching a plugin and unloads it.
 * \param p  the plugin; NULL does nothing
 * \threadsafety Any thread. It waits for calls that run. Inside an outcome callback of this plugin it is done after that
 * callback returns.
 * \since 1.0.0
 * \sa hrm_plugin_open()
 */
void hrm_plugin_close(hrm_plugin *p);

/**
 * Pins the version that is in use: it stays loaded until it is released.
 * \param p  the plugin
 * \returns the version. Never NULL.
 * \threadsafety Any thread. It waits while state is handed over.
 * \since 1.0.0
 * \sa hrm_plugin_release(), hrm_plugin_function(), hrm_plugin_symbol()
 */
const hrm_plugin_version *hrm_plugin_acquire(hrm_plugin *p);
/**
 * Lets go of a version.
 * \param v  the version, as hrm_plugin_acquire() returned it
 * \threadsafety Any thread. If it was the last use of a version that was replaced, plugin_exit runs on this thread.
 * \since 1.0.0
 * \sa hrm_plugin_acquire()
 */
void hrm_plugin_release(const hrm_plugin_version *v);
/**
 * A function of a version.
 * \param v      the version, pinned
 * \param index  the index of its name in hrm_plugin_options.symbols
 * \returns the function, to be cast to its type
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_symbol()
 */
hrm_plugin_fn hrm_plugin_function(const hrm_plugin_version *v, size_t index);
/**
 * Data of a version.
 * \param v      the version, pinned
 * \param index  the index of its name in hrm_plugin_options.symbols
 * \returns the address
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_function()
 */
void *hrm_plugin_symbol(const hrm_plugin_version *v, size_t index);
/**
 * The generation of a version.
 * \param v  the version, pinned
 * \returns its generation, as in hrm_event.generation
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_fail()
 */
uint64_t hrm_plugin_generation(const hrm_plugin_version *v);

/**
 * Reports that a version misbehaves: the last good version is loaded and initialised again, and these bytes are not used
 * again. A last good version that is still pinned is used again as it is.
 * \param p           the plugin
 * \param generation  hrm_plugin_generation() of the version
 * \param message     why; may be NULL
 * \param[out] err    receives the detail of a failure; may be NULL
 * \returns 0, or a code of hrm_report_reload()
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_report_reload(), hrm_plugin_generation()
 */
int32_t hrm_plugin_fail(hrm_plugin *p, uint64_t generation, const char *message, hrm_error *err);

#ifdef __cplusplus
}
#endif

#endif /* HOT_RELOAD_PLUGIN_H */

#if defined(HRM_PLUGIN_IMPLEMENTATION) && !defined(HRM_PLUGIN_IMPLEMENTED)
#define HRM_PLUGIN_IMPLEMENTED

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int (*hrm_plugin_init_fn)(void);
typedef void (*hrm_plugin_exit_fn)(void);
typedef size_t (*hrm_plugin_save_fn)(void *to, size_t room);
typedef int (*hrm_plugin_restore_fn)(const void *from, size_t size);

struct hrm_plugin_host {
    hrm_manager *manager;
    int manual;
    hrm_plugin_outcome_fn fn;
    void *user_data;
    pthread_mutex_t mu; /* over the list, and each plugin's present version */
    pthread_cond_t changed;
    hrm_plugin *first;
};

struct hrm_plugin {
    hrm_plugin_host *host;
    hrm_plugin *next;
    char *id;
    hrm_plugin_options o;
    hrm_plugin_version *present; /* NULL until the first one is loaded */
    hrm_plugin_version *loaded;  /* all that are not unloaded yet */
    int opening;                 /* 1 while hrm_plugin_open waits, 2 when the first version has failed */
    int handing_over;
    int busy, closing; /* a callback is about it; it is to be closed afterwards */
    int pins;          /* of the plugin itself */
    pthread_t thread;  /* of that callback */
    char message[400];
};

struct hrm_plugin_version {
    hrm_plugin *p;
    hrm_plugin_version *next; /* loaded */
    uint64_t generation;
    unsigned refs; /* of its being present, and of each acquire; 0 while it is unloaded */
    int was;       /* present before */
    void *library;
    hrm_plugin_exit_fn exit;
    hrm_plugin_save_fn save;
    hrm_plugin_restore_fn restore;
    void *symbols[1]; /* as many as there are */
};

static int32_t hrm_plugin_error(hrm_error *err, int32_t code, const char *format, const char *a, const char *b)
{
    char text[1000];
    if (err != NULL && err->struct_size >= sizeof *err) {
        err->code = code;
        err->os_error = 0;
        snprintf(text, sizeof text, format, a, b);
        hrm_printable(text, err->message, sizeof err->message);
    }
    return code;
}

static void hrm_plugin_deadline(struct timespec *t, int32_t ms)
{
    clock_gettime(CLOCK_REALTIME, t);
    t->tv_sec += ms / 1000;
    t->tv_nsec += (long)(ms % 1000) * 1000000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_sec++;
        t->tv_nsec -= 1000000000;
    }
}

/* dlsym's result as the function that it is; ISO C has no cast for it. */
static void hrm_plugin_find(void *library, const char *name, const char *usual, void *function, size_t size)
{
    void *symbol = dlsym(library, name != NULL ? name : usual);
    memcpy(function, &symbol, size);
}

/* ------------------------------------------------------------ versions -- */

/* Gives one reference back; the last one unloads. The caller does not hold the lock. */
static void hrm_plugin_unref(hrm_plugin_version *v)
{
    hrm_plugin *p = v->p;
    hrm_plugin_host *host = p->host;
    hrm_plugin_version **at;
    int last;
    pthread_mutex_lock(&host->mu);
    last = --v->refs == 0;
    if (v->refs <= 1)
        pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->mu);
    if (!last)
        return;
    if (v->exit != NULL)
        v->exit();
    dlclose(v->library);
    pthread_mutex_lock(&host->mu);
    for (at = &p->loaded; *at != v; at = &(*at)->next) {
    }
    *at = v->next;
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->mu);
    free(v);
}

/* A generation that is loaded still, or again in use: loading it once more would
 * give the same image, whose init has run and whose exit is to come. NULL if it is
 * not; one that is being unloaded is waited for. */
static hrm_plugin_version *hrm_plugin_again(hrm_plugin *p, uint64_t generation)
{
    hrm_plugin_version *v;
    pthread_mutex_lock(&p->host->mu);
    for (;;) {
        for (v = p->loaded; v != NULL && v->generation != generation; v = v->next) {
        }
        if (v == NULL || v->refs > 0)
            break;
        pthread_cond_wait(&p->host->changed, &p->host->mu);
    }
    if (v != NULL)
        v->refs++;
    pthread_mutex_unlock(&p->host->mu);
    return v;
}

/* Loads a version without making it the present one; NULL with the reason in why. */
static hrm_plugin_version *hrm_plugin_load(hrm_plugin *p, const char *path, uint64_t generation, char *why, size_t size)
{
    hrm_plugin_version *v;
    hrm_plugin_init_fn init;
    size_t i, n = 0;
    int code;
    while (p->o.symbols != NULL && p->o.symbols[n] != NULL)
        n++;
    v = (hrm_plugin_version *)calloc(1, sizeof *v + n * sizeof v->symbols[0]);
    if (v == NULL) {
        snprintf(why, size, "out of memory");
        return NULL;
    }
    v->p = p;
    v->generation = generation;
    v->refs = 1;
    v->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (v->library == NULL) {
        hrm_printable(dlerror(), why, size); /* names from the file are in it */
        free(v);
        return NULL;
    }
    for (i = 0; i < n; i++) {
        v->symbols[i] = dlsym(v->library, p->o.symbols[i]);
        if (v->symbols[i] == NULL) {
            snprintf(why, size, "it does not export %s", p->o.symbols[i]);
            goto failed;
        }
    }
    hrm_plugin_find(v->library, p->o.exit, "plugin_exit", &v->exit, sizeof v->exit);
    hrm_plugin_find(v->library, p->o.save_state, "plugin_save_state", &v->save, sizeof v->save);
    hrm_plugin_find(v->library, p->o.restore_state, "plugin_restore_state", &v->restore, sizeof v->restore);
    hrm_plugin_find(v->library, p->o.init, "plugin_init", &init, sizeof init);
    if (init != NULL && (code = init()) != 0) {
        snprintf(why, size, "its init returned %d", code);
        goto failed;
    }
    pthread_mutex_lock(&p->host->mu);
    v->next = p->loaded;
    p->loaded = v;
    pthread_mutex_unlock(&p->host->mu);
    return v;
failed:
    dlclose(v->library);
    free(v);
    return NULL;
}

/* Hands the state of the old version over. The lock is held, and no call under way. */
static int hrm_plugin_hand_over(hrm_plugin_version *from, hrm_plugin_version *to, char *why, size_t size)
{
    size_t room = from->save(NULL, 0), used;
    void *state = malloc(room > 0 ? room : 1);
    int code = 0;
    if (state == NULL) {
        snprintf(why, size, "out of memory for %zu bytes of state", room);
        return 0;
    }
    used = from->save(state, room);
    if (used > room)
        snprintf(why, size, "the old version's state grew from %zu to %zu bytes while it was saved", room, used);
    else if ((code = to->restore(state, used)) != 0)
        snprintf(why, size, "it does not take the state over: restore returned %d", code);
    free(state);
    return used <= room && code == 0;
}

/* Makes v the present version; 0 with the reason in why if it cannot be. */
static int hrm_plugin_exchange(hrm_plugin *p, hrm_plugin_version *v, char *why, size_t size)
{
    hrm_plugin_host *host = p->host;
    hrm_plugin_version *old;
    struct timespec end;
    int good = 1;
    pthread_mutex_lock(&host->mu);
    old = p->present;
    if (old != NULL && old->save != NULL && v->restore != NULL) {
        hrm_plugin_deadline(&end, p->o.hand_over_timeout_ms > 0 ? p->o.hand_over_timeout_ms : 1000);
        p->handing_over = 1;
        while ((old->refs > 1 || v->refs > 1) && good)
            good = pthread_cond_timedwait(&host->changed, &host->mu, &end) == 0 || (old->refs <= 1 && v->refs <= 1);
        if (!good)
            snprintf(why, size, "calls under way did not end in time for the handing over of state");
        else
            good = hrm_plugin_hand_over(old, v, why, size);
        if (!good && v->was) { /* it has a state, and the old one is to go */
            good = 1;
            why[0] = '\0';
        }
        p->handing_over = 0;
        pthread_cond_broadcast(&host->changed);
    }
    if (good) {
        p->present = v;
        v->was = 1;
    }
    pthread_mutex_unlock(&host->mu);
    if (!good)
        hrm_plugin_unref(v);
    else if (old != NULL)
        hrm_plugin_unref(old);
    return good;
}

const hrm_plugin_version *hrm_plugin_acquire(hrm_plugin *p)
{
    hrm_plugin_version *v;
    pthread_mutex_lock(&p->host->mu);
    while (p->handing_over)
        pthread_cond_wait(&p->host->changed, &p->host->mu);
    v = p->present;
    v->refs++;
    pthread_mutex_unlock(&p->host->mu);
    return v;
}

void hrm_plugin_release(const hrm_plugin_version *v) { hrm_plugin_unref((hrm_plugin_version *)v); }
void *hrm_plugin_symbol(const hrm_plugin_version *v, size_t index) { return v->symbols[index]; }
hrm_plugin_fn hrm_plugin_function(const hrm_plugin_version *v, size_t index)
{
    hrm_plugin_fn f;
    memcpy(&f, &v->symbols[index], sizeof f);
    return f;
}
uint64_t hrm_plugin_generation(const hrm_plugin_version *v) { return v->generation; }

/* ---------------------------------------------------------------- host -- */

/* Finds a plugin and keeps it until hrm_plugin_unpin. */
static hrm_plugin *hrm_plugin_pin(hrm_plugin_host *host, const char *id)
{
    hrm_plugin *p;
    pthread_mutex_lock(&host->mu);
    for (p = host->first; p != NULL && strcmp(p->id, id) != 0; p = p->next) {
    }
    if (p != NULL)
        p->pins++;
    pthread_mutex_unlock(&host->mu);
    return p;
}

static void hrm_plugin_unpin(hrm_plugin *p)
{
    pthread_mutex_lock(&p->host->mu);
    p->pins--;
    pthread_cond_broadcast(&p->host->changed);
    pthread_mutex_unlock(&p->host->mu);
}

static int32_t hrm_plugin_validate(const hrm_candidate *c, char *reason, size_t size, void *user_data)
{
    hrm_plugin *p = hrm_plugin_pin((hrm_plugin_host *)user_data, c->plugin_id);
    int32_t verdict = HRM_ACCEPT;
    if (p == NULL) {
        snprintf(reason, size, "it is no open plugin of this host");
        return HRM_REJECT;
    }
    if (p->o.validator != NULL)
        verdict = p->o.validator(c, reason, size, p->o.validator_data);
    if (verdict == HRM_ACCEPT && p->o.canary_timeout_ms > 0 &&
        !hrm_plugin_canary(c->snapshot_path, p->o.init, p->o.canary_timeout_ms, reason, size))
        verdict = HRM_REJECT;
    hrm_plugin_unpin(p);
    return verdict;
}

static void hrm_plugin_tell(hrm_plugin *p, int32_t result, uint64_t generation, const char *message)
{
    hrm_plugin_outcome outcome;
    char shown[1001];
    hrm_printable(message, shown, sizeof shown); /* names of symbols are in it */
    message = shown;
    pthread_mutex_lock(&p->host->mu);
    outcome.present = p->present != NULL ? p->present->generation : 0;
    if (p->opening == 1 && result != HRM_RELOAD_OK) {
        p->opening = 2;
        hrm_printable(message, p->message, sizeof p->message); /* which shortens it at characters */
    }
    pthread_cond_broadcast(&p->host->changed);
    pthread_mutex_unlock(&p->host->mu);
    outcome.plugin_id = p->id;
    outcome.result = result;
    outcome.generation = generation;
    outcome.message = message;
    if (p->host->fn != NULL)
        p->host->fn(&outcome, p->host->user_data);
}

/* Loads a generation that was told, and makes it the present one. */
static void hrm_plugin_take(hrm_plugin *p, const hrm_event *ev)
{
    char why[400] = "";
    hrm_plugin_version *v = hrm_plugin_again(p, ev->generation);
    int good;
    if (v == NULL)
        v = hrm_plugin_load(p, ev->snapshot_path, ev->generation, why, sizeof why);
    good = v != NULL && hrm_plugin_exchange(p, v, why, sizeof why);
    hrm_report_reload(p->host->manager, p->id, ev->generation, good ? HRM_RELOAD_OK : HRM_RELOAD_FAILED, why, NULL);
    hrm_plugin_tell(p, good ? HRM_RELOAD_OK : HRM_RELOAD_FAILED, ev->generation, why);
}

static void hrm_plugin_on_event(const hrm_event *ev, void *user_data)
{
    hrm_plugin *p = hrm_plugin_pin((hrm_plugin_host *)user_data, ev->plugin_id);
    uint64_t present;
    int closing;
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->host->mu);
    p->busy = 1;
    p->thread = pthread_self();
    present = p->present != NULL ? p->present->generation : 0;
    pthread_mutex_unlock(&p->host->mu);
    if (ev->kind == HRM_EVENT_FILE_CHANGED || (ev->kind == HRM_EVENT_ROLLBACK && ev->generation != 0 && ev->generation != present))
        hrm_plugin_take(p, ev);
    else if (ev->kind == HRM_EVENT_REJECTED)
        hrm_plugin_tell(p, 0, 0, ev->message);
    pthread_mutex_lock(&p->host->mu);
    p->busy = 0;
    closing = p->closing;
    p->closing = 0;
    pthread_mutex_unlock(&p->host->mu);
    hrm_plugin_unpin(p);
    if (closing)
        hrm_plugin_close(p);
}

int32_t hrm_plugin_host_create(const hrm_options *opts, hrm_plugin_outcome_fn fn, void *user_data,
                               hrm_plugin_host **out, hrm_error *err)
{
    hrm_plugin_host *host;
    int32_t code;
    if (out == NULL)
        return hrm_plugin_error(err, HRM_ERR_INVALID_ARGUMENT, "hrm_plugin_host_create: out is NULL%s%s", "", "");
    *out = NULL;
    host = (hrm_plugin_host *)calloc(1, sizeof *host);
    if (host == NULL)
        return hrm_plugin_error(err, HRM_ERR_NO_MEMORY, "out of memory%s%s", "", "");
    host->fn = fn;
    host->user_data = user_data;
    host->manual = opts != NULL && opts->struct_size >= offsetof(hrm_options, quiet_ms) &&
                   opts->dispatch_mode == HRM_DISPATCH_MANUAL;
    pthread_mutex_init(&host->mu, NULL);
    pthread_cond_init(&host->changed, NULL);
    code = hrm_manager_create(opts, &host->manager, err);
    if (code >= 0)
        code = hrm_set_event_callback(host->manager, hrm_plugin_on_event, host, NULL);
    if (code >= 0)
        code = hrm_set_validator(host->manager, hrm_plugin_validate, host, NULL);
    if (code < 0) {
        if (host->manager != NULL) /* setting a callback fills no hrm_error */
            hrm_plugin_error(err, code, "%s%s", hrm_strerror(code), "");
        hrm_plugin_host_destroy(host);
        return code;
    }
    *out = host;
    return HRM_OK;
}

hrm_manager *hrm_plugin_host_manager(hrm_plugin_host *host) { return host->manager; }

void hrm_plugin_host_destroy(hrm_plugin_host *host)
{
    if (host == NULL)
        return;
    while (host->first != NULL)
        hrm_plugin_close(host->first);
    hrm_manager_destroy(host->manager);
    pthread_cond_destroy(&host->changed);
    pthread_mutex_destroy(&host->mu);
    free(host);
}

/* Waits until the first version is there or has failed; 0 if neither in time. */
static int hrm_plugin_await(hrm_plugin *p, int32_t timeout_ms)
{
    hrm_plugin_host *host = p->host;
    struct timespec end, now;
    int in_time = 1;
    hrm_plugin_deadline(&end, timeout_ms);
    pthread_mutex_lock(&host->mu);
    while (p->present == NULL && p->opening == 1 && in_time) {
        if (host->manual) {
            pthread_mutex_unlock(&host->mu);
            hrm_dispatch(host->manager, 1, 10, NULL);
            clock_gettime(CLOCK_REALTIME, &now);
            in_time = now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec);
            pthread_mutex_lock(&host->mu);
        } else {
            in_time = pthread_cond_timedwait(&host->changed, &host->mu, &end) != ETIMEDOUT;
        }
    }
    in_time = p->present != NULL || p->opening == 2;
    pthread_mutex_unlock(&host->mu);
    return in_time;
}

int32_t hrm_plugin_open(hrm_plugin_host *host, const char *plugin_id, const char *path,
                        const hrm_plugin_options *opts, hrm_plugin **out, hrm_error *err)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_plugin *p;
    int32_t code;
    int in_time;
    if (host == NULL || plugin_id == NULL || out == NULL)
        return hrm_plugin_error(err, HRM_ERR_INVALID_ARGUMENT, "hrm_plugin_open: host, plugin_id or out is NULL%s%s", "", "");
    *out = NULL;
    p = hrm_plugin_pin(host, plugin_id);
    if (p != NULL) {
        hrm_plugin_unpin(p);
        return hrm_plugin_error(err, HRM_ERR_ALREADY_EXISTS, "plugin \"%s\" is open already; close it first%s", plugin_id, "");
    }
    p = (hrm_plugin *)calloc(1, sizeof *p);
    if (p == NULL || (p->id = (char *)malloc(strlen(plugin_id) + 1)) == NULL) {
        free(p);
        return hrm_plugin_error(err, HRM_ERR_NO_MEMORY, "out of memory%s%s", "", "");
    }
    memcpy(p->id, plugin_id, strlen(plugin_id) + 1);
    p->host = host;
    if (opts != NULL)
        p->o = *opts;
    p->opening = 1;
    pthread_mutex_lock(&host->mu);
    p->next = host->first;
    host->first = p;
    pthread_mutex_unlock(&host->mu);

    o.flags = HRM_ENABLE_DELIVER_PRESENT;
    o.quiet_ms = p->o.quiet_ms;
    o.safe = p->o.safe != NULL ? p->o.safe : &safe;
    code = hrm_enable_hot_reload_ex(host->manager, plugin_id, path, &o, err);
    if (code < 0) {
        hrm_plugin_close(p);
        return code;
    }
    in_time = hrm_plugin_await(p, p->o.open_timeout_ms > 0 ? p->o.open_timeout_ms : 10000);
    pthread_mutex_lock(&host->mu);
    p->opening = p->present != NULL ? 0 : 2;
    pthread_mutex_unlock(&host->mu);
    if (p->present == NULL) {
        code = hrm_plugin_error(err, HRM_ERR_IO, in_time ? "plugin \"%s\": %s" : "plugin \"%s\": the file is not whole yet, or not validated; it takes too long%.0s",
                                plugin_id, p->message);
        hrm_plugin_close(p);
        return code;
    }
    *out = p;
    return HRM_OK;
}

void hrm_plugin_close(hrm_plugin *p)
{
    hrm_plugin_host *host;
    hrm_plugin_version *v;
    hrm_plugin **at;
    if (p == NULL)
        return;
    host = p->host;
    pthread_mutex_lock(&host->mu);
    if (p->busy && pthread_equal(p->thread, pthread_self())) {
        p->closing = 1;
        pthread_mutex_unlock(&host->mu);
        return;
    }
    pthread_mutex_unlock(&host->mu);
    hrm_disable_hot_reload(host->manager, p->id); /* waits for a callback and the validator */
    pthread_mutex_lock(&host->mu);
    for (at = &host->first; *at != p; at = &(*at)->next) {
    }
    *at = p->next;
    while (p->pins > 0)
        pthread_cond_wait(&host->changed, &host->mu);
    v = p->present;
    p->present = NULL;
    pthread_mutex_unlock(&host->mu);
    if (v != NULL)
        hrm_plugin_unref(v);
    pthread_mutex_lock(&host->mu);
    while (p->loaded != NULL)
        pthread_cond_wait(&host->changed, &host->mu);
    pthread_mutex_unlock(&host->mu);
    free(p->id);
    free(p);
}

int32_t hrm_plugin_fail(hrm_plugin *p, uint64_t generation, const char *message, hrm_error *err)
{
    return hrm_report_reload(p->host->manager, p->id, generation, HRM_RELOAD_FAILED, message, err);
}

#endif /* HRM_PLUGIN_IMPLEMENTATION */
