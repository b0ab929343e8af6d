/**
 * @file types.hpp
 * @brief What the C++ interfaces, with and without Qt, share beside errors: options, events, statistics.
 *
 * The meaning of every value is that of its namesake in hot_reload_manager.h.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hotreload {

/** For the quiet periods: deliver as soon as the file is whole. */
inline constexpr std::chrono::milliseconds no_quiet{-1};

/**
 * Safe reload: what is delivered are snapshots that were validated; see docs/safe-reload.md.
 *
 * The rule: a safeguard in Options::safe holds for every plugin unless EnableOptions::safe of that plugin names the very
 * field. A field is named by giving it a value. A named field replaces the manager's; false exempts the plugin, and zero
 * stands for none where that is said below. A value that is named but empty (an empty path, list or entry of a list) is
 * ErrorCode::InvalidParameters, never "no safeguard"; only the list files may be empty. Strings must not contain a NUL.
 * symbols, allow_list and public_keys of a manager can be replaced for a plugin, not switched off.
 *
 * @since 1.0
 */
struct SafeOptions {
    /** What else belongs to this plugin, absolute or relative to its directory. For one plugin, not for a manager. */
    std::optional<std::vector<std::filesystem::path>> files;
    std::optional<bool> image;         ///< reject files that are not complete ELF, PE or Mach-O images for this machine
    std::optional<bool> strict_modes;  ///< reject a file that others could exchange
    std::optional<std::vector<std::string>> symbols;      ///< that the image must export
    std::optional<std::filesystem::path> allow_list;      ///< a file of SHA-256 sums, as sha256sum writes it
    std::optional<std::vector<std::string>> public_keys;  ///< minisign's; one of them must have signed the file
    /** Of this plugin's file; default: its path with .minisig appended. For one plugin, not for a manager. */
    std::optional<std::filesystem::path> signature;
    /** For a call of the validator, 1 to 86400000 ms; zero: none, which is the default. */
    std::optional<std::chrono::milliseconds> validator_timeout;
    std::optional<bool> accept_on_timeout;  ///< what a validator's timeout means; otherwise the version is rejected
    /** When a missing report is noted, 1 to 86400000 ms; zero: never, which is the default. */
    std::optional<std::chrono::milliseconds> report_timeout;
    std::optional<int> retries;  ///< how often a version that failed is delivered again, 1 to 1000; zero: never, the default
    /** Before the first retry, then doubling, 1 to 86400000 ms; default: HRM_DEFAULT_RETRY_DELAY_MS. */
    std::optional<std::chrono::milliseconds> retry_delay;
    std::optional<int> keep_generations;  ///< good ones kept beside the present one, 1 to 1000; zero: none; default: one
    /** Bytes of all files of a plugin together; a larger version is rejected unread; zero: no limit; default: 1 GiB. */
    std::optional<std::int64_t> max_size;
};

/** How the loading of a generation went. */
enum class Outcome : std::int32_t {
    ok = 1,        ///< it is the good one now
    failed = 2,    ///< it does not work (any more): go back, and do not tell these bytes again
    released = 3,  ///< its snapshot is needed no more
};

/** What a validator is asked about. */
struct Candidate {
    std::string plugin_id;
    std::filesystem::path path;           ///< as registered; by now it may hold another version
    std::filesystem::path snapshot_path;  ///< what will be loaded
    std::uint64_t snapshot_size = 0;
    std::string snapshot_sha256;  ///< in hexadecimal
    std::uint64_t generation = 0;
};

/** How a manager works. Zero is the default. */
struct Options {
    std::chrono::milliseconds quiet{0};      ///< how long a file must be left alone before it is told
    std::chrono::milliseconds max_delay{0};  ///< a file that is rewritten without pause is told after this long
    std::chrono::milliseconds poll_interval{0};
    bool check_image = false;               ///< wait until an ELF, PE or Mach-O image is whole and for this machine
    bool ignore_unchanged_content = false;  ///< a touch or a byte-identical rewrite is no change
    bool force_polling = false;             ///< compare files instead of relying on notifications
    std::optional<SafeOptions> safe;        ///< safe reload for every plugin; what it names holds for each of them
    /** Absolute; not named: a directory of the user's own. Named but empty it is an error. */
    std::optional<std::filesystem::path> snapshot_dir;
};

