/*
 * hot_reload_manager.h - the C interface of libhotreload, and its manual.
 *
 * What is not in this header is not part of the interface.
 *
 * libhotreload watches plugin files (shared libraries, scripts, configuration)
 * and tells the host exactly once about every completed change, never about a
 * half-written file, on the thread the host asked for, losing nothing.
 *
 * LIFE CYCLE
 *   \code
 *   #include <hot_reload_manager.h>
 *   #include <stdio.h>
 *
 *   static void on_reload(const char *plugin_id, void *user_data)
 *   {
 *       fprintf(user_data, "%s needs a reload\n", plugin_id);
 *       fflush(user_data);
 *   }
 *
 *   int main(void)
 *   {
 *       hrm_manager *m = NULL;
 *       hrm_error err = HRM_ERROR_INIT;
 *       int32_t code = hrm_manager_create(NULL, &m, &err); // defaults: library thread
 *       if (code >= 0)
 *           code = hrm_set_reload_callback(m, on_reload, stdout, NULL);
 *       if (code >= 0)
 *           code = hrm_enable_hot_reload(m, "my_plugin", "plugin.so", &err);
 *       if (code < 0) // not every function has err; hrm_strerror knows every code
 *           fprintf(stderr, "%s: %s\n", hrm_error_name(code), err.code == code ? err.message : hrm_strerror(code));
 *       else
 *           getchar(); // until Enter
 *       hrm_manager_destroy(m);
 *       return code < 0;
 *   }
 *   \endcode
 *
 * THREADS
 *   Every function may be called from any thread, and from inside a callback,
 *   hrm_manager_destroy included. Callbacks of one manager never overlap, never
 *   nest, and are called with no lock held.
 *     HRM_DISPATCH_THREAD  callbacks run on one thread owned by the library.
 *     HRM_DISPATCH_MANUAL  callbacks run inside hrm_dispatch(), on the thread
 *                          that calls it, and nowhere else.
 *   After hrm_disable_hot_reload, hrm_clear or hrm_manager_destroy returns
 *   (outside a callback), no change of that subject is being delivered or will
 *   be. These three, the hrm_set_*_callback functions and pausing therefore wait
 *   for a running callback of that subject to return; called from inside a
 *   callback they do not wait. hrm_dispatch waits as it is told to. Nothing else blocks
 *   for longer than a file system call.
 *
 * CALLBACKS
 *   Registered as a triple: function, user_data, destroy. destroy(user_data),
 *   if not NULL, runs exactly once: after the last call that could see
 *   user_data, also when the registration itself fails. It may call every
 *   function, whichever callback it belongs to. Strings and structs
 *   passed to a callback are valid until it returns. A callback must not throw
 *   or longjmp out, and must not fork or unload the library.
 *   A build may replace the file while you load it. If it is another one when
 *   the callback has returned, what is there next is told as well, even if that
 *   is the version just told, put back. What was there for a moment in between
 *   can only be known with safe reload (docs/safe-reload.md), where you load a
 *   copy that nobody changes.
 *
 * ERRORS
 *   Functions return int32_t: 0 or a documented positive value is success, a
 *   negative value is an HRM_ERR_* code with a fixed number. The optional last
 *   argument hrm_error *err, set up with HRM_ERROR_INIT and owned by the
 *   caller, receives a message that names the offending value.
 *   Messages of errors and events are for people: one line of UTF-8 in which
 *   text that comes from files or from the host is printable and short. Control
 *   characters, invisible ones, those that change the direction of writing, and
 *   bytes that are not UTF-8 appear as escapes (\n, \x1b, \u202e); what is too
 *   long has "…" in place of its middle. hrm_printable does the same.
 *
 * STRINGS AND PATHS
 *   Plugin ids: non-empty UTF-8, at most 255 bytes, no control characters.
 *   Paths: on POSIX the bytes the kernel takes; on Windows UTF-8. A relative
 *   path is resolved when it is registered; a later chdir() does not move it.
 *   Events report the path as it was registered.
 *
 * PROCESS RULES
 *   fork:    in a child of fork() every call returns HRM_ERR_FORKED; the parent
 *            is unaffected. fork() followed by exec() is fine.
 *   unload:  the library stays loaded until the process ends; dlclose() is
 *            harmless and has no effect.
 *   signals: the library contains the Go runtime, which handles SIGSEGV, SIGBUS
 *            and SIGFPE in its own code. Everything else goes to the handler that
 *            the host installed before, on Linux with the signals blocked and the
 *            flags that it asked for; without one, or if the host ignores the signal,
 *            a crash inside or outside a callback ends the process by its own signal
 *            there, and nothing is printed.
 *            All other signals are left as the host has them; on Linux the
 *            library sends none, and its threads block all of them. There a callback
 *            on a thread of the library has the mask of the thread that created the
 *            manager. A thread of the host has its own mask and signal stack in
 *            callbacks, and after a call the ones that it had before. A
 *            handler installed after loading needs SA_ONSTACK if it can run on a
 *            thread that is inside an hrm_ function.
 *            A signal handler must not call the library, apart from hrm_error_name,
 *            hrm_strerror and hrm_version_*. A call returns HRM_ERR_NOT_SUPPORTED if
 *            the handler interrupted another call or runs on a signal stack (Linux);
 *            otherwise it may wait for ever. A handler must not longjmp out of a call.
 *   limits:  if no thread can be started when the library is loaded, or less than
 *            1 GiB of address space is left (RLIMIT_AS; 128 MiB with 32 bits),
 *            every call returns HRM_ERR_NO_MEMORY (Linux). Later creating and enabling
 *            do, while less than 128 MiB (32) are left or no thread can be started;
 *            what runs already goes on when there is room again. The Go runtime ends
 *            a process in which memory itself runs out.
 *   Nothing is printed, and no environment variable changes what the library does,
 *            GODEBUG and the others of the Go runtime included (docs/go-runtime.md).
 *
 * VERSIONING
 *   Structs begin with struct_size; zero in a field means its default, so
 *   fields can be appended. A struct_size that ends inside of a field is
 *   INVALID_ARGUMENT (in hrm_error, such a field counts as absent); one that is
 *   larger than the library knows is NOT_SUPPORTED unless the rest is zero. Codes are never renumbered. The SONAME is the major
 *   version.
 */
