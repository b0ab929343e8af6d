// SPDX-License-Identifier: MIT
// How plugin files change, and what a host hears of it.
#include "host.hpp"

#include <QLoggingCategory>
#include <QMutex>

class Changes : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void replacedFileIsToldOnceEach()
    {
        Host h;
        QSignalSpy spy(&h.manager, &PluginHotReloadManager::plugin_file_changed);
        for (int i = 1; i <= 5; ++i) {
            const QByteArray v = "v" + QByteArray::number(i);
            h.replace(v);
            QVERIFY(h.tells(v));
            QCOMPARE(spy.count(), i);
            QCOMPARE(spy.last().at(0).toString(), QStringLiteral("p"));
            QCOMPARE(spy.last().at(1).toString(), h.file);
        }
        QVERIFY(h.isQuiet());
    }

    void rewrittenInPlace()
    {
        Host h;
        for (int i = 1; i <= 3; ++i) {
            const QByteArray v = QByteArray("v" + QByteArray::number(i)).repeated(100000);
            h.put(v);
            QVERIFY(h.tells(v));
        }
        QVERIFY(h.isQuiet());
    }

    void slowWriterIsToldOnceAndWhole()
    {
        Host h;
        QFile f(h.file);
        QVERIFY(f.open(QIODevice::WriteOnly | QIODevice::Unbuffered));
        for (int i = 0; i < 4; ++i) {
            f.write("part ");
            QElapsedTimer pause;
            pause.start();
            // Longer than the quiet period; the event loop runs meanwhile.
            QVERIFY(QTest::qWaitFor([&] { return pause.elapsed() > 200; }, bound));
            QVERIFY2(h.told.isEmpty(), "told of a file that is held open for writing");
        }
        f.write("end");
        f.close();
        QVERIFY(h.tells("part part part part end"));
        QVERIFY(h.isQuiet());
    }

    void deletedAndRecreated()
    {
        Host h;
        for (int i = 1; i <= 3; ++i) {
            QVERIFY(QFile::remove(h.file));
            const QByteArray v = "new " + QByteArray::number(i);
            h.put(v);
            QVERIFY(h.tells(v));
        }
        QVERIFY(h.isQuiet());
    }

    void permissionsReadersAndSiblingsTellNothing()
    {
        Host h;
        QVERIFY(QFile::setPermissions(h.file, QFile::ReadOwner | QFile::WriteOwner));
        QCOMPARE(h.content(), QByteArray("v0"));
        Host::put(h.at("sibling.so"), "x");
        QVERIFY(QFile::remove(h.at("sibling.so")));
        QVERIFY(h.isQuiet());
    }

    void twoIdsOnOneFile()
    {
        Host h;
        QStringList ids;
        QVERIFY(h.manager.enable_hot_reload("q", h.file.toStdString()));
        connect(&h.manager, &PluginHotReloadManager::plugin_file_changed,
                [&](const QString& id, const QString&) { ids.append(id); });
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(int(ids.size()), 2, bound);
        ids.sort();
        QCOMPARE(ids, QStringList({QStringLiteral("p"), QStringLiteral("q")}));
    }

    void pausedAndResumedTellsOnce()
    {
        Host h;
        QVERIFY(h.manager.is_global_hot_reload_enabled());
        h.manager.set_global_hot_reload_enabled(false);
        QVERIFY(!h.manager.is_global_hot_reload_enabled());
        // A second manager shows that the change has been noticed.
        PluginHotReloadManager other;
        QSignalSpy noticed(&other, &PluginHotReloadManager::plugin_file_changed);
        QVERIFY(other.enable_hot_reload("p", h.file.toStdString()));
        for (int i = 1; i <= 3; ++i) {
            h.replace("v" + QByteArray::number(i));
            QTRY_COMPARE_WITH_TIMEOUT(int(noticed.count()), i, bound);
        }
        QVERIFY(h.told.isEmpty());
        h.manager.set_global_hot_reload_enabled(true);
        QVERIFY(h.tells("v3"));
        QVERIFY(h.isQuiet());
    }

    void pausedPluginIsToldOnceAfterResuming()
    {
        Host h;
        QVERIFY(!h.manager.is_plugin_paused("p"));
        QVERIFY(h.manager.set_plugin_paused("p", true));
        QVERIFY(h.manager.is_plugin_paused("p"));
        QStringList others;
        QVERIFY(h.manager.enable_hot_reload("q", h.file.toStdString()));
        connect(&h.manager, &PluginHotReloadManager::plugin_file_changed,
                [&](const QString& id, const QString&) { others.append(id); });
        h.manager.set_reload_callback([&](const std::string& id) {
            if (id == "p")
                h.reload(id);
        });
        for (int i = 1; i <= 2; ++i) {
            h.replace("v" + QByteArray::number(i));
            QTRY_COMPARE_WITH_TIMEOUT(int(others.size()), i, bound);
        }
        QVERIFY(h.told.isEmpty() && !others.contains(QStringLiteral("p")));
        QVERIFY(h.manager.set_plugin_paused("p", false));
        QVERIFY(h.tells("v2"));
        const auto result = h.manager.set_plugin_paused("nobody", true);
        QVERIFY(!result && result.error().message().find("\"nobody\" is not enabled") != std::string::npos);
    }

    void checkNowFindsWhatIsNotNotified()
    {
        hotreload::Options options;
        options.force_polling = true;
        options.poll_interval = std::chrono::hours(24);
        PluginHotReloadManager manager(options);
        QSignalSpy changed(&manager, &PluginHotReloadManager::plugin_file_changed);
        Host h;
        QVERIFY(manager.enable_hot_reload("p", h.file.toStdString()));
        h.replace("v1");
        QVERIFY(manager.check_now());
        QTRY_COMPARE_WITH_TIMEOUT(int(changed.count()), 1, bound);
        h.replace("v2");
        QVERIFY(manager.check_now("p"));
        QTRY_COMPARE_WITH_TIMEOUT(int(changed.count()), 2, bound);
        QVERIFY(!manager.check_now("nobody"));
    }

    void saysWhatAPluginIsDoingAndWhy()
    {
        Host h;
        QVERIFY(h.manager.set_plugin_paused("p", true));
        h.replace("v1");
        const auto state = [&] { return h.manager.plugin_status("p").value().state; };
        QTRY_COMPARE_WITH_TIMEOUT(int(state()), int(hotreload::PluginState::ready), bound);
        const auto status = h.manager.plugin_status("p").value();
        QVERIFY(status.paused && status.last_decision == hotreload::Decision::complete && status.generation == 0);
        QVERIFY(h.manager.explain("p").value().find("the plugin is paused") != std::string::npos);
        QVERIFY(!h.manager.plugin_status("nobody") && !h.manager.explain("nobody"));
        const auto decisions = h.manager.plugin_decisions("p").value();
        QVERIFY(!decisions.empty() && decisions.front().reason == "paused" && !h.manager.plugin_decisions("nobody"));
    }

    void waitsForABuild()
    {
        Host h;
        const QString marker = QFileInfo(h.file).path() + QStringLiteral("/.building");
        hotreload::EnableOptions with;
        with.pause_marker = ".building";
        QVERIFY(h.manager.enable_hot_reload_ex("q", h.file.toStdString(), with));
        QSignalSpy changed(&h.manager, &PluginHotReloadManager::plugin_file_changed);
        const auto of = [&](const QString& id) {
            return std::count_if(changed.cbegin(), changed.cend(), [&](const QList<QVariant>& c) { return c[0] == id; });
        };
        Host::put(marker, {});
        const auto marked = [&] { return h.manager.plugin_status("q").value().marked_since > hotreload::Event::Time(); };
        QTRY_VERIFY_WITH_TIMEOUT(marked(), bound);
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(int(of("p")), 1, bound);
        QCOMPARE(int(of("q")), 0);
        QVERIFY(QFile::remove(marker));
        QTRY_COMPARE_WITH_TIMEOUT(int(of("q")), 1, bound);
    }

    void hasMetrics()
    {
        Host h;
        const std::string text = h.manager.metrics().value();
        QVERIFY(text.find("\nhotreload_plugin_generation{plugin=\"p\"} 0\n") != std::string::npos);
        QVERIFY(text.size() > 6 && text.substr(text.size() - 6) == "# EOF\n");
        hotreload::Options bad;
        bad.quiet = std::chrono::hours(2);
        QVERIFY(!PluginHotReloadManager(bad).metrics());
    }

    void logIsThatOfTheCategory()
    {
        static QMutex mutex;
        static QStringList lines;
        lines.clear();
        const auto logged = [](const QString& line) {
            const QMutexLocker lock(&mutex);
            return lines.contains(line);
        };
        const auto former = qInstallMessageHandler([](QtMsgType type, const QMessageLogContext& context, const QString& text) {
            const QMutexLocker lock(&mutex);
            if (qstrcmp(context.category, "qtplugin.hotreload") == 0)
                lines.append(QString::number(type) + QLatin1Char(' ') + text);
        });
        {
            Host h;
            QVERIFY(h.manager.set_log_level(hotreload::LogLevel::info));
            h.replace("v1");
            QTRY_VERIFY_WITH_TIMEOUT(logged(QString::number(QtInfoMsg) + QStringLiteral(" p: delivered: generation 1")), bound);
            QVERIFY(h.manager.set_log_level(std::nullopt));
            QVERIFY(!h.manager.set_log_level(hotreload::LogLevel(9)));
        }
        QLoggingCategory::setFilterRules(QStringLiteral("qtplugin.hotreload.debug=true"));
        {
            Host h;
            QVERIFY(h.manager.check_now("p"));
            QTRY_VERIFY_WITH_TIMEOUT(
                logged(QString::number(QtDebugMsg) + QStringLiteral(" p: noticed: the host asks for a check")), bound);
        }
        QLoggingCategory::setFilterRules(QString());
        qInstallMessageHandler(former);
    }

    void disabledIsNotTold()
    {
        Host h;
        h.manager.disable_hot_reload("p");
        QVERIFY(!h.manager.is_hot_reload_enabled("p"));
        h.replace("unheard");
        QVERIFY(h.manager.enable_hot_reload("p", h.file.toStdString()));
        QVERIFY(h.isQuiet());
    }

    void manyRapidReplacementsEndWithTheLast()
    {
        Host h;
        for (int i = 0; i < 200; ++i)
            h.replace("rapid " + QByteArray::number(i));
        QTRY_VERIFY_WITH_TIMEOUT(!h.told.isEmpty() && h.told.last() == "rapid 199", bound);
        h.told.clear();
        QVERIFY(h.isQuiet());
    }
};

QTEST_GUILESS_MAIN(Changes)
#include "tst_changes.moc"
