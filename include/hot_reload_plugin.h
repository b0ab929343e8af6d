/* SPDX-License-Identifier: MIT */
/**
 * \file hot_reload_plugin.h
 * \brief A host for plugins that are shared libraries, on top of safe reload.
 *
 * Link with -lhotreload. docs/safe-reload.md says what safe reload promises; hot_reload_manager.h is the manual for errors,
 * strings, structs and signals, which are the same here.
 *
 * \section hrm_plugin_life_cycle Life cycle
 * 1. hrm_host_create() makes a host with a manager of its own.
 * 2. hrm_host_open() loads the present version of a plugin and watches its file.
 * 3. hrm_plugin_acquire() pins the version that answers, hrm_plugin_function() and hrm_plugin_symbol() give what it
 *    exports, and hrm_plugin_release() lets go of it. Any thread may do so at any time.
 * 4. When the file has a new, complete version that passes validation, the new version replaces the old one. Calls that
 *    run end in the version in which they began. That version exits and is unloaded after the last of them.
 * 5. hrm_plugin_close() or hrm_host_destroy() ends the plugin.
 *
 *   \code
 *   #include <hot_reload_plugin.h>
 *   #include <stdio.h>
 *
 *   int main(void)
 *   {
 *       static const char *const symbols[] = {"plugin_answer", NULL};
 *       hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
 *       hrm_error err = HRM_ERROR_INIT;
 *       hrm_host *host = NULL;
 *       hrm_plugin *plugin = NULL;
 *       o.symbols = symbols;
 *       if (hrm_host_create(NULL, &host, &err) < 0 ||
 *           hrm_host_open(host, "plugin", "plugin.so", &o, &plugin, &err) < 0) {
 *           fprintf(stderr, "%s: %s\n", hrm_error_name(err.code), err.message);
 *           hrm_host_destroy(host, 1000, NULL);
 *           return 1;
 *       }
 *       do { // a question for each line of input; any thread may ask
 *           const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
 *           printf("the plugin answers %d\n", ((int (*)(void))hrm_plugin_function(v, 0))());
 *           fflush(stdout);
 *           hrm_plugin_release(v);
 *       } while (getchar() == '\n');
 *       return hrm_host_destroy(host, 1000, NULL) < 0;
 *   }
 *   \endcode
 *
 * \section hrm_plugin_exports What a plugin may export
 * All of it is optional, and hrm_plugin_options can give other names:
 * - `int plugin_init(void)` prepares the version. 0 = it works.
 * - `void plugin_exit(void)` ends what init began. It runs after the last call, before the version is unloaded.
 * - `size_t plugin_save_state(void *to, size_t room)` writes the state and returns how many bytes it needs. It is called
 *   with (NULL, 0) first.
 * - `int plugin_restore_state(const void *from, size_t size)` takes a state over. 0 = it did.
 *
 * With both of the last two the state is handed over while no call runs: hrm_plugin_acquire() waits meanwhile.
 *
 * \section hrm_plugin_modes Order
 * - #HRM_MODE_SIDE_BY_SIDE: load new, init new, save old, restore new, exchange, then exit and unload old after its last
 *   call. Callers wait only if a state is handed over.
 * - #HRM_MODE_EXIT_FIRST, for what owns a port, a lock or a device: load new, save old, exit old, init new, restore new,
 *   exchange, unload old. Callers wait meanwhile.
 * - #HRM_MODE_UNLOAD_FIRST, for what registers itself when it is loaded: save old, exit old, unload old, load new, init
 *   new, restore new, exchange. Callers wait meanwhile.
 *
 * A step that fails or takes too long changes nothing: what was done is undone in reverse, and the old version goes on. If
 * calls under way do not end in time, nothing is wrong with the new version: it is tried again after 1 s, doubling to
 * 1 minute (#HRM_VERDICT_POSTPONED). The engine behind this is the same for all languages (core/reload).
 *
 * \section hrm_plugin_several Several plugins
 * hrm_plugin_options.needs names the plugins that a plugin uses. They are exchanged before it, and it is exchanged or
 * restarted with them. hrm_host_open_all() opens several plugins; with an hrm_set_options they are exchanged together, when
 * your check says that their versions fit. hrm_plugin_acquire_all() pins versions that were active at the same moment.
 *
 * \section hrm_plugin_threads Threads
 * With #HRM_DISPATCH_THREAD each step (load to unload) and each outcome callback runs on a thread of the library, not always
 * the same one. At most one step of a version runs at a time. Steps of unrelated plugins run side by side: a slow plugin
 * holds up no other.
 *
 * With #HRM_DISPATCH_MANUAL steps and outcome callbacks run inside hrm_dispatch() of hrm_host_manager(), on the thread that
 * calls it. hrm_dispatch() does not return while callers are held: its thread may be the one that calls the plugin. With
 * #HRM_HOST_RETIRE_ON_LIBRARY_THREAD the exit and unloading of replaced versions run on a thread of the library all the
 * same.
 *
 * hrm_plugin_acquire(), hrm_plugin_try_acquire() and hrm_plugin_release() are one atomic addition each. They take no lock
 * unless the plugin is just being exchanged, and never run code of a plugin. hrm_plugin_try_acquire() and
 * hrm_plugin_release() never wait: they are for real-time threads. After fork() the child may use these functions, and
 * hrm_plugin_acquire() returns NULL there where it would have to wait.
 *
 * A caller that holds a version of one plugin and acquires another plugin that is exchanged together with the first waits
 * for itself until the limit is over. Acquire such plugins in one go, by hrm_plugin_acquire_all().
 *
 * A thread that plugin_exit joins acquires plugins by hrm_plugin_try_acquire(). hrm_plugin_acquire() may wait for an exchange
 * that waits for this plugin_exit; then exit takes too long, the old version has to begin again, and meanwhile none answers.
 *
 * Inside steps and callbacks hrm_host_destroy() and hrm_plugin_close() return at once, and hrm_host_open() returns
 * #HRM_ERR_NOT_SUPPORTED where the first version would have to wait for the caller. Inside hrm_dispatch()
 * hrm_plugin_acquire() returns NULL while callers are held: only the thread that is in the step can let go of them. On a
 * thread of the library a step that acquires a plugin of its own exchange waits until the limit of the step is over, which
 * fails the exchange.
 *
 * \section hrm_plugin_unloading Unloading
 * A version is unloaded after its exit, except where something could call into it, or use what is in it, afterwards:
 * - with #HRM_PLUGIN_KEEP_LOADED;
 * - its image has symbols that the process has once (STB_GNU_UNIQUE), makes keys of thread-specific data
 *   (`pthread_key_create`) and deletes none, or uses `on_exit`. #HRM_PLUGIN_UNLOAD and #HRM_MODE_UNLOAD_FIRST unload it all
 *   the same;
 * - a handler of a signal is left of it, or a thread that it has started (Linux with glibc).
 *
 * It then stays in memory until the process ends. So does what the loader does not unload: a library that is linked with
 * `-z nodelete`, that another one needs, or that has objects of a living thread (`thread_local`). #HRM_VERDICT_NOTED says so
 * each time, with the reason. docs/what-survives.md says what else survives a reload.
 *
 * A C++ library that g++ has compiled usually has symbols of the first kind: static variables of inline functions and
 * templates. All its versions share one such object. The outcome with #HRM_VERDICT_DONE names a symbol of them;
 * #HRM_SAFE_NO_UNIQUE rejects such a version. Compile plugins with `-fno-gnu-unique`.
 *
 * \section hrm_plugin_handles Handles
 * Hosts, plugins and versions are keys, not addresses. A handle that was closed, NULL or something else is
 * #HRM_ERR_INVALID_HANDLE, or NULL where a pointer is returned. A version that is pinned stays usable after its plugin was
 * closed or its host destroyed, until it is released. Release each version once for each time that it was acquired:
 * releasing it more often ends the call of another caller.
 *
 * \section hrm_plugin_languages Other languages
 * A host with hrm_host_options.step does not load libraries: your function performs the steps (import a module, load a Qt
 * plugin), and the order, the limits and the way back are the same.
 */
