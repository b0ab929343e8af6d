// SPDX-License-Identifier: MIT
// What hosts of QtForge and users of KDirWatch rely on, from the file to the callback.
#include "host.hpp"

#include <QDir>
#include <QElapsedTimer>
#include <QHash>

#include <atomic>
#include <stdexcept>
#include <thread>

#include <unistd.h>

class Scenarios : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void manyPluginsAreEachToldOnce()
    {
        Host h;
        constexpr int plugins = 200;
        QHash<QString, int> times;
        connect(&h.manager, &PluginHotReloadManager::plugin_file_changed,
                [&](const QString& id, const QString&) { ++times[id]; });
        const auto file = [&](int i) { return h.at(qPrintable(QStringLiteral("plugin-%1.so").arg(i))); };
        for (int i = 0; i < plugins; ++i) {
            Host::put(file(i), "v0");
            QVERIFY(h.manager.enable_hot_reload(std::to_string(i), file(i).toStdString()));
        }
        QCOMPARE(int(h.manager.get_hot_reload_plugins().size()), plugins + 1);
        for (int i = 0; i < plugins; ++i)
            Host::put(file(i), "version 1");
        QTRY_COMPARE_WITH_TIMEOUT(int(times.size()), plugins, bound);
        h.told.clear();
        QVERIFY(h.isQuiet());
        times.remove(QStringLiteral("p"));
        for (const int n : std::as_const(times))
            QCOMPARE(n, 1);
    }

    void fileThatIsCreatedLater()
    {
        Host h;
        const QString later = h.at("a") + QStringLiteral("/b/later.so");
        hotreload::EnableOptions missing;
        missing.allow_missing = true;
        const auto refused = h.manager.enable_hot_reload("later", later.toStdString());
        QVERIFY(!refused && refused.error() == PluginErrorCode::FileNotFound);
        QVERIFY(h.manager.enable_hot_reload_ex("later", later.toStdString(), missing));
        QSignalSpy spy(&h.manager, &PluginHotReloadManager::plugin_file_changed);
        QVERIFY(QDir().mkpath(h.at("a") + QStringLiteral("/b")));
        Host::put(later, "v1");
        QTRY_COMPARE_WITH_TIMEOUT(int(spy.count()), 1, bound);
        QCOMPARE(spy.at(0).at(0).toString(), QStringLiteral("later"));
    }

    void removedFileIsReportedAndItsReturnTold()
    {
        Host h;
        QList<hotreload::EventKind> kinds;
        connect(&h.manager, &PluginHotReloadManager::hot_reload_event,
                [&](const hotreload::Event& event) { kinds.append(event.kind); });
        QVERIFY(QFile::remove(h.file));
        QTRY_COMPARE_WITH_TIMEOUT(kinds, QList<hotreload::EventKind>{hotreload::EventKind::file_removed}, bound);
        QVERIFY(h.told.isEmpty());
        h.put("back");
        QVERIFY(h.tells("back"));
    }

    void directoryRemovedAndRecreated()
    {
        Host h;
        const QString dir = h.at("plugins"), file = dir + QStringLiteral("/plugin.so");
        QVERIFY(QDir().mkdir(dir));
        Host::put(file, "v0");
        QVERIFY(h.manager.enable_hot_reload("in-dir", file.toStdString()));
        QSignalSpy spy(&h.manager, &PluginHotReloadManager::plugin_file_changed);
        for (int i = 1; i <= 3; ++i) {
            QVERIFY(QDir(dir).removeRecursively());
            QVERIFY(QDir().mkdir(dir));
            Host::put(file, "version " + QByteArray::number(i));
            QTRY_COMPARE_WITH_TIMEOUT(int(spy.count()), i, bound);
        }
        h.told.clear();
        QVERIFY(h.isQuiet());
        QCOMPARE(int(spy.count()), 4);  // with that of the sentinel
    }

    void releaseThatIsSwitchedByALink()
    {
        Host h;
        for (const char* release : {"release-1", "release-2"}) {
            QVERIFY(QDir().mkdir(h.at(release)));
            Host::put(h.at(release) + QStringLiteral("/plugin.so"), release);
        }
        QCOMPARE(::symlink("release-1", qPrintable(h.at("current"))), 0);
        const QString file = h.at("current") + QStringLiteral("/plugin.so");
        QVERIFY(h.manager.enable_hot_reload("linked", file.toStdString()));
        QSignalSpy spy(&h.manager, &PluginHotReloadManager::plugin_file_changed);
        QCOMPARE(::symlink("release-2", qPrintable(h.at("next"))), 0);
        QCOMPARE(std::rename(qPrintable(h.at("next")), qPrintable(h.at("current"))), 0);
        QTRY_COMPARE_WITH_TIMEOUT(int(spy.count()), 1, bound);
        QCOMPARE(spy.at(0).at(1).toString(), file);  // as it was registered
    }

    void hardLinkPutInItsPlace()
    {
        Host h;
        Host::put(h.at("build.so"), "linked");
        QVERIFY(QFile::remove(h.file));
        QCOMPARE(::link(qPrintable(h.at("build.so")), qPrintable(h.file)), 0);
        QVERIFY(h.tells("linked"));
        QVERIFY(h.isQuiet());
    }

    void relativePathIsOfTheDirectoryAtEnabling()
    {
        Host h;
        const QString before = QDir::currentPath();
        QVERIFY(QDir::setCurrent(h.dir.path()));
        const auto result = h.manager.enable_hot_reload("relative", "plugin.so");
        QVERIFY(QDir::setCurrent(before));
        QVERIFY(result);
        QSignalSpy spy(&h.manager, &PluginHotReloadManager::plugin_file_changed);
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(int(spy.count()), 2, bound);
    }

    void disabledAndEnabledAgain()
    {
        Host h;
        for (int i = 1; i <= 20; ++i) {
            h.manager.disable_hot_reload("p");
            QVERIFY(h.manager.enable_hot_reload("p", h.file.toStdString()));
        }
        h.replace("v1");
        QVERIFY(h.tells("v1"));
        QVERIFY(h.isQuiet());
    }

    // One of several users lets go; the others go on.
    void managersAndIdsShareADirectory()
    {
        Host h;
        auto other = std::make_shared<PluginHotReloadManager>(backend());
        QVERIFY(other->enable_hot_reload("p", h.file.toStdString()));
        QVERIFY(h.manager.enable_hot_reload("q", h.file.toStdString()));
        h.manager.disable_hot_reload("q");
        other.reset();
        h.replace("v1");
        QVERIFY(h.tells("v1"));
        QVERIFY(h.isQuiet());
    }

    void callbackThatFailsIsCalledForTheNextVersion()
    {
        Host h;
        int failures = 0;
        h.manager.set_reload_callback([&](const std::string& id) {
            h.reload(id);
            if (h.content() == "broken") {
                ++failures;
                throw std::runtime_error("it does not load");
            }
        });
        QTest::ignoreMessage(QtWarningMsg, "the reload callback for plugin \"p\" threw: it does not load");
        h.replace("broken");
        QVERIFY(h.tells("broken"));
        h.replace("mended");
        QVERIFY(h.tells("mended"));
        QCOMPARE(failures, 1);
    }

    void longCallbackIsFollowedByOneForTheLastVersion()
    {
        Host h;
        bool first = true;
        h.manager.set_reload_callback([&](const std::string& id) {
            if (std::exchange(first, false)) {
                // While it runs, a second manager sees each of ten versions.
                PluginHotReloadManager witness(backend());
                QSignalSpy seen(&witness, &PluginHotReloadManager::plugin_file_changed);
                QVERIFY(witness.enable_hot_reload("w", h.file.toStdString()));
                for (int i = 1; i <= 10; ++i) {
                    h.replace("meanwhile " + QByteArray::number(i));
                    QVERIFY(seen.wait(bound));
                }
            }
            h.reload(id);
        });
        h.replace("v1");
        QVERIFY(QTest::qWaitFor([&] { return h.told.size() == 2; }, bound));
        QCOMPARE(h.told.takeLast(), QByteArray("meanwhile 10"));
        h.told.clear();
        QVERIFY(h.isQuiet());
    }

    void threadsThatEnableDisableAndAskAtOnce()
    {
        Host h;
        std::atomic<int> refused{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&h, &refused, t] {
                for (int i = 0; i < 50; ++i) {
                    const std::string id = "t" + std::to_string(t) + "-" + std::to_string(i);
                    if (!h.manager.enable_hot_reload(id, h.file.toStdString()) || !h.manager.is_hot_reload_enabled(id))
                        ++refused;
                    (void)h.manager.get_hot_reload_plugins();
                    h.manager.set_reload_callback([&h](const std::string& plugin_id) { if (plugin_id == "p") h.reload(plugin_id); });
                    h.manager.set_global_hot_reload_enabled(i % 2 != 0);
                    h.manager.disable_hot_reload(id);
                }
                h.manager.set_global_hot_reload_enabled(true);
            });
        for (int i = 0; i < 30; ++i) {
            h.replace("stress " + QByteArray::number(i));
            QCoreApplication::processEvents();
        }
        for (std::thread& thread : threads)
            thread.join();
        QCOMPARE(refused.load(), 0);
        QCOMPARE(h.manager.get_hot_reload_plugins(), std::vector<std::string>{"p"});
        QTRY_VERIFY_WITH_TIMEOUT(!h.told.isEmpty() && h.told.last() == "stress 29", bound);
        h.told.clear();
        QVERIFY(h.isQuiet());
    }

    void eventsSayWhichGenerationAndWhen()
    {
        // Not before the version that was told last: a look that had begun when the file changed may notice it.
        auto before = std::chrono::system_clock::now();
        Host h;
        QList<hotreload::Event> events;
        connect(&h.manager, &PluginHotReloadManager::hot_reload_event,
                [&](const hotreload::Event& event) { events.append(event); });
        for (int i = 1; i <= 3; ++i) {
            const QByteArray v = "v" + QByteArray::number(i);
            h.replace(v);
            QVERIFY(h.tells(v));
            const auto now = std::chrono::system_clock::now();
            QCOMPARE(int(events.size()), i);
            const hotreload::Event& e = events.last();
            QCOMPARE(e.plugin_id, std::string("p"));
            QCOMPARE(int(e.generation), i);
            QVERIFY(before <= e.first_seen && e.first_seen <= e.decided && e.decided <= now);
            before = e.decided;
        }
        QCOMPARE(int(h.manager.stats().deliveries), 3);
        QCOMPARE(int(h.manager.stats().plugins), 1);
    }

    void unchangedContentIsNoChangeIfAskedFor()
    {
        Host h;
        hotreload::Options options = backend();
        options.ignore_unchanged_content = true;
        PluginHotReloadManager manager(options);
        QVERIFY(manager.enable_hot_reload("p", h.file.toStdString()));
        QSignalSpy spy(&manager, &PluginHotReloadManager::plugin_file_changed);
        h.replace("v0");
        QVERIFY(h.tells("v0"));  // to the one that did not ask
        h.replace("v1");
        QVERIFY(h.tells("v1"));
        QTRY_COMPARE_WITH_TIMEOUT(int(spy.count()), 1, bound);
    }
};

QTEST_GUILESS_MAIN(Scenarios)
#include "tst_scenarios.moc"
