// SPDX-License-Identifier: MIT
/**
 * @file plugin_host.hpp
 * @brief A host for Qt plugins that exchanges them while they are in use.
 */
#pragma once

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <QtCore/QByteArray>
#include <QtCore/QLibrary>
#include <QtCore/QObject>
#include <QtCore/QString>
#include <QtCore/QtPlugin>

#include <qtplugin/hotreload/plugin_types.hpp>

Q_DECLARE_METATYPE(hotreload::PluginOutcome)

namespace qtplugin {
inline namespace hotreload_1 {

/**
 * What a plugin's root object may implement to take part in its exchange. A plugin needs this header alone.
 *
 * What throws fails: the exception's what() is the reason in the outcome.
 *
 * @threadsafety Called on the host's thread.
 * @since 1.0.0
 * @sa PluginHost
 */
class HOTRELOAD_QT_INTERFACE IReloadable {
public:
    /** Ends the object. */
    virtual ~IReloadable() = default;
    /** Called after loading. @returns true if the version works; otherwise it is not used */
    virtual bool initialize() { return true; }
    /** Called before unloading, if initialize() succeeded. After that, initialize() may be called again. */
    virtual void shutdown() {}
    /** Called for the next version, while no other thread calls the plugin. @returns the state to go on with */
    virtual QByteArray save_state() const { return {}; }
    /**
     * Called before the version is used.
     * @param state  what the former version saved
     * @returns true if it took the state over; otherwise the version is not used
     */
    virtual bool restore_state(const QByteArray& state)
    {
        Q_UNUSED(state)
        return true;
    }
    /** Asked after loading. @returns false if there is no state to hand over: then callers need not wait for an exchange */
    virtual bool has_state() const { return true; }
};

/**
 * How a plugin is exchanged. Zero is the default of each time, less than zero is no limit; the limits count from when a step
 * begins to run. hot_reload_plugin.h is the manual.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa PluginHost::open()
 */
struct ReloadOptions {
    hotreload::ReloadMode mode = hotreload::ReloadMode::side_by_side;  ///< the order of an exchange
    std::vector<std::string> needs;  ///< ids of plugins that this one uses: they are exchanged first, and this one with them
    bool state_optional = false;     ///< take a new version also if the state of the old one cannot be saved
    std::chrono::milliseconds hand_over_timeout{0};  ///< how long callers are held while calls under way end; default 1 s
    std::chrono::milliseconds in_use{0};   ///< when to say that an old version is still in use; default 10 s
    std::chrono::milliseconds load{0};     ///< limit of loading; default 10 s, as of every step
    std::chrono::milliseconds init{0};     ///< limit of connect and IReloadable::initialize() together
    std::chrono::milliseconds save{0};     ///< limit of IReloadable::save_state()
    std::chrono::milliseconds restore{0};  ///< limit of IReloadable::restore_state()
    std::chrono::milliseconds prepare_limit{0};  ///< limit of prepare
    std::chrono::milliseconds exit{0};     ///< limit of IReloadable::shutdown()
    std::chrono::milliseconds unload{0};   ///< limit of unloading
    /**
     * Gives a version what it needs before it is initialised: the root objects of the versions of needs, sorted by id. It
     * runs on the host's thread. What it throws fails the version.
     */
    std::function<void(QObject& root, const std::vector<QObject*>& needs)> connect;
    /**
     * Makes what the host needs of a version before it is in use, after IReloadable::restore_state(). It runs on the host's
     * thread. What it throws fails the version.
     */
    std::function<void(QObject& root)> prepare;
};

/**
 * A plugin that is opened together with others.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa PluginHost::open_all()
 */
struct PluginOpening {
    std::string plugin_id;             ///< the plugin's name
    std::filesystem::path file;        ///< the plugin's file
    hotreload::EnableOptions options;  ///< options of its watching
    ReloadOptions reload;              ///< how it is exchanged; needs may name the others
};

/**
 * Plugins that are exchanged together, all or none.
 *
 * @threadsafety As for any value: one object is used by one thread at a time.
 * @since 1.0.0
 * @sa PluginHost::open_all()
 */
struct PluginSet {
    std::string id;  ///< the set's name
    /**
     * Decides whether versions fit together: returns why not, std::nullopt if they do. It runs on a thread of the library,
     * and must not touch objects of the host's thread. Without it, versions are exchanged when each plugin has a new one.
     */
    std::function<std::optional<std::string>(const std::vector<hotreload::Candidate>&)> check;
    std::chrono::milliseconds wait{0};  ///< how long versions that do not fit wait before the host hears of it; default 30 s
};

/**
 * Loads Qt plugins from validated snapshots and exchanges them when their file has a new version that works.
 *
 * The order of an exchange, its time limits and the way back are those of every host of this library (hot_reload_plugin.h).
 * A version that is rejected, that does not load, or whose initialize() or restore_state() returns false or throws changes
 * nothing: what was done is undone, the old version stays in use, plugin_failed() gives the reason, and the same bytes are not
 * tried again.
 *
 * What instance() and get() return stays loaded as long as a caller holds it. Of two kinds:
 * - What another thread got is a call under way. An exchange that hands a state over or has the old version exit first waits
 *   for its end, and new calls wait for the exchange. If it does not end in time, the exchange is tried again later
 *   (hotreload::Verdict::postponed).
 * - What the host's thread got holds up no exchange, because steps run on that thread. Its version is shut down and unloaded
 *   after it was let go of; a version that is to exit first is not exchanged before that. Get it anew in plugin_loaded().
 *
 * The host belongs to a thread with an event loop, as PluginHotReloadManager does; steps hold that loop up. moveToThread()
 * moves all that it owns: the manager() with its signals, the loading, and the plugins' root objects, unless these have a
 * parent, are widgets or were moved elsewhere by their plugin. A root object arrives when the new thread's event loop runs.
 *
 * An exception that leaves a slot of its signals which is called directly is caught and logged, as by
 * PluginHotReloadManager. A slot, and a plugin's step, may delete the host.
 *
 * @threadsafety Any thread; set_load_hints() and destruction on the host's thread(). Signals arrive on the host's thread().
 * @since 1.0.0
 * @sa PluginHotReloadManager, IReloadable
 */
class HOTRELOAD_QT_EXPORT PluginHost : public QObject {
    Q_OBJECT
    Q_DISABLE_COPY(PluginHost)

public:
    /**
     * Makes a host with defaults.
     * @param parent  the QObject that owns it; may be null
     */
    explicit PluginHost(QObject* parent = nullptr);
    /**
     * Makes a host with options. It does not fail: why it could not be made is the error of every open().
     * @param options  options of its manager. What options.safe names holds for every plugin that does not name the same
     * field in open().
     * @param parent   the QObject that owns it; may be null
     */
    explicit PluginHost(const hotreload::Options& options, QObject* parent = nullptr);
    /** Closes every plugin. What others still have is unloaded when they let go of it. */
    ~PluginHost() override;

    /** The host's manager, for set_validator(), stats() and pausing. @returns the manager; it lives as long as the host */
    PluginHotReloadManager& manager() noexcept;

    /**
     * Sets how versions are loaded from now on.
     *
     * The default is QLibrary::ResolveAllSymbolsHint (a version that lacks a symbol fails when it is loaded, not when the
     * symbol is first called) and, as with every QPluginLoader, QLibrary::PreventUnloadHint: what was loaded stays mapped,
     * because strings (QStringLiteral) and types of it may live on in the host; the outcome says so of each version. Without
     * the latter the memory and the disk space of a version return with its unloading, and nothing of it may live on.
     * @param hints  the hints
     */
    void set_load_hints(QLibrary::LoadHints hints);

    /**
     * Starts watching a plugin and loads it: plugin_loaded() or plugin_failed() follows from the event loop.
     * @param plugin_id  the plugin's name
     * @param file       the plugin's file
     * @param options    options of this plugin; what options.safe names replaces the host's
     * @param reload     how it is exchanged
     * @returns success, or an error of PluginHotReloadManager::enable_hot_reload_ex(), or InvalidParameters (it needs a plugin
     * that is not open; a time is out of range), NotSupported (options.pause_marker, which hosts do not have)
     */
    expected<void, PluginError> open(const std::string& plugin_id, const std::filesystem::path& file,
                                     hotreload::EnableOptions options = {}, ReloadOptions reload = {});
    /**
     * Opens several plugins, all or none, as open().
     * @param plugins  1 to 1000 plugins, in any order
     * @param set      the set that all of them are in; std::nullopt: none
     * @returns success, or an error of open(), or AlreadyExists (the set exists), InvalidParameters (they need each other in a
     * circle)
     */
    expected<void, PluginError> open_all(std::vector<PluginOpening> plugins, std::optional<PluginSet> set = std::nullopt);
    /**
     * Stops watching a plugin and lets go of it. On the host's thread, its version is shut down and unloaded before
     * this returns, unless a caller holds it; not inside a slot or step.
     * @param plugin_id  the plugin; an unknown id is ignored, and one that others need is logged and stays
     */
    void close(const std::string& plugin_id);

    /**
     * The root object of the version that is in use. On another thread than the host's it waits while versions are exchanged
     * with callers held; there it is null only if no version is in use.
     * @param plugin_id  the plugin
     * @returns the object; null if there is none
     */
    std::shared_ptr<QObject> instance(const std::string& plugin_id) const;
    /**
     * The root object of the version that is in use, as an interface, by qobject_cast.
     * @tparam Interface  the interface
     * @param plugin_id   the plugin
     * @returns the interface; null if there is no object or it does not implement the interface
     */
    template <class Interface>
    std::shared_ptr<Interface> get(const std::string& plugin_id) const
    {
        const std::shared_ptr<QObject> object = instance(plugin_id);
        auto* const as = object ? qobject_cast<Interface*>(object.get()) : nullptr;
        return as == nullptr ? nullptr : std::shared_ptr<Interface>(object, as);
    }
    /**
     * The generation of the version that is in use.
     * @param plugin_id  the plugin
     * @returns the generation; 0 if there is none
     */
    std::uint64_t generation(const std::string& plugin_id) const;

    /**
     * Reports that the version in use misbehaves: the host goes back to the last good version, and does not use these bytes
     * again.
     * @param plugin_id  the plugin
     * @param message    why
     * @returns success, or an error of PluginHotReloadManager::report_reload()
     */
    expected<void, PluginError> fail(const std::string& plugin_id, const std::string& message = {});
    /**
     * Takes the version that waits (hotreload::Verdict::waiting), without the state of the one in use.
     * @param plugin_id  the plugin
     * @returns success, or an error: InvalidParameters (no version waits, or the plugin is not open)
     */
    expected<void, PluginError> take_without_state(const std::string& plugin_id);

Q_SIGNALS:
    /**
     * What became of a version, in every case; it comes before the other signals.
     * @param outcome  the outcome
     */
    void plugin_outcome(const hotreload::PluginOutcome& outcome);
    /**
     * A version is in use now: a new one, one that was gone back to, or one that was initialised anew.
     * @param plugin_id   the plugin
     * @param generation  the version's generation
     */
    void plugin_loaded(const QString& plugin_id, quint64 generation);
    /**
     * A version was rejected or failed, or waits because the state of the one in use cannot be saved or because another
     * plugin failed. What was in use, if anything was, still is, unless plugin_stopped() follows.
     * @param plugin_id  the plugin
     * @param why        the reason, in one printable line
     */
    void plugin_failed(const QString& plugin_id, const QString& why);
    /**
     * No version of the plugin is in use any more: it could not be initialised again after an exchange that failed. That is
     * tried again, and plugin_loaded() follows when it succeeds.
     * @param plugin_id  the plugin
     * @param why        the reason, in one printable line
     */
    void plugin_stopped(const QString& plugin_id, const QString& why);

private:
    class Private;
    std::unique_ptr<Private> d;
};

}  // namespace hotreload_1
}  // namespace qtplugin

/** The id of IReloadable for Q_INTERFACES and qobject_cast. */
#define QtPluginReloadable_iid "org.qtforge.hotreload.IReloadable/1.0"
Q_DECLARE_INTERFACE(qtplugin::IReloadable, QtPluginReloadable_iid)

#endif  // HOTRELOAD_REQUIREMENTS_MET
