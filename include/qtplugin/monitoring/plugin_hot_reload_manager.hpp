/**
 * @file plugin_hot_reload_manager.hpp
 * @brief Tells a Qt host that the file of a plugin has a new, complete version.
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

#include <QtCore/QDebug>  // for whoever streams an error's message, with this header alone
#include <QtCore/QMetaType>
#include <QtCore/QObject>
#include <QtCore/QString>

#include <qtplugin/utils/error_handling.hpp>
#include <qtplugin/utils/expected.hpp>
#include <qtplugin/hotreload/qt_event.hpp>
#include <qtplugin/hotreload/types.hpp>

#if QT_VERSION < QT_VERSION_CHECK(6, 5, 0)
QT_BEGIN_NAMESPACE
/**
 * Streams an error's message, which QDebug does by itself since Qt 6.5 (in quotes, unless noquote() is asked for). A
 * template, so that a program's own operator goes first.
 *
 * @since 1.0
 */
template <class Text, class = std::enable_if_t<std::is_same_v<Text, std::string>>>
QDebug operator<<(QDebug debug, const Text& text)
{
    return debug << text.c_str();
}
QT_END_NAMESPACE
#endif

namespace qtplugin {
inline namespace hotreload_1 {

/** Interface of hot reload managers. */
class IPluginHotReloadManager {
public:
    virtual ~IPluginHotReloadManager() = default;

    /**
     * Begins to watch @p file_path under the name @p plugin_id. The version that is there now counts as known.
     * A relative path is resolved now. Two ids may watch one file.
     *
     * Errors: FileNotFound, InvalidPath (empty, too long, with a NUL byte, a directory, device or FIFO), AlreadyExists
     * (the id is enabled, with whatever path), PermissionDenied, InvalidParameters (a bad id), SystemError, InvalidState.
     */
    virtual qtplugin::expected<void, PluginError> enable_hot_reload(const std::string& plugin_id,
                                                                    const std::filesystem::path& file_path) = 0;

    /**
     * Ends the watching of @p plugin_id and drops what is pending for it; an unknown id is ignored. When it returns,
     * no change of the plugin is being delivered, except to a caller that is itself inside that delivery.
     */
    virtual void disable_hot_reload(const std::string& plugin_id) = 0;

    /** Whether @p plugin_id is enabled. */
    virtual bool is_hot_reload_enabled(const std::string& plugin_id) const = 0;

    /**
     * Sets the function that is told that a plugin needs reloading; an empty one removes it. The former function is
     * kept until a call of it that is under way has returned.
     */
    virtual void set_reload_callback(std::function<void(const std::string&)> callback) = 0;

    /** The enabled ids, in the order of enabling. */
    virtual std::vector<std::string> get_hot_reload_plugins() const = 0;

    /** Disables every plugin. */
    virtual void clear() = 0;

    /**
     * Pauses or resumes the delivery of changes. Plugins stay enabled; after resuming, each plugin that changed
     * meanwhile is told once.
     */
    virtual void set_global_hot_reload_enabled(bool enabled) = 0;

    /** Whether delivery is not paused. */
    virtual bool is_global_hot_reload_enabled() const = 0;
};

/**
 * @brief The hot reload manager of libhotreload.
 *
 * A change is delivered exactly once, when the file is complete: by the signal plugin_file_changed and then by the reload
 * callback, both on this object's thread() and from its event loop, with no lock held. Without an event loop nothing
 * is delivered. moveToThread() moves the delivery too. One event is delivered per turn of the event loop; inside a nested
 * event loop of a slot or callback nothing further is delivered, it follows when that slot has returned.
 *
 * All methods are thread-safe. In slots and in the callback every method may be called, and the object may be deleted.
 * An exception that leaves the callback, or a slot of any of the signals that is called directly, is caught and logged
 * (category "qtplugin.hotreload"), whichever thread caused the signal; as always with Qt, slots that were connected later
 * are then not called. A slot that is called by another thread's event loop is that thread's own affair.
 *
 * For each plugin hot_reload_enabled comes before every change, and hot_reload_disabled after the last, whichever threads
 * enable and disable; the two take turns, and the last one says whether the plugin is enabled. Every call on this object's
 * thread is signalled. Signals of calls on other threads, which wait for the event loop, may be dropped in pairs: enabled and
 * disabled of a plugin that came and went meanwhile; disabled and enabled of a plugin that another thread disabled and
 * enabled again after a call on this thread had enabled it.
 *
 * In the child of a fork() without exec() the object is unusable; see hot_reload_manager.h.
 */
class HOTRELOAD_QT_EXPORT PluginHotReloadManager : public QObject, public IPluginHotReloadManager {
    Q_OBJECT
    Q_DISABLE_COPY(PluginHotReloadManager)

public:
    /**
     * Does not fail: why the manager could not be made, bad options included, is the error of every enable_hot_reload();
     * see also is_valid().
     */
    explicit PluginHotReloadManager(QObject* parent = nullptr);
    explicit PluginHotReloadManager(const hotreload::Options& options, QObject* parent = nullptr);
    ~PluginHotReloadManager() override;

    /** A new manager without a parent. (One with options: std::make_shared.) */
    static std::shared_ptr<PluginHotReloadManager> create();

    /** Whether the manager could be made. */
    bool is_valid() const noexcept;

    /** How it is doing: what is pending, being written, polled, and how much was told. */
    hotreload::Stats stats() const;

    // What the reference has is not overloaded: hosts take the address of its functions, for bindings and the like.

    /**
     * enable_hot_reload() with options for this plugin. What options.safe names replaces the manager's; the rest of the
     * manager's holds for the plugin too.
     *
     * Errors: those of enable_hot_reload(); InvalidParameters also for an option that is out of range, named but empty, or
     * has a NUL byte. May be called on any thread. @since 1.0
     */
    qtplugin::expected<void, PluginError> enable_hot_reload_ex(const std::string& plugin_id,
                                                               const std::filesystem::path& file_path,
                                                               const hotreload::EnableOptions& options);

    /**
     * Safe reload: sets the function that validates every version before it is delivered, on a thread of the library that
     * is there for this alone, so that it may take long. It says why it rejects; std::nullopt accepts. Whatever goes wrong
     * in it is a rejection, exceptions of any type included. An empty function removes it.
     *
     * Errors: InvalidState, and why the manager could not be made. May be called on any thread. @since 1.0
     */
    qtplugin::expected<void, PluginError> set_validator(
        std::function<std::optional<std::string>(const hotreload::Candidate&)> validator);

    /**
     * Safe reload: reports how the loading of a delivered generation went. After a failure EventKind::rollback follows,
     * with @p message.
     *
     * Errors: InvalidParameters (a plugin that is not enabled, a generation that was never delivered or is gone, a NUL
     * byte in the id or the message), NotSupported (no safe reload), InvalidState, and why the manager could not be made.
     * May be called on any thread. @since 1.0
     */
    qtplugin::expected<void, PluginError> report_reload(const std::string& plugin_id, std::uint64_t generation,
                                                        hotreload::Outcome outcome, const std::string& message = {});

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
    /** The file of @p plugin_id has a new, complete version. @p file_path is as it was registered. */
    void plugin_file_changed(const QString& plugin_id, const QString& file_path);

    /**
     * Hot reload was enabled. Like the next signal it is emitted before the method returns if that is called on this
     * object's thread, else through the event loop; always before any change of the plugin.
     */
    void hot_reload_enabled(const QString& plugin_id);

    /** Hot reload was disabled, by disable_hot_reload() or clear(); always after the last change of the plugin. */
    void hot_reload_disabled(const QString& plugin_id);

    /**
     * A change, with its generation and times, just before plugin_file_changed; a removal; or news of the library's
     * health. Never EventKind::enabled or ::disabled: the two signals above tell of these.
     */
    void hot_reload_event(const hotreload::Event& event);

private:
    class Private;
    std::unique_ptr<Private> d;
};

/**
 * QObject::connect for a receiver that is no QObject, as in the DevelopmentEnvironment of the reference. The slot runs
 * on the manager's thread; the receiver must live as long as the connection.
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
