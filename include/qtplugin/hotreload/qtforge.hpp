/**
 * @file qtforge.hpp
 * @brief The adapter for an unmodified QtForge: its hot reload interface over this library, and a loader of private copies.
 *
 * Includes QtForge's own headers, which must be found before this library's of the same names; link with
 * HotReload::qtforge. A file that includes this header must not include this library's qtplugin/monitoring or
 * qtplugin/utils. docs/qtforge.md is the manual.
 *
 * @since 1.0
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
 * @brief QtForge's IPluginHotReloadManager over this library.
 *
 * Delivers on this object's thread(), from its event loop: first by plugin_file_changed, then by the reload callback.
 * All functions are thread-safe; in slots and in the callback every function may be called, and the object may be deleted.
 *
 * The signals, set_validator(), report_reload(), stats() and is_valid() are QtManager's; errors of the interface's functions
 * are QtForge's, those of QtManager's are this library's.
 *
 * @since 1.0
 */
class HotReloadManager : public QtManager, public ::qtplugin::IPluginHotReloadManager {
public:
    using Result = ::qtplugin::expected<void, ::qtplugin::PluginError>;

    using QtManager::QtManager;

    /**
     * Starts to watch a plugin's file. The present version counts as known.
     *
     * Errors: FileNotFound, AlreadyExists, PermissionDenied, InvalidParameters (a bad id; a path that is empty, too long,
     * has a NUL byte or is no regular file), ResourceUnavailable, SystemError, InvalidState. May be called on any thread.
     */
    Result enable_hot_reload(const std::string& plugin_id, const std::filesystem::path& file_path) override
    {
        return result_of(QtManager::enable_hot_reload(plugin_id, file_path));
    }
    /** The same with options for this plugin. Errors: InvalidParameters also for an option that is out of range. */
    Result enable_hot_reload_ex(const std::string& plugin_id, const std::filesystem::path& file_path,
                                const EnableOptions& options)
    {
        return result_of(QtManager::enable_hot_reload(plugin_id, file_path, options));
    }
    void disable_hot_reload(const std::string& plugin_id) override { QtManager::disable_hot_reload(plugin_id); }
    bool is_hot_reload_enabled(const std::string& plugin_id) const override
    {
        return QtManager::is_hot_reload_enabled(plugin_id);
    }
    void set_reload_callback(std::function<void(const std::string&)> callback) override
    {
        QtManager::set_reload_callback(std::move(callback));
    }
    std::vector<std::string> get_hot_reload_plugins() const override { return QtManager::get_hot_reload_plugins(); }
    void clear() override { QtManager::clear(); }
    void set_global_hot_reload_enabled(bool enabled) override { QtManager::set_global_hot_reload_enabled(enabled); }
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
 * @brief A loader of QtForge's that loads from private copies.
 *
 * @p Loader is a class that implements QtForge's loader interface and may be derived from, usually
 * qtplugin::QtPluginLoader. load() copies the file and lets @p Loader load the copy; everything else is @p Loader's. The
 * system's loader hands out the old image for a path that is still loaded, and a build that overwrites a loaded file
 * crashes its host; with copies neither happens. Copies are removed with this object, all but the two newest of a file
 * earlier.
 *
 * Errors of load(): those of Loader::load(); FileNotFound, PermissionDenied, SystemError and InvalidState (the file changed
 * while it was copied; its next version is delivered) if there is no copy. Threads are as @p Loader has them.
 *
 * @since 1.0
 */
template <class Loader>
class CopyingLoader : public Loader {
public:
    using Loader::Loader;

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