#ifndef HOT_RELOAD_MANAGER_H
#define HOT_RELOAD_MANAGER_H

#include <stddef.h>
#include <stdint.h>

/* The one place where the version is written; every build reads it here. */
#define HRM_VERSION_MAJOR 1
#define HRM_VERSION_MINOR 0
#define HRM_VERSION_PATCH 0
#define HRM_VERSION_STRING "1.0.0"
/* major * 1000000 + minor * 1000 + patch */
#define HRM_VERSION_NUMBER                                                     \
    (HRM_VERSION_MAJOR * 1000000 + HRM_VERSION_MINOR * 1000 + HRM_VERSION_PATCH)

#if defined(_WIN32)
#define HRM_CALL __cdecl
#if defined(HRM_BUILDING)
#define HRM_API __declspec(dllexport)
#elif defined(HRM_STATIC)
#define HRM_API
#else
#define HRM_API __declspec(dllimport)
#endif
#else
#define HRM_CALL
#define HRM_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A manager. The pointer is a key, not memory: it is never dereferenced, and a
 * NULL, foreign or already destroyed one gives HRM_ERR_INVALID_HANDLE. */
typedef struct hrm_manager hrm_manager;

/* ---------------------------------------------------------------- codes -- */

#define HRM_OK 0
#define HRM_ERR_FILE_NOT_FOUND (-1)    /* the plugin file does not exist (a dangling link included) */
#define HRM_ERR_INVALID_PATH (-2)      /* empty, too long, a directory, a device, a FIFO, a link loop */
#define HRM_ERR_ALREADY_EXISTS (-3)    /* the id is enabled already: disable it first */
#define HRM_ERR_PERMISSION_DENIED (-4) /* the file is unreadable or its directory not searchable */
#define HRM_ERR_INVALID_ARGUMENT (-5)  /* NULL where a value is needed, a bad id, an option out of range */
#define HRM_ERR_INVALID_HANDLE (-6)    /* NULL, foreign or destroyed manager */
#define HRM_ERR_BUFFER_TOO_SMALL (-7)  /* the needed size was stored in *size */
#define HRM_ERR_NOT_SUPPORTED (-8)     /* not in this mode, on this platform, or by this version */
#define HRM_ERR_FORKED (-9)            /* called in the child of a fork */
#define HRM_ERR_PANIC (-10)            /* a fault inside the library was contained; the manager is unusable, destroy it */
#define HRM_ERR_IO (-11)               /* another system error; os_error and message say which */
#define HRM_ERR_NO_MEMORY (-12)        /* memory or file descriptors ran out */

