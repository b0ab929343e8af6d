// SPDX-License-Identifier: MIT
/**
 * @file plugin_hot_reload_manager.hpp
 * @brief Delivers new, complete versions of plugin files to a Qt host.
 *
 * hot_reload_manager.h is the manual of what is delivered and when.
 */
#pragma once

#include <qtplugin/hotreload/qt_requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <QtCore/QMetaType>
#include <QtCore/QObject>
#include <QtCore/QString>

#include <qtplugin/utils/error_handling.hpp>
#include <qtplugin/utils/expected.hpp>
#include <qtplugin/hotreload/qt_event.hpp>
#include <qtplugin/hotreload/types.hpp>

#if QT_VERSION < QT_VERSION_CHECK(6, 5, 0)
QT_BEGIN_NAMESPACE
class QDebug;
/**
 * Streams an error's message, which QDebug does by itself since Qt 6.5 (in quotes, unless noquote() is asked for). A
 * template: a program's own operator goes first, and a program that does not stream needs no QDebug.
 *
 * @param debug  where to, of type QDebug
 * @param text   the message, of type std::string
 * @returns debug
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa hotreload::Error
 */
template <class Debug, class Text,
          class = std::enable_if_t<std::is_same_v<Debug, QDebug> && std::is_same_v<Text, std::string>>>
Debug operator<<(Debug debug, const Text& text)
{
    return debug << text.c_str();
}
QT_END_NAMESPACE
#endif

struct hrm_manager;

