// SPDX-License-Identifier: MIT
/**
 * @file hotreload.hpp
 * @brief hotreload::Manager: the C library for C++17, header-only and without Qt.
 *
 * Link with libhotreload. hot_reload_manager.h is the manual. This header says what C++ adds.
 *
 * @section manager_life_cycle Life cycle
 * Manager's constructor makes a manager, its destructor destroys it. Between the two, set a callback and enable plugins.
 *
 * @section manager_threads Threads
 * As in C: every function may be called on any thread, and inside a callback. Callbacks of one manager never overlap.
 * Delivery::thread calls them on a thread of the library, Delivery::manual inside Manager::dispatch().
 *
 * @section manager_callbacks Callbacks
 * Callbacks are std::functions. The library keeps one until its last call has returned. An exception that leaves a callback
 * goes to the exception handler (Manager::set_exception_handler()). Without a handler, it leaves Manager::dispatch() if
 * dispatch() runs the callback; what was still pending stays pending. On the library's thread it is dropped.
 *
 * @section manager_errors Errors
 * Functions that can fail return an expected with an Error. The constructor and expected::value() throw an Exception.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hot_reload_manager.h>

#include <qtplugin/hotreload/c_strings.hpp>
#include <qtplugin/hotreload/callbacks.hpp>
#include <qtplugin/hotreload/conversions.hpp>
#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/hotreload/expected.hpp>
#include <qtplugin/hotreload/folder_arguments.hpp>
#include <qtplugin/hotreload/manager_arguments.hpp>
#include <qtplugin/hotreload/safe_arguments.hpp>
#include <qtplugin/hotreload/types.hpp>

namespace hotreload {

/**
 * What Manager's constructor and expected::value() throw: what() is the C library's message, error() has the code too.
 *
 * @since 1.0.0
 * @sa Error
 */
using Exception = bad_expected_access<Error>;

/**
 * A hot reload manager. It owns an hrm_manager.
 *
 * A manager that was moved from answers ErrorCode::InvalidState.
 *
 * @threadsafety Any thread, also inside a callback. Moving and destruction are as for any value: no other thread may use the
 * manager meanwhile. A manager may be destroyed inside its own callback.
 * @since 1.0.0
 * @sa hrm_manager, Options, EnableOptions
 */
class Manager {
public:
    using ReloadCallback = std::function<void(const std::string& plugin_id)>;  ///< receives the id of a changed plugin
    using EventCallback = std::function<void(const Event&)>;                   ///< receives an event
    using WakeupCallback = std::function<void()>;                              ///< signals the host's event loop
    /**
     * Returns why a version is rejected; std::nullopt accepts it. An exception of any type rejects the version, with its
     * what() as the reason. 511 bytes of the reason are kept; NUL bytes become escapes.
     */
    using Validator = std::function<std::optional<std::string>(const Candidate&)>;
    using LogCallback = std::function<void(const LogRecord&)>;  ///< receives a line of the log
    using ExceptionHandler = detail::ExceptionHandler;  ///< receives a plugin's id and an exception that left a callback

    /**
     * Makes a manager.
     * @param options   options
     * @param delivery  where its callbacks run
     * @throws Exception with the error of create()
     */
    explicit Manager(const Options& options = {}, Delivery delivery = Delivery::thread)
        : Manager(create(options, delivery).value())
    {
    }
    /**
     * Makes a manager.
     * @param options   options
     * @param delivery  where its callbacks run
     * @returns the manager, or an error: InvalidParameters (an option is out of range, named but empty, or has a NUL byte),
     * NotSupported (another major version of the library was loaded, or an option is not for this system),
     * ResourceUnavailable, SystemError, InvalidState (in the child of a fork)
     */
    static expected<Manager> create(const Options& options = {}, Delivery delivery = Delivery::thread)
    {
        if (auto error = detail::other_major())
            return unexpected(*std::move(error));
        const detail::ManagerArguments arguments(options, delivery);
        if (arguments.error())
            return unexpected(*arguments.error());
        hrm_error error = detail::no_error();
        hrm_manager* handle = nullptr;
        const std::int32_t code = hrm_manager_create(arguments.get(), &handle, &error);
        if (code < 0)
            return unexpected(detail::error_of(code, error));
        return Manager(delivery, handle);
    }

