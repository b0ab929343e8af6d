// SPDX-License-Identifier: MIT
/**
 * @file types.hpp
 * @brief What the C++ interfaces, with and without Qt, share beside errors: options, events, statistics.
 *
 * Each value means the same as the value of this name in hot_reload_manager.h.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hotreload {

/**
 * For quiet periods: deliver as soon as the file is complete.
 *
 * @since 1.0.0
 * @sa Options, EnableOptions
 */
inline constexpr std::chrono::milliseconds no_quiet{-1};
/**
 * For Options::safety_check: rely on notifications everywhere.
 *
 * @since 1.0.0
 * @sa Options
 */
inline constexpr std::chrono::milliseconds no_safety_check{-1};

/**
 * For Options::held_after: report no writer.
 *
 * @since 1.0.0
 * @sa Options
 */
inline constexpr std::chrono::milliseconds held_never{-1};

/**
 * For Options::marker_after: report no pause marker.
 *
 * @since 1.0.0
 * @sa Options, EnableOptions::pause_marker
 */
inline constexpr std::chrono::milliseconds marker_never{-1};

/**
 * Options of safe reload: validated snapshots are delivered. docs/safe-reload.md is the manual.
 *
 * A safeguard in Options::safe holds for every plugin whose EnableOptions::safe does not name the same field. A field is
 * named by giving it a value. A named field replaces the manager's; false exempts the plugin, and zero stands for none
 * where that is said below. A value that is named but empty (an empty path, list or entry of a list) is
 * ErrorCode::InvalidParameters, never "no safeguard"; only the list files may be empty. Strings must not contain a NUL.
 * A plugin's options can replace symbols, allow_list, public_keys, min_version and version_dir of its manager, but cannot
 * remove them.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Options, EnableOptions, Candidate
 */
struct SafeOptions {
    /** Companion files of this plugin, absolute or relative to its directory. For one plugin, not for a manager. */
    std::optional<std::vector<std::filesystem::path>> files;
    std::optional<bool> image;         ///< reject files that are not complete ELF, PE or Mach-O images for this machine
    std::optional<bool> strict_modes;  ///< reject a file that other users could replace
    std::optional<std::vector<std::string>> symbols;      ///< what the image must export
    std::optional<std::filesystem::path> allow_list;      ///< a file of SHA-256 sums, as sha256sum writes it
    std::optional<bool> list_names;  ///< reject a file that allow_list has for another name
    std::optional<bool> no_unique;   ///< reject an ELF image with symbols that the process has once (STB_GNU_UNIQUE)
    std::optional<std::vector<std::string>> public_keys;  ///< minisign's; one of them must have signed the file
    /**
     * The file of the signature of the plugin, or of its manifest; default: the path of that file with .minisig appended. For
     * one plugin, not for a manager.
     */
    std::optional<std::filesystem::path> signature;
    /**
     * A file that lists the plugin, all its companion files and nothing else, as sha256sum writes it in the plugin's
     * directory. It is signed in their place, with a trusted comment that begins with "manifest:" and the plugin's name. It
     * needs public_keys. For one plugin, not for a manager.
     */
    std::optional<std::filesystem::path> manifest;
    /**
     * Reject a version whose signature's trusted comment does not begin with the word "plugin:" and this name, or
     * that of its manifest with "manifest:" and this name. It needs public_keys. For one plugin, not for a manager.
     */
    std::optional<std::string> plugin_name;
    /**
     * Reject an older version: 1 to 8 numbers with dots between them. The trusted comment must give the version among its
     * first words, "version:1.2.3". It needs public_keys.
     */
    std::optional<std::string> min_version;
    /**
     * Reject a version that is older than one that was delivered and did not fail, and one with the same number and another
     * content. It needs public_keys, and the trusted comment as min_version does.
     */
    std::optional<bool> rising_version;
    /**
     * Where rising_version remembers across restarts the versions that were reported as Outcome::ok. It
     * is made if it is missing, and must be the user's alone; default: remembered while the plugin is enabled.
     */
    std::optional<std::filesystem::path> version_dir;
    /** For one call of the validator, 1 to 86400000 ms; zero: none, which is the default. */
    std::optional<std::chrono::milliseconds> validator_timeout;
    std::optional<bool> accept_on_timeout;  ///< accept a version whose validator did not return in time
    /** When a missing report is noted, 1 to 86400000 ms; zero: never, which is the default. */
    std::optional<std::chrono::milliseconds> report_timeout;
    std::optional<int> retries;  ///< how often a version that failed is delivered again, 1 to 1000; zero: never, the default
    /** Before the first retry, then doubling, 1 to 86400000 ms; default: HRM_DEFAULT_RETRY_DELAY_MS. */
    std::optional<std::chrono::milliseconds> retry_delay;
    /** Good generations kept beside the present one, 1 to 1000; zero: none; default: one. */
    std::optional<int> keep_generations;
    /** Bytes of all files of a plugin together; a larger version is rejected unread; zero: no limit; default: 1 GiB. */
    std::optional<std::int64_t> max_size;
};

