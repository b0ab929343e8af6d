// SPDX-License-Identifier: MIT
/**
 * @file plugin_host.hpp
 * @brief hotreload::PluginHost: plugins that are shared libraries, exchanged while they are in use, for C++17.
 *
 * Header-only over hot_reload_plugin.h, which is the manual, and without Qt. (Plugins made with Qt: qtplugin::PluginHost.)
 *
 * @section plugin_host_use Use
 * PluginHost makes a host, PluginHost::open() opens a plugin, Plugin::acquire() pins the version that answers, and
 * PluginVersion::function() gives what it exports. The version is released when the PluginVersion goes.
 *
 * @section plugin_host_exceptions Exceptions
 * Exceptions must not leave functions of plugins that the library calls (init, exit, the state). What prepare throws fails
 * the version. What the outcome callback throws is dropped.
 */
#pragma once

#include <qtplugin/hotreload.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hot_reload_plugin.h>

#include <qtplugin/hotreload/plugin_types.hpp>

namespace hotreload {

/**
 * A pinned version of a plugin: it stays loaded as long as the object lives.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa Plugin::acquire()
 */
class PluginVersion {
public:
    PluginVersion() = default;  ///< no version
    /** Takes a version over. @param other  has none afterwards */
    PluginVersion(PluginVersion&& other) noexcept : m_handle(std::exchange(other.m_handle, nullptr)) {}
    /** Releases this version and takes another one over. @param other  has none afterwards @returns this object */
    PluginVersion& operator=(PluginVersion&& other) noexcept
    {
        if (this != &other) {
            hrm_plugin_release(m_handle);
            m_handle = std::exchange(other.m_handle, nullptr);
        }
        return *this;
    }
    PluginVersion(const PluginVersion&) = delete;             ///< not copyable
    PluginVersion& operator=(const PluginVersion&) = delete;  ///< not copyable
    /** Releases the version. It never waits, and runs nothing of the plugin. */
    ~PluginVersion() { hrm_plugin_release(m_handle); }

    /** Whether there is a version. */
    explicit operator bool() const noexcept { return m_handle != nullptr; }
    /**
     * A function that the version exports.
     * @tparam Signature  the function's type, as int(const char*)
     * @param index       its index in PluginOptions::symbols
     * @returns the function; null if there is none of this index, or no version
     */
    template <class Signature>
    Signature* function(std::size_t index) const noexcept
    {
        return reinterpret_cast<Signature*>(hrm_plugin_function(m_handle, index));
    }
    /** Data that the version exports. @param index  its index in PluginOptions::symbols @returns the address, or null */
    void* symbol(std::size_t index) const noexcept { return hrm_plugin_symbol(m_handle, index); }
    /** What PluginOptions::prepare has made. @tparam T  its type @returns the object; null if there is none */
    template <class T>
    std::shared_ptr<T> data() const
    {
        const auto* made = static_cast<const std::shared_ptr<void>*>(hrm_plugin_data(m_handle));
        return made == nullptr ? nullptr : std::static_pointer_cast<T>(*made);
    }
    /** The generation. @returns as Event::generation; 0 without a version */
    std::uint64_t generation() const noexcept { return hrm_plugin_generation(m_handle); }
    /** The snapshot that was loaded. @returns its path; empty without a version */
    std::filesystem::path path() const
    {
        const char* const path = hrm_plugin_path(m_handle);
        return path == nullptr ? std::filesystem::path() : detail::path_of(path);
    }
    /** The handle, for functions of the C header. @returns the handle; null without a version */
    const hrm_plugin_version* native_handle() const noexcept { return m_handle; }

private:
    friend class Plugin;
    explicit PluginVersion(const hrm_plugin_version* handle) noexcept : m_handle(handle) {}

    const hrm_plugin_version* m_handle = nullptr;
};

/**
 * A version that is not pinned: what prepare is given.
 *
 * @threadsafety Used inside PluginOptions::prepare alone.
 * @since 1.0.0
 * @sa PluginOptions
 */
class FreshVersion {
public:
    /** A function that the version exports. @tparam Signature  its type @param index  as in symbols @returns it, or null */
    template <class Signature>
    Signature* function(std::size_t index) const noexcept
    {
        return reinterpret_cast<Signature*>(hrm_plugin_function(m_handle, index));
    }
    /** Data that the version exports. @param index  its index in PluginOptions::symbols @returns the address, or null */
    void* symbol(std::size_t index) const noexcept { return hrm_plugin_symbol(m_handle, index); }
    /** The generation. @returns as Event::generation */
    std::uint64_t generation() const noexcept { return hrm_plugin_generation(m_handle); }
    /** The snapshot that was loaded. @returns its path */
    std::filesystem::path path() const { return detail::path_of(hrm_plugin_path(m_handle)); }

private:
    friend struct PluginCallbacks;
    explicit FreshVersion(const hrm_plugin_version* handle) noexcept : m_handle(handle) {}

