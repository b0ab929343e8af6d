// A small plugin manager, as the examples of the reference presuppose it.
#pragma once

#include <QByteArray>
#include <QDebug>
#include <QTemporaryDir>
#include <QThread>
#include <QtPlugin>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <qtplugin/utils/error_handling.hpp>
#include <qtplugin/utils/expected.hpp>

namespace qtplugin {

/** What a plugin is to its host. */
class IPlugin {
public:
    virtual ~IPlugin() = default;
    /** Called once after loading. A plugin that returns false is not used, and not shut down. */
    virtual bool initialize() = 0;
    /** Called once before unloading. */
    virtual void shutdown() = 0;
    virtual int answer() = 0;
    /** What the next version is to go on with. */
    virtual QByteArray save_state() const = 0;
    virtual bool restore_state(const QByteArray& state) = 0;
};

/**
 * Loads plugins, unloads them, hands them out.
 *
 * A version is loaded from a private copy: the loader hands out the old image for a path that is still loaded, and a
 * build that overwrites a mapped library crashes its host. It is unloaded when the last user has let go of it.
 *
 * load_plugin() and unload_plugin() belong to one thread; get_plugin() may be called on any.
 */
class PluginManager {
public:
    static std::shared_ptr<PluginManager> create();
    ~PluginManager();

    /** Loads the file of that base name, with or without "lib", from QCoreApplication::libraryPaths(). */
    expected<void, PluginError> load_plugin(const std::string& plugin_id);
    /**
     * Loads @p file in place of the present version, which stays if that fails. @p prepare, if given, is called with
     * the new version after it has initialized, and may refuse it.
     */
    expected<void, PluginError> load_plugin(const std::string& plugin_id, const std::filesystem::path& file,
                                            const std::function<bool(IPlugin&)>& prepare = {});
    /** A plugin that is not loaded counts as unloaded, so that one whose last version was bad can be reloaded. */
    expected<void, PluginError> unload_plugin(const std::string& plugin_id);
    /** Null if it is not loaded. */
    std::shared_ptr<IPlugin> get_plugin(const std::string& plugin_id) const;

private:
    struct Version;
    PluginManager() = default;
    expected<std::shared_ptr<Version>, PluginError> load(const std::string& plugin_id,
                                                         const std::filesystem::path& file);

    QTemporaryDir m_copies;
    int m_version = 0;
    mutable std::mutex m_mutex;
    std::map<std::string, std::shared_ptr<Version>> m_plugins;
};

}  // namespace qtplugin

#define QtPluginExample_iid "org.qtforge.hotreload.example.IPlugin/1.0"
Q_DECLARE_INTERFACE(qtplugin::IPlugin, QtPluginExample_iid)