/**
 * How the loading of a generation went.
 *
 * @since 1.0.0
 * @sa Manager::report_reload()
 */
enum class Outcome : std::int32_t {
    ok = 1,        ///< it is the good generation now
    failed = 2,    ///< it does not work, or works no more: go back, and do not deliver these bytes again
    released = 3,  ///< the host does not need its snapshot any more
};

/**
 * A version that a validator decides on.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Manager::set_validator()
 */
struct Candidate {
    std::string plugin_id;                ///< the plugin
    std::filesystem::path path;           ///< as registered. Do not read this file: it may have another version by now.
    std::filesystem::path snapshot_path;  ///< the copy that will be loaded
    std::uint64_t snapshot_size = 0;      ///< in bytes
    std::string snapshot_sha256;          ///< in hexadecimal
    std::string trusted_comment;          ///< of the signature, which was verified; empty if none was asked for
    std::uint64_t generation = 0;         ///< the generation that it will have if no other version is delivered before it
};

/**
 * How a manager works. Zero is the default.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Manager, EnableOptions
 */
struct Options {
    std::chrono::milliseconds quiet{0};  ///< how long a file must be without activity; no_quiet, 0, or 1 to 3600000 ms
    std::chrono::milliseconds max_delay{0};  ///< a file that is rewritten without pause is delivered after this; to 86400000 ms
    std::chrono::milliseconds poll_interval{0};  ///< how often files are compared that must be polled; to 86400000 ms
    /** for how long a file must be held open for writing, without a change, to be reported; held_never, or to 86400000 ms */
    std::chrono::milliseconds held_after{0};
    /** for how long a pause marker must be there to be reported; marker_never, or to 86400000 ms; zero: 10 minutes */
    std::chrono::milliseconds marker_after{0};
    bool deliver_held = false;  ///< deliver such a file although it is open, if its times and content stay the same
    bool check_image = false;               ///< wait until the file is a complete ELF, PE or Mach-O image for this machine
    bool ignore_unchanged_content = false;  ///< do not deliver a touch or an identical rewrite
    bool force_polling = false;             ///< compare files instead of using notifications
    std::optional<SafeOptions> safe;        ///< safe reload for every plugin
    /** Where snapshots are kept, absolute; not named: a directory of the user's own. Named but empty it is an error. */
    std::optional<std::filesystem::path> snapshot_dir;
    /** How often watched files are compared that may change without a notification; no_safety_check, 0, or 1 to 86400000 ms. */
    std::chrono::milliseconds safety_check{0};
};

/**
 * How one plugin is watched.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Options, Manager::enable_hot_reload()
 */
struct EnableOptions {
    bool allow_missing = false;          ///< accept a path that does not exist yet; its creation is the first change
    std::chrono::milliseconds quiet{0};  ///< the quiet period; zero: the manager's
    bool deliver_present = false;        ///< deliver the present version too, as the first change
    std::optional<SafeOptions> safe;     ///< safe reload for this plugin: its named fields replace the manager's
    bool paused = false;                 ///< enable it paused, as Manager::set_plugin_paused() does
    /**
     * A pause marker: a file that pauses the plugin while it is there; relative to the plugin's directory, if it is not
     * absolute: ".building". A build creates it first and removes it when all plugins are complete.
     */
    std::optional<std::filesystem::path> pause_marker;
};

/**
 * How a folder finds plugins.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Manager::enable_folder(), hrm_folder_options
 */
