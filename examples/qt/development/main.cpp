// SPDX-License-Identifier: MIT
// The development example of the reference: reloads a plugin whenever it is rebuilt.
//
//     development PLUGIN
//
// The plugin is first loaded when it first changes, as the reference has it. Ends with the standard input.
#include <QCoreApplication>
#include <QFileInfo>
#include <QSocketNotifier>

#include <unistd.h>

#include "development_environment.hpp"

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    const QStringList args = app.arguments();
    if (args.size() != 2) {
        qWarning("usage: development PLUGIN");
        return 2;
    }
    const QFileInfo plugin(args.at(1));
    QCoreApplication::addLibraryPath(plugin.absolutePath());  // where the plugin manager looks
    DevelopmentEnvironment environment;
    if (!environment.initialize() || !environment.enable_development_mode(plugin.completeBaseName(), plugin.filePath()))
        return 1;
    QSocketNotifier input(STDIN_FILENO, QSocketNotifier::Read);
    QObject::connect(&input, &QSocketNotifier::activated, &app, [] {
        char ignored[256];
        if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
            QCoreApplication::quit();
    });
    return app.exec();
}