    /**
     * The manager of a host, which owns it: hrm_host_manager(). The end of this object does not destroy it; callbacks that
     * are set here remain.
     * @param handle    the manager
     * @param delivery  as the host was made
     * @returns the manager
     */
    static Manager of_host(hrm_manager* handle, Delivery delivery)
    {
        Manager manager(delivery, handle);
        manager.m_owned = false;
        return manager;
    }

    /**
     * Takes a manager over.
     * @param other  the manager; moved from afterwards
     */
    Manager(Manager&& other) noexcept
        : m_handle(std::exchange(other.m_handle, nullptr)), m_owned(other.m_owned), m_shared(std::move(other.m_shared))
    {
    }
    /**
     * Destroys this manager and takes another one over.
     * @param other  the manager; moved from afterwards
     * @returns this manager
     */
    Manager& operator=(Manager&& other) noexcept
    {
        if (this != &other) {
            end();
            m_handle = std::exchange(other.m_handle, nullptr);
            m_owned = other.m_owned;
            m_shared = std::move(other.m_shared);
        }
        return *this;
    }
    /** Not copyable. */
    Manager(const Manager&) = delete;
    /** Not copyable. */
    Manager& operator=(const Manager&) = delete;
    /** Stops watching and drops what is pending. Outside of callbacks it waits for a running callback. */
    ~Manager() { end(); }

    /**
     * Starts watching a file as a plugin. The version that the file has now becomes the baseline, unless options say
     * otherwise.
     * @param plugin_id  the plugin's name
     * @param file_path  the plugin's file; a relative path is resolved now
     * @param options    options of this plugin; what options.safe names replaces the manager's
     * @returns success, or an error: FileNotFound, InvalidPath (also a NUL byte in the path), AlreadyExists,
     * PermissionDenied, InvalidParameters (a malformed id; an option that is out of range, named but empty, or has a NUL
     * byte), SystemError, ResourceUnavailable, InvalidState
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
                  (options.deliver_present ? HRM_ENABLE_DELIVER_PRESENT : 0U) | (options.paused ? HRM_ENABLE_PAUSED : 0U);
        o.quiet_ms = detail::ms(options.quiet);
        const std::string marker = options.pause_marker ? detail::bytes_of(*options.pause_marker) : std::string();
        if (auto error = detail::nul_in("pause_marker", marker, plugin_id))
            return unexpected(*std::move(error));
        o.pause_marker = options.pause_marker ? marker.c_str() : nullptr;
        hrm_error error = detail::no_error();
        const std::int32_t code = hrm_enable_hot_reload_ex(m_handle, plugin_id.c_str(), path.c_str(), &o, &error);
        if (code < 0)
            return unexpected(detail::error_of(code, error, plugin_id));
        return {};
    }

    /**
     * Stops watching a plugin and drops what is pending for it. Outside of callbacks it waits for a running callback about it.
     * @param plugin_id  the plugin
     * @returns whether it was enabled
     */
    bool disable_hot_reload(const std::string& plugin_id)
    {
        return !detail::has_nul(plugin_id) && hrm_disable_hot_reload(m_handle, plugin_id.c_str()) == 1;
    }

    /**
     * Answers whether a plugin is enabled.
     * @param plugin_id  the plugin
     * @returns true if it is enabled
     */
    bool is_hot_reload_enabled(const std::string& plugin_id) const
    {
        return !detail::has_nul(plugin_id) && hrm_is_hot_reload_enabled(m_handle, plugin_id.c_str()) == 1;
    }

