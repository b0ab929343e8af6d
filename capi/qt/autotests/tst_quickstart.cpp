// SPDX-License-Identifier: MIT
// The Quick Start of the reference, unchanged between the marks.
#include <QCoreApplication>
#include <QDebug>
#include <QFile>
#include <QObject>
#include <QTemporaryDir>
#include <QTimer>

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

using namespace qtplugin;

static QStringList lines;  // clazy:exclude=non-pod-global-static

static void collect(QtMsgType, const QMessageLogContext&, const QString& text) { lines.append(text); }

static std::shared_ptr<PluginHotReloadManager> quickStart()
{
    // ---- begin
    // Create hot reload manager
    auto hot_reload = PluginHotReloadManager::create();

    // Set up reload callback
    hot_reload->set_reload_callback([](const std::string& plugin_id) {
        qDebug() << "Plugin needs reload:" << QString::fromStdString(plugin_id);
        // Handle plugin reload logic
    });

    // Enable hot reload for a plugin
    auto result = hot_reload->enable_hot_reload("my_plugin", "/path/to/plugin.so");
    if (result) {
        qDebug() << "Hot reload enabled for my_plugin";
    } else {
        qDebug() << "Failed to enable hot reload:" << result.error().message();
    }

    // Connect to signals for notifications
    QObject::connect(hot_reload.get(), &PluginHotReloadManager::plugin_file_changed,
                     [](const QString& plugin_id, const QString& file_path) {
        qDebug() << "Plugin file changed:" << plugin_id << "at" << file_path;
    });
    // ---- end
    return hot_reload;
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    QTemporaryDir dir;
    const QString path = dir.filePath(QStringLiteral("plugin.so"));
    const auto put = [&](const char* content) {
        QFile f(path);
        return f.open(QIODevice::WriteOnly) && f.write(content) > 0;
    };
    if (!put("v1"))
        return 1;
    qInstallMessageHandler(collect);
    const auto manager = quickStart();
    const bool enabled = bool(manager->enable_hot_reload("real", path.toStdString()));
    QObject::connect(manager.get(), &PluginHotReloadManager::plugin_file_changed, &app,
                     [&] { QTimer::singleShot(0, &app, &QCoreApplication::quit); });
    QTimer::singleShot(0, &app, [&] { put("v2"); });
    QTimer::singleShot(20000, &app, &QCoreApplication::quit);
    app.exec();
    qInstallMessageHandler(nullptr);

    const QStringList want = {QStringLiteral("Failed to enable hot reload: plugin \"my_plugin\": \"/path/to/plugin.so\" does not exist"),
                              QStringLiteral("Plugin file changed: \"real\" at \"") + path + QStringLiteral("\""),
                              QStringLiteral("Plugin needs reload: \"real\"")};
    // Since Qt 6.5 a std::string is shown in quotes.
    const auto bare = [](QString line) { return line.remove(QLatin1Char('\\')).remove(QLatin1Char('"')); };
    bool good = enabled && lines.size() == want.size();
    for (int i = 0; good && i < want.size(); ++i)
        good = bare(lines.at(i)).startsWith(bare(want.at(i)));
    if (!good)
        qWarning() << "got" << lines << "want" << want;
    return good ? 0 : 1;
}
