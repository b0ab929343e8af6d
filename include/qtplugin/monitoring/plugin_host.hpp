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

/** What a plugin's root object may implement to take part in its exchange. All of it runs on the host's thread. */
class IReloadable {
public:
    virtual ~IReloadable() = default;
    /** After loading. A version that returns false is not used. */
    virtual bool initialize() { return true; }
    /** Before unloading, if it was used. */
    virtual void shutdown() {}
    /** What the next version is to go on with. Other threads may be calling the plugin meanwhile. */
    virtual QByteArray save_state() const { return {}; }
    /** Before it is used. A version that returns false is not. */
    virtual bool restore_state(const QByteArray& state)
    {
        Q_UNUSED(state)
        return true;
    }
};

/**
 * @brief Loads Qt plugins from validated snapshots and exchanges them whenever their file has a new version that holds.
 *
 * A version that validation rejects, that does not load, or whose initialize() or restore_state() returns false or
 * throws changes nothing: the old one stays, plugin_failed() says why, and the same bytes are not tried again. What is
 * handed out by instance() stays loaded as long as somebody has it.
 *
 * Belongs to a thread with an event loop, like PluginHotReloadManager; instance(), get(), generation() and open() may be
 * called on any thread. moveToThread() moves all that it owns: the manager() with its signals, the loading, and the
 * plugins' root objects, unless these have a parent, are widgets or were moved elsewhere by their plugin. A root object
 * arrives when the new thread's event loop runs.
 *
 * An exception that leaves a slot of its signals which is called directly is caught and logged, as by
 * PluginHotReloadManager.
 */
class HOTRELOAD_QT_EXPORT PluginHost : public QObject {
    Q_OBJECT
    Q_DISABLE_COPY(PluginHost)

public:
    explicit PluginHost(QObject* parent = nullptr);
    /** What @p options safe names holds for every plugin that does not name the same field in open(). @since 1.0 */
    explicit PluginHost(const hotreload::Options& options, QObject* parent = nullptr);
    /** What others still have is unloaded when they let go of it. */
    ~PluginHost() override;

    /** For set_validator(), stats() and pausing. It is a child of the host, and lives as long. */
    PluginHotReloadManager& manager() noexcept;

    /**
     * How versions are loaded from now on. By default QLibrary::ResolveAllSymbolsHint (one that lacks a symbol fails
     * when it is loaded, not when it is first called) and, as with every QPluginLoader, QLibrary::PreventUnloadHint:
     * what was loaded stays mapped, since strings (QStringLiteral) and types of it may live on in the host. Without the
     * latter the memory and the disk space of a version return with its unloading, and nothing of it may live on.
     */
    void set_load_hints(QLibrary::LoadHints hints);

    /**
     * Begins to watch a plugin and loads it: plugin_loaded() or plugin_failed() follows from the event loop. The host's
     * safeguards hold for it, except for the fields that @p options safe names. Errors are those of
     * PluginHotReloadManager::enable_hot_reload_ex(). @since 1.0
     */
    expected<void, PluginError> open(const std::string& plugin_id, const std::filesystem::path& file,
                                     hotreload::EnableOptions options = {});
    /** Ends the watching and lets go of the plugin. */
    void close(const std::string& plugin_id);

    /** The root object of the present version; null if there is none. */
    std::shared_ptr<QObject> instance(const std::string& plugin_id) const;
    /** As @p Interface, by qobject_cast; null also if it is none. */
    template <class Interface>
    std::shared_ptr<Interface> get(const std::string& plugin_id) const
    {
        const std::shared_ptr<QObject> object = instance(plugin_id);
        auto* const as = object ? qobject_cast<Interface*>(object.get()) : nullptr;
        return as == nullptr ? nullptr : std::shared_ptr<Interface>(object, as);
    }
    /** Of the present version; 0 if there is none. */
    std::uint64_t generation(const std::string& plugin_id) const;

    /**
     * The present version misbehaves: goes back to the last good one, and does not take these bytes again. Errors are
     * those of PluginHotReloadManager::report_reload(). @since 1.0
     */
    expected<void, PluginError> fail(const std::string& plugin_id, const std::string& message = {});

Q_SIGNALS:
    /** A version is the present one now. */
    void plugin_loaded(const QString& plugin_id, quint64 generation);
    /** A version was rejected or failed, and why, in one printable line; what was present, if anything was, still is. */
    void plugin_failed(const QString& plugin_id, const QString& why);

private:
    class Private;
    std::unique_ptr<Private> d;
};

}  // namespace hotreload_1
}  // namespace qtplugin

#define QtPluginReloadable_iid "org.qtforge.hotreload.IReloadable/1.0"
Q_DECLARE_INTERFACE(qtplugin::IReloadable, QtPluginReloadable_iid)

#endif  // HOTRELOAD_REQUIREMENTS_MET