/* Detail of a failure. Set struct_size (HRM_ERROR_INIT does) before the call. */
typedef struct hrm_error {
    uint32_t struct_size; /* sizeof(hrm_error) */
    int32_t code;         /* HRM_ERR_*, or 0 after success */
    int32_t os_error;     /* errno (POSIX) or GetLastError (Windows), 0 if none */
    char message[512];    /* NUL-terminated UTF-8, printable: see ERRORS */
} hrm_error;

/* -------------------------------------------------------------- options -- */

#define HRM_DISPATCH_THREAD 0 /* callbacks on one library thread (the default) */
#define HRM_DISPATCH_MANUAL 1 /* callbacks inside hrm_dispatch() only */

#define HRM_NO_QUIET (-1) /* for quiet_ms: deliver as soon as the file is whole */

#define HRM_DEFAULT_QUIET_MS 100
#define HRM_DEFAULT_MAX_DELAY_MS 2000
#define HRM_DEFAULT_POLL_INTERVAL_MS 1000

/* Check that an ELF, PE or Mach-O image is structurally whole and for this
 * machine before it is delivered; an incomplete one is waited for. */
#define HRM_CHECK_IMAGE 1u
/* Do not deliver a touch or a byte-identical rewrite (contents are hashed). */
#define HRM_IGNORE_UNCHANGED_CONTENT 2u
/* Compare files every poll_interval_ms instead of relying on notifications. */
#define HRM_FORCE_POLLING 4u

typedef struct hrm_options {
    uint32_t struct_size;     /* sizeof(hrm_options) */
    int32_t dispatch_mode;    /* HRM_DISPATCH_* */
    int32_t quiet_ms;         /* how long a file must be left alone before it is delivered;
                                 0 = HRM_DEFAULT_QUIET_MS, HRM_NO_QUIET, else 1..3600000 */
    int32_t max_delay_ms;     /* a file rewritten without pause is delivered after this long, at a
                                 moment when it is whole; 0 = default, else 1..86400000; a file
                                 that is held open for writing is waited for without limit */
    int32_t poll_interval_ms; /* for what must be polled; 0 = default, else 1..86400000 */
    uint32_t flags;           /* HRM_CHECK_IMAGE | ... */
    const struct hrm_safe_options *safe; /* safe reload for every plugin; NULL = none. What it asks for holds for each
                                 plugin whose own options do not name the same field: see hrm_safe_options */
    const char *snapshot_dir; /* absolute; NULL = /run/user/UID/hotreload or /tmp/hotreload-UID, or if others have
                                 taken that, a private one beside it; "" is INVALID_ARGUMENT */
} hrm_options;

/* Safe reload: the host is told of private, complete, read-only copies of what
 * changed, which were validated before, and reports how their loading went. The
 * manual of it is docs/safe-reload.md. All strings are copied.
 *
 * THE RULE. A safeguard given to a manager (hrm_options.safe) holds for every
 * plugin unless the plugin's own options (hrm_enable_options.safe) name the very
 * field. The two are merged field by field: the manager's, with the fields that
 * the plugin names in their places. A field is named
 *   pointers: when it is not NULL;
 *   numbers:  when it is not 0; HRM_SAFE_NONE or HRM_KEEP_NONE asks for none;
 *   flags:    by its bit, or by the opposite bit, which exempts the plugin. Both
 *             bits of a pair are INVALID_ARGUMENT.
 * A field that is named but empty ("", a list without entries, a list with an
 * empty entry) is INVALID_ARGUMENT, never "no safeguard"; the message names the
 * field. Only the list files may have no entries.
 * A manager's symbols, allow_list and public_keys can be replaced for a plugin
 * but not switched off; a plugin without them needs another manager. */