/** How one plugin is watched. */
struct EnableOptions {
    bool allow_missing = false;          ///< accept a path that does not exist yet; its creation is the first change
    std::chrono::milliseconds quiet{0};  ///< zero: the manager's
    bool deliver_present = false;        ///< the present version is told too, as the first change
    std::optional<SafeOptions> safe;     ///< safe reload for this plugin: its named fields replace the manager's
};

enum class EventKind : std::int32_t {
    file_changed = 1,  ///< the file has a new, complete version
    enabled = 2,
    disabled = 3,
    file_removed = 4,  ///< the file is gone, and has been for the quiet period
    health = 5,        ///< the library degraded or recovered
    rejected = 6,      ///< safe reload: a version was refused
    rollback = 7,      ///< safe reload: a version failed; generation (0: none) is what to go back to
};

/** What an event of kind EventKind::health is about. */
enum class Health : std::int32_t {
    none = 0,
    overflow = 1,          ///< the system dropped notifications; everything was compared again
    polling = 2,           ///< a directory cannot be watched and is polled
    watching = 3,          ///< a polled directory is watched again
    image_incomplete = 4,  ///< a version was refused by Options::check_image; it is waited for
    panic = 5,             ///< a fault was contained; destroy the manager
    unreadable = 6,        ///< a plugin's file cannot be read at the moment; it is waited for
    readable = 7,          ///< it can be read again
    snapshot_failed = 8,   ///< safe reload: no snapshot could be made; it is tried again
    no_report = 9,         ///< safe reload: the host did not report in time
};

/** Something that happened. Later versions of the library may send kinds that are not listed above. */
struct Event {
    using Time = std::chrono::system_clock::time_point;

    EventKind kind{};
    Health health = Health::none;
    std::string plugin_id;       ///< empty for EventKind::health about the whole manager
    std::filesystem::path path;  ///< as registered, or the directory of a health event
    std::uint64_t sequence = 0;  ///< 1, 2, … per manager, in the order of delivery
    std::uint64_t generation = 0;  ///< for a change: how many versions of this plugin have been told, from 1
    Time first_seen;               ///< for a change: when its first sign was noticed
    Time decided;                  ///< when this was decided; for a change: when the file was whole
    std::string message;           ///< for people; empty if there is nothing to say
    std::filesystem::path snapshot_path;  ///< safe reload: what to load instead of path, or to go back to
    std::uint64_t snapshot_size = 0;
    std::string snapshot_sha256;  ///< in hexadecimal; also of what was rejected
};

/** How a manager is doing. */
struct Stats {
    bool failed = false;                    ///< a fault was contained; destroy the manager
    std::uint64_t plugins = 0;              ///< enabled ids
    std::uint64_t watched_directories = 0;  ///< with a notification watch
    std::uint64_t polled_directories = 0;   ///< compared every poll interval instead
    std::uint64_t pending = 0;              ///< events waiting to be delivered
    std::uint64_t settling = 0;             ///< plugins whose file changed and is not yet quiet and whole
    std::uint64_t being_written = 0;        ///< of these, held open for writing by somebody
    std::uint64_t incomplete_images = 0;    ///< of these, refused by Options::check_image so far
    std::uint64_t notifications = 0;        ///< read from the system
    std::uint64_t overflows = 0;            ///< times the system dropped notifications
    std::uint64_t deliveries = 0;           ///< changes told
    std::uint64_t removals = 0;             ///< removals told
    std::uint64_t unchanged = 0;            ///< settled without anything to tell
    std::uint64_t superseded = 0;           ///< versions replaced by a newer one before they were told
    Event::Time last_delivery;              ///< the epoch if there was none
    std::uint64_t unreadable = 0;           ///< plugins whose file changed and cannot be read at the moment
    std::uint64_t snapshots = 0;            ///< of safe reload: generations on the disk
    std::uint64_t snapshot_bytes = 0;       ///< their size
    std::uint64_t validating = 0;           ///< versions being copied or validated
    std::uint64_t rejected = 0;             ///< versions that validation refused
    std::uint64_t reloads_ok = 0;           ///< reported
    std::uint64_t reloads_failed = 0;       ///< reported
    std::uint64_t rollbacks = 0;            ///< of these, those with a good generation to go back to
    std::uint64_t suppressed = 0;           ///< versions not told because their content is known to fail
    std::uint64_t retries = 0;              ///< failed versions told again
    std::uint64_t unreported = 0;           ///< generations not reported on in time
    std::uint64_t snapshot_failures = 0;    ///< attempts
};

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
