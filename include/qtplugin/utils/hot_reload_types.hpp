/**
 * @file hot_reload_types.hpp
 * @brief What the C++ interfaces, with and without Qt, share beside errors: options, events, statistics.
 *
 * The meaning of every value is that of its namesake in hot_reload_manager.h.
 */
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace hotreload {

/** For the quiet periods: deliver as soon as the file is whole. */
inline constexpr std::chrono::milliseconds no_quiet{-1};

/** How a manager works. Zero is the default. */
struct Options {
    std::chrono::milliseconds quiet{0};      ///< how long a file must be left alone before it is told
    std::chrono::milliseconds max_delay{0};  ///< a file that is rewritten without pause is told after this long
    std::chrono::milliseconds poll_interval{0};
    bool check_image = false;               ///< wait until an ELF, PE or Mach-O image is whole and for this machine
    bool ignore_unchanged_content = false;  ///< a touch or a byte-identical rewrite is no change
    bool force_polling = false;             ///< compare files instead of relying on notifications
};

/** How one plugin is watched. */
struct EnableOptions {
    bool allow_missing = false;          ///< accept a path that does not exist yet; its creation is the first change
    std::chrono::milliseconds quiet{0};  ///< zero: the manager's
};

enum class EventKind : std::int32_t {
    file_changed = 1,  ///< the file has a new, complete version
    enabled = 2,
    disabled = 3,
    file_removed = 4,  ///< the file is gone, and has been for the quiet period
    health = 5,        ///< the library degraded or recovered
};

/** What an event of kind EventKind::health is about. */
enum class Health : std::int32_t {
    none = 0,
    overflow = 1,          ///< the system dropped notifications; everything was compared again
    polling = 2,           ///< a directory cannot be watched and is polled
    watching = 3,          ///< a polled directory is watched again
    image_incomplete = 4,  ///< a version was refused by Options::check_image; it is waited for
    panic = 5,             ///< a fault was contained; destroy the manager
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
};

}  // namespace hotreload
