/**
 * @file hotreload.hpp
 * @brief hotreload::Manager: the C library in the dress of C++17, header-only and without Qt.
 *
 * Link with libhotreload. hot_reload_manager.h is the manual; here is said only what C++ adds.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <hot_reload_manager.h>

#include <qtplugin/hotreload/c_strings.hpp>
#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/hotreload/expected.hpp>
#include <qtplugin/hotreload/types.hpp>
#include <qtplugin/hotreload/safe_arguments.hpp>

namespace hotreload {

/**
 * What Manager's constructor and expected::value() throw: what() is the C library's message, error() has the code too.
 *
 * @since 1.0
 */
using Exception = bad_expected_access<Error>;

/** Where callbacks run. */
enum class Delivery : std::int32_t {
    thread = HRM_DISPATCH_THREAD,  ///< on one thread of the library per manager
    manual = HRM_DISPATCH_MANUAL,  ///< on the thread that calls Manager::dispatch()
};

namespace detail {

inline Event::Time time_of(std::int64_t ns)
{
    return Event::Time(std::chrono::duration_cast<Event::Time::duration>(std::chrono::nanoseconds(ns)));
}

inline Candidate candidate_of(const hrm_candidate& c)
{
    Candidate candidate;
    candidate.plugin_id = c.plugin_id;
    candidate.path = path_of(c.path);
    candidate.snapshot_path = path_of(c.snapshot_path);
    candidate.snapshot_size = c.snapshot_size;
    candidate.snapshot_sha256 = c.snapshot_sha256;
    candidate.generation = c.generation;
    return candidate;
}

inline Event event_of(const hrm_event& e)
{
    Event event;
    event.kind = static_cast<EventKind>(e.kind);
    event.health = static_cast<Health>(e.health);
    event.plugin_id = e.plugin_id;
    event.path = path_of(e.path);
    event.snapshot_path = path_of(e.snapshot_path);
    event.snapshot_size = e.snapshot_size;
    event.snapshot_sha256 = e.snapshot_sha256;
    event.sequence = e.sequence;
    event.generation = e.generation;
    event.first_seen = time_of(e.first_seen_ns);
    event.decided = time_of(e.timestamp_ns);
    event.message = e.message;
    return event;
}

inline Error error_of(std::int32_t code, const hrm_error& error, const std::string& plugin_id = {})
{
    return Error(error_code_of(code), error.code < 0 ? error.message : hrm_strerror(code), plugin_id,
                 error.os_error);
}

inline hrm_error no_error()
{
    hrm_error error = HRM_ERROR_INIT;
    return error;
}

using ExceptionHandler = std::function<void(const std::string& plugin_id, std::exception_ptr)>;

/** What the callbacks of a manager share; they may outlive it by the rest of a call. */
struct Shared {
    std::mutex mutex;
    std::shared_ptr<const ExceptionHandler> handler;
    bool rethrow = false;  // dispatch() does
    std::vector<std::pair<std::thread::id, std::exception_ptr>> thrown;

    /** Takes an exception, which must not reach the C library. */
    void failed(const char* plugin_id, const std::exception_ptr& exception) noexcept
    {
        try {
            std::unique_lock<std::mutex> lock(mutex);
            const auto h = handler;
            if (h == nullptr) {
                if (rethrow)
                    thrown.emplace_back(std::this_thread::get_id(), exception);
                return;
            }
            lock.unlock();
            (*h)(plugin_id, exception);
        } catch (...) {  // the handler's own, or out of memory
        }
    }

    /** The first of what callbacks on this thread have thrown since the last call; null if there is none. */
    std::exception_ptr take()
    {
        const std::lock_guard<std::mutex> lock(mutex);
        std::exception_ptr first;
        for (auto at = thrown.begin(); at != thrown.end();) {
            if (at->first == std::this_thread::get_id()) {
                if (first == nullptr)
                    first = at->second;
                at = thrown.erase(at);
            } else {
                ++at;
            }
        }
        return first;
    }
};

/** A callback, owned by the C library, which deletes it after the last call. */
template <class F>
struct Slot {
    F function;
    std::shared_ptr<Shared> shared;

    static void HRM_CALL destroy(void* slot) { delete static_cast<Slot*>(slot); }
    /** Runs @p run, which calls the function, conversions included; an exception must not reach the C library. */
    template <class Run>
    void guarded(const char* plugin_id, Run&& run) noexcept
    {
        try {
            run(function);
        } catch (...) {
            shared->failed(plugin_id, std::current_exception());
        }
    }
};

}  // namespace detail

/**
 * @brief Owner of an hrm_manager.
 *
 * Every method may be called from any thread and inside callbacks; destruction and moving are as for any object, only
 * that the manager may be destroyed inside its own callback. A moved-from manager answers ErrorCode::InvalidState.
 *
 * An exception that leaves a callback goes to the exception handler. Without one it leaves dispatch() if that runs the
 * callback, with what was still pending left pending; on the library's thread it is dropped.
 */
