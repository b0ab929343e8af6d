// SPDX-License-Identifier: MIT
/**
 * @file qt_manager.hpp
 * @brief hotreload::QtManager: hotreload::Manager on the thread of a QObject, with signals.
 *
 * qtplugin::PluginHotReloadManager is the class of the reference. This one has no name of qtplugin:: in it; it is what the
 * adapter for QtForge (qtforge.hpp) is made of.
 */
#pragma once

#include <qtplugin/hotreload/qt_requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <QtCore/QObject>
#include <QtCore/QString>

#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/hotreload/expected.hpp>
#include <qtplugin/hotreload/qt_event.hpp>
#include <qtplugin/hotreload/types.hpp>

namespace hotreload {

/**
 * A manager that delivers on its thread(), from its event loop.
 *
 * Delivery, signals, threads and errors are those of qtplugin::PluginHotReloadManager, whose functions have these names.
 *
 * @threadsafety Any thread. Signals and the reload callback arrive on this object's thread().
 * @since 1.0.0
 * @sa qtplugin::PluginHotReloadManager, qtforge::HotReloadManager
 */
class HOTRELOAD_QT_EXPORT QtManager : public QObject {
    Q_OBJECT
    Q_DISABLE_COPY(QtManager)

public:
    /**
     * Makes a manager with defaults. It does not fail: why the manager could not be made is the error of every
     * enable_hot_reload().
     * @param parent  the QObject that owns it; may be null
     */
    explicit QtManager(QObject* parent = nullptr);
    /**
     * Makes a manager with options. It does not fail: why the manager could not be made, bad options included, is the error
     * of every enable_hot_reload().
     * @param options  options
     * @param parent   the QObject that owns it; may be null
     */
    explicit QtManager(const Options& options, QObject* parent = nullptr);
    /** Stops watching, and drops what is pending. */
    ~QtManager() override;

    /** Whether the manager could be made. @returns true if it could */
    bool is_valid() const noexcept;
    /** Figures of the manager. @returns the figures of this moment */
    Stats stats() const;