/* Reject files that are not complete ELF, PE or Mach-O images for this machine. */
#define HRM_SAFE_IMAGE 1u
/* Reject a file that somebody else than its user and root could exchange: no
 * file, directory or link on the way to it, or to the allow-list, is another's,
 * or writable by others. */
#define HRM_SAFE_STRICT_MODES 2u
/* What a validator's timeout means; otherwise the version is rejected. */
#define HRM_SAFE_ACCEPT_ON_TIMEOUT 4u
/* The opposites of these three, for a plugin that is exempt from what its manager
 * asks for. HRM_SAFE_NO_IMAGE leaves HRM_CHECK_IMAGE as it is. */
#define HRM_SAFE_NO_IMAGE 8u
#define HRM_SAFE_NO_STRICT_MODES 16u
#define HRM_SAFE_REJECT_ON_TIMEOUT 32u

#define HRM_SAFE_NONE (-1) /* for the timeouts, retries and max_size: none, whatever the manager has */
#define HRM_KEEP_NONE (-1) /* for keep_generations */

#define HRM_DEFAULT_RETRY_DELAY_MS 1000
#define HRM_DEFAULT_MAX_SIZE 1073741824 /* 1 GiB */

/* NULL and 0 mean: the manager's, else the default that is given here. */
typedef struct hrm_safe_options {
    uint32_t struct_size;           /* sizeof(hrm_safe_options) */
    uint32_t flags;                 /* HRM_SAFE_*; default none */
    const char *const *files;       /* NULL-terminated: what else belongs to this plugin, absolute or relative to its
                                       directory; copied along, and a change of any of them is a change of the plugin.
                                       For one plugin, not for a manager; default none */
    const char *const *symbols;     /* NULL-terminated: what the image must export; default none */
    const char *allow_list;         /* a file of SHA-256 sums, as sha256sum writes it; a relative path is resolved when it
                                       is given; default none */
    const char *const *public_keys; /* NULL-terminated: minisign's; one of them must have signed the file; default none */
    const char *signature;          /* of this plugin's file; default: its path with .minisig appended. For one plugin,
                                       not for a manager */
    int32_t validator_timeout_ms;   /* for a call of the validator; default HRM_SAFE_NONE, else 1..86400000 */
    int32_t report_timeout_ms;      /* when a missing report is noted; default HRM_SAFE_NONE (never), else 1..86400000 */
    int32_t retries;                /* how often a version that failed is delivered again; default HRM_SAFE_NONE, else
                                       1..1000 */
    int32_t retry_delay_ms;         /* before the first of them, then doubling; default HRM_DEFAULT_RETRY_DELAY_MS, else
                                       1..86400000 */
    int32_t keep_generations;       /* good ones kept beside the present one; default 1, else HRM_KEEP_NONE, 1..1000 */
    int64_t max_size;               /* bytes of all files of a plugin together; a larger version is rejected before it is
                                       read; default HRM_DEFAULT_MAX_SIZE, else HRM_SAFE_NONE (no limit), 1 or more */
} hrm_safe_options;

/* Accept a path that does not exist yet; its creation is the first change. */
#define HRM_ENABLE_ALLOW_MISSING 1u
/* Deliver the present version too, as the first change: with safe reload the
 * host then gets every version in the same way. */
#define HRM_ENABLE_DELIVER_PRESENT 2u

typedef struct hrm_enable_options {
    uint32_t struct_size; /* sizeof(hrm_enable_options) */
    uint32_t flags;       /* HRM_ENABLE_* */
    int32_t quiet_ms;     /* for this plugin; 0 = the manager's, HRM_NO_QUIET, else 1..3600000 */
    const hrm_safe_options *safe; /* safe reload for this plugin; its named fields replace the manager's (see
                             hrm_safe_options); NULL = all of the manager's */
} hrm_enable_options;

/* --------------------------------------------------------------- events -- */