class Manager {
public:
    using ReloadCallback = std::function<void(const std::string& plugin_id)>;
    using EventCallback = std::function<void(const Event&)>;
    using WakeupCallback = std::function<void()>;
    /**
     * Says why a version is rejected; std::nullopt accepts it. Whatever goes wrong in it is a rejection: an exception of
     * any type rejects the version, with its what() as the reason. Of the reason 511 bytes are kept, NUL bytes as \x00.
     */
    using Validator = std::function<std::optional<std::string>(const Candidate&)>;
    using ExceptionHandler = detail::ExceptionHandler;

    /** As create(), but throws an Exception with the error where that returns it. */
    explicit Manager(const Options& options = {}, Delivery delivery = Delivery::thread)
        : Manager(create(options, delivery).value())
    {
    }
    /**
     * Makes a manager. @p delivery says on which thread its callbacks run.
     *
     * Errors: InvalidParameters (an option out of range, named but empty, or with a NUL byte), NotSupported (another
     * major version of the library was loaded, or an option is not for this system), ResourceUnavailable, SystemError,
     * InvalidState (in the child of a fork). May be called on any thread.
     *
     * @since 1.0
     */
    static expected<Manager> create(const Options& options = {}, Delivery delivery = Delivery::thread)
    {
        if (hrm_version_number() / 1000000 != HRM_VERSION_MAJOR)
            return unexpected(Error(ErrorCode::NotSupported,
                                              std::string("libhotreload ") + hrm_version_string() +
                                                  " was loaded, but this program was built for " + HRM_VERSION_STRING));
        hrm_options o = HRM_OPTIONS_INIT;
        o.dispatch_mode = static_cast<std::int32_t>(delivery);
        o.quiet_ms = detail::ms(options.quiet);
        o.max_delay_ms = detail::ms(options.max_delay);
        o.poll_interval_ms = detail::ms(options.poll_interval);
        o.flags = (options.check_image ? HRM_CHECK_IMAGE : 0U) |
                  (options.ignore_unchanged_content ? HRM_IGNORE_UNCHANGED_CONTENT : 0U) |
                  (options.force_polling ? HRM_FORCE_POLLING : 0U);
        const detail::SafeArguments safe(options.safe);
        if (safe.error())
            return unexpected(*safe.error());
        o.safe = safe.get();
        std::string snapshot_dir;
        if (options.snapshot_dir) {
            snapshot_dir = detail::bytes_of(*options.snapshot_dir);
            if (auto error = detail::nul_in("snapshot_dir", snapshot_dir))
                return unexpected(*std::move(error));
            o.snapshot_dir = snapshot_dir.c_str();
        }
        hrm_error error = detail::no_error();
        hrm_manager* handle = nullptr;
        const std::int32_t code = hrm_manager_create(&o, &handle, &error);
        if (code < 0)
            return unexpected(detail::error_of(code, error));
        return Manager(delivery, handle);
    }

    Manager(Manager&& other) noexcept
        : m_handle(std::exchange(other.m_handle, nullptr)), m_shared(std::move(other.m_shared))
    {
    }
    Manager& operator=(Manager&& other) noexcept
    {
        if (this != &other) {
            hrm_manager_destroy(m_handle);
            m_handle = std::exchange(other.m_handle, nullptr);
            m_shared = std::move(other.m_shared);
        }
        return *this;
    }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;
    ~Manager() { hrm_manager_destroy(m_handle); }  // accepts null

    /**
     * Starts watching @p file_path under the name @p plugin_id; a relative path is resolved now. The present version
     * counts as known unless @p options say otherwise. What options.safe names replaces the manager's; the rest of the
     * manager's holds for the plugin too.
     *
     * Errors: FileNotFound, InvalidPath (also a NUL byte in the path), AlreadyExists, PermissionDenied,
     * InvalidParameters (a bad id, an option out of range, named but empty, or with a NUL byte), SystemError,
     * ResourceUnavailable, InvalidState. May be called on any thread.
     *
     * @since 1.0
     */
    expected<void> enable_hot_reload(const std::string& plugin_id, const std::filesystem::path& file_path,
                                     const EnableOptions& options = {})
    {
        const std::string path = detail::bytes_of(file_path);
        if (auto error = detail::nul_in("plugin id", plugin_id))
            return unexpected(*std::move(error));
        if (auto error = detail::nul_in("path", path, plugin_id, ErrorCode::InvalidPath))
            return unexpected(*std::move(error));
        hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
        const detail::SafeArguments safe(options.safe);
        if (safe.error())
            return unexpected(Error(safe.error()->code(), "plugin \"" + detail::shown(plugin_id) + "\": " +
                                                                        safe.error()->message(), plugin_id));
        o.safe = safe.get();
        o.flags = (options.allow_missing ? HRM_ENABLE_ALLOW_MISSING : 0U) |
                  (options.deliver_present ? HRM_ENABLE_DELIVER_PRESENT : 0U);
        o.quiet_ms = detail::ms(options.quiet);
        hrm_error error = detail::no_error();
        const std::int32_t code = hrm_enable_hot_reload_ex(m_handle, plugin_id.c_str(), path.c_str(), &o, &error);
        if (code < 0)
            return unexpected(detail::error_of(code, error, plugin_id));
        return {};
    }