namespace qtplugin {
inline namespace hotreload_1 {

class PluginHost;

/**
 * The interface of hot reload managers.
 *
 * @threadsafety Any thread, also inside slots and the reload callback.
 * @since 1.0.0
 * @sa PluginHotReloadManager
 */
class HOTRELOAD_QT_EXPORT IPluginHotReloadManager {
public:
    /** Ends the manager. */
    virtual ~IPluginHotReloadManager();

    /**
     * Starts watching a file as a plugin. The version that the file has now becomes the baseline. Two ids may watch one file.
     * @param plugin_id  the plugin's name
     * @param file_path  the plugin's file; a relative path is resolved now
     * @returns success, or an error: FileNotFound, InvalidPath (empty, too long, with a NUL byte, a directory, device or
     * FIFO), AlreadyExists (the id is enabled, with any path), PermissionDenied, InvalidParameters (a malformed id),
     * SystemError, ResourceUnavailable, InvalidState
     */
    virtual qtplugin::expected<void, PluginError> enable_hot_reload(const std::string& plugin_id,
                                                                    const std::filesystem::path& file_path) = 0;

    /**
     * Stops watching a plugin and drops what is pending for it. When it returns, no change of the plugin is being delivered,
     * except to a caller that is itself inside that delivery.
     * @param plugin_id  the plugin; an unknown id is ignored
     */
    virtual void disable_hot_reload(const std::string& plugin_id) = 0;

    /**
     * Answers whether a plugin is enabled.
     * @param plugin_id  the plugin
     * @returns true if it is enabled
     */
    virtual bool is_hot_reload_enabled(const std::string& plugin_id) const = 0;

    /**
     * Sets the function that receives the id of a plugin that has a new version. The former function is kept until a running
     * call of it has returned.
     * @param callback  the function; an empty one removes it
     */
    virtual void set_reload_callback(std::function<void(const std::string&)> callback) = 0;

    /** The enabled plugins. @returns their ids, in the order of enabling */
    virtual std::vector<std::string> get_hot_reload_plugins() const = 0;

    /** Disables every plugin. */
    virtual void clear() = 0;

    /**
     * Pauses or resumes the delivery of changes. Plugins stay enabled. After resuming, each plugin that changed meanwhile is
     * delivered once.
     * @param enabled  false pauses, true resumes
     */
    virtual void set_global_hot_reload_enabled(bool enabled) = 0;

    /** Answers whether changes are delivered. @returns true if delivery is not paused */
    virtual bool is_global_hot_reload_enabled() const = 0;
};

/**
 * The hot reload manager of libhotreload for Qt.
 *
 * A change is delivered exactly once, when the file is complete: by the signal plugin_file_changed() and then by the reload
 * callback. Both run on this object's thread(), from its event loop, with no lock held. Without an event loop nothing is
 * delivered. moveToThread() moves the delivery, too. One event is delivered per turn of the event loop. Inside a nested event
 * loop of a slot or callback nothing further is delivered; it follows when that slot has returned.
 *
 * An exception that leaves the callback, or a slot of any of the signals that is called directly, is caught and logged
 * (category "qtplugin.hotreload"), whichever thread caused the signal. As always with Qt, slots that were connected later are
 * then not called. An exception in a slot that another thread's event loop calls is the business of that thread.
 *
 * For each plugin hot_reload_enabled() comes before every change, and hot_reload_disabled() after the last, whichever threads
 * enable and disable. The two take turns, and the last one says whether the plugin is enabled. Every call on this object's
 * thread is signalled. Signals of calls on other threads, which wait for the event loop, may be dropped in pairs: enabled and
 * disabled of a plugin that came and went meanwhile; disabled and enabled of a plugin that another thread disabled and
 * enabled again after a call on this thread had enabled it.
 *
 * In the child of a fork() without exec() the object is unusable; see hot_reload_manager.h.
 *
 * @threadsafety Any thread. In slots and in the callback every method may be called, and the object may be deleted.
 * @since 1.0.0
 * @sa IPluginHotReloadManager, PluginHost
 */
class HOTRELOAD_QT_EXPORT PluginHotReloadManager : public QObject, public IPluginHotReloadManager {
    Q_OBJECT
    Q_DISABLE_COPY(PluginHotReloadManager)

public:
    /**
     * Makes a manager with defaults. It does not fail: why the manager could not be made is the error of every
     * enable_hot_reload(); see also is_valid().
     * @param parent  the QObject that owns it; may be null
     */
    explicit PluginHotReloadManager(QObject* parent = nullptr);
    /**
     * Makes a manager with options. It does not fail: why the manager could not be made, bad options included, is the error
     * of every enable_hot_reload(); see also is_valid().
     * @param options  options
     * @param parent   the QObject that owns it; may be null
     */
    explicit PluginHotReloadManager(const hotreload::Options& options, QObject* parent = nullptr);
    /** Stops watching, and drops what is pending. */
    ~PluginHotReloadManager() override;

    /** Makes a manager with defaults and without a parent. @returns the manager (with options: use std::make_shared) */
    static std::shared_ptr<PluginHotReloadManager> create();

    /** Whether the manager could be made. @returns true if it could */
    bool is_valid() const noexcept;

    /** Figures of the manager. @returns the figures of this moment */
    hotreload::Stats stats() const;

    // What the reference has is not overloaded: hosts take the address of its functions, for bindings and the like.

    /**
     * Starts watching a file as a plugin, with options.
     * @param plugin_id  the plugin's name
     * @param file_path  the plugin's file; a relative path is resolved now
     * @param options    options of this plugin; what options.safe names replaces the manager's
     * @returns success, or an error of enable_hot_reload(); InvalidParameters also for an option that is out of range, named
     * but empty, or has a NUL byte; NotSupported for an option that is not for this system
     */
    qtplugin::expected<void, PluginError> enable_hot_reload_ex(const std::string& plugin_id,
                                                               const std::filesystem::path& file_path,
                                                               const hotreload::EnableOptions& options);

    /**
     * Safe reload: sets the function that decides on every version before it is delivered. It runs on a thread of the
     * library that does nothing else, so that it may take long.
     * @param validator  returns why it rejects, std::nullopt to accept. An exception of any type rejects. An empty function
     * removes it.
     * @returns success, or an error: InvalidState, and why the manager could not be made
     */
    qtplugin::expected<void, PluginError> set_validator(
        std::function<std::optional<std::string>(const hotreload::Candidate&)> validator);

    /**
     * Safe reload: reports how the loading of a delivered generation went. After a failure EventKind::rollback follows.
     * @param plugin_id   the plugin
     * @param generation  hotreload::Event::generation of the change
     * @param outcome     how it went
     * @param message     why, for the event of a rollback
     * @returns success, or an error: InvalidParameters (a plugin that is not enabled, a generation that was never delivered
     * or does not exist any more, a NUL byte in the id or the message), NotSupported (no safe reload), InvalidState, and why
     * the manager could not be made
     */
    qtplugin::expected<void, PluginError> report_reload(const std::string& plugin_id, std::uint64_t generation,
                                                        hotreload::Outcome outcome, const std::string& message = {});

    /**
     * Pauses or resumes the delivery of one plugin's changes. If it changed meanwhile, its latest version is delivered once
     * after resuming.
     * @param plugin_id  the plugin
     * @param paused     true pauses, false resumes
     * @returns success, or an error: InvalidParameters (the plugin is not enabled), InvalidState, and why the manager could
     * not be made
     */
    qtplugin::expected<void, PluginError> set_plugin_paused(const std::string& plugin_id, bool paused);
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
    qtplugin::expected<void, PluginError> check_now(const std::optional<std::string>& plugin_id = std::nullopt);
    /**
     * Says what a plugin is doing, for programs.
     * @param plugin_id  the plugin
     * @returns the status, or an error: InvalidParameters (the plugin is not enabled), InvalidState, and why the manager
     * could not be made
     */
    qtplugin::expected<hotreload::PluginStatus, PluginError> plugin_status(const std::string& plugin_id) const;
    /**
     * The last decisions about a plugin, oldest first: at most eight, of the plugins to which something happened lately.
     * @param plugin_id  the plugin
     * @returns the decisions, or an error: InvalidParameters (the plugin is not enabled), InvalidState, and why the manager
     * could not be made
     */
    qtplugin::expected<std::vector<hotreload::PastDecision>, PluginError> plugin_decisions(
        const std::string& plugin_id) const;
    /**
     * Says what a plugin is doing and why, for people: some lines of text, each ended by a line feed.
     * @param plugin_id  the plugin
     * @returns the text, or an error: InvalidParameters (the plugin is not enabled), InvalidState, and why the manager could
     * not be made
     */
    qtplugin::expected<std::string, PluginError> explain(const std::string& plugin_id) const;
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
    qtplugin::expected<void, PluginError> enable_folder(const std::string& folder_id, const std::filesystem::path& directory,
        const hotreload::FolderOptions& options = {});
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
    qtplugin::expected<void, PluginError> set_folder_paused(const std::string& folder_id, bool paused);
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
    qtplugin::expected<std::string, PluginError> metrics() const;
    /**
     * Sends the manager's log to the logging category "qtplugin.hotreload", from a thread of the library. It begins by itself
     * at LogLevel::debug if the category is enabled for debug messages when this object is made, for example by
     * QT_LOGGING_RULES=qtplugin.hotreload.debug=true.
     * @param level  the lines of this level and of those above it; std::nullopt ends it
     * @returns success, or an error: InvalidParameters (a level that is not known), InvalidState, and why the manager could
     * not be made
     */
    qtplugin::expected<void, PluginError> set_log_level(std::optional<hotreload::LogLevel> level);

    qtplugin::expected<void, PluginError> enable_hot_reload(const std::string& plugin_id,
                                                            const std::filesystem::path& file_path) override;
    void disable_hot_reload(const std::string& plugin_id) override;
    bool is_hot_reload_enabled(const std::string& plugin_id) const override;
    void set_reload_callback(std::function<void(const std::string&)> callback) override;
    std::vector<std::string> get_hot_reload_plugins() const override;
    void clear() override;
    void set_global_hot_reload_enabled(bool enabled) override;
    bool is_global_hot_reload_enabled() const override;

Q_SIGNALS:
    /**
     * A plugin's file has a new, complete version.
     * @param plugin_id  the plugin
     * @param file_path  its path as it was registered
     */
    void plugin_file_changed(const QString& plugin_id, const QString& file_path);

    /**
     * A plugin was enabled; always before any change of it. As hot_reload_disabled() it is emitted before the method returns
     * if that was called on this object's thread, otherwise through the event loop.
     * @param plugin_id  the plugin
     */
    void hot_reload_enabled(const QString& plugin_id);

    /**
     * A plugin was disabled by disable_hot_reload(), clear() or disable_folder(), or its file was removed from its folder;
     * always after its last change.
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
     * A change, with its generation and times, just before plugin_file_changed(); a removal; or news of the library's
     * health; or what a folder has found, just before plugin_discovered(). Never EventKind::enabled or EventKind::disabled:
     * hot_reload_enabled() and hot_reload_disabled() report these.
     * @param event  the event
     */
    void hot_reload_event(const hotreload::Event& event);

private:
    friend class PluginHost;
    /** That of a host; null if there is none, and @p failure says why. */
    PluginHotReloadManager(hrm_manager* of_host, const hotreload::Error& failure, QObject* parent);

    class Private;
    std::unique_ptr<Private> d;
};

/**
 * QObject::connect for a receiver that is no QObject, as in the DevelopmentEnvironment of the reference.
 *
 * @param sender    the manager
 * @param signal    one of its signals
 * @param receiver  any object; it must live as long as the connection
 * @param slot      a member function of the receiver
 * @returns the connection
 * @threadsafety Any thread. The slot runs on the manager's thread.
 * @since 1.0.0
 * @sa PluginHotReloadManager
 */
template <class Sender, class... Args, class Receiver, class Result>
std::enable_if_t<!std::is_base_of_v<QObject, Receiver>, QMetaObject::Connection> connect(
    const PluginHotReloadManager* sender, void (Sender::*signal)(Args...), Receiver* receiver,
    Result (Receiver::*slot)(Args...))
{
    return QObject::connect(sender, signal, [receiver, slot](Args... args) { (receiver->*slot)(args...); });
}

}  // namespace hotreload_1
}  // namespace qtplugin

#endif  // HOTRELOAD_REQUIREMENTS_MET
