// SPDX-License-Identifier: MIT
// A smallest honest Qt host: reloads a Qt plugin when its file changes.
//
//     host PLUGIN [RELOADS]
//
// prints "old answer -> new answer" for each reload and ends after RELOADS of them (default: never).
#include <QCoreApplication>
#include <QTextStream>

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include "answer.hpp"
#include "loader.hpp"

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    QTextStream out(stdout), err(stderr);
    const QStringList args = app.arguments();
    if (args.size() < 2 || args.size() > 3) {
        err << "usage: host PLUGIN [RELOADS]\n";
        return 2;
    }
    int left = args.size() == 3 ? args.at(2).toInt() : -1;
    QString error;
    Loader<Answer> loader(args.at(1));
    if (!loader.load(&error)) {
        err << error << '\n';
        return 1;
    }
    out << "plugin answers " << loader.plugin()->answer() << Qt::endl;

    const auto hot_reload = qtplugin::PluginHotReloadManager::create();
    hot_reload->set_reload_callback([&](const std::string& plugin_id) {
        const int before = loader.plugin()->answer();
        if (!loader.load(&error)) {
            out << "kept " << before << ", the new version fails: " << error << Qt::endl;
            return;
        }
        out << QString::fromStdString(plugin_id) << ": " << before << " -> " << loader.plugin()->answer() << Qt::endl;
        if (--left == 0)
            QCoreApplication::quit();
    });
    if (const auto result = hot_reload->enable_hot_reload("plugin", args.at(1).toStdString()); !result) {
        err << QString::fromStdString(result.error().message()) << '\n';
        return 1;
    }
    out << "watching" << Qt::endl;
    return app.exec();
}