#define HRM_EVENT_FILE_CHANGED 1 /* the file has a new, complete version */
#define HRM_EVENT_ENABLED 2      /* hrm_enable_hot_reload succeeded */
#define HRM_EVENT_DISABLED 3     /* hrm_disable_hot_reload or hrm_clear; the last event of this id. If a plugin's ENABLED
                                    and DISABLED both wait, they are dropped when it is enabled again, or when more than
                                    256 other such plugins wait: the host has heard of neither */
#define HRM_EVENT_FILE_REMOVED 4 /* the file is gone (and has been for the quiet period) */
#define HRM_EVENT_HEALTH 5       /* the library degraded or recovered; message says how */

#define HRM_EVENT_REJECTED 6     /* safe reload: a version was refused; message says why */
#define HRM_EVENT_ROLLBACK 7     /* safe reload: a version failed in the host; generation and snapshot_path are those
                                    of the last good one at the delivery, 0 and "" if there is none */

/* What an HRM_EVENT_HEALTH event is about (hrm_event.health). */
#define HRM_HEALTH_OVERFLOW 1         /* the system dropped notifications; everything was compared again */
#define HRM_HEALTH_POLLING 2          /* a directory cannot be watched and is polled */
#define HRM_HEALTH_WATCHING 3         /* a polled directory is watched again */
#define HRM_HEALTH_IMAGE_INCOMPLETE 4 /* HRM_CHECK_IMAGE refused a version; it is waited for */
#define HRM_HEALTH_PANIC 5            /* a fault was contained; destroy the manager */
#define HRM_HEALTH_UNREADABLE 6       /* a plugin's file cannot be read at the moment; it is waited for */
#define HRM_HEALTH_READABLE 7         /* it can be read again */
#define HRM_HEALTH_SNAPSHOT_FAILED 8  /* safe reload: no snapshot could be made; it is tried again */
#define HRM_HEALTH_NO_REPORT 9        /* safe reload: the host did not report within report_timeout_ms */

typedef struct hrm_event {
    uint32_t struct_size;     /* sizeof(hrm_event) in the library: fields beyond it do not exist */
    int32_t kind;             /* HRM_EVENT_* */
    uint64_t sequence;        /* 1, 2, ... per manager, in the order of delivery */
    int64_t timestamp_ns;     /* when this was decided (for a change: when it was whole), ns since 1970 UTC */
    int64_t first_seen_ns;    /* for a change: when its first sign was noticed; else timestamp_ns */
    const char *plugin_id;    /* "" for HRM_EVENT_HEALTH about the whole manager */
    const char *path;         /* as registered, or the directory of a health event; "" if none */
    uint64_t generation;      /* for a change: how many versions of this plugin have been told, from 1 */
    int32_t health;           /* HRM_HEALTH_*, 0 for other kinds */
    const char *message;      /* for people, printable, at most 1000 bytes: see ERRORS; "" if there is nothing to say */
    const char *snapshot_path;   /* safe reload, for a change: what to load instead of path; for a rollback: what to go
                                    back to; else "" */
    uint64_t snapshot_size;      /* in bytes; also of what was rejected */
    const char *snapshot_sha256; /* in hexadecimal; also of what was rejected; "" if there is none */
} hrm_event;

/* What a validator is asked about. */
typedef struct hrm_candidate {
    uint32_t struct_size;        /* sizeof(hrm_candidate) in the library */
    const char *plugin_id;
    const char *path;            /* as registered; do not read it, it may be another version by now */
    const char *snapshot_path;   /* what the host will load */
    uint64_t snapshot_size;      /* in bytes */
    const char *snapshot_sha256; /* in hexadecimal */
    uint64_t generation;         /* the one it will be if nothing comes in between */
} hrm_candidate;

#define HRM_ACCEPT 0
#define HRM_REJECT 1


typedef void(HRM_CALL *hrm_reload_fn)(const char *plugin_id, void *user_data);
typedef void(HRM_CALL *hrm_event_fn)(const hrm_event *event, void *user_data);
/* Returns HRM_ACCEPT, or any other value to reject the version, and may write why
 * into reason: UTF-8 that ends with a NUL, at most reason_size bytes with it. A
 * reason without a NUL ends after reason_size bytes; whatever goes wrong with it,
 * the version is rejected. */
