// SPDX-License-Identifier: MIT
// The same with the Qt class.
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include <QCoreApplication>
#include <QDebug>
#include <QSaveFile>
#include <QTimer>

static bool put(const char* text)
{
    QSaveFile f(QStringLiteral("qtplugin.conf"));
    return f.open(QIODevice::WriteOnly) && f.write(text) > 0 && f.commit();
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    if (!put("one"))
        return 1;
    auto manager = qtplugin::PluginHotReloadManager::create();
    manager->set_reload_callback([&app](const std::string& id) { app.exit(id == "plugin" ? 0 : 1); });
    if (auto result = manager->enable_hot_reload("plugin", "qtplugin.conf"); !result) {
        qWarning() << result.error().message();
        return 1;
    }
    QTimer::singleShot(20000, &app, [&app] { app.exit(2); });
    return put("another") ? app.exec() : 1;
}
