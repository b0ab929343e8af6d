// SPDX-License-Identifier: MIT
// A small plugin manager, as the development example of the reference presupposes it.
#pragma once

#include <QDebug>
#include <QTemporaryDir>
#include <QThread>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <qtplugin/core/plugin.hpp>
#include <qtplugin/utils/error_handling.hpp>
#include <qtplugin/utils/expected.hpp>

namespace qtplugin {

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
    /** A plugin that is not loaded counts as unloaded, so that one whose last version was bad can be reloaded. */
    expected<void, PluginError> unload_plugin(const std::string& plugin_id);
    /** Null if it is not loaded. */
    std::shared_ptr<IPlugin> get_plugin(const std::string& plugin_id) const;

private:
    struct Version;
    PluginManager() = default;
    expected<std::shared_ptr<Version>, PluginError> load(const std::string& plugin_id, const QString& file);

    QTemporaryDir m_copies;
    int m_version = 0;
    mutable std::mutex m_mutex;
    std::map<std::string, std::shared_ptr<Version>> m_plugins;
};

}  // namespace qtplugin