    const hrm_plugin_version* m_handle;
};

/**
 * How a plugin is opened and exchanged. Zero is the default of hrm_plugin_options.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa PluginHost::open()
 */
struct PluginOptions {
    std::vector<std::string> symbols;             ///< what the plugin must export, found by index
    std::vector<std::string> needs;               ///< ids of plugins that this one uses
    ReloadMode mode = ReloadMode::side_by_side;   ///< the order of an exchange
    std::chrono::milliseconds quiet{0};           ///< the quiet period; zero: the manager's
    std::chrono::milliseconds open_timeout{0};    ///< for the first version; negative: without limit
    std::chrono::milliseconds canary_timeout{0};  ///< zero: no canary
    std::filesystem::path canary_program;         ///< empty: the canary is a fork
    std::chrono::milliseconds hand_over_timeout{0};  ///< how long callers are held while calls under way end
    std::chrono::milliseconds step_timeout{0};    ///< the limit of each step; negative: without limit
    bool allow_missing = false;                   ///< accept a path that does not exist yet
    bool wait = true;                             ///< open() waits for the first version
    bool state_optional = false;                  ///< take a new version also if the old one's state cannot be saved
    /** True: never unload the library. False: also if its image says that this may not be safe. Unset: unless it does. */
    std::optional<bool> keep_loaded;
    bool file = false;                            ///< the file is no library; prepare reads it
    std::optional<SafeOptions> safe;              ///< safe reload for this plugin: its named fields replace the manager's
    Manager::Validator validator;                 ///< decides on each version, before the canary
    /** Makes what the host needs of a version, before it answers; PluginVersion::data() gives it. It may throw. */
    std::function<std::shared_ptr<void>(const FreshVersion&)> prepare;
};

/**
 * The functions of one plugin. For PluginHost; programs need not use it.
 *
 * @threadsafety The C library calls its functions where the plugin's steps run.
 * @since 1.0.0
 * @sa PluginOptions
 */
struct PluginCallbacks {
    Manager::Validator validator;  ///< decides on each version
    std::function<std::shared_ptr<void>(const FreshVersion&)> prepare;  ///< makes what the host needs