typedef int32_t(HRM_CALL *hrm_validator_fn)(const hrm_candidate *candidate, char *reason, size_t reason_size,
                                            void *user_data);
typedef void(HRM_CALL *hrm_wakeup_fn)(void *user_data);
typedef void(HRM_CALL *hrm_destroy_fn)(void *user_data);

/* ---------------------------------------------------------------- stats -- */

typedef struct hrm_stats_t {
    uint32_t struct_size;         /* sizeof(hrm_stats_t), set by the caller */
    int32_t failed;               /* 1 after a contained fault (HRM_ERR_PANIC), else 0 */
    uint64_t plugins;             /* enabled ids */
    uint64_t watched_directories; /* directories with a notification watch */
    uint64_t polled_directories;  /* directories compared every poll interval instead */
    uint64_t pending;             /* events waiting to be delivered */
    uint64_t settling;            /* plugins whose file changed and is not yet quiet and whole */
    uint64_t being_written;       /* of these, held open for writing by somebody */
    uint64_t incomplete_images;   /* of these, refused by HRM_CHECK_IMAGE so far */
    uint64_t notifications;       /* notifications read from the system */
    uint64_t overflows;           /* times the system dropped notifications */
    uint64_t deliveries;          /* changes told */
    uint64_t removals;            /* removals told */
    uint64_t unchanged;           /* settled without anything to tell (chmod, noise, identical content) */
    uint64_t superseded;          /* complete versions replaced by a newer one before they were delivered */
    int64_t last_delivery_ns;     /* ns since 1970 UTC, 0 if none */
    uint64_t unreadable;          /* plugins whose file changed and cannot be read at the moment */
    /* of safe reload */
    uint64_t snapshots;           /* generations on the disk */
    uint64_t snapshot_bytes;      /* their size */
    uint64_t validating;          /* versions being copied or validated */
    uint64_t rejected;            /* versions that validation refused */
    uint64_t reloads_ok;          /* reported as HRM_RELOAD_OK */
    uint64_t reloads_failed;      /* reported as HRM_RELOAD_FAILED */
    uint64_t rollbacks;           /* of these, those with a good generation to go back to */
    uint64_t suppressed;          /* versions not delivered because their content is known to fail */
    uint64_t retries;             /* failed versions delivered again */
    uint64_t unreported;          /* generations not reported on in time */
    uint64_t snapshot_failures;   /* attempts */
} hrm_stats_t;

/* ----------------------------------------------------------- life cycle -- */

/* Creates a manager. opts NULL means defaults. On success stores it in *out and
 * returns 0; on failure stores NULL.
 * Errors: INVALID_ARGUMENT (out NULL, an option out of range), NOT_SUPPORTED
 * (an option this version does not know), NO_MEMORY (no file descriptors left),
 * IO, FORKED. */
HRM_API int32_t HRM_CALL hrm_manager_create(const hrm_options *opts, hrm_manager **out, hrm_error *err);

/* Destroys a manager: stops watching, drops what is pending, ends a waiting
 * hrm_dispatch, waits for a running callback to return (unless called from
 * inside one; then the rest is done after it returns), and runs the destroy
 * functions. NULL is accepted and does nothing. Returns 0.
 * Errors: INVALID_HANDLE (destroyed already, or never a manager), FORKED. */
HRM_API int32_t HRM_CALL hrm_manager_destroy(hrm_manager *m);

/* ------------------------------------------------------------- plugins -- */

/* Starts watching file_path under the name plugin_id. The present version of
 * the file counts as known: only later changes are told. Two ids may watch one
 * file; both are told. Returns 0.
 * Errors: FILE_NOT_FOUND, INVALID_PATH, ALREADY_EXISTS, PERMISSION_DENIED,
 * INVALID_ARGUMENT, INVALID_HANDLE, IO, FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_enable_hot_reload(hrm_manager *m, const char *plugin_id, const char *file_path,
                                               hrm_error *err);

/* The same with options; opts NULL means defaults. With
 * HRM_ENABLE_ALLOW_MISSING FILE_NOT_FOUND is not an error. */