#ifndef HOT_RELOAD_PLUGIN_H
#define HOT_RELOAD_PLUGIN_H

#include "hot_reload_canary.h"
#include "hot_reload_manager.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * \defgroup hrm_plugin_types Hosts, plugins, versions
 * \since 1.0.0
 * \{
 */

/**
 * A host: a manager and the plugins that it loads.
 * \since 1.0.0
 * \sa hrm_host_create(), hrm_host_destroy()
 */
typedef struct hrm_host hrm_host;
/**
 * A plugin: a file, and the version of it that answers.
 * \since 1.0.0
 * \sa hrm_host_open(), hrm_plugin_close()
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

/** The new version is initialised while the old one answers. */
#define HRM_MODE_SIDE_BY_SIDE 0
/** The old version exits before the new one is initialised. */
#define HRM_MODE_EXIT_FIRST 1
/** The old version is unloaded before the new one is loaded. */
#define HRM_MODE_UNLOAD_FIRST 2

/** The version answers now. */
#define HRM_VERDICT_DONE 1
/** The same version answers again, initialised anew with new versions of what it needs. */
#define HRM_VERDICT_RESTARTED 2
/** The version is bad. These bytes are not tried again. */
#define HRM_VERDICT_FAILED 3
/** The version is tried again after hrm_plugin_outcome.retry_ms: calls under way did not end in time. */
#define HRM_VERDICT_POSTPONED 4
/** The version is not at fault, and waits for another plugin's version or for hrm_plugin_take_without_state(). */
#define HRM_VERDICT_WAITING 5
/** The version is not wanted any more: superseded, its file removed, its plugin closed. */
#define HRM_VERDICT_WITHDRAWN 6
/** No version of the plugin answers. It is tried again. */
#define HRM_VERDICT_STOPPED 7
/** A version that had stopped answers again. */
#define HRM_VERDICT_RECOVERED 8
/** Validation or canary rejected a version, which has no generation. */
#define HRM_VERDICT_REJECTED 9
/** Nothing changed, but you should know: a version still in use, an exit that failed, a library that stays in memory. */
#define HRM_VERDICT_NOTED 10

/** Load a version, find its hooks. */
#define HRM_STEP_LOAD 1
/** Initialise a version. */
#define HRM_STEP_INIT 2
/** Wait until no call is under way, with new calls held; only in outcomes. */
#define HRM_STEP_QUIESCE 3
/** Save the state of a version. */
#define HRM_STEP_SAVE 4
/** End what init and prepare began. */
#define HRM_STEP_EXIT 5
/** Unload a version. */
#define HRM_STEP_UNLOAD 6
/** Give a version the state that another one saved. */
#define HRM_STEP_RESTORE 7
/** Make what the host needs of a version before it answers. */
#define HRM_STEP_PREPARE 8
/** Exchange the versions. hrm_step_fn hears of it for each of them, before callers go on; its answer is ignored. */
#define HRM_STEP_ACTIVATE 9
/** Wait for the last call of an old version; only in outcomes. */
#define HRM_STEP_AWAIT_IDLE 10
/** A version has ended: what stands for it may be freed. Only for hrm_step_fn; its return value is ignored. */
#define HRM_STEP_FORGET 12

/** \} */

/**
 * \defgroup hrm_plugin_outcomes Outcomes
 * \since 1.0.0
 * \{
 */

/**
 * What became of a version. Strings are never NULL and are valid until the callback returns.
 * \since 1.0.0
 * \sa hrm_plugin_outcome_fn
 */
typedef struct hrm_plugin_outcome {
    uint32_t struct_size;  /**< sizeof(hrm_plugin_outcome). */
    int32_t verdict;       /**< HRM_VERDICT_*. */
    uint64_t generation;   /**< Of the version; 0 if it is about none. */
    uint64_t active;       /**< Of the version that answers now; 0 if none does. */
    uint64_t at_generation; /**< Of the version whose step failed: this one, the old one, or one of another plugin. */
    int64_t retry_ms;      /**< Of #HRM_VERDICT_POSTPONED: the time until the next attempt. */
    int32_t attempt;       /**< Of #HRM_VERDICT_POSTPONED: counted from 1. */
    int32_t step;          /**< HRM_STEP_* that failed; 0 if none did. */
    const char *plugin_id; /**< The plugin. */
    const char *at_plugin; /**< The plugin whose step failed. */
    const char *reason;    /**< Why; "" if there is nothing to say. */
    const char *down;      /**< Why no version answers, if one should; else "". */
    const char *notes;     /**< What else was not as it should be, separated by "; "; else "". */
    const char *message;   /**< All of this as one printable line, the same in every language. */
} hrm_plugin_outcome;

/**
 * Receives what became of each version, one call at a time for each host.
 * \param outcome    the outcome; valid until the function returns
 * \param user_data  hrm_host_options.user_data
 * \threadsafety Called on a thread of the library, or with #HRM_DISPATCH_MANUAL inside hrm_dispatch(). It may call every
 * function of this header, hrm_host_destroy() included.
 * \since 1.0.0
 * \sa hrm_host_options
 */
typedef void(HRM_CALL *hrm_plugin_outcome_fn)(const hrm_plugin_outcome *outcome, void *user_data);

/** \} */

/**
 * \defgroup hrm_plugin_steps Steps of other languages
 * \since 1.0.0
 * \{
 */

/** hrm_step_fn: the step was done. */
#define HRM_STEP_DONE 0
/** hrm_step_fn: the step failed; hrm_step_result.reason says why. */
#define HRM_STEP_FAILED 1
/** hrm_step_fn: the step was not possible at the moment and has done nothing. It is tried again. */
#define HRM_STEP_NOT_NOW 2
/** hrm_step_fn, #HRM_STEP_UNLOAD: it was done as far as possible; reason says why the version stays in memory. */
#define HRM_STEP_KEPT 3

/** The version has something to initialise. */
#define HRM_HOOK_INIT 1u
/** The version has something to exit. */
#define HRM_HOOK_EXIT 2u
/** The version can save its state. */
#define HRM_HOOK_SAVE 4u
/** The version can restore a state. */
#define HRM_HOOK_RESTORE 8u
/** The host prepares the version before it answers. */
#define HRM_HOOK_PREPARE 16u

/**
 * A step that is to be performed.
 * \since 1.0.0
 * \sa hrm_step_fn
 */
typedef struct hrm_step {
    uint32_t struct_size;   /**< sizeof(hrm_step). */
    int32_t kind;           /**< HRM_STEP_LOAD and so on. */
    uint64_t generation;    /**< Of the version. */
    uint64_t instance;      /**< Different for everything that the host loads, also for one generation loaded twice. */
    uint64_t needs_count;   /**< Of #HRM_STEP_INIT: how many needs there are. */
    const char *plugin_id;  /**< The plugin. */
    const char *path;       /**< The snapshot of the version. */
    void *plugin_data;      /**< hrm_plugin_options.prepare_data of the plugin. */
    void *data;             /**< Of the version, as the last hrm_step_result.data left it; NULL at first. */
    void *from;             /**< Of #HRM_STEP_RESTORE: the data of the version that saved the state, not forgotten yet. */
    void *const *needs;     /**< Of #HRM_STEP_INIT: the data of the versions of what the plugin needs, sorted by id. */
} hrm_step;

/**
 * What a step answers. It comes with data as in the step, hooks 0 and an empty reason.
 * \since 1.0.0
 * \sa hrm_step_fn
 */
typedef struct hrm_step_result {
    uint32_t struct_size;  /**< sizeof(hrm_step_result). */
    uint32_t hooks;        /**< Of #HRM_STEP_LOAD: HRM_HOOK_* of the version. */
    uint64_t reason_size;  /**< The room in reason in bytes, the NUL included. */
    char *reason;          /**< Write the reason here: UTF-8, it is made printable. */
    void *data;            /**< Of the version from now on; hrm_plugin_data() gives it. Ignored after #HRM_STEP_ACTIVATE. */
} hrm_step_result;

/**
 * Performs a step of a version, in the place of the library's own way with shared libraries.
 *
 * A state stays with the version that saved it, in its data, until that version is forgotten or saves again.
 * \param step       what to do; valid until the function returns
 * \param result     receives the answer
 * \param user_data  hrm_host_options.user_data
 * \returns #HRM_STEP_DONE, #HRM_STEP_FAILED, #HRM_STEP_NOT_NOW or #HRM_STEP_KEPT
 * \threadsafety Called as hot_reload_plugin.h says under Threads. #HRM_STEP_ACTIVATE and #HRM_STEP_FORGET come on a thread
 * of the library with #HRM_DISPATCH_MANUAL too; they must return at once.
 * \since 1.0.0
 * \sa hrm_host_options
 */
typedef int32_t(HRM_CALL *hrm_step_fn)(const hrm_step *step, hrm_step_result *result, void *user_data);

/** \} */

/**
 * \defgroup hrm_plugin_hosts Hosts
 * \since 1.0.0
 * \{
 */

/** hrm_host_options.flags: with #HRM_DISPATCH_MANUAL replaced versions exit and are unloaded on a thread of the library. */
#define HRM_HOST_RETIRE_ON_LIBRARY_THREAD 1u

/**
 * Options of hrm_host_create(). Zero and NULL mean the default. Everything is copied.
 * \since 1.0.0
 * \sa hrm_host_create()
 */
typedef struct hrm_host_options {
    uint32_t struct_size;          /**< sizeof(hrm_host_options). */
    uint32_t flags;                /**< #HRM_HOST_RETIRE_ON_LIBRARY_THREAD or 0. */
    const hrm_options *manager;    /**< Of the host's manager. Its safe options hold for every plugin. NULL = defaults. */
    hrm_plugin_outcome_fn outcome; /**< Receives every outcome. */
    hrm_step_fn step;              /**< Performs the steps; NULL = plugins are shared libraries. */
    void *user_data;               /**< Passed to outcome and step. */
    hrm_destroy_fn destroy;        /**< Called once with user_data, after the last call that can see it. */
} hrm_host_options;

/**
 * Creates a host with a manager of its own.
 * \param opts       options; NULL = defaults
 * \param[out] out   receives the host, or NULL after a failure
 * \param[out] err   receives the detail of a failure; may be NULL
 * \returns 0, or a code of hrm_manager_create(). After a failure destroy was called.
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_host_destroy(), hrm_host_open()
 */
HRM_API int32_t HRM_CALL hrm_host_create(const hrm_host_options *opts, hrm_host **out, hrm_error *err);
/**
 * Closes every plugin, waits until all versions have ended, and destroys the host.
 *
 * No outcome callback runs after it has returned. If the time is over before, or inside a callback or step of this host,
 * which it does not wait for, the rest ends by itself on a thread of the library: versions exit and are unloaded after
 * their last call. With #HRM_DISPATCH_MANUAL it performs the steps itself, on the calling thread.
 * \param host        the host; NULL does nothing
 * \param timeout_ms  how long to wait for calls and steps in milliseconds; less than 0 = without limit
 * \param[out] err    receives what has not ended; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE  it is not a host, or not any more
 * \retval HRM_ERR_IO              not everything has ended in time
 * \threadsafety Any thread, also inside every callback and step.
 * \since 1.0.0
 * \sa hrm_host_create(), hrm_plugin_close()
 */
HRM_API int32_t HRM_CALL hrm_host_destroy(hrm_host *host, int32_t timeout_ms, hrm_error *err);
/**
 * The host's manager, for hrm_dispatch(), hrm_event_fd(), hrm_set_wakeup_callback(), hrm_stats() and pausing.
 *
 * An event callback or validator that is set for it is called in addition to the host's own.
 * \param host  the host
 * \returns the manager, or NULL if host is not a host. The manager lives as long as the host; do not destroy it.
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_dispatch(), hrm_event_fd(), hrm_stats(), hrm_set_global_hot_reload_enabled()
 */
HRM_API hrm_manager *HRM_CALL hrm_host_manager(hrm_host *host);

/** \} */

/**
 * \defgroup hrm_plugin_opening_group Opening and closing
 * \since 1.0.0
 * \{
 */

/** hrm_plugin_options.flags: open the plugin although its file is missing; its first version is loaded when it appears. */
#define HRM_PLUGIN_ALLOW_MISSING 1u
/** hrm_plugin_options.flags: do not wait for the first version. */
#define HRM_PLUGIN_DO_NOT_WAIT 2u
/** hrm_plugin_options.flags: take a new version without the state of the old one if that cannot be saved. */
#define HRM_PLUGIN_STATE_OPTIONAL 4u
/** hrm_plugin_options.flags: never unload the library, because pointers into it or threads of it may survive. */
#define HRM_PLUGIN_KEEP_LOADED 8u
/** hrm_plugin_options.flags: the file is no library. Nothing is loaded; hrm_plugin_options.prepare reads it. */
#define HRM_PLUGIN_FILE 16u
/**
 * hrm_plugin_options.flags: unload the library also if its image says that this may not be safe; see Unloading. It is the
 * default with #HRM_MODE_UNLOAD_FIRST.
 */
#define HRM_PLUGIN_UNLOAD 32u

/** hrm_plugin_options: a step without limit of time. */
#define HRM_NO_LIMIT (-1)
/** Default of hrm_plugin_options.open_timeout_ms and of the limit of each step, in milliseconds. */
#define HRM_DEFAULT_STEP_TIMEOUT_MS 10000
/** Default of hrm_plugin_options.hand_over_timeout_ms. */
#define HRM_DEFAULT_HAND_OVER_TIMEOUT_MS 1000
/** Default of hrm_set_options.wait_ms. */
#define HRM_DEFAULT_SET_WAIT_MS 30000

/**
 * A version that is being connected, prepared or disposed of.
 * \since 1.0.0
 * \sa hrm_prepare_fn
 */
typedef struct hrm_preparation {
    uint32_t struct_size;               /**< sizeof(hrm_preparation). */
    uint32_t needs_count;               /**< How many needs there are; only for hrm_plugin_options.connect. */
    const char *plugin_id;              /**< The plugin. */
    const hrm_plugin_version *version;  /**< For hrm_plugin_function() and the like. Do not release it. */
    const hrm_plugin_version *const *needs; /**< The versions that it is to use, sorted by id. Do not release them. */
    void *data;                         /**< What hrm_plugin_data() gives; the function may change it. */
} hrm_preparation;

/**
 * Connects a version with what it needs, prepares it before it answers, or disposes of what was prepared.
 * \param preparation       the version; data may be changed
 * \param[out] reason       receives why it failed: UTF-8
 * \param reason_size       the room in reason in bytes, the NUL included
 * \param user_data         hrm_plugin_options.prepare_data
 * \returns 0, or anything else if it failed
 * \threadsafety Called where the plugin's steps run.
 * \since 1.0.0
 * \sa hrm_plugin_options
 */
typedef int32_t(HRM_CALL *hrm_prepare_fn)(hrm_preparation *preparation, char *reason, size_t reason_size, void *user_data);

/**
 * Options of hrm_host_open(). Zero and NULL mean the default. Everything is copied.
 *
 * The limits count from when a step begins to run. A step cannot be interrupted: after its limit nobody waits for it, the
 * exchange is undone without it, and nothing is done with its version until it returns.
 * \since 1.0.0
 * \sa hrm_host_open()
 */
typedef struct hrm_plugin_options {
    uint32_t struct_size;         /**< sizeof(hrm_plugin_options). */
    uint32_t flags;               /**< HRM_PLUGIN_*. */
    int32_t mode;                 /**< HRM_MODE_*. */
    int32_t quiet_ms;             /**< The quiet period, as hrm_enable_options.quiet_ms. */
    int32_t open_timeout_ms;      /**< How long hrm_host_open() waits for a version; 0 = 10000; #HRM_NO_LIMIT. */
    int32_t canary_timeout_ms;    /**< How long load and init may take in a child process; 0 = no canary. */
    int32_t hand_over_timeout_ms; /**< How long callers are held while calls under way end; 0 = 1000. */
    int32_t in_use_ms;            /**< When to note that a replaced version is still in use; 0 = 10000; #HRM_NO_LIMIT. */
    int32_t load_timeout_ms;      /**< Limit of load; 0 = 10000; #HRM_NO_LIMIT. */
    int32_t init_timeout_ms;      /**< Limit of connect and init together, likewise. */
    int32_t save_timeout_ms;      /**< Limit of save, likewise. */
    int32_t restore_timeout_ms;   /**< Limit of restore, likewise. */
    int32_t prepare_timeout_ms;   /**< Limit of prepare, likewise. */
    int32_t exit_timeout_ms;      /**< Limit of dispose and exit together, likewise. */
    int32_t unload_timeout_ms;    /**< Limit of unload, likewise. */
    int32_t reserved;             /**< 0. */
    const char *const *symbols;   /**< NULL-terminated: what the plugin must export. Found by their index. */
    const char *const *needs;     /**< NULL-terminated: ids of the plugins that this one uses; they are open already. */
    const char *init;             /**< The name of its init; NULL = plugin_init, "" = it has none. */
    const char *exit;             /**< The name of its exit; NULL = plugin_exit, "" = it has none. */
    const char *save_state;       /**< The name of its save_state; NULL = plugin_save_state, "" = it has none. */
    const char *restore_state;    /**< The name of its restore_state; NULL = plugin_restore_state, "" = it has none. */
    /** Safe reload; its named fields replace those of the host's hrm_options.safe. NULL = all of the host's. */
    const hrm_safe_options *safe;
    hrm_validator_fn validator;   /**< As for hrm_set_validator(), for this plugin; runs before the canary. */
    void *validator_data;         /**< Passed to validator. */
    const char *canary_program;   /**< The canary is this program (hrm_plugin_canary_by()); NULL = a fork. */
    hrm_prepare_fn connect;       /**< Called before init, for a plugin with needs. */
    hrm_prepare_fn prepare;       /**< Called after init and restore, before the version answers. */
    hrm_prepare_fn dispose;       /**< Called before exit for a version that was prepared. */
    void *prepare_data;           /**< Passed to connect, prepare and dispose. */
} hrm_plugin_options;

/**
 * Loads the present version of a plugin and watches its file.
 *
 * If two threads open the same id, one of them gets the plugin and the other one #HRM_ERR_ALREADY_EXISTS.
 * \param host       the host
 * \param plugin_id  the plugin's name, as for hrm_enable_hot_reload()
 * \param path       the plugin's file
 * \param opts       options; NULL = defaults
 * \param[out] out   receives the plugin, or NULL after a failure; may be NULL
 * \param[out] err   receives the detail of a failure; may be NULL
 * \returns 0, or a code of hrm_enable_hot_reload_ex(), or
 * \retval HRM_ERR_INVALID_HANDLE    host is not a host, or not any more
 * \retval HRM_ERR_INVALID_ARGUMENT  plugin_id or path is NULL; a plugin that it needs is not open
 * \retval HRM_ERR_ALREADY_EXISTS    a plugin of this name is open, or has not ended yet
 * \retval HRM_ERR_NOT_SUPPORTED     called where it would wait for itself (below); a flag or mode that does not exist
 * \retval HRM_ERR_IO                the version is rejected, fails, or is not complete in time
 * \threadsafety Any thread. It waits for the first version; with #HRM_DISPATCH_MANUAL it dispatches meanwhile. Inside steps,
 * inside callbacks of the host's manager, and with #HRM_DISPATCH_MANUAL inside every callback, only with
 * #HRM_PLUGIN_DO_NOT_WAIT.
 * \since 1.0.0
 * \sa hrm_plugin_close(), hrm_host_open_all(), hrm_plugin_options
 */
HRM_API int32_t HRM_CALL hrm_host_open(hrm_host *host, const char *plugin_id, const char *path,
                                       const hrm_plugin_options *opts, hrm_plugin **out, hrm_error *err);

/**
 * A plugin that is opened together with others.
 * \since 1.0.0
 * \sa hrm_host_open_all()
 */
typedef struct hrm_plugin_opening {
    uint32_t struct_size;              /**< sizeof(hrm_plugin_opening), the same in every element. */
    uint32_t reserved;                 /**< 0. */
    const char *plugin_id;             /**< As for hrm_host_open(). */
    const char *path;                  /**< As for hrm_host_open(). */
    const hrm_plugin_options *options; /**< As for hrm_host_open(); needs may name the others. */
    hrm_plugin *plugin;                /**< Receives the plugin, or NULL after a failure. */
} hrm_plugin_opening;

/**
 * Decides whether versions of a set fit together.
 * \param set_id            the set
 * \param candidates        a version of each plugin: the new one, or the one that answers
 * \param count             how many
 * \param[out] reason       receives why they do not fit: UTF-8
 * \param reason_size       the room in reason in bytes, the NUL included
 * \param user_data         hrm_set_options.user_data
 * \returns #HRM_ACCEPT if they fit, else #HRM_REJECT
 * \threadsafety Called on a thread of the library.
 * \since 1.0.0
 * \sa hrm_set_options
 */
typedef int32_t(HRM_CALL *hrm_check_fn)(const char *set_id, const hrm_candidate *candidates, size_t count, char *reason,
                                        size_t reason_size, void *user_data);

/**
 * A set of plugins that are exchanged together, all or none: a certificate and its key, a plugin and its data.
 *
 * With a check, new versions are exchanged as soon as the check accepts them. Until then they wait: silently for wait_ms,
 * then an outcome says so. Without a check they are exchanged when each plugin has a new version, or wait_ms after the first.
 * \since 1.0.0
 * \sa hrm_host_open_all()
 */
typedef struct hrm_set_options {
    uint32_t struct_size; /**< sizeof(hrm_set_options). */
    int32_t wait_ms;      /**< 0 = 30000. */
    const char *id;       /**< The set's name. */
    hrm_check_fn check;   /**< Decides; may be NULL. */
    void *user_data;      /**< Passed to check. */
} hrm_set_options;

/**
 * Opens several plugins, all or none.
 * \param host         the host
 * \param openings     the plugins, in any order
 * \param count        how many, 1 to 1000
 * \param set          the set that they are in; NULL = none, they are only opened at once
 * \param[out] err     receives the detail of a failure; may be NULL
 * \returns 0, or a code of hrm_host_open(), or
 * \retval HRM_ERR_ALREADY_EXISTS    there is a set of this name
 * \retval HRM_ERR_INVALID_ARGUMENT  plugins need each other in a circle
 * \threadsafety As hrm_host_open(); it waits as long as the longest open_timeout_ms.
 * \since 1.0.0
 * \sa hrm_host_open(), hrm_plugin_acquire_all()
 */
HRM_API int32_t HRM_CALL hrm_host_open_all(hrm_host *host, hrm_plugin_opening *openings, size_t count,
                                           const hrm_set_options *set, hrm_error *err);
/**
 * Closes a plugin: it is not watched any more, callers get no version, and its versions exit and are unloaded after their
 * last call.
 * \param plugin      the plugin; NULL does nothing
 * \param timeout_ms  how long to wait for that in milliseconds; 0 = do not wait, less than 0 = without limit. The plugin is
 * closed in any case.
 * \param[out] err    receives what has not ended; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE    it is not a plugin, or not any more
 * \retval HRM_ERR_INVALID_ARGUMENT  other plugins need it; close these first
 * \retval HRM_ERR_IO                not everything has ended in time
 * \threadsafety Any thread. Inside steps and callbacks of its host it does not wait.
 * \since 1.0.0
 * \sa hrm_host_open(), hrm_host_close_plugin()
 */
HRM_API int32_t HRM_CALL hrm_plugin_close(hrm_plugin *plugin, int32_t timeout_ms, hrm_error *err);
/**
 * Closes a plugin by its name, as hrm_plugin_close().
 * \param host        the host
 * \param plugin_id   the plugin
 * \param timeout_ms  as for hrm_plugin_close()
 * \param[out] err    receives what has not ended; may be NULL
 * \returns 0, or a code of hrm_plugin_close(), or
 * \retval HRM_ERR_INVALID_ARGUMENT  plugin_id is NULL, or no plugin of this name is open
 * \threadsafety As hrm_plugin_close().
 * \since 1.0.0
 * \sa hrm_plugin_close()
 */
HRM_API int32_t HRM_CALL hrm_host_close_plugin(hrm_host *host, const char *plugin_id, int32_t timeout_ms, hrm_error *err);
/**
 * An open plugin of a host.
 * \param host       the host
 * \param plugin_id  its name
 * \returns the plugin, or NULL if none of this name is open
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_host_open()
 */
HRM_API hrm_plugin *HRM_CALL hrm_host_find(hrm_host *host, const char *plugin_id);

/** \} */

/**
 * \defgroup hrm_plugin_use Use
 * \since 1.0.0
 * \{
 */

/**
 * Pins the version that answers: it stays loaded until it is released.
 * \param plugin  the plugin
 * \returns the version; NULL if none answers, if plugin is not a plugin, or where it would wait for itself (Threads)
 * \threadsafety Any thread. It waits while versions are exchanged with callers held, and for nothing else.
 * \since 1.0.0
 * \sa hrm_plugin_release(), hrm_plugin_try_acquire(), hrm_plugin_acquire_ex()
 */
HRM_API const hrm_plugin_version *HRM_CALL hrm_plugin_acquire(hrm_plugin *plugin);
/**
 * Pins the version that answers, without waiting.
 * \param plugin  the plugin
 * \returns the version; NULL if none answers, if callers are held, or if plugin is not a plugin
 * \threadsafety Any thread, real-time threads too. It never waits.
 * \since 1.0.0
 * \sa hrm_plugin_acquire(), hrm_plugin_release()
 */
HRM_API const hrm_plugin_version *HRM_CALL hrm_plugin_try_acquire(hrm_plugin *plugin);
/**
 * Pins the version that answers, with a limit of time, and says why there is none.
 * \param plugin      the plugin
 * \param timeout_ms  how long to wait while callers are held, in milliseconds; less than 0 = without limit
 * \param[out] out    receives the version, or NULL after a failure
 * \param[out] err    receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE    it is not a plugin, or not any more
 * \retval HRM_ERR_INVALID_ARGUMENT  out is NULL
 * \retval HRM_ERR_IO                no version answers, or callers were held until the time was over
 * \retval HRM_ERR_NOT_SUPPORTED     it would wait for itself: callers are held, and it is called inside hrm_dispatch()
 * \retval HRM_ERR_FORKED            it would have to wait in the child of a fork
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_acquire()
 */
HRM_API int32_t HRM_CALL hrm_plugin_acquire_ex(hrm_plugin *plugin, int32_t timeout_ms, const hrm_plugin_version **out,
                                               hrm_error *err);
/**
 * Pins a version of each of several plugins, such as answered at one and the same moment.
 * \param plugins   the plugins
 * \param count     how many, 1 to 1000
 * \param[out] out  receives count versions; all are NULL after a failure. Release each of them.
 * \returns 0, or a code of hrm_plugin_acquire_ex()
 * \threadsafety Any thread. It waits as hrm_plugin_acquire() does, and holds no version meanwhile.
 * \since 1.0.0
 * \sa hrm_plugin_acquire(), hrm_host_open_all()
 */
HRM_API int32_t HRM_CALL hrm_plugin_acquire_all(hrm_plugin *const *plugins, size_t count, const hrm_plugin_version **out);
/**
 * Lets go of a version.
 * \param version  the version, as hrm_plugin_acquire() returned it; NULL does nothing
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE  it is not a version, or not any more
 * \threadsafety Any thread, real-time threads too. It never waits, and runs nothing of the plugin.
 * \since 1.0.0
 * \sa hrm_plugin_acquire()
 */
HRM_API int32_t HRM_CALL hrm_plugin_release(const hrm_plugin_version *version);
/**
 * A function of a version.
 * \param version  the version, pinned
 * \param index    the index of its name in hrm_plugin_options.symbols
 * \returns the function, to be cast to its type; NULL if there is none of this index, or version is not a version
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_symbol()
 */
HRM_API hrm_plugin_fn HRM_CALL hrm_plugin_function(const hrm_plugin_version *version, size_t index);
/**
 * Data that a version exports.
 * \param version  the version, pinned
 * \param index    the index of its name in hrm_plugin_options.symbols
 * \returns the address; NULL if there is none of this index, or version is not a version
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_function()
 */
HRM_API void *HRM_CALL hrm_plugin_symbol(const hrm_plugin_version *version, size_t index);
/**
 * What the host keeps with a version: what hrm_plugin_options.prepare or hrm_step_fn has made.
 * \param version  the version, pinned
 * \returns the data; NULL if there is none, or version is not a version
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_preparation, hrm_step_result
 */
HRM_API void *HRM_CALL hrm_plugin_data(const hrm_plugin_version *version);
/**
 * The generation of a version.
 * \param version  the version, pinned
 * \returns its generation, as in hrm_event.generation; 0 if version is not a version
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_fail()
 */
HRM_API uint64_t HRM_CALL hrm_plugin_generation(const hrm_plugin_version *version);
/**
 * The snapshot that a version was loaded from. It stays until the version has ended, with its companion files.
 * \param version  the version, pinned
 * \returns its path, valid while the version is pinned; NULL if version is not a version
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_event
 */
HRM_API const char *HRM_CALL hrm_plugin_path(const hrm_plugin_version *version);

/** \} */

/**
 * \defgroup hrm_plugin_control Control
 * \since 1.0.0
 * \{
 */

/**
 * Reports that a version misbehaves: the last good version answers again, and these bytes are not used again. A last good
 * version that is still loaded is used again as it is.
 * \param plugin      the plugin
 * \param generation  hrm_plugin_generation() of the version
 * \param message     why; may be NULL
 * \param[out] err    receives the detail of a failure; may be NULL
 * \returns 0, or a code of hrm_report_reload(), or
 * \retval HRM_ERR_INVALID_HANDLE  it is not a plugin, or not any more
 * \threadsafety Any thread. It does not wait for the exchange.
 * \since 1.0.0
 * \sa hrm_report_reload(), hrm_plugin_generation()
 */
HRM_API int32_t HRM_CALL hrm_plugin_fail(hrm_plugin *plugin, uint64_t generation, const char *message, hrm_error *err);
/**
 * Takes the version that waits (#HRM_VERDICT_WAITING), without the state of the one that answers.
 * \param plugin    the plugin
 * \param[out] err  receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE    it is not a plugin, or not any more
 * \retval HRM_ERR_INVALID_ARGUMENT  no version waits
 * \threadsafety Any thread. It does not wait for the exchange.
 * \since 1.0.0
 * \sa HRM_PLUGIN_STATE_OPTIONAL
 */
HRM_API int32_t HRM_CALL hrm_plugin_take_without_state(hrm_plugin *plugin, hrm_error *err);

/**
 * How a plugin is doing.
 * \since 1.0.0
 * \sa hrm_plugin_state()
 */
typedef struct hrm_plugin_condition {
    uint32_t struct_size; /**< sizeof(hrm_plugin_condition). */
    int32_t step;         /**< HRM_STEP_* that runs for the exchange; 0 if none does. */
    uint64_t active;      /**< The generation that answers; 0 if none does. */
    uint64_t pending;     /**< The generation that waits to be exchanged; 0 if none does. */
    uint64_t exchanging;  /**< The generation that is being exchanged; 0 if none is. */
    uint64_t old;         /**< Older versions that have not ended yet. */
    int64_t last_ns;      /**< When the last outcome was that is no note, in nanoseconds since 1970; 0 if there was none. */
    int32_t last_verdict; /**< Its HRM_VERDICT_*; 0 if there was none. */
    int32_t reserved;     /**< 0. */
    uint64_t last_generation; /**< Its generation. */
    char text[512];       /**< What the plugin waits for or why nothing answers, as one line; "" if all is well. */
} hrm_plugin_condition;

/**
 * Says how a plugin is doing.
 * \param plugin    the plugin
 * \param[out] out  receives it; set struct_size before
 * \param[out] err  receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE    it is not a plugin, or not any more
 * \retval HRM_ERR_INVALID_ARGUMENT  out is NULL, or its struct_size is wrong
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_condition
 */
HRM_API int32_t HRM_CALL hrm_plugin_state(hrm_plugin *plugin, hrm_plugin_condition *out, hrm_error *err);

/** \} */

/**
 * \defgroup hrm_plugin_initialisers Initialisers of hosts and plugins
 * Zero-initialisers for C with struct_size set. Other languages set the field themselves.
 * \since 1.0.0
 * \{
 */

/** For hrm_host_options. */
#define HRM_HOST_OPTIONS_INIT                                                  \
    { sizeof(hrm_host_options), 0, NULL, NULL, NULL, NULL, NULL }
/** For hrm_plugin_options. */
#define HRM_PLUGIN_OPTIONS_INIT                                                \
    { sizeof(hrm_plugin_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
      NULL, NULL, NULL, NULL, NULL, NULL, NULL }
/** For hrm_plugin_opening. */
#define HRM_PLUGIN_OPENING_INIT                                                \
    { sizeof(hrm_plugin_opening), 0, NULL, NULL, NULL, NULL }
/** For hrm_set_options. */
#define HRM_SET_OPTIONS_INIT                                                   \
    { sizeof(hrm_set_options), 0, NULL, NULL, NULL }
/** For hrm_plugin_condition. */
#define HRM_PLUGIN_CONDITION_INIT                                              \
    { sizeof(hrm_plugin_condition), 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 } }

/** \} */

#ifdef __cplusplus
}
#endif

#endif /* HOT_RELOAD_PLUGIN_H */