    /** The enabled plugins. @returns their ids, in the order of enabling */
    std::vector<std::string> get_hot_reload_plugins() const { return ids_of(hrm_get_hot_reload_plugins); }

    /** Disables every plugin, and ends every folder. @returns how many plugins were enabled */
    std::size_t clear()
    {
        const std::int32_t count = hrm_clear(m_handle);
        return count > 0 ? static_cast<std::size_t>(count) : 0;
    }

    /**
     * Pauses or resumes the delivery of changes. After resuming, each plugin that changed meanwhile is delivered once.
     * @param enabled  false pauses, true resumes
     */
    void set_global_hot_reload_enabled(bool enabled) { hrm_set_global_hot_reload_enabled(m_handle, enabled ? 1 : 0); }
    /** Answers whether changes are delivered. @returns true if delivery is not paused */
    bool is_global_hot_reload_enabled() const { return hrm_is_global_hot_reload_enabled(m_handle) == 1; }

    /**
     * Pauses or resumes the delivery of one plugin's changes. If it changed meanwhile, its latest version is delivered once
     * after resuming. Outside of callbacks pausing waits for a running callback about a change of the plugin.
     * @param plugin_id  the plugin
     * @param paused     true pauses, false resumes
     * @returns success, or an error: InvalidParameters (the plugin is not enabled), InvalidState
     */
    expected<void> set_plugin_paused(const std::string& plugin_id, bool paused)
    {
        if (auto error = detail::nul_in("plugin id", plugin_id))
            return unexpected(*std::move(error));
        return about_plugin(plugin_id, hrm_set_plugin_paused(m_handle, plugin_id.c_str(), paused ? 1 : 0));
    }
    /**
     * Answers whether a plugin is paused by set_plugin_paused().
     * @param plugin_id  the plugin
     * @returns true if it is enabled and paused
     */
    bool is_plugin_paused(const std::string& plugin_id) const
    {
        return !detail::has_nul(plugin_id) && hrm_is_plugin_paused(m_handle, plugin_id.c_str()) == 1;
    }

    /**
     * Compares a plugin with the disk at once, without waiting for a notification or the next poll. Returns before the
     * comparison is made. What has changed is delivered as always, when it is complete.
     * @param plugin_id  the plugin
     * @returns success, or an error: InvalidParameters (the plugin is not enabled), InvalidState
     */
    expected<void> check_now(const std::string& plugin_id)
    {
        if (auto error = detail::nul_in("plugin id", plugin_id))
            return unexpected(*std::move(error));
        return about_plugin(plugin_id, hrm_check_now(m_handle, plugin_id.c_str()));
    }
    /**
     * Compares every plugin with the disk at once, as check_now().
     * @returns success, or an error: InvalidState
     */
    expected<void> check_now() { return about_plugin({}, hrm_check_now(m_handle, nullptr)); }