    /** Whether it was enabled. */
    bool disable_hot_reload(const std::string& plugin_id)
    {
        return !detail::has_nul(plugin_id) && hrm_disable_hot_reload(m_handle, plugin_id.c_str()) == 1;
    }

    bool is_hot_reload_enabled(const std::string& plugin_id) const
    {
        return !detail::has_nul(plugin_id) && hrm_is_hot_reload_enabled(m_handle, plugin_id.c_str()) == 1;
    }

    /** The enabled ids, in the order of enabling. */
    std::vector<std::string> get_hot_reload_plugins() const
    {
        std::string buffer;
        std::size_t size = 0;
        std::int32_t count = hrm_get_hot_reload_plugins(m_handle, nullptr, &size);
        while (count >= 0) {
            buffer.resize(size + 1);
            size = buffer.size();
            count = hrm_get_hot_reload_plugins(m_handle, &buffer[0], &size);
            if (count != HRM_ERR_BUFFER_TOO_SMALL)
                break;
            count = 0;  // another thread has enabled more in between
        }
        std::vector<std::string> ids;
        for (const char* at = buffer.data(); count > 0; --count) {
            ids.emplace_back(at);
            at += ids.back().size() + 1;
        }
        return ids;
    }

    /** Disables every plugin; returns how many there were. */
    std::size_t clear()
    {
        const std::int32_t count = hrm_clear(m_handle);
        return count > 0 ? static_cast<std::size_t>(count) : 0;
    }

    void set_global_hot_reload_enabled(bool enabled) { hrm_set_global_hot_reload_enabled(m_handle, enabled ? 1 : 0); }
    bool is_global_hot_reload_enabled() const { return hrm_is_global_hot_reload_enabled(m_handle) == 1; }

    /** An empty function removes it; as for the two below. */
    expected<void> set_reload_callback(ReloadCallback callback)
    {
        return set(hrm_set_reload_callback, std::move(callback), [](const char* plugin_id, void* slot) {
            static_cast<detail::Slot<ReloadCallback>*>(slot)->guarded(
                plugin_id, [plugin_id](const ReloadCallback& reload) { reload(plugin_id); });
        });
    }
    expected<void> set_event_callback(EventCallback callback)
    {
        return set(hrm_set_event_callback, std::move(callback), [](const hrm_event* event, void* slot) {
            static_cast<detail::Slot<EventCallback>*>(slot)->guarded(
                event->plugin_id, [event](const EventCallback& happened) { happened(detail::event_of(*event)); });
        });
    }
    /** Called on a library thread when there is something to dispatch(); may only signal the host's loop. */
    expected<void> set_wakeup_callback(WakeupCallback callback)
    {
        return set(hrm_set_wakeup_callback, std::move(callback),
                   [](void* slot) {
                       static_cast<detail::Slot<WakeupCallback>*>(slot)->guarded(
                           "", [](const WakeupCallback& wake) { wake(); });
                   });
    }

    /**
     * Safe reload: sets the function that validates every version before it is delivered, on a thread of the library
     * that is there for this alone, so that it may take long. An empty function removes it.
     *
     * Errors: InvalidState. May be called on any thread. @since 1.0
     */
    expected<void> set_validator(Validator validator)
    {
        return set(hrm_set_validator, std::move(validator),
                   [](const hrm_candidate* candidate, char* reason, std::size_t room, void* slot) -> std::int32_t {
                       const auto& validate = static_cast<detail::Slot<Validator>*>(slot)->function;
                       return detail::verdict_of([&] { return validate(detail::candidate_of(*candidate)); }, reason, room);
                   });
    }

    /**
     * Safe reload: reports how the loading of a delivered generation went. @p message becomes part of the event of a
     * rollback. After a failure EventKind::rollback follows.
     *
     * Errors: InvalidParameters (a plugin that is not enabled, a generation that was never delivered or is gone, a NUL
     * byte in the id or the message), NotSupported (no safe reload), InvalidState. May be called on any thread.
     *
     * @since 1.0
     */
    expected<void> report_reload(const std::string& plugin_id, std::uint64_t generation, Outcome outcome,
                                 const std::string& message = {})
    {
        if (auto error = detail::nul_in("plugin id", plugin_id))
            return unexpected(*std::move(error));
        if (auto error = detail::nul_in("message", message, plugin_id))
            return unexpected(*std::move(error));
        hrm_error error = detail::no_error();
        const std::int32_t code = hrm_report_reload(m_handle, plugin_id.c_str(), generation,
                                                    static_cast<std::int32_t>(outcome), message.c_str(), &error);
        if (code < 0)
            return unexpected(detail::error_of(code, error, plugin_id));
        return {};
    }