HRM_API int32_t HRM_CALL hrm_enable_hot_reload_ex(hrm_manager *m, const char *plugin_id, const char *file_path,
                                                  const hrm_enable_options *opts, hrm_error *err);

/* Stops watching plugin_id and drops what is pending for it.
 * Returns 1 if it was enabled, 0 if not.
 * Errors: INVALID_ARGUMENT (plugin_id NULL), INVALID_HANDLE, FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_disable_hot_reload(hrm_manager *m, const char *plugin_id);

/* Returns 1 if plugin_id is enabled, 0 if not. Errors as above. */
HRM_API int32_t HRM_CALL hrm_is_hot_reload_enabled(hrm_manager *m, const char *plugin_id);

/* Lists the enabled ids in the order of enabling, each followed by a NUL.
 * *size is the capacity of buf on entry and the bytes needed on return; with
 * buf NULL only the size is stored. Returns the number of ids.
 * Errors: BUFFER_TOO_SMALL (nothing was written), INVALID_ARGUMENT (size NULL),
 * INVALID_HANDLE, FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_get_hot_reload_plugins(hrm_manager *m, char *buf, size_t *size);

/* Disables every plugin. Returns how many there were. Errors: INVALID_HANDLE,
 * FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_clear(hrm_manager *m);

/* Pauses (0) or resumes (any other value) the delivery of changes. Plugins stay
 * enabled; after resuming, each plugin that changed meanwhile is told once.
 * Once a pause has returned (outside a callback) no change is being delivered.
 * Returns 0. Errors: INVALID_HANDLE, FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_set_global_hot_reload_enabled(hrm_manager *m, int32_t enabled);

/* Returns 1 if delivery is not paused (the state after creation), else 0.
 * Errors: INVALID_HANDLE, FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_is_global_hot_reload_enabled(hrm_manager *m);

/* ----------------------------------------------------------- callbacks -- */

/* Sets the function that is told that a plugin needs reloading; fn NULL removes
 * it. While neither a reload nor an event callback is set, changes stay
 * pending. Replaces the former one, which is not running any more when this
 * returns (outside a callback). Returns 0.
 * Errors: INVALID_HANDLE, FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_set_reload_callback(hrm_manager *m, hrm_reload_fn fn, void *user_data,
                                                 hrm_destroy_fn destroy);

/* Sets the function that receives every event; for HRM_EVENT_FILE_CHANGED it is
 * called just before the reload callback. Otherwise as above. */
HRM_API int32_t HRM_CALL hrm_set_event_callback(hrm_manager *m, hrm_event_fn fn, void *user_data,
                                                hrm_destroy_fn destroy);

/* --------------------------------------------------------- safe reload -- */

/* Sets the function that is asked about every version of plugins with safe
 * reload, after what their options ask for and before the host hears of it; fn
 * NULL removes it. In either dispatch mode it is called from a thread of the
 * library that is there for this alone, one call at a time, and may take long;
 * the other plugins are delivered meanwhile. A version that waits to be delivered
 * when fn is set is put to it, too. hrm_manager_destroy and disabling the plugin
 * wait for a call under way. Otherwise as hrm_set_reload_callback. */
HRM_API int32_t HRM_CALL hrm_set_validator(hrm_manager *m, hrm_validator_fn fn, void *user_data,
                                           hrm_destroy_fn destroy);

#define HRM_RELOAD_OK 1       /* loaded; it is the good generation now, and those before may go */
#define HRM_RELOAD_FAILED 2   /* it does not work (or works no more): go back, and do not deliver these bytes again */
#define HRM_RELOAD_RELEASED 3 /* its snapshot is needed no more */

/* Says how the loading of a delivered generation went. message (may be NULL)
 * becomes part of the HRM_EVENT_ROLLBACK event. Returns 0.
 * Errors: INVALID_ARGUMENT (an unknown result, a plugin that is not enabled, a
 * generation that was never delivered or is gone), NOT_SUPPORTED (the plugin is
 * enabled without safe reload), INVALID_HANDLE, FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_report_reload(hrm_manager *m, const char *plugin_id, uint64_t generation, int32_t result,
                                           const char *message, hrm_error *err);

/* ------------------------------------------------------ manual delivery -- */