    /**
     * Begins to find plugins in a directory: each file that options name is enabled while it is there. docs/folders.md is
     * the manual. A new file is delivered when it is complete, by EventKind::discovered and EventKind::file_changed; one
     * that is removed by EventKind::file_removed and EventKind::disabled.
     * @param folder_id  the folder's name
     * @param directory  the directory; a relative path is resolved now
     * @param options    which files are plugins, and how they are watched
     * @returns success, or an error: FileNotFound, InvalidPath (also a path that is no directory), AlreadyExists,
     * PermissionDenied, InvalidParameters (a malformed id or pattern; an option that is out of range or has a NUL byte),
     * SystemError, ResourceUnavailable, InvalidState
     */
    expected<void> enable_folder(const std::string& folder_id, const std::filesystem::path& directory,
                                 const FolderOptions& options = {})
    {
        const std::string path = detail::bytes_of(directory);
        if (auto error = detail::nul_in("folder id", folder_id))
            return unexpected(*std::move(error));
        if (auto error = detail::nul_in("path", path, {}, ErrorCode::InvalidPath))
            return unexpected(*std::move(error));
        detail::FolderArguments arguments(options, m_shared);
        if (arguments.error())
            return unexpected(*arguments.error());
        hrm_error error = detail::no_error();
        const std::int32_t code =
            hrm_enable_folder(m_handle, folder_id.c_str(), path.c_str(), arguments.release(), &error);
        if (code < 0)
            return unexpected(detail::error_of(code, error));
        return {};
    }
    /**
     * Ends the search for plugins in a folder, and disables those that it has found. Outside of callbacks it waits for a
     * running callback about one of them.
     * @param folder_id  the folder
     * @returns whether it was enabled
     */
    bool disable_folder(const std::string& folder_id)
    {
        return !detail::has_nul(folder_id) && hrm_disable_folder(m_handle, folder_id.c_str()) == 1;
    }
    /** The enabled folders. @returns their ids, sorted */
    std::vector<std::string> get_folders() const { return ids_of(hrm_get_folders); }
    /**
     * Pauses or resumes the delivery of changes of a folder's plugins, as set_plugin_paused() does of one.
     * @param folder_id  the folder
     * @param paused     true pauses, false resumes
     * @returns success, or an error: InvalidParameters (the folder is not enabled), InvalidState
     */
    expected<void> set_folder_paused(const std::string& folder_id, bool paused)
    {
        if (auto error = detail::nul_in("folder id", folder_id))
            return unexpected(*std::move(error));
        const std::int32_t code = hrm_set_folder_paused(m_handle, folder_id.c_str(), paused ? 1 : 0);
        if (code == HRM_ERR_INVALID_ARGUMENT)
            return unexpected(
                Error(ErrorCode::InvalidParameters, "folder \"" + detail::shown(folder_id) + "\" is not enabled"));
        return about_plugin({}, code);
    }
    /**
     * Answers whether a folder is paused, by set_folder_paused() or by its marker.
     * @param folder_id  the folder
     * @returns true if it is enabled and paused
     */
    bool is_folder_paused(const std::string& folder_id) const
    {
        return !detail::has_nul(folder_id) && hrm_is_folder_paused(m_handle, folder_id.c_str()) == 1;
    }

    /**
     * Sets the function that receives the id of a plugin that has a new version.
     * @param callback  the function; an empty one removes it
     * @returns success, or an error: InvalidState
     */
    expected<void> set_reload_callback(ReloadCallback callback)
    {
        return set(hrm_set_reload_callback, std::move(callback), [](const char* plugin_id, void* slot) {
            static_cast<detail::Slot<ReloadCallback>*>(slot)->guarded(
                plugin_id, [plugin_id](const ReloadCallback& reload) { reload(plugin_id); });
        });
    }
    /**
     * Sets the function that receives every event.
     * @param callback  the function; an empty one removes it
     * @returns success, or an error: InvalidState
     */
    expected<void> set_event_callback(EventCallback callback)
    {
        return set(hrm_set_event_callback, std::move(callback), [](const hrm_event* event, void* slot) {
            static_cast<detail::Slot<EventCallback>*>(slot)->guarded(
                event->plugin_id, [event](const EventCallback& happened) { happened(detail::event_of(*event)); });
        });
    }
    /**
     * Delivery::manual: sets the function that is called on a thread of the library when dispatch() has something to
     * deliver. It should only signal the host's event loop.
     * @param callback  the function; an empty one removes it
     * @returns success, or an error: NotSupported (Delivery::thread), InvalidState
     */
    expected<void> set_wakeup_callback(WakeupCallback callback)
    {
        return set(hrm_set_wakeup_callback, std::move(callback),
                   [](void* slot) {
                       static_cast<detail::Slot<WakeupCallback>*>(slot)->guarded(
                           "", [](const WakeupCallback& wake) { wake(); });
                   });
    }