struct FolderOptions {
    /**
     * Patterns of plugins, compared with the path of a file in the folder; "**" as a name stands for any number of
     * directories. Empty: every file in the folder itself.
     */
    std::vector<std::string> include;
    std::vector<std::string> exclude;    ///< patterns of files that are no plugins, and of directories that are not entered
    int max_depth = 0;                   ///< how many directories below the folder are entered, to 100; 0: 16
    int max_files = 0;                   ///< how many plugins, and directories, it may have, to 1000000; 0: 100000
    std::chrono::milliseconds quiet{0};  ///< the quiet period of each plugin; zero: the manager's
    bool allow_missing = false;          ///< accept a directory that does not exist yet
    bool deliver_present = false;        ///< deliver the files that are there now, too, as first versions
    bool paused = false;                 ///< enable it paused, as Manager::set_folder_paused() does
    bool short_ids = false;  ///< ids are paths in the folder without extension: "fx/echo" for "plugins/fx/echo.so"
    bool all_names = false;  ///< names that temporary, backup, lock and hidden files have may be plugins
    std::string pause_marker;  ///< the name of a file in the folder: while it is there, the folder is paused; empty: none
    /** Safe reload of each plugin: its named fields replace the manager's. signature, manifest and plugin_name are errors. */
    std::optional<SafeOptions> safe;
    /**
     * Gives a file its id by its path in the folder, with "/" between names; std::nullopt: it is no plugin. It runs on a
     * thread of the library, one call at a time, and enable_folder() waits for it: hold no lock that it takes. An exception
     * means that the file is no plugin.
     */
    std::function<std::optional<std::string>(const std::string& path)> id;
};

/**
 * What an event is about.
 *
 * @since 1.0.0
 * @sa Event
 */
enum class EventKind : std::int32_t {
    file_changed = 1,  ///< the file has a new, complete version
    enabled = 2,       ///< the plugin was enabled
    disabled = 3,      ///< the plugin was disabled; its last event
    file_removed = 4,  ///< the file was removed, and stayed so for the quiet period
    health = 5,        ///< the library degraded or recovered
    rejected = 6,      ///< safe reload: a version was rejected
    rollback = 7,      ///< safe reload: a version failed; Event::generation (0: none) is what to go back to
    /** A folder has found a plugin; file_changed follows directly if Event::generation is 1. */
    discovered = 8,
};

/**
 * What an event of kind EventKind::health is about.
 *
 * @since 1.0.0
 * @sa Event
 */
enum class Health : std::int32_t {
    none = 0,              ///< the event is of another kind
    overflow = 1,          ///< the system dropped notifications; every file was compared again
    polling = 2,           ///< a directory, or a file that is a mount point, cannot be watched and is polled
    watching = 3,          ///< a directory or file that was polled is watched again
    image_incomplete = 4,  ///< a file is not a complete image (Options::check_image); it is waited for
    panic = 5,             ///< a fault was contained; destroy the manager
    unreadable = 6,        ///< a plugin's file cannot be read at the moment; it is waited for
    readable = 7,          ///< a plugin's file can be read again
    snapshot_failed = 8,   ///< safe reload: no snapshot could be made; it is tried again
    no_report = 9,         ///< safe reload: the host did not report in time
    hanging = 10,          ///< the file system at Event::path does not answer; its plugins wait until it does
    answering = 11,        ///< the file system at Event::path answers again
    descriptors = 12,      ///< the process closed descriptors of the manager, which opened others; ask event_fd() again
    stale_mount = 13,      ///< what was mounted at a plugin's file or directory was deleted or replaced; mount it again
    missed = 14,           ///< a change was found that no notification reported; the watch is asked for anew, then polled
    held_open = 15,        ///< a process holds a plugin's file open for writing and does not write; the message names it
    folder_limit = 16,     ///< a folder has more files or directories than it may have, or deeper ones; these are not watched
    folder_skipped = 17,   ///< a file of a folder is not enabled, as the message says; it is tried again
    folder_unreadable = 18,  ///< a directory of a folder is missing or cannot be listed; it is waited for
    folder_readable = 19,    ///< that directory can be listed again
    pause_marker = 20,       ///< the pause marker at Event::path is there for long: its build may have died
};

/**
 * An event. Later versions of the library may send kinds that EventKind does not list.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa EventKind, Health, Manager::set_event_callback()
 */
struct Event {
    using Time = std::chrono::system_clock::time_point;  ///< a moment