/* Runs the callbacks of up to max pending events (0 = all that are pending) on
 * this thread. If none is pending, waits up to timeout_ms for the first: 0 = do
 * not wait, negative = for ever. Returns the number of events delivered; 0 also
 * when called from inside a callback of this manager, since callbacks do not
 * nest. Concurrent calls take turns. hrm_manager_destroy ends the waiting.
 * Errors: NOT_SUPPORTED (the manager was made with HRM_DISPATCH_THREAD),
 * INVALID_ARGUMENT (max negative), INVALID_HANDLE, FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_dispatch(hrm_manager *m, int32_t max, int32_t timeout_ms, hrm_error *err);

/* A descriptor that polls readable while hrm_dispatch has something to deliver
 * and is not running. Only poll it: the library reads, writes and closes it.
 * Errors: NOT_SUPPORTED (HRM_DISPATCH_THREAD, or Windows), INVALID_HANDLE,
 * FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_event_fd(hrm_manager *m);

/* Sets a function that is called from a library thread when hrm_dispatch has
 * something to deliver: once, until hrm_dispatch has been called. It should only
 * signal the host's loop, for nothing is noticed while it runs; hrm_dispatch
 * inside it returns 0. Otherwise as hrm_set_reload_callback.
 * Errors: NOT_SUPPORTED (HRM_DISPATCH_THREAD), INVALID_HANDLE, FORKED, PANIC. */
HRM_API int32_t HRM_CALL hrm_set_wakeup_callback(hrm_manager *m, hrm_wakeup_fn fn, void *user_data,
                                                 hrm_destroy_fn destroy);

/* --------------------------------------------------------------- health -- */

/* Fills *out up to out->struct_size bytes and sets struct_size to the bytes
 * filled. Works also after a contained fault. Returns 0.
 * Errors: INVALID_ARGUMENT (out NULL, struct_size too small or inside of a
 * field), INVALID_HANDLE, FORKED. */
HRM_API int32_t HRM_CALL hrm_stats(hrm_manager *m, hrm_stats_t *out);

/* "HRM_ERR_FILE_NOT_FOUND" etc., "HRM_OK" for 0 and above, "HRM_ERR_UNKNOWN"
 * for other values. Static; never NULL; needs no manager; works after fork. */
HRM_API const char *HRM_CALL hrm_error_name(int32_t code);

/* One English sentence on the code. As above. */
HRM_API const char *HRM_CALL hrm_strerror(int32_t code);

/* Writes text as one printable line, as in messages (see ERRORS), to out, which
 * has room for size bytes with the NUL; if that is too long, without its middle.
 * For what a host shows of its own: names of files, what dlerror() says. out may
 * not be text. Needs no manager. Returns the number of bytes before the NUL.
 * Errors, with "" in out: INVALID_ARGUMENT (text or out NULL, size 0), FORKED.
 * Any thread; since 1.0.0. */
HRM_API int32_t HRM_CALL hrm_printable(const char *text, char *out, size_t size);

/* The version of the library that is loaded; compare with HRM_VERSION_NUMBER. */
HRM_API int32_t HRM_CALL hrm_version_number(void);
HRM_API const char *HRM_CALL hrm_version_string(void);

/* Zero-initialisers with struct_size set, for C. FFIs set the field. */
#define HRM_ERROR_INIT                                                         \
    { sizeof(hrm_error), 0, 0, { 0 } }
#define HRM_OPTIONS_INIT                                                       \
    { sizeof(hrm_options), HRM_DISPATCH_THREAD, 0, 0, 0, 0, NULL, NULL }
#define HRM_ENABLE_OPTIONS_INIT                                                \
    { sizeof(hrm_enable_options), 0, 0, NULL }
#define HRM_SAFE_OPTIONS_INIT                                                  \
    { sizeof(hrm_safe_options), 0, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0 }

#ifdef __cplusplus
}
#endif

#endif /* HOT_RELOAD_MANAGER_H */
