/* SPDX-License-Identifier: MIT */
/**
 * \file hot_reload_manager.h
 * \brief The C interface of libhotreload.
 *
 * This header is the manual. What is not in this header is not part of the interface.
 *
 * libhotreload watches plugin files: shared libraries, scripts, configuration. It delivers every completed change to the
 * host exactly once. It never delivers a half-written file. It delivers on the thread that the host chose. It loses no
 * change.
 *
 * \section hrm_life_cycle Life cycle
 * 1. hrm_manager_create() makes a manager.
 * 2. hrm_set_reload_callback() or hrm_set_event_callback() sets the function that receives changes.
 * 3. hrm_enable_hot_reload() starts watching a plugin's file. The version that the file has now becomes the baseline: only
 *    later versions are delivered.
 * 4. The library delivers each version once the file is complete: no process holds it open for writing, and it has been
 *    quiet for hrm_options.quiet_ms.
 * 5. hrm_manager_destroy() ends the deliveries and frees everything.
 *
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
 * \section hrm_threads Threads
 * Every function may be called on any thread, and inside a callback. This includes hrm_manager_destroy().
 *
 * Callbacks of one manager never overlap and never nest. The library holds no lock while it calls them. Where they run is
 * the manager's dispatch mode:
 * - #HRM_DISPATCH_THREAD: on one thread of the library for each manager.
 * - #HRM_DISPATCH_MANUAL: inside hrm_dispatch(), on the thread that calls it, and nowhere else. The wakeup callback, the
 *   validator and the log callback are the exceptions: the functions that set them say where they run.
 *
 * After hrm_disable_hot_reload(), hrm_clear() or hrm_manager_destroy() returns outside a callback, no callback for that
 * subject runs or will run. These three functions, the functions that set a callback, and pausing wait for a running
 * callback of that subject. Inside a callback they do not wait. hrm_dispatch() waits as long as its timeout says.
 *
 * Enabling asks the file system on the calling thread, and returns when that answers. For a file system that hangs
 * hrm_dispatch() waits at most 1 s and hrm_manager_destroy() at most 2 s. No other function waits for a file system.
 *
 * \section hrm_callbacks Callbacks
 * A callback is registered as a function, user_data and a destroy function. The library calls destroy(user_data) exactly
 * once, after the last call that can see user_data. It does so also if the registration fails. destroy may be NULL. The
 * destroy function may call every function of this header.
 *
 * Strings and structs that a callback receives are valid until it returns. A callback must not throw, must not leave by
 * longjmp, must not fork without exec, and must not unload the library.
 *
 * If the file changed while your callback ran, its next complete version is delivered too, even if it equals the previous
 * one. A version that existed only between two deliveries is not delivered: it was superseded. With safe reload
 * (docs/safe-reload.md) the host loads a private copy of exactly the version that was delivered.
 *
 * \section hrm_errors_section Errors
 * Functions return int32_t. 0 or a documented positive value is success. A negative value is an HRM_ERR_* code; the codes
 * never change their numbers. The functions hrm_is_hot_reload_enabled(), hrm_is_global_hot_reload_enabled() and
 * hrm_is_plugin_paused() are made for conditions and return 1 or 0 only; their variants with _ex return the code.
 *
 * The optional last argument `hrm_error *err` receives the detail. The caller owns it and sets it up with #HRM_ERROR_INIT.
 * Its message names the value that was wrong and says what to do.
 *
 * Messages of errors and events are for people: one line of UTF-8, without control characters, invisible characters and
 * characters that change the direction of writing. These characters, and bytes that are not UTF-8, appear as escapes
 * (\\n, \\x1b, \\u202e). Text that is too long has "…" in place of its middle. hrm_printable() does the same for the host.
 *
 * \section hrm_strings Strings and paths
 * Plugin ids are UTF-8, not empty, at most 255 bytes long, without control characters. Paths are the bytes that the kernel
 * takes (POSIX) or UTF-8 (Windows). A relative path is resolved when it is registered; a later chdir() does not change it.
 * Events contain the path as it was registered.
 *
 * \section hrm_versioning Versioning
 * Structs begin with struct_size. Zero in any other field means the default. Within a major version fields and functions are
 * only appended, and numbers never change. The SONAME is the major version.
 * - A struct that is shorter than the library's is accepted: the missing fields have their defaults.
 * - A struct that is longer is accepted if the rest is zero. Otherwise the call returns #HRM_ERR_NOT_SUPPORTED.
 * - A struct_size that ends inside a field is #HRM_ERR_INVALID_ARGUMENT. In hrm_error such a field counts as absent.
 *
 * No struct has padding, neither between its fields nor at its end: every byte belongs to a field. An appended field
 * therefore always changes the size. Fields that are called reserved are zero or NULL.
 *
 * \section hrm_process Process
 * - fork: in a child of fork() every call returns #HRM_ERR_FORKED. The parent is not affected. fork() followed by exec() is
 *   fine.
 * - unload: the library stays loaded until the process ends. dlclose() has no effect and does no harm.
 * - output: the library prints nothing.
 * - environment: no environment variable changes what the library does. This includes GODEBUG and the other variables of
 *   the Go runtime (docs/go-runtime.md).
 *
 * \section hrm_signals Signals
 * The library contains the Go runtime, which handles SIGSEGV, SIGBUS and SIGFPE in its own code. Everything else goes to
 * the handler that the host installed before, on Linux with the signals blocked and the flags that it asked for. Without
 * such a handler, or if the host ignores the signal, a crash inside or outside a callback ends the process by its own
 * signal, and nothing is printed.
 *
 * All other signals are left as the host has them. On Linux the library sends none, and its threads block all of them.
 * There a callback on a thread of the library has the mask of the thread that created the manager. A thread of the host
 * has its own mask and signal stack in callbacks, and after a call the ones that it had before. A handler that is installed
 * after loading needs SA_ONSTACK if it can run on a thread that is inside a function of this header.
 *
 * A signal handler must not call the library, apart from hrm_error_name(), hrm_strerror() and hrm_version_number() or
 * hrm_version_string(). On Linux a call returns #HRM_ERR_NOT_SUPPORTED if the handler interrupted another call or runs on a
 * signal stack. Otherwise the call may wait for ever. A handler must not leave a call by longjmp.
 *
 * \section hrm_limits Limits
 * On Linux, if no thread can be started when the library is loaded, or if less than 1 GiB of address space is left then
 * (RLIMIT_AS; 128 MiB with 32 bits), every call returns #HRM_ERR_NO_MEMORY. Later, creating a manager and enabling a plugin
 * return it while less than 128 MiB (32 MiB with 32 bits) are left or no thread can be started. Managers that exist
 * continue when there is room again. The Go runtime ends a process in which memory itself runs out.
 */
#ifndef HOT_RELOAD_MANAGER_H
#define HOT_RELOAD_MANAGER_H

#include <stddef.h>
#include <stdint.h>

/**
 * \defgroup hrm_version Version
 * The version of this header, and of the library that is loaded.
 * \since 1.0.0
 * \{
 */

/* The one place where the version is written; every build reads it here. */
/** The major version of this header. Another major version is another SONAME. */
#define HRM_VERSION_MAJOR 1
/** The minor version of this header: functions and fields were appended. */
#define HRM_VERSION_MINOR 0
/** The patch version of this header. */
#define HRM_VERSION_PATCH 0
/** The version of this header as text. */
#define HRM_VERSION_STRING "1.0.0"
/** The version of this header as a number that can be compared: major * 1000000 + minor * 1000 + patch. */
#define HRM_VERSION_NUMBER                                                     \
    (HRM_VERSION_MAJOR * 1000000 + HRM_VERSION_MINOR * 1000 + HRM_VERSION_PATCH)

/** \} */

/** \cond */ /* How functions are exported and called; not part of the interface. */
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
/** \endcond */