    /**
     * Safe reload: sets the function that decides on every version before it is delivered. It runs on a thread of the
     * library that does nothing else, so that it may take long.
     * @param validator  the function; an empty one removes it
     * @returns success, or an error: InvalidState
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
     * Safe reload: reports how the loading of a delivered generation went. After a failure EventKind::rollback follows.
     * @param plugin_id   the plugin
     * @param generation  Event::generation of the change
     * @param outcome     how it went
     * @param message     why, for the event of a rollback
     * @returns success, or an error: InvalidParameters (a plugin that is not enabled, a generation that was never delivered
     * or does not exist any more, a NUL byte in the id or the message), NotSupported (no safe reload), InvalidState
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

    /**
     * Sets the function that receives exceptions that leave callbacks. It runs where the callback ran.
     * @param handler  the function; an empty one removes it
     */
    void set_exception_handler(ExceptionHandler handler)
    {
        if (m_shared == nullptr)
            return;
        auto fresh = handler ? std::make_shared<const ExceptionHandler>(std::move(handler)) : nullptr;
        const std::lock_guard<std::mutex> lock(m_shared->mutex);
        m_shared->handler.swap(fresh);
    }

    /**
     * Delivery::manual: runs the callbacks of pending events on this thread.
     * @param max      how many events at most; 0 = all that are pending
     * @param timeout  how long to wait for the first event; 0 = do not wait, negative = for ever
     * @returns how many events were delivered, or an error: NotSupported (Delivery::thread), InvalidState
     * @throws whatever left a callback, if there is no exception handler
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

    /**
     * Delivery::manual, POSIX: a descriptor that polls readable while dispatch() has something to deliver. Only poll it.
     * @returns the descriptor, or an error: NotSupported (Delivery::thread, or Windows), InvalidState
     */
    expected<int> event_fd() const
    {
        const std::int32_t fd = hrm_event_fd(m_handle);
        if (fd < 0)
            return unexpected(detail::error_of(fd, detail::no_error()));
        return static_cast<int>(fd);
    }