    EventKind kind{};              ///< what the event is about
    Health health = Health::none;  ///< for EventKind::health
    std::string plugin_id;       ///< empty for EventKind::health about the manager itself
    std::filesystem::path path;  ///< as registered, or the directory of a health event
    std::uint64_t sequence = 0;  ///< 1, 2, … for each manager, in the order of delivery
    std::uint64_t generation = 0;  ///< for a change: how many versions of this plugin were delivered, from 1
    Time first_seen;               ///< for a change: when its first notification came
    Time decided;                  ///< when the library decided on this event; for a change: when the file was complete
    std::string message;           ///< for people; of EventKind::file_removed: what stands there now; empty if nothing
    std::filesystem::path snapshot_path;  ///< safe reload: what to load instead of path, or to go back to
    std::uint64_t snapshot_size = 0;      ///< in bytes
    std::string snapshot_sha256;          ///< in hexadecimal, also of a version that was rejected
    std::string trusted_comment;  ///< of the signature, which was verified; empty if none was asked for
    /** The folder that has found the plugin, or that a health event is about; empty for a plugin that the host enabled. */
    std::string folder_id;
};

/**
 * What a plugin is doing. Later versions of the library may have further states.
 *
 * @since 1.0.0
 * @sa PluginStatus
 */
enum class PluginState : std::int32_t {
    idle = 1,         ///< the file is at the version that the host knows
    settling = 2,     ///< the file may have changed; the quiet period runs, or a check
    writing = 3,      ///< a process holds the file open for writing, as far as is known
    unreadable = 4,   ///< the file cannot be read; it is tried again
    incomplete = 5,   ///< the file is not a complete image (Options::check_image); the next version is waited for
    missing = 6,      ///< there is no file
    validating = 7,   ///< safe reload: a version is being copied and validated
    rejected = 8,     ///< safe reload: the version was rejected; the next one is waited for
    retrying = 9,     ///< safe reload: the version could not be copied, or lacks a file; it is tried again
    ready = 10,       ///< a change waits to be delivered
    delivering = 11,  ///< the host's callback runs
    hanging = 12,     ///< the file system does not answer
};

/**
 * How a plugin's path is watched.
 *
 * @since 1.0.0
 * @sa PluginStatus
 */
enum class Watching : std::int32_t {
    pending = 0,   ///< not yet
    notified = 1,  ///< the system notifies of changes
    polled = 2,    ///< it is compared every poll interval, at least in part
};

/**
 * What happened to a plugin last. Later versions of the library may have further decisions.
 *
 * @since 1.0.0
 * @sa PluginStatus
 */
enum class Decision : std::int32_t {
    none = 0,         ///< nothing is known
    noticed = 1,      ///< the file may have changed
    waiting = 2,      ///< a check found the file not complete yet
    unchanged = 3,    ///< there is nothing to deliver
    complete = 4,     ///< there is a complete, new version
    rejected = 5,     ///< the version is not delivered
    unreadable = 6,   ///< the file cannot be read
    removed = 7,      ///< the file is gone
    superseded = 8,   ///< a version was taken back because the file may have changed
    delivered = 9,    ///< a change was delivered
    reported = 10,    ///< the host reported on a generation
    paused = 11,      ///< the plugin was paused or resumed
};

/**
 * What is known of a plugin at one moment. A time that is the epoch means never, or not known.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Manager::plugin_status()
 */
struct PluginStatus {
    PluginState state{};         ///< what the plugin is doing
    Event::Time since;           ///< since when
    Event::Time due;             ///< when the file is checked next
    bool paused = false;         ///< by Manager::set_plugin_paused()
    Watching watching{};         ///< how its path is watched
    Decision last_decision{};    ///< what happened last
    std::optional<Outcome> last_outcome;  ///< safe reload: the latest report
    Event::Time last_decision_at;   ///< when last_decision was made
    Event::Time last_notification;  ///< when a sign of a change came last
    Event::Time last_check;         ///< when the file was checked last
    Event::Time last_delivery;      ///< when a change was delivered last
    Event::Time last_report;        ///< when the host last reported on a generation
    std::uint64_t generation = 0;   ///< of the latest delivered version
    Event::Time marked_since;       ///< since when the plugin's pause marker is there, or may be
    std::int64_t writer_pid = 0;    ///< PluginState::writing: a process that holds the file open; 0 if none is known
};

