// SPDX-License-Identifier: MIT
/**
 * @file qtforge.hpp
 * @brief The adapter for an unmodified QtForge: its hot reload interface over this library, and a loader of private copies.
 *
 * Includes QtForge's own headers, which must be found before this library's of the same names; link with
 * HotReload::qtforge. A file that includes this header must not include this library's qtplugin/monitoring or
 * qtplugin/utils. docs/qtforge.md is the manual.
 */
#pragma once

#include <qtplugin/hotreload/qtforge_errors.hpp>
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>  // QtForge's

#if defined(HOTRELOAD_REQUIREMENTS_MET) && !defined(HOTRELOAD_NAMES_OF_THE_REFERENCE)

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <qtplugin/hotreload/private_copies.hpp>
#include <qtplugin/hotreload/qt_manager.hpp>

namespace hotreload {
namespace qtforge {

/**
 * QtForge's IPluginHotReloadManager over this library.
 *
 * Delivers on this object's thread(), from its event loop: first by plugin_file_changed, then by the reload callback.
 *
 * The signals, set_validator(), report_reload(), stats() and is_valid() are QtManager's; errors of the interface's functions
 * are QtForge's, those of QtManager's are this library's.
 *
 * @threadsafety Any thread. In slots and in the callback every function may be called, and the object may be deleted.
 * @since 1.0.0
 * @sa QtManager, CopyingLoader
 */
class HotReloadManager : public QtManager, public ::qtplugin::IPluginHotReloadManager {
public:
    using Result = ::qtplugin::expected<void, ::qtplugin::PluginError>;  ///< success, or QtForge's error

    using QtManager::QtManager;

    /**
     * Starts watching a file as a plugin. The version that the file has now becomes the baseline.
     * @param plugin_id  the plugin's name
     * @param file_path  the plugin's file; a relative path is resolved now
     * @returns success, or an error: FileNotFound, AlreadyExists, PermissionDenied, InvalidParameters (a malformed id; a path
     * that is empty, too long, has a NUL byte or names no regular file), ResourceUnavailable, SystemError, InvalidState
     */
    Result enable_hot_reload(const std::string& plugin_id, const std::filesystem::path& file_path) override
    {
        return result_of(QtManager::enable_hot_reload(plugin_id, file_path));
    }
    /**
     * Starts watching a file as a plugin, with options.
     * @param plugin_id  the plugin's name
     * @param file_path  the plugin's file; a relative path is resolved now
     * @param options    options of this plugin
     * @returns success, or an error of enable_hot_reload(); InvalidParameters also for an option that is out of range
     */
    Result enable_hot_reload_ex(const std::string& plugin_id, const std::filesystem::path& file_path,
                                const EnableOptions& options)
    {
        return result_of(QtManager::enable_hot_reload(plugin_id, file_path, options));
    }
    /**
     * Stops watching a plugin and drops what is pending for it.
     * @param plugin_id  the plugin; an unknown id is ignored
     */
    void disable_hot_reload(const std::string& plugin_id) override { QtManager::disable_hot_reload(plugin_id); }
    /**
     * Answers whether a plugin is enabled.
     * @param plugin_id  the plugin
     * @returns true if it is enabled
     */
    bool is_hot_reload_enabled(const std::string& plugin_id) const override
    {
        return QtManager::is_hot_reload_enabled(plugin_id);
    }
    /**
     * Sets the function that receives the id of a plugin that has a new version.
     * @param callback  the function; an empty one removes it
     */
    void set_reload_callback(std::function<void(const std::string&)> callback) override
    {
        QtManager::set_reload_callback(std::move(callback));
    }
    /** The enabled plugins. @returns their ids, in the order of enabling */
    std::vector<std::string> get_hot_reload_plugins() const override { return QtManager::get_hot_reload_plugins(); }
    /** Disables every plugin. */
    void clear() override { QtManager::clear(); }
    /**
     * Pauses or resumes the delivery of changes.
     * @param enabled  false pauses, true resumes
     */
    void set_global_hot_reload_enabled(bool enabled) override { QtManager::set_global_hot_reload_enabled(enabled); }
    /** Answers whether changes are delivered. @returns true if delivery is not paused */
    bool is_global_hot_reload_enabled() const override { return QtManager::is_global_hot_reload_enabled(); }
};

namespace detail {

template <class Result>
struct ValueOf;
template <template <class...> class Expected, class Value, class... Rest>
struct ValueOf<Expected<Value, Rest...>> {
    using type = Value;
};

}  // namespace detail

/**
 * A loader of QtForge's that loads from private copies.
 *
 * load() copies the file and lets Loader load the copy. Everything else is Loader's. The system's loader returns the old
 * image for a path that is still loaded, and a build that overwrites a loaded file crashes its host; with copies neither
 * happens. Copies are removed with this object, all but the two newest of a file earlier.
 *
 * @tparam Loader  a class that implements QtForge's loader interface and may be derived from, usually
 * qtplugin::QtPluginLoader
 * @threadsafety As of Loader.
 * @since 1.0.0
 * @sa PrivateCopies, HotReloadManager
 */
template <class Loader>
class CopyingLoader : public Loader {
public:
    using Loader::Loader;

    /**
     * Copies a plugin's file and loads the copy.
     * @param file_path  the plugin's file
     * @returns what Loader::load() returns, or an error: FileNotFound, PermissionDenied, SystemError, InvalidState (the file
     * changed while it was copied; its next version is delivered)
     */
    auto load(const std::filesystem::path& file_path)
        -> decltype(std::declval<Loader&>().load(std::declval<const std::filesystem::path&>())) override
    {
        using Value = typename detail::ValueOf<decltype(Loader::load(file_path))>::type;
        const expected<std::filesystem::path> copy = m_copies.make(file_path);
        if (!copy)
            return failure_of<Value>(copy.error());
        return Loader::load(*copy);
    }

private:
    PrivateCopies m_copies;
};

}  // namespace qtforge
}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET, QtForge's headers