    /** For exceptions that leave callbacks; runs where the callback ran. An empty function removes it. */
    void set_exception_handler(ExceptionHandler handler)
    {
        if (m_shared == nullptr)
            return;
        auto fresh = handler ? std::make_shared<const ExceptionHandler>(std::move(handler)) : nullptr;
        const std::lock_guard<std::mutex> lock(m_shared->mutex);
        m_shared->handler.swap(fresh);
    }

    /**
     * Delivery::manual: runs the callbacks of up to @p max pending events (0: of all), waiting up to @p timeout for
     * the first (negative: for ever). Returns how many events there were.
     */
    expected<std::size_t> dispatch(std::size_t max = 0, std::chrono::milliseconds timeout = {})
    {
        const std::shared_ptr<detail::Shared> shared = m_shared;
        hrm_manager* const handle = m_handle;
        std::size_t delivered = 0;
        std::int32_t wait = detail::ms(timeout);
        do {
            // One by one, so that an exception leaves the rest pending.
            hrm_error error = detail::no_error();
            const std::int32_t code = hrm_dispatch(handle, 1, wait, &error);
            // In a callback that runs inside this call the manager may have been moved or destroyed.
            if (const auto exception = shared != nullptr ? shared->take() : nullptr)
                std::rethrow_exception(exception);
            if (code < 0 && delivered == 0)
                return unexpected(detail::error_of(code, error));
            if (code <= 0)
                break;
            ++delivered;
            wait = 0;
        } while (max == 0 || delivered < max);
        return delivered;
    }

    /** Delivery::manual, POSIX: polls readable while dispatch() has something to deliver. Only poll it. */
    expected<int> event_fd() const
    {
        const std::int32_t fd = hrm_event_fd(m_handle);
        if (fd < 0)
            return unexpected(detail::error_of(fd, detail::no_error()));
        return static_cast<int>(fd);
    }

    Stats stats() const
    {
        hrm_statistics s = HRM_STATS_INIT;
        hrm_stats(m_handle, &s);
        Stats out;
        out.failed = s.failed != 0;
        out.plugins = s.plugins;
        out.watched_directories = s.watched_directories;
        out.polled_directories = s.polled_directories;
        out.pending = s.pending;
        out.settling = s.settling;
        out.being_written = s.being_written;
        out.incomplete_images = s.incomplete_images;
        out.notifications = s.notifications;
        out.overflows = s.overflows;
        out.deliveries = s.deliveries;
        out.removals = s.removals;
        out.unchanged = s.unchanged;
        out.superseded = s.superseded;
        out.last_delivery = detail::time_of(s.last_delivery_ns);
        out.unreadable = s.unreadable;
        out.snapshots = s.snapshots;
        out.snapshot_bytes = s.snapshot_bytes;
        out.validating = s.validating;
        out.rejected = s.rejected;
        out.reloads_ok = s.reloads_ok;
        out.reloads_failed = s.reloads_failed;
        out.rollbacks = s.rollbacks;
        out.suppressed = s.suppressed;
        out.retries = s.retries;
        out.unreported = s.unreported;
        out.snapshot_failures = s.snapshot_failures;
        return out;
    }

    /** For functions of the C header that are not wrapped. Null in a moved-from manager. */
    hrm_manager* native_handle() const noexcept { return m_handle; }

private:
    Manager(Delivery delivery, hrm_manager* handle) : m_handle(handle), m_shared(std::make_shared<detail::Shared>())
    {
        m_shared->rethrow = delivery == Delivery::manual;
    }

    template <class Setter, class F, class Trampoline>
    expected<void> set(Setter setter, F function, Trampoline trampoline)
    {
        std::int32_t code = 0;
        if (function) {
            // The library deletes the slot also when it refuses it.
            auto slot = std::make_unique<detail::Slot<F>>(detail::Slot<F>{std::move(function), m_shared});
            code = setter(m_handle, trampoline, slot.release(), &detail::Slot<F>::destroy);
        } else {
            code = setter(m_handle, nullptr, nullptr, nullptr);
        }
        if (code < 0)
            return unexpected(detail::error_of(code, detail::no_error()));
        return {};
    }

    hrm_manager* m_handle = nullptr;
    std::shared_ptr<detail::Shared> m_shared;
};

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