    /**
     * As hrm_validator_fn.
     * @param c       the version
     * @param reason  receives why it is rejected
     * @param room    the room in reason in bytes
     * @param self    the PluginCallbacks
     * @returns HRM_ACCEPT or HRM_REJECT
     */
    static std::int32_t HRM_CALL validate(const hrm_candidate* c, char* reason, std::size_t room, void* self)
    {
        const auto& validator = static_cast<PluginCallbacks*>(self)->validator;
        return detail::verdict_of([&] { return validator(detail::candidate_of(*c)); }, reason, room);
    }
    /**
     * As hrm_prepare_fn.
     * @param p       the version
     * @param reason  receives why it failed
     * @param room    the room in reason in bytes
     * @param self    the PluginCallbacks
     * @returns 0, or 1 if it failed
     */
    static std::int32_t HRM_CALL make(hrm_preparation* p, char* reason, std::size_t room, void* self)
    {
        const auto verdict = detail::verdict_of(
            [&]() -> std::optional<std::string> {
                auto made = std::make_unique<std::shared_ptr<void>>(
                    static_cast<PluginCallbacks*>(self)->prepare(FreshVersion(p->version)));
                p->data = made.release();
                return std::nullopt;
            },
            reason, room);
        return verdict == HRM_ACCEPT ? 0 : 1;
    }
    /**
     * As hrm_prepare_fn.
     * @param p       the version
     * @param reason  receives why it failed
     * @param room    the room in reason in bytes
     * @param self    the PluginCallbacks
     * @returns 0, or 1 if it failed
     */
    static std::int32_t HRM_CALL drop(hrm_preparation* p, char* reason, std::size_t room, void* self)
    {
        (void)self;
        const auto verdict = detail::verdict_of(
            [&]() -> std::optional<std::string> {
                delete static_cast<std::shared_ptr<void>*>(std::exchange(p->data, nullptr));
                return std::nullopt;
            },
            reason, room);
        return verdict == HRM_ACCEPT ? 0 : 1;
    }
};

/**
 * An open plugin. Copies are the same plugin.
 *
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa PluginHost::open()
 */
class Plugin {
public:
    Plugin() = default;  ///< no plugin: acquire() gives no version
    /** Pins the version that answers; it waits while callers are held. @returns the version, or none */
    PluginVersion acquire() const noexcept { return PluginVersion(hrm_plugin_acquire(m_handle)); }
    /** Pins the version that answers, without waiting: for real-time threads. @returns the version, or none */
    PluginVersion try_acquire() const noexcept { return PluginVersion(hrm_plugin_try_acquire(m_handle)); }
    /**
     * Pins versions of several plugins that answered at the same moment.
     * @param plugins  1 to 1000 plugins
     * @returns the versions, in the same order; empty if one has none
     */
    static std::vector<PluginVersion> acquire_all(const std::vector<Plugin>& plugins)
    {
        std::vector<hrm_plugin*> handles;
        for (const Plugin& p : plugins)
            handles.push_back(p.m_handle);
        std::vector<const hrm_plugin_version*> pinned(plugins.size());
        std::vector<PluginVersion> versions;
        versions.reserve(plugins.size());
        if (hrm_plugin_acquire_all(handles.data(), handles.size(), pinned.data()) == HRM_OK)
            for (const auto* version : pinned)
                versions.push_back(PluginVersion(version));
        return versions;
    }
    /**
     * Reports that a version misbehaves: the last good version answers again.
     * @param generation  PluginVersion::generation()
     * @param message     why
     * @returns success, or an error: InvalidParameters (no such generation, a NUL byte, a plugin that was closed)
     */
    expected<void> fail(std::uint64_t generation, const std::string& message = {}) const
    {
        if (auto error = detail::nul_in("message", message))
            return unexpected(*std::move(error));
        hrm_error error = detail::no_error();
        return result(hrm_plugin_fail(m_handle, generation, message.c_str(), &error), error);
    }
    /** Takes the version that waits, without the state. @returns success, or an error: InvalidParameters (none waits) */
    expected<void> take_without_state() const
    {
        hrm_error error = detail::no_error();
        return result(hrm_plugin_take_without_state(m_handle, &error), error);
    }
    /**
     * Closes the plugin.
     * @param timeout  how long to wait for the end of its versions; negative: without limit
     * @returns success, or an error: InvalidParameters (other plugins need it; it was closed), SystemError (not in time)
     */
    expected<void> close(std::chrono::milliseconds timeout = std::chrono::milliseconds(-1)) const
    {
        hrm_error error = detail::no_error();
        return result(hrm_plugin_close(m_handle, detail::ms(timeout), &error), error);
    }
    /** The handle, for functions of the C header. @returns the handle; null without a plugin */
    hrm_plugin* native_handle() const noexcept { return m_handle; }

private:
    friend class PluginHost;
    explicit Plugin(hrm_plugin* handle) noexcept : m_handle(handle) {}

    static expected<void> result(std::int32_t code, const hrm_error& error)
    {
        if (code < 0)
            return unexpected(detail::error_of(code, error));
        return {};
    }

    hrm_plugin* m_handle = nullptr;
};

/**
 * A host of plugins that are shared libraries. It owns an hrm_host.
 *
 * @threadsafety Any thread, also inside the outcome callback. Moving and destruction are as for any value. The host may be
 * destroyed inside its own outcome callback.
 * @since 1.0.0
 * @sa Plugin, PluginOptions
 */
class PluginHost {
public:
    using OutcomeCallback = std::function<void(const PluginOutcome&)>;  ///< receives what became of each version

