// SPDX-License-Identifier: MIT
// QtForge's class made of this library, in QtForge's own build, for which the stand-in stands.
#include <QtTest/QtTest>

#include <fstream>
#include <type_traits>

#include <qtplugin/core/plugin_manager.hpp>
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

using namespace qtplugin;

static_assert(std::is_base_of_v<QObject, PluginHotReloadManager>);
static_assert(std::is_base_of_v<IPluginHotReloadManager, PluginHotReloadManager>);
static_assert(std::is_same_v<decltype(std::declval<PluginError>().message), std::string>, "QtForge's PluginError");

static void put(const std::string& file, const char* content) { std::ofstream(file) << content; }

class Replaced : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void deliversWhatQtForgesUsersConnectTo()
    {
        const QTemporaryDir dir;
        const std::string file = dir.filePath(QStringLiteral("plugin.so")).toStdString();
        put(file, "version 1");
        const auto manager = PluginHotReloadManager::create();
        QSignalSpy changed(manager.get(), &PluginHotReloadManager::plugin_file_changed);
        QSignalSpy enabled(manager.get(), &PluginHotReloadManager::hot_reload_enabled);
        QSignalSpy disabled(manager.get(), &PluginHotReloadManager::hot_reload_disabled);
        std::vector<std::string> reloads;
        manager->set_reload_callback([&](const std::string& id) { reloads.push_back(id); });
        QVERIFY(manager->enable_hot_reload("p", file));
        QCOMPARE(int(enabled.count()), 1);
        put(file, "version 2");
        QTRY_COMPARE_WITH_TIMEOUT(reloads, std::vector<std::string>{"p"}, 20000);
        QCOMPARE(int(changed.count()), 1);
        manager->clear();
        QCOMPARE(int(disabled.count()), 1);
        QCOMPARE(QString::fromLatin1(manager->metaObject()->className()), QStringLiteral("qtplugin::PluginHotReloadManager"));
    }

    void errorsAreQtForges()
    {
        PluginHotReloadManager manager;
        const expected<void, PluginError> gone = manager.enable_hot_reload("p", "/no/such/plugin.so");
        QVERIFY(!gone);
        QCOMPARE(gone.error().code, PluginErrorCode::FileNotFound);
        QVERIFY(gone.error().message.find("/no/such/plugin.so") != std::string::npos);
        QCOMPARE(manager.enable_hot_reload("p", "").error().code, PluginErrorCode::InvalidParameters);
    }

};

QTEST_GUILESS_MAIN(Replaced)
#include "tst_replaced.moc"