#ifdef __cplusplus
extern "C" {
#endif

/**
 * \defgroup hrm_errors Errors
 * The codes that functions return, and their detail.
 * \since 1.0.0
 * \sa hrm_error_name(), hrm_strerror()
 * \{
 */

/** Success. */
#define HRM_OK 0
/** The plugin's file does not exist. A link without a target counts as such a file. */
#define HRM_ERR_FILE_NOT_FOUND (-1)
/** The path is empty, too long, a directory, a device, a FIFO or a loop of links. */
#define HRM_ERR_INVALID_PATH (-2)
/** The id is enabled already: disable it first. */
#define HRM_ERR_ALREADY_EXISTS (-3)
/** The file cannot be read, or its directory cannot be searched. */
#define HRM_ERR_PERMISSION_DENIED (-4)
/** NULL where a value is needed, a malformed id, or an option out of range. */
#define HRM_ERR_INVALID_ARGUMENT (-5)
/** The manager is NULL, destroyed, or never was one. */
#define HRM_ERR_INVALID_HANDLE (-6)
/** The buffer is too small; the size that is needed was stored. */
#define HRM_ERR_BUFFER_TOO_SMALL (-7)
/** Not supported in this mode, on this platform or by this version. */
#define HRM_ERR_NOT_SUPPORTED (-8)
/** Called in the child of a fork. */
#define HRM_ERR_FORKED (-9)
/** A fault inside the library was contained. The manager is unusable: destroy it. */
#define HRM_ERR_PANIC (-10)
/** Another error of the system; hrm_error.os_error and hrm_error.message say which. */
#define HRM_ERR_IO (-11)
/** Memory, threads or file descriptors ran out. */
#define HRM_ERR_NO_MEMORY (-12)

/**
 * The detail of a failure. The caller owns it and sets it up with #HRM_ERROR_INIT before the call.
 *
 * Functions that take one fill it whenever they return, also with success.
 * \since 1.0.0
 * \sa hrm_error_name(), hrm_strerror()
 */
typedef struct hrm_error {
    uint32_t struct_size; /**< sizeof(hrm_error). */
    int32_t code;         /**< HRM_ERR_*, or 0 after success. */
    int32_t os_error;     /**< errno (POSIX) or GetLastError() (Windows); 0 if the system reported no error. */
    char message[512];    /**< NUL-terminated, one printable line of UTF-8; "" after success. */
} hrm_error;

/** \} */

/**
 * \defgroup hrm_manager_options Options of a manager
 * \since 1.0.0
 * \sa hrm_options, hrm_manager_create()
 * \{
 */

/**
 * A manager. The pointer is a key, not memory: the library never dereferences it. NULL, a foreign pointer and a destroyed
 * manager give #HRM_ERR_INVALID_HANDLE.
 * \since 1.0.0
 * \sa hrm_manager_create(), hrm_manager_destroy()
 */
typedef struct hrm_manager hrm_manager;

/** hrm_options.dispatch_mode: callbacks run on one thread of the library. The default. */
#define HRM_DISPATCH_THREAD 0
/** hrm_options.dispatch_mode: callbacks run inside hrm_dispatch() only. */
#define HRM_DISPATCH_MANUAL 1

/**
 * For quiet_ms: deliver as soon as the file is complete, without a quiet period. Within 2 ms of a write or close the library
 * does not ask who writes the file: on Linux the question is a read lease, which lives for about a microsecond. Meanwhile
 * another program's open for writing waits; with O_NONBLOCK it fails with EWOULDBLOCK.
 */
#define HRM_NO_QUIET (-1)

/** The default of hrm_options.quiet_ms, in milliseconds. */
#define HRM_DEFAULT_QUIET_MS 100
/** The default of hrm_options.max_delay_ms, in milliseconds. */
#define HRM_DEFAULT_MAX_DELAY_MS 2000
/** The default of hrm_options.poll_interval_ms, in milliseconds. */
#define HRM_DEFAULT_POLL_INTERVAL_MS 1000
/** The default of hrm_options.held_after_ms, in milliseconds. */
#define HRM_DEFAULT_HELD_AFTER_MS 10000

/** For held_after_ms: report no writer. */
#define HRM_HELD_NEVER (-1)

/** The default of hrm_options.marker_after_ms, in milliseconds: 10 minutes. */
#define HRM_DEFAULT_MARKER_AFTER_MS 600000
/** For marker_after_ms: report no pause marker. */
#define HRM_MARKER_NEVER (-1)

/** For safety_check_ms: rely on notifications everywhere. */
#define HRM_NO_SAFETY_CHECK (-1)
/** The default of hrm_options.safety_check_ms, in milliseconds. */
#define HRM_DEFAULT_SAFETY_CHECK_MS 60000

/** hrm_options.flags: wait until the file is a complete ELF, PE or Mach-O image for this machine. */
#define HRM_CHECK_IMAGE 1u
/**
 * hrm_options.flags: do not deliver a touch or an identical rewrite. The library hashes the contents of files of at most 1 GiB
 * (with safe reload: max_size). For larger files size and times decide.
 */
#define HRM_IGNORE_UNCHANGED_CONTENT 2u
/** hrm_options.flags: compare files every poll_interval_ms instead of using notifications. */
#define HRM_FORCE_POLLING 4u
/**
 * hrm_options.flags: deliver a file that a process holds open for writing, once its times and its content (which is hashed
 * twice) have stayed the same for held_after_ms. A file whose writer only pauses for so long is then delivered half-written.
 */
#define HRM_DELIVER_HELD 8u

/**
 * Options of hrm_manager_create(). Set it up with #HRM_OPTIONS_INIT; 0 and NULL mean the default. All strings are copied.
 * \since 1.0.0
 * \sa hrm_manager_create()
 */
typedef struct hrm_options {
    uint32_t struct_size; /**< sizeof(hrm_options). */
    int32_t dispatch_mode; /**< #HRM_DISPATCH_THREAD or #HRM_DISPATCH_MANUAL. */
    /**
     * The quiet period: how long a file must be without activity before it is delivered, in milliseconds.
     * 0 = #HRM_DEFAULT_QUIET_MS, #HRM_NO_QUIET, otherwise 1..3600000.
     */
    int32_t quiet_ms;
    /**
     * A file that is rewritten without pause is delivered after this time, at a moment when it is complete, in
     * milliseconds. A file that is held open for writing is waited for without limit, unless #HRM_DELIVER_HELD is set.
     * 0 = #HRM_DEFAULT_MAX_DELAY_MS, otherwise 1..86400000.
     */
    int32_t max_delay_ms;
    /** How often files are compared that must be polled, in milliseconds. 0 = #HRM_DEFAULT_POLL_INTERVAL_MS, otherwise 1..86400000. */
    int32_t poll_interval_ms;
    /** #HRM_CHECK_IMAGE, #HRM_IGNORE_UNCHANGED_CONTENT, #HRM_FORCE_POLLING, #HRM_DELIVER_HELD, combined by |. */
    uint32_t flags;
    /** Safe reload for every plugin; NULL = none. hrm_safe_options says how a plugin's own options change it. */
    const struct hrm_safe_options *safe;
    /**
     * Where snapshots of safe reload are kept: an absolute path. NULL = /run/user/UID/hotreload or /tmp/hotreload-UID, or, if
     * another user has taken that name or it cannot be used, a private directory beside it. "" is #HRM_ERR_INVALID_ARGUMENT.
     */
    const char *snapshot_dir;
    /**
     * How often files are compared that are watched, but may change without a notification, in milliseconds: on overlayfs,
     * aufs, eCryptfs and ZFS, whose content may change below them, and files that are mount points. Other files are never
     * compared for safety. 0 = #HRM_DEFAULT_SAFETY_CHECK_MS, #HRM_NO_SAFETY_CHECK, otherwise 1..86400000.
     */
    int32_t safety_check_ms;
    /**
     * For how long a process must hold a file open for writing, without a change of the file, to be reported by
     * #HRM_HEALTH_HELD_OPEN, in milliseconds. 0 = #HRM_DEFAULT_HELD_AFTER_MS, #HRM_HELD_NEVER, otherwise 1..86400000.
     */
    int32_t held_after_ms;
    /**
     * For how long a pause marker (hrm_enable_options.pause_marker) must be there to be reported by
     * #HRM_HEALTH_PAUSE_MARKER, in milliseconds. 0 = #HRM_DEFAULT_MARKER_AFTER_MS, #HRM_MARKER_NEVER, otherwise 1..86400000.
     */
    int32_t marker_after_ms;
    int32_t reserved; /**< 0. */
} hrm_options;

/** \} */

/**
 * \defgroup hrm_safe_flags Options of safe reload
 * With safe reload the host receives private, complete, read-only copies of what changed. They were validated before. The
 * host reports how their loading went. The manual is docs/safe-reload.md.
 * \since 1.0.0
 * \sa hrm_safe_options, hrm_set_validator(), hrm_report_reload()
 * \{
 */

/** hrm_safe_options.flags: reject files that are not complete ELF, PE or Mach-O images for this machine. */
#define HRM_SAFE_IMAGE 1u
/**
 * hrm_safe_options.flags: reject a file that a user other than root and the host's own could replace. No file, directory or
 * link of the path chain, nor of the allow-list's, the signature's and the manifest's, may belong to another user or be
 * writable by others.
 */
#define HRM_SAFE_STRICT_MODES 2u
/** hrm_safe_options.flags: accept a version whose validator did not return in time. Otherwise it is rejected. */
#define HRM_SAFE_ACCEPT_ON_TIMEOUT 4u
/** hrm_safe_options.flags: exempts a plugin from #HRM_SAFE_IMAGE of its manager. #HRM_CHECK_IMAGE stays as it is. */
#define HRM_SAFE_NO_IMAGE 8u
/** hrm_safe_options.flags: exempts a plugin from #HRM_SAFE_STRICT_MODES of its manager. */
#define HRM_SAFE_NO_STRICT_MODES 16u
/** hrm_safe_options.flags: exempts a plugin from #HRM_SAFE_ACCEPT_ON_TIMEOUT of its manager. */
#define HRM_SAFE_REJECT_ON_TIMEOUT 32u
/**
 * hrm_safe_options.flags: reject a version that is older than one that was delivered and did not fail, and one with the same
 * number and another content. The signature's trusted comment must give the version: "version:1.2.3" among its first words.
 */
#define HRM_SAFE_RISING_VERSION 64u
/** hrm_safe_options.flags: exempts a plugin from #HRM_SAFE_RISING_VERSION of its manager. */
#define HRM_SAFE_ANY_VERSION 128u
/**
 * hrm_safe_options.flags: reject a file that the allow-list has for another name. The last part of the name in the line of
 * the list must be the file's own.
 */
#define HRM_SAFE_LIST_NAMES 256u
/** hrm_safe_options.flags: exempts a plugin from #HRM_SAFE_LIST_NAMES of its manager. */
#define HRM_SAFE_NO_LIST_NAMES 512u
/**
 * hrm_safe_options.flags: reject an ELF image with symbols that the process has once (STB_GNU_UNIQUE): all versions would
 * share the objects of the first one. g++ makes them of static variables of inline functions and templates, unless it is
 * given -fno-gnu-unique.
 */
#define HRM_SAFE_NO_UNIQUE 1024u
/** hrm_safe_options.flags: exempts a plugin from #HRM_SAFE_NO_UNIQUE of its manager. */
#define HRM_SAFE_ALLOW_UNIQUE 2048u

/** For validator_timeout_ms, report_timeout_ms, retries and max_size: none, whatever the manager has. */
#define HRM_SAFE_NONE (-1)
/** For keep_generations: none, whatever the manager has. */
#define HRM_KEEP_NONE (-1)

/** The default of hrm_safe_options.retry_delay_ms, in milliseconds. */
#define HRM_DEFAULT_RETRY_DELAY_MS 1000
/** The default of hrm_safe_options.max_size, in bytes: 1 GiB. */
#define HRM_DEFAULT_MAX_SIZE 1073741824

/**
 * Options of safe reload. Set it up with #HRM_SAFE_OPTIONS_INIT. All strings and lists are copied.
 *
 * A safeguard of a manager (hrm_options.safe) holds for every plugin whose own options (hrm_enable_options.safe) do not
 * name the same field. The plugin's options replace the manager's field by field. A field is named
 * - as a pointer: if it is not NULL;
 * - as a number: if it is not 0. #HRM_SAFE_NONE and #HRM_KEEP_NONE ask for none;
 * - as a flag: by its bit, or by the opposite bit, which exempts the plugin. Both bits are #HRM_ERR_INVALID_ARGUMENT.
 *
 * A field that is named but empty is #HRM_ERR_INVALID_ARGUMENT, never "no safeguard": "", a list without entries, a list
 * with an empty entry. The message names the field. Only the list files may have no entries.
 *
 * A plugin's options can replace symbols, allow_list, public_keys, min_version and version_dir of its manager, but cannot
 * remove them. A plugin without these safeguards needs another manager.
 *
 * What is compared with the trusted comment of a signature (plugin_name, min_version, #HRM_SAFE_RISING_VERSION) needs
 * public_keys, and for a plugin with companion files also a manifest: otherwise #HRM_ERR_INVALID_ARGUMENT.
 *
 * With allow_list, public_keys or #HRM_SAFE_STRICT_MODES a version is also rejected if its image has the loader search for
 * libraries where others could put theirs ("$ORIGIN/../.." beyond the snapshot directory, relative paths, "/tmp"): what is
 * loaded from there would be authenticated by nobody.
 * \since 1.0.0
 * \sa hrm_options, hrm_enable_options, hrm_set_validator(), hrm_report_reload()
 */
typedef struct hrm_safe_options {
    uint32_t struct_size; /**< sizeof(hrm_safe_options). */
    uint32_t flags;       /**< HRM_SAFE_* flags, combined by |; default none. */
    /**
     * Companion files of a plugin, NULL-terminated: absolute, or relative to its directory. They are copied with it, and a
     * change of any of them is a change of the plugin. For one plugin, not for a manager; default none.
     */
    const char *const *files;
    const char *const *symbols; /**< NULL-terminated: what the image must export; default none. */
    /** A file of SHA-256 sums as sha256sum writes it. A relative path is resolved when it is given; default none. */
    const char *allow_list;
    const char *const *public_keys; /**< NULL-terminated: minisign's. One of them must have signed the file; default none. */
    /**
     * The file of the signature of the plugin, or of its manifest; default: the path of that file with .minisig appended.
     * For one plugin, not for a manager.
     */
    const char *signature;
    const void *reserved_pointer; /**< NULL. */
    int32_t validator_timeout_ms; /**< For one call of the validator; default #HRM_SAFE_NONE, otherwise 1..86400000. */
    int32_t report_timeout_ms;    /**< When a missing report is noted; default #HRM_SAFE_NONE (never), otherwise 1..86400000. */
    int32_t retries; /**< How often a version that failed is delivered again; default #HRM_SAFE_NONE, otherwise 1..1000. */
    /** Before the first retry, then doubling; default #HRM_DEFAULT_RETRY_DELAY_MS, otherwise 1..86400000. */
    int32_t retry_delay_ms;
    int32_t keep_generations; /**< Good generations kept beside the present one; default 1, #HRM_KEEP_NONE, or 1..1000. */
    int32_t reserved;         /**< 0. */
    /**
     * The size of all files of a plugin together, in bytes. A larger version is rejected before it is read.
     * Default #HRM_DEFAULT_MAX_SIZE, #HRM_SAFE_NONE (no limit), or 1 or more.
     */
    int64_t max_size;
    /**
     * Reject a version whose signature is not for this plugin: the trusted comment must begin with the word "plugin:" and
     * this name, that of a manifest with "manifest:" and this name. 1..255 bytes without spaces and control characters. For one plugin, not for a manager; default any.
     */
    const char *plugin_name;
    /**
     * Reject a version that is older: 1 to 8 numbers with dots between them. The trusted comment must give the version,
     * "version:1.2.3", among its first words; default any.
     */
    const char *min_version;
    /**
     * Where #HRM_SAFE_RISING_VERSION remembers across restarts the versions that were reported as #HRM_RELOAD_OK.
     * It is made if it is missing; one that exists must belong to the user and be closed to others. A
     * file in it that is damaged or cannot be written is an error. A relative path is resolved when it is given; default:
     * versions are remembered while the plugin is enabled.
     */
    const char *version_dir;
    /**
     * A file that lists the plugin, all its companion files and nothing else, as sha256sum writes it in the plugin's
     * directory. It is signed in their place, with a trusted comment that begins with "manifest:" and the plugin's name. For
     * one plugin, not for a manager; default: each file has a signature.
     */
    const char *manifest;
} hrm_safe_options;

/** \} */

/**
 * \defgroup hrm_enable_flags Options of a plugin
 * \since 1.0.0
 * \sa hrm_enable_options, hrm_enable_hot_reload_ex()
 * \{
 */

/** hrm_enable_options.flags: accept a path that does not exist yet. Its creation is the first change. */
#define HRM_ENABLE_ALLOW_MISSING 1u
/**
 * hrm_enable_options.flags: deliver the present version too, as the first change. With safe reload the host then receives
 * every version in the same way.
 */
#define HRM_ENABLE_DELIVER_PRESENT 2u
/** hrm_enable_options.flags: enable the plugin paused, as hrm_set_plugin_paused() does. */
#define HRM_ENABLE_PAUSED 4u

/**
 * Options of hrm_enable_hot_reload_ex(). Set it up with #HRM_ENABLE_OPTIONS_INIT; 0 and NULL mean the default.
 * \since 1.0.0
 * \sa hrm_enable_hot_reload_ex(), hrm_safe_options
 */
typedef struct hrm_enable_options {
    uint32_t struct_size; /**< sizeof(hrm_enable_options). */
    uint32_t flags;       /**< #HRM_ENABLE_ALLOW_MISSING, #HRM_ENABLE_DELIVER_PRESENT, #HRM_ENABLE_PAUSED, combined by |. */
    int32_t quiet_ms;     /**< The quiet period in milliseconds. 0 = the manager's, #HRM_NO_QUIET, otherwise 1..3600000. */
    int32_t reserved;     /**< 0. */
    const hrm_safe_options *safe; /**< Safe reload; its named fields replace the manager's. NULL = all of the manager's. */
    /**
     * A pause marker: a file that pauses the plugin while it is there. A build creates the file before it writes the first
     * plugin, and removes it when all are complete. If the plugin's file changed meanwhile, its latest version is delivered
     * once then. A path that is not absolute is relative to the plugin's directory, for example ".building". Plugins may
     * share a marker. A directory or anything else of that name counts, too; a link without a target does not. NULL = none;
     * "", the plugin's file, and a directory on its path are #HRM_ERR_INVALID_ARGUMENT. The string is copied.
     */
    const char *pause_marker;
} hrm_enable_options;

/** \} */

/**
 * \defgroup hrm_events Events
 * What hrm_event_fn receives.
 * \since 1.0.0
 * \sa hrm_event, hrm_set_event_callback()
 * \{
 */

/** hrm_event.kind: the file has a new, complete version. */
#define HRM_EVENT_FILE_CHANGED 1
/** hrm_event.kind: hrm_enable_hot_reload() succeeded. */
#define HRM_EVENT_ENABLED 2
/**
 * hrm_event.kind: hrm_disable_hot_reload() or hrm_clear() disabled the plugin. The last event of this id. If the enabled and
 * the disabled event of a plugin both wait, the library drops both when the plugin is enabled again, or when more than 256
 * other such plugins wait.
 */
#define HRM_EVENT_DISABLED 3
/** hrm_event.kind: the file was removed, and stayed so for the quiet period. */
#define HRM_EVENT_FILE_REMOVED 4
/** hrm_event.kind: the library degraded or recovered; hrm_event.health and hrm_event.message say how. */
#define HRM_EVENT_HEALTH 5
/** hrm_event.kind: safe reload rejected a version; hrm_event.message says why. */
#define HRM_EVENT_REJECTED 6
/**
 * hrm_event.kind: safe reload: a version failed in the host. hrm_event.generation and hrm_event.snapshot_path are those of
 * the last good version at the time of the delivery; 0 and "" if there is none.
 */
#define HRM_EVENT_ROLLBACK 7
/**
 * hrm_event.kind: the folder hrm_event.folder_id has found a plugin and enabled it (hrm_enable_folder()). Of a new file it
 * comes when the first version is complete, directly before the #HRM_EVENT_FILE_CHANGED of that version, and
 * hrm_event.generation is 1. hrm_dispatch() counts the two as one. Of a file that was there when the folder was enabled, and
 * that is not to be delivered, it comes at once, and hrm_event.generation is 0.
 */
#define HRM_EVENT_DISCOVERED 8

/** hrm_event.health: the system dropped notifications; every file was compared again. */
#define HRM_HEALTH_OVERFLOW 1
/** hrm_event.health: a directory, or a file that is a mount point, cannot be watched and is polled. */
#define HRM_HEALTH_POLLING 2
/** hrm_event.health: a directory or file that was polled is watched again. */
#define HRM_HEALTH_WATCHING 3
/** hrm_event.health: a file is not a complete image (#HRM_CHECK_IMAGE); it is waited for. */
#define HRM_HEALTH_IMAGE_INCOMPLETE 4
/** hrm_event.health: a fault was contained; destroy the manager. */
#define HRM_HEALTH_PANIC 5
/** hrm_event.health: a plugin's file cannot be read at the moment; it is waited for. */
#define HRM_HEALTH_UNREADABLE 6
/** hrm_event.health: a plugin's file can be read again. */
#define HRM_HEALTH_READABLE 7
/** hrm_event.health: safe reload: no snapshot could be made; it is tried again. */
#define HRM_HEALTH_SNAPSHOT_FAILED 8
/** hrm_event.health: safe reload: the host did not report within report_timeout_ms. */
#define HRM_HEALTH_NO_REPORT 9
/**
 * hrm_event.health: the file system at hrm_event.path (a mount point) does not answer; its plugins wait until it does, and
 * nothing of them is lost. Comes 0.5 to 1 s after the library asked. Plugins on other file systems do not wait.
 */
#define HRM_HEALTH_HANGING 10
/** hrm_event.health: the file system at hrm_event.path answers again; what changed there meanwhile is delivered. */
#define HRM_HEALTH_ANSWERING 11
/**
 * hrm_event.health: the process closed file descriptors of the manager (close_range(), a loop that closes all), or put other
 * files in their place (dup2()). The manager opened others, and compares every file with the disk, so that nothing is lost.
 * It does not use the old numbers any more, nor closes them. Call hrm_event_fd() again, if your loop polls it.
 */
#define HRM_HEALTH_DESCRIPTORS 12
/**
 * hrm_event.health: a plugin's file (hrm_event.plugin_id) or a directory on its path is a mount point, and what was mounted
 * there was deleted or replaced. No new version can come before it is mounted again. For a file, mount its directory instead.
 */
#define HRM_HEALTH_STALE_MOUNT 13
/**
 * hrm_event.health: a change of a plugin's file was found that no notification reported. The watch of hrm_event.path is asked
 * for anew. If this happens there again, it is polled (#HRM_HEALTH_POLLING).
 */
#define HRM_HEALTH_MISSED 14
/**
 * hrm_event.health: a process has held a plugin's file open for writing for hrm_options.held_after_ms, and nothing about the
 * file has changed for as long: the program that wrote it may have leaked the descriptor into another one.
 * hrm_event.message names the process and its program, if this process may examine it (of the same user, or any with
 * CAP_SYS_PTRACE; Linux). Comes once, and again only after the file was closed. The file is delivered when it is closed, or
 * at once with #HRM_DELIVER_HELD.
 */
#define HRM_HEALTH_HELD_OPEN 15
/**
 * hrm_event.health: a folder has more files or directories than hrm_folder_options.max_files, or directories deeper than
 * max_depth. Those beyond are not watched.
 */
#define HRM_HEALTH_FOLDER_LIMIT 16
/**
 * hrm_event.health: the file hrm_event.path of a folder is not enabled, and perhaps others, as hrm_event.message says: its id
 * is another plugin's or malformed, or safe reload is not possible. It is tried again when a plugin is disabled, and every 10
 * seconds.
 */
#define HRM_HEALTH_FOLDER_SKIPPED 17
/** hrm_event.health: the directory hrm_event.path of a folder is missing or cannot be listed. It is waited for. */
#define HRM_HEALTH_FOLDER_UNREADABLE 18
/** hrm_event.health: the directory hrm_event.path of a folder can be listed again. */
#define HRM_HEALTH_FOLDER_READABLE 19
/**
 * hrm_event.health: the pause marker hrm_event.path (pause_marker of a plugin or folder) is there for
 * hrm_options.marker_after_ms, or the file system does not say whether it is. Its build may have died. Its plugins wait until
 * it is removed. hrm_event.message says how many.
 */
#define HRM_HEALTH_PAUSE_MARKER 20

/**
 * An event. Strings are never NULL and are valid until the callback returns.
 * \since 1.0.0
 * \sa hrm_set_event_callback()
 */
typedef struct hrm_event {
    uint32_t struct_size;  /**< sizeof(hrm_event) in the library: fields beyond it do not exist. */
    int32_t kind;          /**< HRM_EVENT_*. */
    int32_t health;        /**< HRM_HEALTH_* of an #HRM_EVENT_HEALTH event, otherwise 0. */
    uint32_t reserved;     /**< 0. */
    uint64_t sequence;     /**< 1, 2, ... for each manager, in the order of delivery. */
    int64_t timestamp_ns;  /**< When the library decided on this event (for a change: when it was complete), in ns since 1970 UTC. */
    int64_t first_seen_ns; /**< For a change: when its first notification came; otherwise timestamp_ns. In ns since 1970 UTC. */
    uint64_t generation;   /**< For a change: how many versions of this plugin were delivered, from 1. */
    uint64_t snapshot_size; /**< Safe reload: the size of the snapshot, or of the version that was rejected, in bytes. */
    const char *plugin_id;  /**< "" for an #HRM_EVENT_HEALTH event about the manager itself. */
    const char *path;       /**< As registered, or the directory of a health event; "" if there is none. */
    /**
     * For people: one printable line of at most 1000 bytes; "" if there is nothing to say. For #HRM_EVENT_FILE_REMOVED: what
     * stands at the path now, if that is something else than a file.
     */
    const char *message;
    /** Safe reload, for a change: what to load instead of path; for a rollback: what to go back to; otherwise "". */
    const char *snapshot_path;
    const char *snapshot_sha256; /**< In hexadecimal, also of a version that was rejected; "" if there is none. */
    /**
     * The trusted comment of the signature, which was verified, also of a version that was rejected for another reason.
     * Printable; a tab is given as a space. "" if no signature was asked for.
     */
    const char *trusted_comment;
    /** The folder that has found the plugin, or that a health event is about; "" for a plugin that the host enabled itself. */
    const char *folder_id;
    const void *reserved_pointer; /**< NULL. */
} hrm_event;

/**
 * A version that a validator decides on. Strings are never NULL and are valid until the validator returns.
 * \since 1.0.0
 * \sa hrm_set_validator()
 */
typedef struct hrm_candidate {
    uint32_t struct_size;        /**< sizeof(hrm_candidate) in the library: fields beyond it do not exist. */
    uint32_t reserved;           /**< 0. */
    uint64_t generation;         /**< The generation that it will have if no other version is delivered before it. */
    uint64_t snapshot_size;      /**< In bytes. */
    const char *plugin_id;       /**< The plugin. */
    const char *path;            /**< As registered. Do not read this file: it may have another version by now. */
    const char *snapshot_path;   /**< The copy that the host will load. Read this file. */
    const char *snapshot_sha256; /**< In hexadecimal. */
    const char *trusted_comment; /**< Of the signature, which was verified. Printable. "" if no signature was asked for. */
    const void *reserved_pointer; /**< NULL. */
} hrm_candidate;

/** The answer of a validator that rejects the version. Every answer except #HRM_ACCEPT rejects, 0 included. */
#define HRM_REJECT 0
/** The answer of a validator that accepts the version. Not 0, so that a result that nobody set does not accept. */
#define HRM_ACCEPT 1

/**
 * Receives the id of a plugin that has a new, complete version.
 * \param plugin_id  the plugin; valid until the function returns
 * \param user_data  as registered
 * \threadsafety Called where the manager's callbacks run (\ref hrm_threads), with no lock held. It may call every function.
 * \since 1.0.0
 * \sa hrm_set_reload_callback()
 */
typedef void(HRM_CALL *hrm_reload_fn)(const char *plugin_id, void *user_data);
/**
 * Receives an event.
 * \param event      the event; valid until the function returns
 * \param user_data  as registered
 * \threadsafety Called where the manager's callbacks run (\ref hrm_threads), with no lock held. It may call every function.
 * \since 1.0.0
 * \sa hrm_set_event_callback()
 */
typedef void(HRM_CALL *hrm_event_fn)(const hrm_event *event, void *user_data);
/**
 * Accepts or rejects a version.
 * \param candidate    the version; valid until the function returns
 * \param reason       where the function may write why it rejects: UTF-8 that ends with a NUL. Text without a NUL ends after
 *                     reason_size bytes. Malformed text does not change the answer.
 * \param reason_size  the room in reason in bytes, the NUL included
 * \param user_data    as registered
 * \returns #HRM_ACCEPT to accept. Every other value rejects the version.
 * \threadsafety Called on a thread of the library that does nothing else, one call at a time, with no lock held. It may
 * take long, and it may call every function.
 * \since 1.0.0
 * \sa hrm_set_validator()
 */
typedef int32_t(HRM_CALL *hrm_validator_fn)(const hrm_candidate *candidate, char *reason, size_t reason_size,
                                            void *user_data);
/**
 * Signals the host's event loop that hrm_dispatch() has something to deliver.
 * \param user_data  as registered
 * \threadsafety Called on a thread of the library. It should only signal: calls do not overlap, and destroying the manager waits for it.
 * \since 1.0.0
 * \sa hrm_set_wakeup_callback()
 */
typedef void(HRM_CALL *hrm_wakeup_fn)(void *user_data);
/**
 * Frees what belongs to a callback.
 * \param user_data  as registered
 * \threadsafety Called exactly once: where the manager's callbacks run, or on the thread whose call removed the callback. It
 * may call every function.
 * \since 1.0.0
 * \sa hrm_set_reload_callback(), hrm_set_event_callback(), hrm_set_wakeup_callback(), hrm_set_validator(),
 * hrm_set_log_callback(), hrm_folder_options
 */
typedef void(HRM_CALL *hrm_destroy_fn)(void *user_data);

/** \} */

/**
 * \defgroup hrm_folder_flags Options of a folder
 * A folder finds plugins by their names. The manual is docs/folders.md.
 * \since 1.0.0
 * \sa hrm_folder_options, hrm_enable_folder()
 * \{
 */

/** hrm_folder_options.flags: accept a directory that does not exist yet. */
#define HRM_FOLDER_ALLOW_MISSING 1u
/**
 * hrm_folder_options.flags: deliver the files that are there when the folder is enabled, too, as first versions. Otherwise
 * their present versions become the baselines.
 */
#define HRM_FOLDER_DELIVER_PRESENT 2u
/** hrm_folder_options.flags: enable the folder paused, as hrm_set_folder_paused() does. */
#define HRM_FOLDER_PAUSED 4u
/**
 * hrm_folder_options.flags: the id of a plugin is its path in the folder without the last extension: "fx/echo" instead of
 * "plugins/fx/echo.so". Two files may have one id then: see #HRM_HEALTH_FOLDER_SKIPPED.
 */
#define HRM_FOLDER_SHORT_IDS 8u
/** hrm_folder_options.flags: names that temporary, backup, lock and hidden files have may be plugins. */
#define HRM_FOLDER_ALL_NAMES 16u

/** The default of hrm_folder_options.max_depth. */
#define HRM_DEFAULT_MAX_DEPTH 16
/** The default of hrm_folder_options.max_files. */
#define HRM_DEFAULT_MAX_FILES 100000

/**
 * Gives a file of a folder its id. Equal paths must have equal ids. If a file is renamed to a path with the same id, the
 * plugin goes on under its new path.
 * \param path       the file's path in the folder, with "/" between names; valid until the function returns
 * \param[out] id    receives the id: 1 to 255 bytes of UTF-8 without control characters, and a NUL
 * \param id_size    the room in id in bytes, the NUL included: 256 or more
 * \param user_data  as registered
 * \returns 1 if the file is a plugin, 0 if it is none
 * \threadsafety Called on a thread of the library, one call at a time, with no lock held. It may call every function. A
 * folder that is enabled inside it has no plugins yet when hrm_enable_folder() returns.
 * \since 1.0.0
 * \sa hrm_folder_options
 */
typedef int32_t(HRM_CALL *hrm_folder_id_fn)(const char *path, char *id, size_t id_size, void *user_data);

/**
 * Options of hrm_enable_folder(). Set it up with #HRM_FOLDER_OPTIONS_INIT; 0 and NULL mean the default. All strings and lists
 * are copied.
 *
 * A pattern is compared with the whole path of a file in the folder, which has "/" between names: "*.so" is for files in the
 * folder itself, "**" as a name stands for any number of directories ("**" + "/" + "*.so"). "*", "?", "[a-z]", "[^a-z]",
 * "{a,b}" and "\\" are as in a shell. On Windows and macOS case does not matter.
 * \since 1.0.0
 * \sa hrm_enable_folder()
 */
typedef struct hrm_folder_options {
    uint32_t struct_size;       /**< sizeof(hrm_folder_options). */
    uint32_t flags;             /**< HRM_FOLDER_* flags, combined by |; default none. */
    const char *const *include; /**< NULL-terminated: patterns of plugins; default: every file in the folder itself. */
    /** NULL-terminated: patterns of files that are no plugins, and of directories in which none are looked for; default none. */
    const char *const *exclude;
    int32_t max_depth; /**< How many directories below the folder are entered. 0 = #HRM_DEFAULT_MAX_DEPTH, otherwise 1..100. */
    /** How many plugins, and directories, the folder may have. 0 = #HRM_DEFAULT_MAX_FILES, otherwise 1..1000000. */
    int32_t max_files;
    int32_t quiet_ms; /**< The quiet period of each plugin, as in hrm_enable_options. */
    int32_t reserved; /**< 0. */
    /**
     * Safe reload of each plugin, as in hrm_enable_options. signature, manifest and plugin_name are for one plugin, and
     * #HRM_ERR_INVALID_ARGUMENT here.
     */
    const hrm_safe_options *safe;
    /** The name of a file in the folder, which is no plugin: while it is there, the folder is paused. NULL or "" = none. */
    const char *pause_marker;
    hrm_folder_id_fn id_fn;   /**< Gives a plugin its id; NULL = the folder's id, "/", and the file's path in the folder. */
    void *id_user_data;       /**< Passed to id_fn and id_destroy. */
    /** Called exactly once with id_user_data, after the last call of id_fn, also if hrm_enable_folder() fails; may be NULL. */
    hrm_destroy_fn id_destroy;
} hrm_folder_options;

/** \} */

/**
 * \defgroup hrm_lifecycle Create and destroy
 * \since 1.0.0
 * \{
 */

/**
 * Creates a manager.
 * \param opts  options; NULL = defaults
 * \param[out] out  receives the manager, or NULL after a failure
 * \param[out] err  receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  out is NULL, or an option is out of range
 * \retval HRM_ERR_NOT_SUPPORTED     an option that this version or this system does not have
 * \retval HRM_ERR_NO_MEMORY         memory, threads or file descriptors ran out
 * \retval HRM_ERR_IO                another error of the system
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \threadsafety Any thread. Callbacks run with the signal mask of this thread.
 * \since 1.0.0
 * \sa hrm_manager_destroy(), hrm_options
 */
HRM_API int32_t HRM_CALL hrm_manager_create(const hrm_options *opts, hrm_manager **out, hrm_error *err);

/**
 * Destroys a manager: stops watching, drops what is pending, and runs the destroy functions of its callbacks.
 *
 * A hrm_dispatch() that waits returns. Inside a callback of this manager the rest is done after that callback returns.
 * \param m  the manager; NULL does nothing
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE  the manager was destroyed already, or never was one
 * \retval HRM_ERR_FORKED          called in the child of a fork
 * \threadsafety Any thread, also inside a callback. Outside of callbacks it waits for a running callback to return.
 * \since 1.0.0
 * \sa hrm_manager_create()
 */
HRM_API int32_t HRM_CALL hrm_manager_destroy(hrm_manager *m);

/** \} */

/**
 * \defgroup hrm_plugins Plugins
 * \since 1.0.0
 * \{
 */

/**
 * Starts watching a file as a plugin. The version that the file has now becomes the baseline: only later versions are
 * delivered.
 *
 * Two ids may watch one file; both receive its changes.
 * \param m          the manager
 * \param plugin_id  the plugin's name: UTF-8, 1..255 bytes, no control characters
 * \param file_path  the plugin's file; a relative path is resolved now
 * \param[out] err   receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_FILE_NOT_FOUND     there is no such file
 * \retval HRM_ERR_INVALID_PATH       the path is empty, too long, or names no regular file
 * \retval HRM_ERR_ALREADY_EXISTS     the id is enabled already, with any path
 * \retval HRM_ERR_PERMISSION_DENIED  the file cannot be read, or its directory cannot be searched
 * \retval HRM_ERR_INVALID_ARGUMENT   an argument is NULL, or the id is malformed
 * \retval HRM_ERR_INVALID_HANDLE     not a manager
 * \retval HRM_ERR_NO_MEMORY          memory, threads or file descriptors ran out
 * \retval HRM_ERR_IO                 another error of the system
 * \retval HRM_ERR_FORKED             called in the child of a fork
 * \retval HRM_ERR_PANIC              the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback.
 * \since 1.0.0
 * \sa hrm_enable_hot_reload_ex(), hrm_disable_hot_reload()
 */
HRM_API int32_t HRM_CALL hrm_enable_hot_reload(hrm_manager *m, const char *plugin_id, const char *file_path,
                                               hrm_error *err);

/**
 * Starts watching a file as a plugin, with options.
 * \param m          the manager
 * \param plugin_id  the plugin's name: UTF-8, 1..255 bytes, no control characters
 * \param file_path  the plugin's file; a relative path is resolved now
 * \param opts       options; NULL = defaults
 * \param[out] err   receives the detail of a failure; may be NULL
 * \returns 0, or a code of hrm_enable_hot_reload(), or
 * \retval HRM_ERR_FILE_NOT_FOUND    there is no such file, and #HRM_ENABLE_ALLOW_MISSING is not set
 * \retval HRM_ERR_INVALID_ARGUMENT  also: an option is out of range, or named but empty
 * \retval HRM_ERR_NOT_SUPPORTED     an option that this version or this system does not have
 * \threadsafety Any thread, also inside a callback.
 * \since 1.0.0
 * \sa hrm_enable_hot_reload(), hrm_enable_options
 */
HRM_API int32_t HRM_CALL hrm_enable_hot_reload_ex(hrm_manager *m, const char *plugin_id, const char *file_path,
                                                  const hrm_enable_options *opts, hrm_error *err);

/**
 * Stops watching a plugin and drops what is pending for it.
 * \param m          the manager
 * \param plugin_id  the plugin
 * \returns 1 if it was enabled, 0 if not, or
 * \retval HRM_ERR_INVALID_ARGUMENT  plugin_id is NULL
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks it waits for a running callback about this plugin.
 * \since 1.0.0
 * \sa hrm_enable_hot_reload(), hrm_clear()
 */
HRM_API int32_t HRM_CALL hrm_disable_hot_reload(hrm_manager *m, const char *plugin_id);

/**
 * Answers whether a plugin is enabled. Made for conditions: it never returns a negative value.
 * \param m          the manager
 * \param plugin_id  the plugin
 * \returns 1 if it is enabled, 0 if not. 0 also if the question has no answer: plugin_id is NULL, m is no manager, the
 * process is the child of a fork, or the manager is unusable. hrm_is_hot_reload_enabled_ex() returns the code.
 * \threadsafety Any thread, also inside a callback. It never waits.
 * \since 1.0.0
 * \sa hrm_is_hot_reload_enabled_ex(), hrm_get_hot_reload_plugins()
 */
HRM_API int32_t HRM_CALL hrm_is_hot_reload_enabled(hrm_manager *m, const char *plugin_id);

/**
 * Answers whether a plugin is enabled, and why there is no answer.
 * \param m             the manager
 * \param plugin_id     the plugin
 * \param[out] enabled  receives 1 if it is enabled, otherwise 0; also after a failure; may be NULL
 * \param[out] err      receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  plugin_id is NULL
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. It never waits.
 * \since 1.0.0
 * \sa hrm_is_hot_reload_enabled()
 */
HRM_API int32_t HRM_CALL hrm_is_hot_reload_enabled_ex(hrm_manager *m, const char *plugin_id, int32_t *enabled,
                                                      hrm_error *err);

/**
 * Lists the enabled plugins in the order of enabling, each id followed by a NUL. Those that folders have found are among
 * them, also before their first version is complete.
 * \param m             the manager
 * \param[out] buf      receives the ids; NULL = store the size only
 * \param[in,out] size  the room in buf in bytes; receives the bytes that are needed
 * \returns the number of ids, or
 * \retval HRM_ERR_BUFFER_TOO_SMALL  buf is too small; nothing was written
 * \retval HRM_ERR_INVALID_ARGUMENT  size is NULL
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Another thread may change the list between two calls.
 * \since 1.0.0
 * \sa hrm_is_hot_reload_enabled()
 */
HRM_API int32_t HRM_CALL hrm_get_hot_reload_plugins(hrm_manager *m, char *buf, size_t *size);

/**
 * Disables every plugin, and ends every folder.
 * \param m  the manager
 * \returns how many plugins were enabled, or
 * \retval HRM_ERR_INVALID_HANDLE  not a manager
 * \retval HRM_ERR_FORKED          called in the child of a fork
 * \retval HRM_ERR_PANIC           the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks it waits for a running callback.
 * \since 1.0.0
 * \sa hrm_disable_hot_reload(), hrm_disable_folder()
 */
HRM_API int32_t HRM_CALL hrm_clear(hrm_manager *m);

/**
 * Pauses or resumes the delivery of changes. Plugins stay enabled. After resuming, each plugin that changed meanwhile is
 * delivered once.
 * \param m        the manager
 * \param enabled  0 pauses, any other value resumes
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE  not a manager
 * \retval HRM_ERR_FORKED          called in the child of a fork
 * \retval HRM_ERR_PANIC           the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks, pausing waits for a running delivery of a change.
 * \since 1.0.0
 * \sa hrm_is_global_hot_reload_enabled()
 */
HRM_API int32_t HRM_CALL hrm_set_global_hot_reload_enabled(hrm_manager *m, int32_t enabled);

/**
 * Answers whether changes are delivered. Made for conditions: it never returns a negative value.
 * \param m  the manager
 * \returns 1 if delivery is not paused (the state after creation), 0 if it is. 0 also if the question has no answer: m is no
 * manager, the process is the child of a fork, or the manager is unusable. hrm_is_global_hot_reload_enabled_ex() returns
 * the code.
 * \threadsafety Any thread, also inside a callback. It never waits.
 * \since 1.0.0
 * \sa hrm_is_global_hot_reload_enabled_ex(), hrm_set_global_hot_reload_enabled()
 */
HRM_API int32_t HRM_CALL hrm_is_global_hot_reload_enabled(hrm_manager *m);

/**
 * Answers whether changes are delivered, and why there is no answer.
 * \param m             the manager
 * \param[out] enabled  receives 1 if delivery is not paused, otherwise 0; also after a failure; may be NULL
 * \param[out] err      receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE  not a manager
 * \retval HRM_ERR_FORKED          called in the child of a fork
 * \retval HRM_ERR_PANIC           the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. It never waits.
 * \since 1.0.0
 * \sa hrm_is_global_hot_reload_enabled()
 */
HRM_API int32_t HRM_CALL hrm_is_global_hot_reload_enabled_ex(hrm_manager *m, int32_t *enabled, hrm_error *err);

/**
 * Pauses or resumes the delivery of one plugin's changes and removals.
 *
 * During the pause the plugin's file is watched and settles, and with safe reload its versions are validated. If the file
 * changed meanwhile, its latest version is delivered once after resuming. Other plugins and other events do not wait.
 *
 * This pause and that of all plugins (hrm_set_global_hot_reload_enabled()) are two: a change is delivered when neither holds
 * it back. Disabling the plugin ends its pause.
 * \param m          the manager
 * \param plugin_id  the plugin
 * \param paused     0 resumes, any other value pauses
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  plugin_id is NULL, or the plugin is not enabled
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks, when pausing returns, no callback about a change
 * of this plugin runs.
 * \since 1.0.0
 * \sa hrm_is_plugin_paused(), #HRM_ENABLE_PAUSED, hrm_set_global_hot_reload_enabled()
 */
HRM_API int32_t HRM_CALL hrm_set_plugin_paused(hrm_manager *m, const char *plugin_id, int32_t paused);

/**
 * Answers whether a plugin is paused by hrm_set_plugin_paused(). Made for conditions: it never returns a negative value.
 * \param m          the manager
 * \param plugin_id  the plugin
 * \returns 1 if it is paused, 0 if not. 0 also if the question has no answer: the plugin is not enabled, plugin_id is NULL,
 * m is no manager, the process is the child of a fork, or the manager is unusable. hrm_is_plugin_paused_ex() returns the
 * code.
 * \threadsafety Any thread, also inside a callback. It never waits.
 * \since 1.0.0
 * \sa hrm_is_plugin_paused_ex(), hrm_set_plugin_paused()
 */
HRM_API int32_t HRM_CALL hrm_is_plugin_paused(hrm_manager *m, const char *plugin_id);

/**
 * Answers whether a plugin is paused by hrm_set_plugin_paused(), and why there is no answer.
 * \param m            the manager
 * \param plugin_id    the plugin
 * \param[out] paused  receives 1 if it is paused, otherwise 0; also after a failure; may be NULL
 * \param[out] err     receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  plugin_id is NULL, or the plugin is not enabled
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. It never waits.
 * \since 1.0.0
 * \sa hrm_is_plugin_paused()
 */
HRM_API int32_t HRM_CALL hrm_is_plugin_paused_ex(hrm_manager *m, const char *plugin_id, int32_t *paused, hrm_error *err);

/**
 * Compares a plugin's files, and the directories on the way to them, with the disk at once: after a deployment, or where the
 * file system sends no notifications. A file that could not be read, or not be copied for safe reload, is tried again at
 * once.
 *
 * It returns before the comparison is made. What has changed is delivered as always: when the file is complete and was quiet
 * for the quiet period. A file that settles already is not delayed. However often this function is called, at most one
 * comparison of a directory is under way and one more waits: a file system that hangs collects none.
 * \param m          the manager
 * \param plugin_id  the plugin; NULL = all plugins
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  the plugin is not enabled
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. It waits for nothing, not for the file system either. It is no function
 * for signal handlers.
 * \since 1.0.0
 * \sa hrm_plugin_status()
 */
HRM_API int32_t HRM_CALL hrm_check_now(hrm_manager *m, const char *plugin_id);

/** \} */

/**
 * \defgroup hrm_folders Folders
 * A folder finds plugins: each file in it that its patterns name is enabled while it is there.
 * \since 1.0.0
 * \sa hrm_folder_options, hrm_enable_folder()
 * \{
 */

/**
 * Begins to find plugins in a directory. When it returns, the files that are there are enabled, and none that comes goes
 * unnoticed.
 *
 * A new file is delivered when it is complete: #HRM_EVENT_DISCOVERED and #HRM_EVENT_FILE_CHANGED follow one another. A file
 * that is removed is reported after the quiet period, by #HRM_EVENT_FILE_REMOVED, and disabled, by #HRM_EVENT_DISABLED. In
 * between a plugin of a folder is as any other one: hrm_disable_hot_reload() ends it until its file is removed and comes
 * back, and hrm_clear() ends folders, too.
 *
 * What links lead to is found, also outside of the folder. FIFOs, devices and sockets are no plugins, nor are the temporary,
 * backup, lock and hidden files of editors and other tools (docs/folders.md lists them).
 * \param m          the manager
 * \param folder_id  any name of the caller's: 1 to 255 bytes of UTF-8 without control characters. Folders and plugins have
 *                   names apart.
 * \param directory  the directory. A relative path is resolved now. It may be a link, be removed, made again, or exchanged.
 * \param opts       options; NULL = defaults
 * \param[out] err   receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_FILE_NOT_FOUND     the directory does not exist
 * \retval HRM_ERR_INVALID_PATH       the path is empty, too long, or names no directory
 * \retval HRM_ERR_ALREADY_EXISTS     a folder of this id is enabled
 * \retval HRM_ERR_PERMISSION_DENIED  the directory cannot be listed
 * \retval HRM_ERR_INVALID_ARGUMENT   folder_id or directory is NULL, folder_id or a pattern is malformed, or an option is out
 *                                    of range
 * \retval HRM_ERR_NOT_SUPPORTED      an option that this version does not have
 * \retval HRM_ERR_INVALID_HANDLE     not a manager
 * \retval HRM_ERR_NO_MEMORY          memory or file descriptors ran out
 * \retval HRM_ERR_IO                 another error of the system
 * \retval HRM_ERR_FORKED             called in the child of a fork
 * \retval HRM_ERR_PANIC              the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. It waits for the file system of the directory, unless that hangs, and
 * for id_fn: hold no lock that id_fn takes.
 * \since 1.0.0
 * \sa hrm_disable_folder(), hrm_folder_options, #HRM_EVENT_DISCOVERED
 */
HRM_API int32_t HRM_CALL hrm_enable_folder(hrm_manager *m, const char *folder_id, const char *directory,
                                           const hrm_folder_options *opts, hrm_error *err);

/**
 * Ends the search for plugins in a folder, and disables those that it has found.
 * \param m          the manager
 * \param folder_id  the folder
 * \returns 1 if the folder was enabled, 0 if not, or
 * \retval HRM_ERR_INVALID_ARGUMENT  folder_id is NULL
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks, when it returns, no callback about a plugin of the
 * folder runs or will run, and id_fn neither.
 * \since 1.0.0
 * \sa hrm_enable_folder()
 */
HRM_API int32_t HRM_CALL hrm_disable_folder(hrm_manager *m, const char *folder_id);

/**
 * Lists the enabled folders.
 * \param m             the manager
 * \param[out] buf      receives the ids, sorted, each ended by a NUL; NULL = store the size only
 * \param[in,out] size  the room in buf in bytes; receives the bytes that are needed
 * \returns the number of folders, or
 * \retval HRM_ERR_BUFFER_TOO_SMALL  buf is too small; nothing was written
 * \retval HRM_ERR_INVALID_ARGUMENT  size is NULL
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Other threads may enable or disable folders between two calls.
 * \since 1.0.0
 * \sa hrm_enable_folder()
 */
HRM_API int32_t HRM_CALL hrm_get_folders(hrm_manager *m, char *buf, size_t *size);

/**
 * Pauses or resumes the delivery of changes of a folder's plugins, as hrm_set_plugin_paused() does of one. New files wait as
 * well. A pause by hrm_folder_options.pause_marker goes on while the marker is there.
 * \param m          the manager
 * \param folder_id  the folder
 * \param paused     0 resumes, any other value pauses
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  folder_id is NULL, or the folder is not enabled
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks, when pausing returns, no callback about a change
 * of a plugin of the folder runs.
 * \since 1.0.0
 * \sa hrm_is_folder_paused(), #HRM_FOLDER_PAUSED
 */
HRM_API int32_t HRM_CALL hrm_set_folder_paused(hrm_manager *m, const char *folder_id, int32_t paused);

/**
 * Answers whether a folder is paused, by hrm_set_folder_paused() or by its marker. Made for conditions: it never returns a
 * negative value.
 * \param m          the manager
 * \param folder_id  the folder
 * \returns 1 if it is paused, 0 if not. 0 also if the question has no answer: the folder is not enabled, folder_id is NULL, m
 * is no manager, the process is the child of a fork, or the manager is unusable.
 * \threadsafety Any thread, also inside a callback. It never waits.
 * \since 1.0.0
 * \sa hrm_set_folder_paused()
 */
HRM_API int32_t HRM_CALL hrm_is_folder_paused(hrm_manager *m, const char *folder_id);

/** \} */

/**
 * \defgroup hrm_callback_functions Callbacks
 * \since 1.0.0
 * \{
 */

/**
 * Sets the function that receives the id of a plugin that has a new version.
 *
 * While neither a reload nor an event callback is set, changes stay pending.
 * \param m          the manager
 * \param fn         the function; NULL removes the one that is set
 * \param user_data  passed to fn and destroy
 * \param destroy    called exactly once with user_data, also if this function fails; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE  not a manager
 * \retval HRM_ERR_FORKED          called in the child of a fork
 * \retval HRM_ERR_PANIC           the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks, the former function does not run any more when
 * this function returns.
 * \since 1.0.0
 * \sa hrm_set_event_callback(), hrm_reload_fn, hrm_destroy_fn
 */
HRM_API int32_t HRM_CALL hrm_set_reload_callback(hrm_manager *m, hrm_reload_fn fn, void *user_data,
                                                 hrm_destroy_fn destroy);

/**
 * Sets the function that receives every event. For #HRM_EVENT_FILE_CHANGED it is called just before the reload callback.
 * \param m          the manager
 * \param fn         the function; NULL removes the one that is set
 * \param user_data  passed to fn and destroy
 * \param destroy    called exactly once with user_data, also if this function fails; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE  not a manager
 * \retval HRM_ERR_FORKED          called in the child of a fork
 * \retval HRM_ERR_PANIC           the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks, the former function does not run any more when
 * this function returns.
 * \since 1.0.0
 * \sa hrm_set_reload_callback(), hrm_event_fn, hrm_event
 */
HRM_API int32_t HRM_CALL hrm_set_event_callback(hrm_manager *m, hrm_event_fn fn, void *user_data,
                                                hrm_destroy_fn destroy);

/** \} */

/**
 * \defgroup hrm_safe_reload Safe reload
 * \since 1.0.0
 * \{
 */

/**
 * Sets the function that decides on every version of plugins with safe reload, before the version is delivered and after
 * what the options ask for.
 *
 * Other plugins are delivered while it runs. A version that waits for its delivery when fn is set is validated, too.
 * \param m          the manager
 * \param fn         the function; NULL removes the one that is set
 * \param user_data  passed to fn and destroy
 * \param destroy    called exactly once with user_data, also if this function fails; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_HANDLE  not a manager
 * \retval HRM_ERR_FORKED          called in the child of a fork
 * \retval HRM_ERR_PANIC           the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. hrm_manager_destroy() and disabling the plugin wait for a running call
 * of fn.
 * \since 1.0.0
 * \sa hrm_validator_fn, hrm_candidate, hrm_safe_options
 */
HRM_API int32_t HRM_CALL hrm_set_validator(hrm_manager *m, hrm_validator_fn fn, void *user_data,
                                           hrm_destroy_fn destroy);

/** For hrm_report_reload(): the generation is loaded. It is the good generation now, and those before it may go. */
#define HRM_RELOAD_OK 1
/** For hrm_report_reload(): the generation does not work, or works no more. Go back, and do not deliver these bytes again. */
#define HRM_RELOAD_FAILED 2
/** For hrm_report_reload(): the host does not need the generation's snapshot any more. */
#define HRM_RELOAD_RELEASED 3

/**
 * Reports how the loading of a delivered generation went.
 * \param m           the manager
 * \param plugin_id   the plugin
 * \param generation  hrm_event.generation of the change
 * \param result      #HRM_RELOAD_OK, #HRM_RELOAD_FAILED or #HRM_RELOAD_RELEASED
 * \param message     why, for the #HRM_EVENT_ROLLBACK event; may be NULL
 * \param[out] err    receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  an unknown result, a plugin that is not enabled, or a generation that was never
 *                                   delivered or does not exist any more
 * \retval HRM_ERR_NOT_SUPPORTED     the plugin is enabled without safe reload
 * \retval HRM_ERR_IO                the outcome is noted, but the version cannot be remembered in
 *                                   hrm_safe_options.version_dir
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback.
 * \since 1.0.0
 * \sa hrm_set_validator(), hrm_safe_options
 */
HRM_API int32_t HRM_CALL hrm_report_reload(hrm_manager *m, const char *plugin_id, uint64_t generation, int32_t result,
                                           const char *message, hrm_error *err);

/** \} */

/**
 * \defgroup hrm_manual Manual delivery
 * For managers with #HRM_DISPATCH_MANUAL.
 * \since 1.0.0
 * \{
 */

/**
 * Runs the callbacks of pending events on this thread.
 * \param m           the manager
 * \param max         how many events at most; 0 = all that are pending
 * \param timeout_ms  how long to wait for the first event, in milliseconds; 0 = do not wait, negative = for ever
 * \param[out] err    receives the detail of a failure; may be NULL
 * \returns the number of events that were delivered, or a code. 0 also inside a callback of this manager, because callbacks
 * do not nest.
 * \retval HRM_ERR_NOT_SUPPORTED     the manager has #HRM_DISPATCH_THREAD
 * \retval HRM_ERR_INVALID_ARGUMENT  max is negative
 * \retval HRM_ERR_INVALID_HANDLE    not a manager, or it was destroyed while this function waited
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread. Concurrent calls take turns. hrm_manager_destroy() ends the waiting.
 * \since 1.0.0
 * \sa hrm_event_fd(), hrm_set_wakeup_callback()
 */
HRM_API int32_t HRM_CALL hrm_dispatch(hrm_manager *m, int32_t max, int32_t timeout_ms, hrm_error *err);

/**
 * Returns a descriptor that polls readable while hrm_dispatch() has something to deliver and does not run.
 *
 * Only poll it: the library reads, writes and closes it. If the process has closed it, or put another file in its place, the
 * library leaves the number alone (#HRM_HEALTH_DESCRIPTORS) and this function makes another one.
 * \param m  the manager
 * \returns the descriptor, or
 * \retval HRM_ERR_NO_MEMORY       the process has closed the descriptor, and none is left to make another one
 * \retval HRM_ERR_NOT_SUPPORTED   the manager has #HRM_DISPATCH_THREAD, or the system is Windows
 * \retval HRM_ERR_INVALID_HANDLE  not a manager
 * \retval HRM_ERR_FORKED          called in the child of a fork
 * \retval HRM_ERR_PANIC           the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. The descriptor is valid until hrm_manager_destroy() is called.
 * \since 1.0.0
 * \sa hrm_dispatch(), hrm_set_wakeup_callback()
 */
HRM_API int32_t HRM_CALL hrm_event_fd(hrm_manager *m);

/**
 * Sets a function that is called when hrm_dispatch() has something to deliver: once, until hrm_dispatch() was called.
 *
 * hrm_dispatch() inside it returns 0.
 * \param m          the manager
 * \param fn         the function; NULL removes the one that is set
 * \param user_data  passed to fn and destroy
 * \param destroy    called exactly once with user_data, also if this function fails; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_NOT_SUPPORTED   the manager has #HRM_DISPATCH_THREAD
 * \retval HRM_ERR_INVALID_HANDLE  not a manager
 * \retval HRM_ERR_FORKED          called in the child of a fork
 * \retval HRM_ERR_PANIC           the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks, the former function does not run any more when
 * this function returns.
 * \since 1.0.0
 * \sa hrm_dispatch(), hrm_event_fd(), hrm_wakeup_fn
 */
HRM_API int32_t HRM_CALL hrm_set_wakeup_callback(hrm_manager *m, hrm_wakeup_fn fn, void *user_data,
                                                 hrm_destroy_fn destroy);

/** \} */

/**
 * \defgroup hrm_health Health
 * \since 1.0.0
 * \{
 */

/**
 * Figures of a manager at one moment. Set it up with #HRM_STATS_INIT.
 * \since 1.0.0
 * \sa hrm_stats()
 */
typedef struct hrm_statistics {
    uint32_t struct_size;         /**< sizeof(hrm_statistics), set by the caller; receives the bytes that were filled. */
    int32_t failed;               /**< 1 after a contained fault (#HRM_ERR_PANIC), otherwise 0. */
    uint64_t plugins;             /**< Enabled plugins. */
    uint64_t watched_directories; /**< Directories with a watch of the system. */
    uint64_t polled_directories;  /**< Directories that are compared every poll interval instead. */
    uint64_t pending;             /**< Events that wait for delivery. */
    uint64_t settling;            /**< Plugins whose file changed and is not yet quiet and complete. */
    uint64_t being_written;       /**< Of these, held open by a writer. */
    uint64_t incomplete_images;   /**< Of these, not complete images (#HRM_CHECK_IMAGE). */
    uint64_t notifications;       /**< Notifications of the system so far. */
    uint64_t overflows;           /**< How often the system dropped notifications. */
    uint64_t deliveries;          /**< Changes delivered. */
    uint64_t removals;            /**< Removals delivered. */
    uint64_t unchanged;           /**< Settled without anything to deliver: chmod, noise, identical content. */
    uint64_t superseded;          /**< Complete versions that a newer one replaced before they were delivered. */
    int64_t last_delivery_ns;     /**< In ns since 1970 UTC; 0 if there was none. */
    uint64_t unreadable;          /**< Plugins whose file changed and cannot be read at the moment. */
    uint64_t snapshots;           /**< Safe reload: generations on the disk. */
    uint64_t snapshot_bytes;      /**< Safe reload: their size. */
    uint64_t validating;          /**< Safe reload: versions that are being copied or validated. */
    uint64_t rejected;            /**< Safe reload: versions that were rejected. */
    uint64_t reloads_ok;          /**< Safe reload: reports of #HRM_RELOAD_OK. */
    uint64_t reloads_failed;      /**< Safe reload: reports of #HRM_RELOAD_FAILED. */
    uint64_t rollbacks;           /**< Safe reload: of these, those with a good generation to go back to. */
    uint64_t suppressed;          /**< Safe reload: versions that were not delivered because their content is known to fail. */
    uint64_t retries;             /**< Safe reload: failed versions that were delivered again. */
    uint64_t unreported;          /**< Safe reload: generations that were not reported in time. */
    uint64_t snapshot_failures;   /**< Safe reload: attempts that failed. */
    uint64_t watched_files;       /**< Files that are mount points, with a watch of their own. */
    uint64_t polled_files;        /**< Files that are mount points and are compared every poll interval instead. */
    uint64_t unreliable;          /**< Directories and files that the safety check compares (safety_check_ms). */
    uint64_t safety_checks;       /**< How often it has compared them. */
    uint64_t missed;              /**< Changes that were found although a notification ought to have come. */
    uint64_t held_open;           /**< Plugins whose file is held open for writing and does not change (#HRM_HEALTH_HELD_OPEN). */
    uint64_t writers_unknown;     /**< Of deliveries: the system did not say whether a writer had the file open. */
} hrm_statistics;

/**
 * Another name of hrm_statistics.
 * \since 1.0.0
 * \sa hrm_statistics
 */
typedef hrm_statistics hrm_stats_t;

/**
 * Fills in the figures of a manager. Works also after a contained fault.
 * \param m            the manager
 * \param[in,out] out  its struct_size says how many bytes to fill; receives the figures
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  out is NULL, or its struct_size is too small or ends inside a field
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \threadsafety Any thread, also inside a callback.
 * \since 1.0.0
 * \sa hrm_statistics
 */
HRM_API int32_t HRM_CALL hrm_stats(hrm_manager *m, hrm_statistics *out);

/** hrm_plugin_status_info.state: the file is at the version that the host knows. */
#define HRM_STATE_IDLE 1
/** hrm_plugin_status_info.state: the file may have changed; the quiet period runs, or a check. */
#define HRM_STATE_SETTLING 2
/**
 * hrm_plugin_status_info.state: a process holds the file open for writing. Where the system does not say who writes the file:
 * the file was written and, as far as notifications say, not closed.
 */
#define HRM_STATE_WRITING 3
/** hrm_plugin_status_info.state: the file cannot be read; it is tried again. */
#define HRM_STATE_UNREADABLE 4
/** hrm_plugin_status_info.state: the file is not a complete image (#HRM_CHECK_IMAGE); the next version is waited for. */
#define HRM_STATE_INCOMPLETE 5
/** hrm_plugin_status_info.state: there is no file. */
#define HRM_STATE_MISSING 6
/** hrm_plugin_status_info.state: safe reload: a version is being copied and validated. */
#define HRM_STATE_VALIDATING 7
/** hrm_plugin_status_info.state: safe reload: the version was rejected; the next one is waited for. */
#define HRM_STATE_REJECTED 8
/** hrm_plugin_status_info.state: safe reload: the version could not be copied, or lacks a file; it is tried again. */
#define HRM_STATE_RETRYING 9
/** hrm_plugin_status_info.state: a change waits to be delivered: for the end of a pause, a callback, or the host. */
#define HRM_STATE_READY 10
/** hrm_plugin_status_info.state: the host's callback runs. */
#define HRM_STATE_DELIVERING 11
/** hrm_plugin_status_info.state: the file system does not answer. */
#define HRM_STATE_HANGING 12

/** hrm_plugin_status_info.watching: not watched yet; the file system has not said where the directory is. */
#define HRM_WATCHING_PENDING 0
/** hrm_plugin_status_info.watching: the system notifies of changes. */
#define HRM_WATCHING_NOTIFIED 1
/** hrm_plugin_status_info.watching: the path is compared every poll interval, at least in part. */
#define HRM_WATCHING_POLLED 2

/** hrm_plugin_status_info.last_decision: nothing is known. */
#define HRM_DECISION_NONE 0
/** hrm_plugin_status_info.last_decision: the file may have changed. */
#define HRM_DECISION_NOTICED 1
/** hrm_plugin_status_info.last_decision: a check found the file not complete yet. */
#define HRM_DECISION_WAITING 2
/** hrm_plugin_status_info.last_decision: there is nothing to deliver. */
#define HRM_DECISION_UNCHANGED 3
/** hrm_plugin_status_info.last_decision: there is a complete, new version. */
#define HRM_DECISION_COMPLETE 4
/** hrm_plugin_status_info.last_decision: the version is not delivered. */
#define HRM_DECISION_REJECTED 5
/** hrm_plugin_status_info.last_decision: the file cannot be read. */
#define HRM_DECISION_UNREADABLE 6
/** hrm_plugin_status_info.last_decision: the file is gone. */
#define HRM_DECISION_REMOVED 7
/** hrm_plugin_status_info.last_decision: a version was taken back because the file may have changed. */
#define HRM_DECISION_SUPERSEDED 8
/** hrm_plugin_status_info.last_decision: a change was delivered. */
#define HRM_DECISION_DELIVERED 9
/** hrm_plugin_status_info.last_decision: the host reported on a generation. */
#define HRM_DECISION_REPORTED 10
/** hrm_plugin_status_info.last_decision: the plugin was paused or resumed. */
#define HRM_DECISION_PAUSED 11

/**
 * What is known of a plugin at one moment. Set it up with #HRM_PLUGIN_STATUS_INIT. Times are in ns since 1970 UTC; 0 means
 * never, or not known.
 *
 * What happened (the fields that begin with last_) is kept of the 1024 plugins to which something happened last. Of the
 * others these fields are 0. Within a major version further states and decisions may be appended.
 * \since 1.0.0
 * \sa hrm_plugin_status()
 */
typedef struct hrm_plugin_status_info {
    uint32_t struct_size;         /**< sizeof(hrm_plugin_status_info), set by the caller; receives the bytes that were filled. */
    int32_t state;                /**< HRM_STATE_*. */
    int64_t since_ns;             /**< Since when. */
    int64_t due_ns;               /**< When the file is checked next; 0 if nothing is due. */
    int32_t paused;               /**< 1 if it is paused by hrm_set_plugin_paused(), otherwise 0. */
    int32_t watching;             /**< HRM_WATCHING_*. */
    int32_t last_decision;        /**< HRM_DECISION_*. */
    int32_t last_outcome;         /**< HRM_RELOAD_* of the latest report; 0 if there was none. */
    int64_t last_decision_ns;     /**< When last_decision was made. */
    int64_t last_notification_ns; /**< When a sign of a change came last. */
    int64_t last_check_ns;        /**< When the file was checked last. */
    int64_t last_delivery_ns;     /**< When a change was delivered last. */
    int64_t last_report_ns;       /**< When the host last reported on a generation. */
    uint64_t generation;          /**< Of the latest delivered version; 0 before the first. */
    int64_t writer_pid; /**< #HRM_STATE_WRITING: a process that holds the file open for writing; 0 if none is known. */
    int64_t marked_since_ns; /**< Since when the plugin's pause marker is there, or may be; 0 if it is not. Changes wait. */
} hrm_plugin_status_info;

/**
 * Another name of hrm_plugin_status_info.
 * \since 1.0.0
 * \sa hrm_plugin_status_info
 */
typedef hrm_plugin_status_info hrm_plugin_status_t;

/**
 * Says what a plugin is doing, for programs. hrm_explain() says it for people.
 * \param m            the manager
 * \param plugin_id    the plugin
 * \param[in,out] out  its struct_size says how many bytes to fill; receives the status
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  plugin_id is NULL or not enabled; out is NULL, or its struct_size is too small or ends
 *                                   inside a field
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. It waits for no file system and no callback.
 * \since 1.0.0
 * \sa hrm_explain(), hrm_plugin_status_info
 */
HRM_API int32_t HRM_CALL hrm_plugin_status(hrm_manager *m, const char *plugin_id, hrm_plugin_status_info *out);

/**
 * Says what a plugin is doing and why, for people: state, since when, what it waits for, how it is watched, the latest
 * notification, check, delivery and report, and the last decisions with their reasons.
 *
 * The text has some lines of printable UTF-8, each ended by a line feed, and a NUL at its end. It may change from version to
 * version. It is for logs and for people, not for programs: these use hrm_plugin_status().
 * \param m             the manager
 * \param plugin_id     the plugin
 * \param[out] buf      receives the text; NULL = store the size only
 * \param[in,out] size  the room in buf in bytes; receives the bytes that are needed, the NUL included
 * \returns 0, or
 * \retval HRM_ERR_BUFFER_TOO_SMALL  buf is too small; nothing was written
 * \retval HRM_ERR_INVALID_ARGUMENT  plugin_id is NULL or not enabled, or size is NULL
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. It waits for no file system and no callback. Between two calls the text
 * may become longer: 16384 bytes are always enough.
 * \since 1.0.0
 * \sa hrm_plugin_status(), hrm_set_log_callback()
 */
HRM_API int32_t HRM_CALL hrm_explain(hrm_manager *m, const char *plugin_id, char *buf, size_t *size);

/**
 * One decision about a plugin. Set up an array of them with #HRM_PAST_DECISION_INIT for its first element.
 * \since 1.0.0
 * \sa hrm_plugin_decisions()
 */
typedef struct hrm_past_decision {
    uint32_t struct_size; /**< sizeof(hrm_past_decision), set by the caller in the first element; receives the bytes that were filled. */
    int32_t decision;     /**< HRM_DECISION_*. */
    int64_t timestamp_ns; /**< When, in ns since 1970 UTC; the last time, if there were several in a row. */
    uint64_t times;       /**< How often in a row, from 1. */
    char reason[512];     /**< Why, for people: one printable line of UTF-8 that ends with a NUL. */
} hrm_past_decision;

/**
 * Copies the last decisions about a plugin, oldest first. hrm_explain() shows the same to people.
 *
 * In this version at most 8 decisions are kept of each of the 1024 plugins to which something happened last. A plugin to
 * which nothing happened has none.
 * \param m              the manager
 * \param plugin_id      the plugin
 * \param[in,out] out    an array; struct_size of the first element says how large each element is. Receives the decisions.
 *                       NULL = store the number only
 * \param[in,out] count  the room in out in elements; receives the number of decisions
 * \param[out] err       receives the detail of a failure; may be NULL
 * \returns the number of decisions, or
 * \retval HRM_ERR_BUFFER_TOO_SMALL  out has fewer elements than there are decisions; nothing was written
 * \retval HRM_ERR_INVALID_ARGUMENT  plugin_id is NULL or not enabled; count is NULL; struct_size is too small or ends inside a
 *                                   field
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. It waits for no file system and no callback. Between two calls there may
 * be more: 8 elements are always enough in this version.
 * \since 1.0.0
 * \sa hrm_past_decision, hrm_plugin_status(), hrm_explain()
 */
HRM_API int32_t HRM_CALL hrm_plugin_decisions(hrm_manager *m, const char *plugin_id, hrm_past_decision *out, size_t *count,
                                              hrm_error *err);

/** The media type of what hrm_metrics() writes, for the HTTP header Content-Type. */
#define HRM_METRICS_CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/**
 * Writes the figures of a manager and of its plugins as OpenMetrics text, which Prometheus reads. Works also after a
 * contained fault.
 *
 * docs/metrics.md says what each metric means. Names and meanings stay within a major version; metrics may be appended.
 * Plugins have metrics of their own as long as at most 1024 are enabled. Of more, the 1024 have them to which something
 * happened last. One plugin takes about 1 to 3 KiB of text.
 *
 * The text is UTF-8, ends with "# EOF" and a line feed, and has a NUL behind that. Between two calls it may become longer:
 * give more room than was asked for, and repeat the call while it returns #HRM_ERR_BUFFER_TOO_SMALL.
 * \param m             the manager
 * \param[out] buf      receives the text; NULL = store the size only
 * \param[in,out] size  the room in buf in bytes; receives the bytes that are needed, the NUL included
 * \param[out] err      receives the detail of a failure; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_BUFFER_TOO_SMALL  buf is too small; nothing was written
 * \retval HRM_ERR_INVALID_ARGUMENT  size is NULL
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \threadsafety Any thread, also inside a callback. It waits for no file system and no callback.
 * \since 1.0.0
 * \sa hrm_stats(), #HRM_METRICS_CONTENT_TYPE
 */
HRM_API int32_t HRM_CALL hrm_metrics(hrm_manager *m, char *buf, size_t *size, hrm_error *err);

/** hrm_set_log_callback(): the manager is unusable. */
#define HRM_LOG_ERROR 1
/** hrm_set_log_callback(): something degraded, or a version was rejected or failed; and what #HRM_LOG_ERROR has. */
#define HRM_LOG_WARNING 2
/** hrm_set_log_callback(): plugins come and go, versions are complete, delivered, reported on; and all above. */
#define HRM_LOG_INFO 3
/** hrm_set_log_callback(): each notification and each check; and all above. */
#define HRM_LOG_DEBUG 4

/**
 * One line of a manager's log. Strings are never NULL and are valid until the function returns.
 * \since 1.0.0
 * \sa hrm_set_log_callback()
 */
typedef struct hrm_log_record {
    uint32_t struct_size;  /**< sizeof(hrm_log_record) in the library: fields beyond it do not exist. */
    int32_t level;         /**< HRM_LOG_*. */
    int64_t timestamp_ns;  /**< In ns since 1970 UTC. */
    const char *plugin_id; /**< "" for the manager itself. */
    const char *message;   /**< One printable line of at most 1000 bytes. */
} hrm_log_record;

/**
 * Receives one line of a manager's log.
 * \param record     the line; valid until the function returns
 * \param user_data  as registered
 * \threadsafety Called on a thread of the library, one call at a time, with no lock held, whether or not the host dispatches.
 * It may call every function.
 * \since 1.0.0
 * \sa hrm_set_log_callback()
 */
typedef void(HRM_CALL *hrm_log_fn)(const hrm_log_record *record, void *user_data);

/**
 * Sets the function that receives the manager's log. The library itself prints nothing.
 *
 * While the function is busy, up to 1024 lines wait for it. Lines beyond these are dropped, and a line says how many. Without
 * a function the log costs nothing.
 * \param m          the manager
 * \param level      #HRM_LOG_ERROR, #HRM_LOG_WARNING, #HRM_LOG_INFO or #HRM_LOG_DEBUG: this level and those above it
 * \param fn         the function; NULL removes the one that is set
 * \param user_data  passed to fn and destroy
 * \param destroy    called exactly once with user_data, also if this function fails; may be NULL
 * \returns 0, or
 * \retval HRM_ERR_INVALID_ARGUMENT  the level is not known
 * \retval HRM_ERR_INVALID_HANDLE    not a manager
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \retval HRM_ERR_PANIC             the manager is unusable after a contained fault
 * \threadsafety Any thread, also inside a callback. Outside of callbacks, the former function does not run any more when
 * this function returns, and hrm_manager_destroy() waits for a running call.
 * \since 1.0.0
 * \sa hrm_log_fn, hrm_log_record, hrm_explain()
 */
HRM_API int32_t HRM_CALL hrm_set_log_callback(hrm_manager *m, int32_t level, hrm_log_fn fn, void *user_data,
                                              hrm_destroy_fn destroy);

/**
 * The name of a code: "HRM_ERR_FILE_NOT_FOUND" and so on.
 * \param code  what a function returned
 * \returns the name; "HRM_OK" for 0 and above, "HRM_ERR_UNKNOWN" for a code that this version does not know. Static, never
 * NULL.
 * \threadsafety Any thread, also after fork.
 * \since 1.0.0
 * \sa hrm_strerror()
 */
HRM_API const char *HRM_CALL hrm_error_name(int32_t code);

/**
 * One English sentence about a code.
 * \param code  what a function returned
 * \returns the sentence. Static, never NULL.
 * \threadsafety Any thread, also after fork.
 * \since 1.0.0
 * \sa hrm_error_name()
 */
HRM_API const char *HRM_CALL hrm_strerror(int32_t code);

/**
 * Writes text as one printable line, as in messages (\ref hrm_errors_section). Text that is too long loses its middle.
 *
 * For text that a host shows itself: names of files, what dlerror() returns.
 * \param text      the text; any bytes before the NUL
 * \param[out] out  receives the line; may not be text
 * \param size      the room in out in bytes, the NUL included
 * \returns the number of bytes before the NUL, or, with "" in out,
 * \retval HRM_ERR_INVALID_ARGUMENT  text or out is NULL, or size is 0
 * \retval HRM_ERR_FORKED            called in the child of a fork
 * \threadsafety Any thread, also inside a callback. Needs no manager.
 * \since 1.0.0
 * \sa hrm_error
 */
HRM_API int32_t HRM_CALL hrm_printable(const char *text, char *out, size_t size);

/**
 * The version of the library that is loaded.
 * \returns a number to compare with #HRM_VERSION_NUMBER
 * \threadsafety Any thread, also after fork.
 * \since 1.0.0
 * \sa hrm_version_string()
 */
HRM_API int32_t HRM_CALL hrm_version_number(void);
/**
 * The version of the library that is loaded, as text.
 * \returns for example "1.0.0". Static, never NULL.
 * \threadsafety Any thread, also after fork.
 * \since 1.0.0
 * \sa hrm_version_number()
 */
HRM_API const char *HRM_CALL hrm_version_string(void);

/** \} */

/**
 * \defgroup hrm_initialisers Initialisers
 * Zero-initialisers for C with struct_size set. Other languages set the field themselves.
 * \since 1.0.0
 * \{
 */

/** For hrm_error. */
#define HRM_ERROR_INIT                                                         \
    { sizeof(hrm_error), 0, 0, { 0 } }
/** For hrm_options. */
#define HRM_OPTIONS_INIT                                                       \
    { sizeof(hrm_options), HRM_DISPATCH_THREAD, 0, 0, 0, 0, NULL, NULL, 0, 0, 0, 0 }
/** For hrm_enable_options. */
#define HRM_ENABLE_OPTIONS_INIT                                                \
    { sizeof(hrm_enable_options), 0, 0, 0, NULL, NULL }
/** For hrm_folder_options. */
#define HRM_FOLDER_OPTIONS_INIT                                                \
    { sizeof(hrm_folder_options), 0, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL }
/** For hrm_safe_options. */
#define HRM_SAFE_OPTIONS_INIT                                                  \
    { sizeof(hrm_safe_options), 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL }
/** For hrm_statistics. */
#define HRM_STATS_INIT                                                         \
    { sizeof(hrm_statistics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,      \
      0, 0, 0, 0, 0, 0, 0 }

/** For hrm_past_decision. */
#define HRM_PAST_DECISION_INIT                                                 \
    { sizeof(hrm_past_decision), 0, 0, 0, { 0 } }
/** For hrm_plugin_status_info. */
#define HRM_PLUGIN_STATUS_INIT                                                 \
    { sizeof(hrm_plugin_status_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** \} */

#ifdef __cplusplus
}
#endif

#endif /* HOT_RELOAD_MANAGER_H */