    /**
     * Makes a host.
     * @param outcome   receives every outcome; may be empty
     * @param options   of the host's manager; its safe options hold for every plugin
     * @param delivery  where steps and outcomes run
     * @throws Exception with the error of create()
     */
    explicit PluginHost(OutcomeCallback outcome = {}, const Options& options = {}, Delivery delivery = Delivery::thread)
        : PluginHost(create(std::move(outcome), options, delivery).value())
    {
    }
    /**
     * Makes a host.
     * @param outcome   receives every outcome; may be empty
     * @param options   of the host's manager; its safe options hold for every plugin
     * @param delivery  where steps and outcomes run
     * @returns the host, or an error as Manager::create()
     */
    static expected<PluginHost> create(OutcomeCallback outcome = {}, const Options& options = {},
                                       Delivery delivery = Delivery::thread)
    {
        if (auto error = detail::other_major())
            return unexpected(*std::move(error));
        const detail::ManagerArguments arguments(options, delivery);
        if (arguments.error())
            return unexpected(*arguments.error());
        auto shared = std::make_shared<Shared>();
        shared->outcome = std::move(outcome);
        hrm_host_options o = HRM_HOST_OPTIONS_INIT;
        o.manager = arguments.get();
        if (shared->outcome)
            o.outcome = &PluginHost::hear;
        o.user_data = new std::shared_ptr<Shared>(shared);  // deleted by destroy, also if creating fails
        o.destroy = [](void* owner) { delete static_cast<std::shared_ptr<Shared>*>(owner); };
        hrm_error error = detail::no_error();
        hrm_host* handle = nullptr;
        const std::int32_t code = hrm_host_create(&o, &handle, &error);
        if (code < 0)
            return unexpected(detail::error_of(code, error));
        return PluginHost(handle, std::move(shared));
    }
    /** Takes a host over. @param other  moved from afterwards */
    PluginHost(PluginHost&& other) noexcept
        : m_handle(std::exchange(other.m_handle, nullptr)), m_shared(std::move(other.m_shared))
    {
    }
    /** Destroys this host and takes another one over. @param other  moved from afterwards @returns this host */
    PluginHost& operator=(PluginHost&& other) noexcept
    {
        if (this != &other) {
            hrm_host_destroy(m_handle, -1, nullptr);
            m_handle = std::exchange(other.m_handle, nullptr);
            m_shared = std::move(other.m_shared);
        }
        return *this;
    }
    PluginHost(const PluginHost&) = delete;             ///< not copyable
    PluginHost& operator=(const PluginHost&) = delete;  ///< not copyable
    /** Closes every plugin and waits for the end of all versions; inside a callback of the host it does not wait. */
    ~PluginHost() { hrm_host_destroy(m_handle, -1, nullptr); }

