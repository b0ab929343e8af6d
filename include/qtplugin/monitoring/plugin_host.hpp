// SPDX-License-Identifier: MIT
/**
 * @file plugin_host.hpp
 * @brief A host for Qt plugins that exchanges them while they are in use.
 */
#pragma once

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstdint>
#include <memory>
#include <string>

#include <QtCore/QByteArray>
#include <QtCore/QLibrary>
#include <QtCore/QObject>
#include <QtCore/QString>
#include <QtCore/QtPlugin>

namespace qtplugin {
inline namespace hotreload_1 {

/**
 * What a plugin's root object may implement to take part in its exchange. A plugin needs this header alone.
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
    /** Called before unloading, if the version was used. */
    virtual void shutdown() {}
    /** Called for the next version. Other threads may be calling the plugin meanwhile. @returns the state to go on with */
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
};

/**
 * Loads Qt plugins from validated snapshots and exchanges them when their file has a new version that works.
 *
 * A version that is rejected, that does not load, or whose initialize() or restore_state() returns false or throws changes
 * nothing: the old version stays in use, plugin_failed() gives the reason, and the same bytes are not tried again. What
 * instance() returns stays loaded as long as somebody has it.
 *
 * The host belongs to a thread with an event loop, as PluginHotReloadManager does. moveToThread() moves all that it owns: the
 * manager() with its signals, the loading, and the plugins' root objects, unless these have a parent, are widgets or were
 * moved elsewhere by their plugin. A root object arrives when the new thread's event loop runs.
 *
 * An exception that leaves a slot of its signals which is called directly is caught and logged, as by
 * PluginHotReloadManager.
 *
 * @threadsafety instance(), get(), generation() and open() may be called on any thread, the rest on the host's thread().
 * Signals arrive on the host's thread().
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
     * Makes a host with options.
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
     * because strings (QStringLiteral) and types of it may live on in the host. Without the latter the memory and the disk
     * space of a version return with its unloading, and nothing of it may live on.
     * @param hints  the hints
     */
    void set_load_hints(QLibrary::LoadHints hints);

    /**
     * Starts watching a plugin and loads it: plugin_loaded() or plugin_failed() follows from the event loop.
     * @param plugin_id  the plugin's name
     * @param file       the plugin's file
     * @param options    options of this plugin; what options.safe names replaces the host's
     * @returns success, or an error of PluginHotReloadManager::enable_hot_reload_ex()
     */
    expected<void, PluginError> open(const std::string& plugin_id, const std::filesystem::path& file,
                                     hotreload::EnableOptions options = {});
    /**
     * Stops watching a plugin and lets go of it.
     * @param plugin_id  the plugin; an unknown id is ignored
     */
    void close(const std::string& plugin_id);

    /**
     * The root object of the version that is in use.
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

Q_SIGNALS:
    /**
     * A version is in use now.
     * @param plugin_id   the plugin
     * @param generation  the version's generation
     */
    void plugin_loaded(const QString& plugin_id, quint64 generation);
    /**
     * A version was rejected or failed. What was in use, if anything was, still is.
     * @param plugin_id  the plugin
     * @param why        the reason, in one printable line
     */
    void plugin_failed(const QString& plugin_id, const QString& why);

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