    /**
     * Starts watching a file as a plugin. The version that the file has now becomes the baseline.
     * @param plugin_id  the plugin's name
     * @param file_path  the plugin's file; a relative path is resolved now
     * @param options    options of this plugin
     * @returns success, or an error as qtplugin::PluginHotReloadManager::enable_hot_reload_ex() has them
     */
    expected<void> enable_hot_reload(const std::string& plugin_id, const std::filesystem::path& file_path,
                                     const EnableOptions& options = {});
    /**
     * Safe reload: sets the function that decides on every version before it is delivered.
     * @param validator  returns why it rejects, std::nullopt to accept. An exception rejects. An empty function removes it.
     * @returns success, or an error: InvalidState, and why the manager could not be made
     */
    expected<void> set_validator(std::function<std::optional<std::string>(const Candidate&)> validator);
    /**
     * Safe reload: reports how the loading of a delivered generation went.
     * @param plugin_id   the plugin
     * @param generation  Event::generation of the change
     * @param outcome     how it went
     * @param message     why, for the event of a rollback
     * @returns success, or an error as qtplugin::PluginHotReloadManager::report_reload() has them
     */
    expected<void> report_reload(const std::string& plugin_id, std::uint64_t generation, Outcome outcome,
                                 const std::string& message = {});
    /**
     * Stops watching a plugin and drops what is pending for it.
     * @param plugin_id  the plugin; an unknown id is ignored
     */
    void disable_hot_reload(const std::string& plugin_id);
    /**
     * Answers whether a plugin is enabled.
     * @param plugin_id  the plugin
     * @returns true if it is enabled
     */
    bool is_hot_reload_enabled(const std::string& plugin_id) const;
    /**
     * Sets the function that receives the id of a plugin that has a new version.
     * @param callback  the function; an empty one removes it
     */
    void set_reload_callback(std::function<void(const std::string&)> callback);
    /** The enabled plugins. @returns their ids, in the order of enabling */
    std::vector<std::string> get_hot_reload_plugins() const;
    /** Disables every plugin. */
    void clear();
    /**
     * Pauses or resumes the delivery of changes.
     * @param enabled  false pauses, true resumes
     */
    void set_global_hot_reload_enabled(bool enabled);
    /** Answers whether changes are delivered. @returns true if delivery is not paused */
    bool is_global_hot_reload_enabled() const;
    /**
     * Pauses or resumes the delivery of one plugin's changes. If it changed meanwhile, its latest version is delivered once
     * after resuming.
     * @param plugin_id  the plugin
     * @param paused     true pauses, false resumes
     * @returns success, or an error: InvalidParameters (the plugin is not enabled), InvalidState, and why the manager could
     * not be made
     */
    expected<void> set_plugin_paused(const std::string& plugin_id, bool paused);
    /**
     * Answers whether a plugin is paused by set_plugin_paused().
     * @param plugin_id  the plugin
     * @returns true if it is enabled and paused
     */
    bool is_plugin_paused(const std::string& plugin_id) const;
    /**
     * Compares a plugin, or all, with the disk at once. Returns before the comparison is made. What has changed is delivered
     * as always, when it is complete.
     * @param plugin_id  the plugin; std::nullopt: all plugins
     * @returns success, or an error: InvalidParameters (the plugin is not enabled), InvalidState, and why the manager could
     * not be made
     */
    expected<void> check_now(const std::optional<std::string>& plugin_id = std::nullopt);
    /**
     * Says what a plugin is doing, for programs.
     * @param plugin_id  the plugin
     * @returns the status, or an error: InvalidParameters (the plugin is not enabled), InvalidState, and why the manager
     * could not be made
     */
    expected<PluginStatus> plugin_status(const std::string& plugin_id) const;
    /**
     * The last decisions about a plugin, oldest first: at most eight, of the plugins to which something happened lately.
     * @param plugin_id  the plugin
     * @returns the decisions, or an error: InvalidParameters (the plugin is not enabled), InvalidState, and why the manager
     * could not be made
     */
    expected<std::vector<PastDecision>> plugin_decisions(
        const std::string& plugin_id) const;
    /**
     * Says what a plugin is doing and why, for people: some lines of text, each ended by a line feed.
     * @param plugin_id  the plugin
     * @returns the text, or an error: InvalidParameters (the plugin is not enabled), InvalidState, and why the manager could
     * not be made
     */
    expected<std::string> explain(const std::string& plugin_id) const;
    /**
     * Begins to find plugins in a directory: each file that options name is enabled while it is there. docs/folders.md is
     * the manual. For each plugin that is found, hot_reload_enabled() and plugin_discovered() are emitted through the event
     * loop; a new one is then delivered as every change. One whose file is removed ends with hot_reload_disabled().
     * @param folder_id  the folder's name
     * @param directory  the directory; a relative path is resolved now
     * @param options    which files are plugins, and how they are watched. options.id runs on a thread of the library; an
     * exception is logged, and the file is no plugin.
     * @returns success, or an error: FileNotFound, InvalidPath (also a path that is no directory), AlreadyExists,
     * PermissionDenied, InvalidParameters (a malformed id or pattern; an option that is out of range or has a NUL byte),
     * SystemError, ResourceUnavailable, InvalidState, and why the manager could not be made
     */
    expected<void> enable_folder(const std::string& folder_id, const std::filesystem::path& directory,
        const FolderOptions& options = {});
    /**
     * Ends the search for plugins in a folder, and disables those that it has found. Their hot_reload_disabled() comes
     * through the event loop.
     * @param folder_id  the folder; an unknown one is ignored
     * @returns true if it was enabled
     */
    bool disable_folder(const std::string& folder_id);
    /** The enabled folders. @returns their ids, sorted */
    std::vector<std::string> get_folders() const;
    /**
     * Pauses or resumes the delivery of changes of a folder's plugins, as set_plugin_paused() does of one.
     * @param folder_id  the folder
     * @param paused     true pauses, false resumes
     * @returns success, or an error: InvalidParameters (the folder is not enabled), InvalidState, and why the manager could
     * not be made
     */
    expected<void> set_folder_paused(const std::string& folder_id, bool paused);
    /**
     * Answers whether a folder is paused, by set_folder_paused() or by its marker.
     * @param folder_id  the folder
     * @returns true if it is enabled and paused
     */
    bool is_folder_paused(const std::string& folder_id) const;
    /**
     * The figures of the manager and of its plugins as OpenMetrics text, which Prometheus reads. An endpoint sends it with
     * the content type #HRM_METRICS_CONTENT_TYPE (hot_reload_manager.h).
     * @returns the text, or an error: InvalidState, and why the manager could not be made
     */
    expected<std::string> metrics() const;
    /**
     * Sends the manager's log to the logging category "qtplugin.hotreload", from a thread of the library. It begins by itself
     * at LogLevel::debug if the category is enabled for debug messages when this object is made, for example by
     * QT_LOGGING_RULES=qtplugin.hotreload.debug=true.
     * @param level  the lines of this level and of those above it; std::nullopt ends it
     * @returns success, or an error: InvalidParameters (a level that is not known), InvalidState, and why the manager could
     * not be made
     */
    expected<void> set_log_level(std::optional<LogLevel> level);

Q_SIGNALS:
    /**
     * A plugin's file has a new, complete version.
     * @param plugin_id  the plugin
     * @param file_path  its path as it was registered
     */
    void plugin_file_changed(const QString& plugin_id, const QString& file_path);
    /**
     * A plugin was enabled.
     * @param plugin_id  the plugin
     */
    void hot_reload_enabled(const QString& plugin_id);
    /**
     * A plugin was disabled.
     * @param plugin_id  the plugin
     */
    void hot_reload_disabled(const QString& plugin_id);
    /**
     * A folder has found a plugin and enabled it; after hot_reload_enabled(), and before any change of it.
     * @param plugin_id  the plugin
     * @param file_path  its path below the directory as it was registered
     * @param folder_id  the folder
     */
    void plugin_discovered(const QString& plugin_id, const QString& file_path, const QString& folder_id);
    /**
     * A change, just before plugin_file_changed(); a removal; or news of the library's health.
     * @param event  the event
     */
    void hot_reload_event(const hotreload::Event& event);

private:
    class Private;
    std::unique_ptr<Private> d;
};

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