    /**
     * Says what a plugin is doing, for programs.
     * @param plugin_id  the plugin
     * @returns the status, or an error: InvalidParameters (the plugin is not enabled), InvalidState
     */
    expected<PluginStatus> plugin_status(const std::string& plugin_id) const
    {
        if (auto error = detail::nul_in("plugin id", plugin_id))
            return unexpected(*std::move(error));
        hrm_plugin_status_info s = HRM_PLUGIN_STATUS_INIT;
        const auto done = about_plugin(plugin_id, hrm_plugin_status(m_handle, plugin_id.c_str(), &s));
        if (!done)
            return unexpected(done.error());
        return detail::status_of(s);
    }
    /**
     * The last decisions about a plugin, oldest first: at most eight, of the plugins to which something happened lately.
     * @param plugin_id  the plugin
     * @returns the decisions, or an error: InvalidParameters (the plugin is not enabled), InvalidState
     */
    expected<std::vector<PastDecision>> plugin_decisions(const std::string& plugin_id) const
    {
        if (auto error = detail::nul_in("plugin id", plugin_id))
            return unexpected(*std::move(error));
        hrm_error error = detail::no_error();
        std::vector<hrm_past_decision> found;
        std::size_t count = 8;
        std::int32_t code = HRM_ERR_BUFFER_TOO_SMALL;
        while (code == HRM_ERR_BUFFER_TOO_SMALL) {  // a newer library may keep more
            found.assign(count, HRM_PAST_DECISION_INIT);
            code = hrm_plugin_decisions(m_handle, plugin_id.c_str(), found.data(), &count, &error);
        }
        if (code < 0)
            return unexpected(detail::error_of(code, error, plugin_id));
        std::vector<PastDecision> decisions;
        for (std::size_t i = 0; i < count; ++i)
            decisions.push_back(detail::decision_of(found[i]));
        return decisions;
    }
    /**
     * Says what a plugin is doing and why, for people: some lines of text, each ended by a line feed. The text may change
     * from version to version.
     * @param plugin_id  the plugin
     * @returns the text, or an error: InvalidParameters (the plugin is not enabled), InvalidState
     */
    expected<std::string> explain(const std::string& plugin_id) const
    {
        if (auto error = detail::nul_in("plugin id", plugin_id))
            return unexpected(*std::move(error));
        std::string text;
        std::int32_t code = HRM_ERR_BUFFER_TOO_SMALL;
        for (std::size_t size = 4096; code == HRM_ERR_BUFFER_TOO_SMALL;) {  // it may become longer in between
            text.resize(size);
            code = hrm_explain(m_handle, plugin_id.c_str(), &text[0], &size);
            if (code >= 0)
                text.resize(size - 1);
        }
        const auto done = about_plugin(plugin_id, code);
        if (!done)
            return unexpected(done.error());
        return text;
    }
    /**
     * The figures of the manager and of its plugins as OpenMetrics text, which Prometheus reads. An endpoint sends it with
     * the content type #HRM_METRICS_CONTENT_TYPE.
     * @returns the text, or an error: InvalidState
     */
    expected<std::string> metrics() const { return detail::metrics_of(m_handle); }
    /**
     * Sets the function that receives the manager's log. It runs on a thread of the library, one call at a time, whether or
     * not the host dispatches.
     * @param level     the lines of this level and of those above it
     * @param callback  the function; an empty one removes it
     * @returns success, or an error: InvalidParameters (a level that is not known), InvalidState
     */
    expected<void> set_log_callback(LogLevel level, LogCallback callback)
    {
        const auto setter = [level](hrm_manager* m, hrm_log_fn fn, void* slot, hrm_destroy_fn destroy) {
            return hrm_set_log_callback(m, static_cast<std::int32_t>(level), fn, slot, destroy);
        };
        return set(setter, std::move(callback), [](const hrm_log_record* record, void* slot) {
            static_cast<detail::Slot<LogCallback>*>(slot)->guarded(
                record->plugin_id, [record](const LogCallback& log) { log(detail::record_of(*record)); });
        });
    }

    /** Figures of the manager. @returns the figures of this moment; zeros for a manager that was moved from */
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
        out.held_open = s.held_open;
        out.writers_unknown = s.writers_unknown;
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
        out.watched_files = s.watched_files;
        out.polled_files = s.polled_files;
        out.unreliable = s.unreliable;
        out.safety_checks = s.safety_checks;
        out.missed = s.missed;
        return out;
    }

    /** The handle, for functions of the C header. @returns the handle; null in a manager that was moved from */
    hrm_manager* native_handle() const noexcept { return m_handle; }

private:
    Manager(Delivery delivery, hrm_manager* handle) : m_handle(handle), m_shared(std::make_shared<detail::Shared>())
    {
        m_shared->rethrow = delivery == Delivery::manual;
    }

    /** What a function has listed that stores ids, each ended by a NUL. */
    template <class List>
    std::vector<std::string> ids_of(List list) const
    {
        std::string buffer;
        std::size_t size = 0;
        std::int32_t count = list(m_handle, nullptr, &size);
        while (count >= 0) {
            buffer.resize(size + 1);
            size = buffer.size();
            count = list(m_handle, &buffer[0], &size);
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

    void end() noexcept
    {
        if (m_owned)
            hrm_manager_destroy(m_handle);  // accepts null
    }

    /** The result of a function that has no hrm_error. */
    static expected<void> about_plugin(const std::string& plugin_id, std::int32_t code)
    {
        if (code == HRM_ERR_INVALID_ARGUMENT)
            return unexpected(Error(ErrorCode::InvalidParameters, "plugin \"" + detail::shown(plugin_id) + "\" is not enabled",
                                    plugin_id));
        if (code < 0)
            return unexpected(detail::error_of(code, detail::no_error(), plugin_id));
        return {};
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
    bool m_owned = true;
    std::shared_ptr<detail::Shared> m_shared;
};

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