    /**
     * Closes every plugin and ends the host, waiting no longer than a time. The destructor has nothing to do afterwards.
     * @param timeout  how long to wait for calls and steps; negative: without limit
     * @returns success, or an error: SystemError (not everything has ended; the rest ends by itself), InvalidParameters
     */
    expected<void> shut_down(std::chrono::milliseconds timeout)
    {
        hrm_error error = detail::no_error();
        return Plugin::result(hrm_host_destroy(std::exchange(m_handle, nullptr), detail::ms(timeout), &error), error);
    }
    /**
     * Loads the present version of a plugin and watches its file.
     * @param plugin_id  the plugin's name
     * @param file       the plugin's file
     * @param options    options of this plugin
     * @returns the plugin, or an error: as Manager::enable_hot_reload(), or SystemError (the version is rejected, fails, or
     * is not complete in time)
     */
    expected<Plugin> open(const std::string& plugin_id, const std::filesystem::path& file, const PluginOptions& options = {})
    {
        const std::string path = detail::bytes_of(file), program = detail::bytes_of(options.canary_program);
        if (auto error = detail::nul_in("plugin id", plugin_id))
            return unexpected(*std::move(error));
        if (auto error = detail::nul_in("path", path, plugin_id, ErrorCode::InvalidPath))
            return unexpected(*std::move(error));
        const detail::SafeArguments safe(options.safe);
        if (safe.error())
            return unexpected(*safe.error());
        const Names symbols(options.symbols), needs(options.needs);
        hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
        o.flags = (options.allow_missing ? HRM_PLUGIN_ALLOW_MISSING : 0U) | (options.wait ? 0U : HRM_PLUGIN_DO_NOT_WAIT) |
                  (options.state_optional ? HRM_PLUGIN_STATE_OPTIONAL : 0U) |
                  (options.file ? HRM_PLUGIN_FILE : 0U);
        if (options.keep_loaded)
            o.flags |= *options.keep_loaded ? HRM_PLUGIN_KEEP_LOADED : HRM_PLUGIN_UNLOAD;
        o.mode = static_cast<std::int32_t>(options.mode);
        o.quiet_ms = detail::ms(options.quiet);
        o.open_timeout_ms = limit(options.open_timeout);
        o.canary_timeout_ms = detail::ms(options.canary_timeout);
        o.hand_over_timeout_ms = detail::ms(options.hand_over_timeout);
        o.load_timeout_ms = o.init_timeout_ms = o.save_timeout_ms = o.restore_timeout_ms = o.prepare_timeout_ms =
            o.exit_timeout_ms = o.unload_timeout_ms = limit(options.step_timeout);
        o.symbols = symbols.get();
        o.needs = needs.get();
        o.safe = safe.get();
        o.canary_program = program.empty() ? nullptr : program.c_str();
        PluginCallbacks* const callbacks = keep({options.validator, options.prepare});
        if (options.validator) {
            o.validator = &PluginCallbacks::validate;
            o.validator_data = callbacks;
        }
        if (options.prepare) {
            o.prepare = &PluginCallbacks::make;
            o.dispose = &PluginCallbacks::drop;
            o.prepare_data = callbacks;
        }
        hrm_error error = detail::no_error();
        hrm_plugin* plugin = nullptr;
        const std::int32_t code = hrm_host_open(m_handle, plugin_id.c_str(), path.c_str(), &o, &plugin, &error);
        if (code < 0)
            return unexpected(detail::error_of(code, error, plugin_id));
        return Plugin(plugin);
    }
    /** An open plugin. @param plugin_id  its name @returns the plugin; one without a version if none of this name is open */
    Plugin find(const std::string& plugin_id) const
    {
        return detail::has_nul(plugin_id) ? Plugin() : Plugin(hrm_host_find(m_handle, plugin_id.c_str()));
    }
    /**
     * Delivery::manual: runs steps and outcome callbacks on this thread.
     * @param max      how many at most; 0 = all that are pending
     * @param timeout  how long to wait for the first one; 0 = do not wait, negative = for ever
     * @returns how many ran, or an error: NotSupported (Delivery::thread), InvalidState
     */
    expected<std::size_t> dispatch(std::size_t max = 0, std::chrono::milliseconds timeout = {})
    {
        hrm_error error = detail::no_error();
        const std::int32_t n = hrm_dispatch(hrm_host_manager(m_handle), static_cast<std::int32_t>(max), detail::ms(timeout),
                                            &error);
        if (n < 0)
            return unexpected(detail::error_of(n, error));
        return static_cast<std::size_t>(n);
    }
    /**
     * The figures of the host's manager and of its plugins as OpenMetrics text: see Manager::metrics().
     * @returns the text, or an error: InvalidState
     */
    expected<std::string> metrics() const { return detail::metrics_of(hrm_host_manager(m_handle)); }
    /** The handle, for functions of the C header. @returns the handle; null in a host that was moved from */
    hrm_host* native_handle() const noexcept { return m_handle; }

private:
    /** What outlives the host until its last version has ended. */
    struct Shared {
        OutcomeCallback outcome;
        std::mutex mutex;
        std::list<PluginCallbacks> plugins;  // their addresses stay
    };

    /** A NULL-terminated list. */
    class Names {
    public:
        explicit Names(const std::vector<std::string>& names)
        {
            for (const auto& name : names)
                m_pointers.push_back(name.c_str());
            m_pointers.push_back(nullptr);
        }
        const char* const* get() const noexcept { return m_pointers.size() > 1 ? m_pointers.data() : nullptr; }

    private:
        std::vector<const char*> m_pointers;
    };

    PluginHost(hrm_host* handle, std::shared_ptr<Shared> shared) : m_handle(handle), m_shared(std::move(shared)) {}

    /** In C less than zero is -1 alone. */
    static std::int32_t limit(std::chrono::milliseconds value)
    {
        return value.count() < 0 ? HRM_NO_LIMIT : detail::ms(value);
    }

    PluginCallbacks* keep(PluginCallbacks callbacks)
    {
        if (m_shared == nullptr)
            return nullptr;  // moved from: opening fails
        const std::lock_guard<std::mutex> lock(m_shared->mutex);
        m_shared->plugins.push_back(std::move(callbacks));
        return &m_shared->plugins.back();
    }

    static void HRM_CALL hear(const hrm_plugin_outcome* o, void* owner) noexcept
    {
        try {
            const std::shared_ptr<Shared> shared = *static_cast<std::shared_ptr<Shared>*>(owner);
            shared->outcome(detail::outcome_of(*o));
        } catch (...) {  // must not reach the C library
        }
    }

    hrm_host* m_handle = nullptr;
    std::shared_ptr<Shared> m_shared;
};

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
