// SPDX-License-Identifier: MIT
// A host that uses an unmodified QtForge and exchanges a plugin whenever its file has a new, complete version.
//
//     qtforge PLUGIN
//
// Two parts of this library are in QtForge's PluginManager: the hot reload manager, and a loader that loads private copies.
// Ends with its standard input.
#include <QCoreApplication>
#include <QSocketNotifier>
#include <QTextStream>

#include <qtplugin/core/plugin_loader.hpp>  // QtForge's
#include <qtplugin/core/plugin_manager.hpp>

#include <qtplugin/hotreload/qtforge.hpp>

#include "inject.hpp"

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    QTextStream out(stdout);
    if (argc != 2) {
        out << "usage: qtforge PLUGIN\n";
        return 2;
    }
    const std::filesystem::path file = argv[1];

    using Loader = hotreload::qtforge::CopyingLoader<qtplugin::QtPluginLoader>;
    auto owned = std::make_unique<hotreload::qtforge::HotReloadManager>();
    hotreload::qtforge::HotReloadManager& hot_reload = *owned;
    const auto plugins = make_plugin_manager(std::make_unique<Loader>(), std::move(owned));

    auto loaded = plugins->load_plugin(file);
    if (!loaded) {
        out << "cannot load: " << QString::fromStdString(loaded.error().message) << Qt::endl;
        return 1;
    }
    const std::string id = loaded.value();
    bool present = true;

    // PluginManager's own reload does not find its plugins, so the host unloads and loads.
    hot_reload.set_reload_callback([&](const std::string& plugin_id) {
        if (present) {
            const auto unloaded = plugins->unload_plugin(plugin_id);
            if (!unloaded) {
                out << "cannot unload: " << QString::fromStdString(unloaded.error().message) << Qt::endl;
                return;
            }
            present = false;
        }
        const auto fresh = plugins->load_plugin(file);
        present = fresh.has_value();
        if (present)
            out << "reloaded " << QString::fromStdString(plugin_id) << Qt::endl;
        else
            out << "cannot load: " << QString::fromStdString(fresh.error().message) << Qt::endl;
    });
    QObject::connect(&hot_reload, &hotreload::qtforge::HotReloadManager::plugin_file_changed,
                     [&](const QString& plugin_id, const QString& path) {
                         out << "changed: " << plugin_id << " at " << path << Qt::endl;
                     });
    const auto enabled = hot_reload.enable_hot_reload(id, file);
    if (!enabled) {
        out << "cannot watch: " << QString::fromStdString(enabled.error().message) << Qt::endl;
        return 1;
    }
    out << "watching " << QString::fromStdString(id) << Qt::endl;

    QSocketNotifier input(0, QSocketNotifier::Read);
    QObject::connect(&input, &QSocketNotifier::activated, &app, &QCoreApplication::quit);
    return app.exec();
}