/**
 * One decision about a plugin.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Manager::plugin_decisions()
 */
struct PastDecision {
    Decision decision{};      ///< what it was
    Event::Time time;         ///< when; the last time, if there were several in a row
    std::uint64_t times = 1;  ///< how often in a row
    std::string reason;       ///< why, for people: one printable line
};

/**
 * How important a line of the log is.
 *
 * @since 1.0.0
 * @sa Manager::set_log_callback()
 */
enum class LogLevel : std::int32_t {
    error = 1,    ///< the manager is unusable
    warning = 2,  ///< something degraded, or a version was rejected or failed
    info = 3,     ///< plugins come and go; versions are complete, delivered, reported on
    debug = 4,    ///< each notification and each check
};

/**
 * One line of a manager's log.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Manager::set_log_callback()
 */
struct LogRecord {
    LogLevel level{};       ///< how important it is
    Event::Time time;       ///< when what it says happened
    std::string plugin_id;  ///< empty for the manager itself
    std::string message;    ///< one printable line
};

/**
 * Figures of a manager at one moment.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Manager::stats()
 */
struct Stats {
    bool failed = false;                    ///< a fault was contained; destroy the manager
    std::uint64_t plugins = 0;              ///< enabled plugins
    std::uint64_t watched_directories = 0;  ///< directories with a watch of the system
    std::uint64_t polled_directories = 0;   ///< directories that are compared every poll interval instead
    std::uint64_t pending = 0;              ///< events that wait for delivery
    std::uint64_t settling = 0;             ///< plugins whose file changed and is not yet quiet and complete
    std::uint64_t being_written = 0;        ///< of these, held open by a writer
    std::uint64_t incomplete_images = 0;    ///< of these, not complete images (Options::check_image)
    std::uint64_t notifications = 0;        ///< notifications of the system so far
    std::uint64_t overflows = 0;            ///< how often the system dropped notifications
    std::uint64_t deliveries = 0;           ///< changes delivered
    std::uint64_t removals = 0;             ///< removals delivered
    std::uint64_t unchanged = 0;            ///< settled without anything to deliver
    std::uint64_t superseded = 0;           ///< complete versions that a newer one replaced before they were delivered
    Event::Time last_delivery;              ///< the epoch if there was none
    std::uint64_t held_open = 0;            ///< plugins whose file is held open for writing and does not change
    std::uint64_t writers_unknown = 0;      ///< of deliveries: the system did not say whether a writer had the file open
    std::uint64_t unreadable = 0;           ///< plugins whose file changed and cannot be read at the moment
    std::uint64_t snapshots = 0;            ///< safe reload: generations on the disk
    std::uint64_t snapshot_bytes = 0;       ///< safe reload: their size
    std::uint64_t validating = 0;           ///< safe reload: versions that are being copied or validated
    std::uint64_t rejected = 0;             ///< safe reload: versions that were rejected
    std::uint64_t reloads_ok = 0;           ///< safe reload: reports of Outcome::ok
    std::uint64_t reloads_failed = 0;       ///< safe reload: reports of Outcome::failed
    std::uint64_t rollbacks = 0;            ///< safe reload: of these, those with a good generation to go back to
    std::uint64_t suppressed = 0;           ///< safe reload: versions not delivered because their content is known to fail
    std::uint64_t retries = 0;              ///< safe reload: failed versions that were delivered again
    std::uint64_t unreported = 0;           ///< safe reload: generations that were not reported in time
    std::uint64_t snapshot_failures = 0;    ///< safe reload: attempts that failed
    std::uint64_t watched_files = 0;        ///< files that are mount points, with a watch of their own
    std::uint64_t polled_files = 0;         ///< files that are mount points and are compared every poll interval instead
    std::uint64_t unreliable = 0;           ///< directories and files that the safety check compares
    std::uint64_t safety_checks = 0;        ///< how often it has compared them
    std::uint64_t missed = 0;               ///< changes that were found although a notification ought to have come
};

/**
 * Where callbacks run.
 *
 * @since 1.0.0
 * @sa Manager
 */
enum class Delivery : std::int32_t {
    thread = 0,  ///< on one thread of the library per manager
    manual = 1,  ///< on the thread that calls Manager::dispatch()
};

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
