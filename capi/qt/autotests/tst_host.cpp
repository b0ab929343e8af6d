// SPDX-License-Identifier: MIT
// PluginHost: Qt plugins exchanged while they are in use. Arguments after the test's own: none; the plugins are in
// PLUGIN_DIR.
#include <QtTest>

#include <QDeadlineTimer>
#include <QFile>
#include <QRegularExpression>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QThread>

#include <atomic>
#include <cstdio>
#include <thread>

#include <qtplugin/monitoring/plugin_host.hpp>

using namespace qtplugin;

constexpr int bound = 20000;  // ms; far beyond what any step takes

class TestHost : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<QTemporaryDir> dir;
    std::unique_ptr<PluginHost> host;
    std::unique_ptr<QSignalSpy> loaded, failed;
    QString file;
    static inline QStringList said;
    static inline PluginHost* asked = nullptr;

    /** Puts a build into the plugin's place, as an installer does it. */
    void install(const char* build)
    {
        const QString part = file + QStringLiteral(".part");
        QFile::remove(part);
        QVERIFY(QFile::copy(QStringLiteral(PLUGIN_DIR "/reloadable_%1.so").arg(QLatin1String(build)), part));
        QCOMPARE(std::rename(qPrintable(part), qPrintable(file)), 0);
    }
    int version() const { return host->instance("p") ? host->instance("p")->property("version").toInt() : 0; }
    void open()
    {
        const auto result = host->open("p", file.toStdString());
        QVERIFY2(result.has_value(), result ? "" : result.error().message().c_str());
    }
    bool loads(quint64 generation)
    {
        if (!QTest::qWaitFor([&] { return !loaded->isEmpty() || !failed->isEmpty(); }, bound) || loaded->isEmpty()) {
            if (!failed->isEmpty())
                qWarning("%s", qPrintable(failed->first().at(1).toString()));
            return false;
        }
        return loaded->takeFirst().at(1).toULongLong() == generation && host->generation("p") == generation;
    }
    /** Waits for a failure whose reason contains @p why. */
    bool fails(const char* why)
    {
        if (!QTest::qWaitFor([&] { return !failed->isEmpty(); }, bound))
            return false;
        const QString got = failed->takeFirst().at(1).toString();
        if (!got.contains(QLatin1String(why)))
            qWarning("it failed with \"%s\"", qPrintable(got));
        return got.contains(QLatin1String(why));
    }

private Q_SLOTS:
    void init()
    {
        dir = std::make_unique<QTemporaryDir>();
        file = dir->filePath(QStringLiteral("plugin.so"));
        hotreload::Options options;
        options.quiet = std::chrono::milliseconds(30);
        options.snapshot_dir = dir->filePath(QStringLiteral("snapshots")).toStdString();
        host = std::make_unique<PluginHost>(options);
        loaded = std::make_unique<QSignalSpy>(host.get(), &PluginHost::plugin_loaded);
        failed = std::make_unique<QSignalSpy>(host.get(), &PluginHost::plugin_failed);
    }
    void cleanup()
    {
        host.reset();
        dir.reset();
    }

    void exchanges_with_the_state()
    {
        install("1");
        open();
        QVERIFY(loads(1));
        QCOMPARE(version(), 1);
        for (int i = 1; i <= 5; ++i)
            QCOMPARE(host->instance("p")->property("calls").toInt(), i);
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        install("2");
        QVERIFY(loads(2));
        QCOMPARE(version(), 2);
        QCOMPARE(host->instance("p")->property("calls").toInt(), 6);
        QVERIFY(host->get<IReloadable>("p") != nullptr);
        QTest::ignoreMessage(QtInfoMsg, "version 2 leaves");
        host->close("p");
        QVERIFY(host->instance("p") == nullptr);
    }

    void what_fails_changes_nothing_data()
    {
        QTest::addColumn<QByteArray>("build");
        QTest::addColumn<QByteArray>("why");
        QTest::newRow("initialize() returns false") << QByteArray("bad_init") << QByteArray("init: it returned false; generation 1 goes on");
        QTest::newRow("initialize() throws") << QByteArray("bad_throws") << QByteArray("init: no database");
        QTest::newRow("initialize() throws what is no line to show")
            << QByteArray("bad_text") << QByteArray("init: no\\x1b[2J\\u202e\\ndatabase");
        QTest::newRow("restore_state() returns false") << QByteArray("bad_state") << QByteArray("restore: it returned false");
        // Not at the first call of it, which would end the host.
        QTest::newRow("a symbol is missing") << QByteArray("unresolved") << QByteArray("missing_dependency");
    }
    void what_fails_changes_nothing()
    {
        QFETCH(QByteArray, build);
        QFETCH(QByteArray, why);
        install("1");
        open();
        QVERIFY(loads(1));
        install(build);
        QVERIFY(fails(why));
        QCOMPARE(version(), 1);
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        install("2");
        QVERIFY(loads(3));
        QCOMPARE(version(), 2);
        QCOMPARE(host->manager().stats().reloads_failed, std::uint64_t(1));
        QTest::ignoreMessage(QtInfoMsg, "version 2 leaves");
        host.reset();
    }

    // What is logged cannot write to a terminal what it likes either.
    void logs_are_printable()
    {
        install("1");
        open();
        connect(host.get(), &PluginHost::plugin_loaded, this,
                [] { throw std::runtime_error("slot\x1b[2J\xe2\x80\xae\n"); });
        QTest::ignoreMessage(QtWarningMsg, "a slot of plugin_loaded for plugin \"p\" threw: slot\\x1b[2J\\u202e\\n");
        QVERIFY(loads(1));

        hotreload::Options options;
        options.check_image = true;
        options.quiet = std::chrono::milliseconds(30);
        PluginHotReloadManager manager(options);
        const QString odd = dir->filePath(QStringLiteral("odd\x1b[2J.so"));
        QFile content(odd);
        QVERIFY(content.open(QIODevice::WriteOnly));
        content.close();
        QSignalSpy events(&manager, &PluginHotReloadManager::hot_reload_event);
        QVERIFY(manager.enable_hot_reload("odd", odd.toStdString()));
        QTest::ignoreMessage(QtInfoMsg, QRegularExpression(QStringLiteral("^[^\\x1b]*odd\\\\x1b\\[2J\\.so: ")));
        QVERIFY(content.open(QIODevice::WriteOnly));
        QVERIFY(content.write("\x7f" "ELF") == 4);
        content.close();
        QVERIFY(QTest::qWaitFor(
            [&] {
                for (const auto& event : events)
                    if (event.at(0).value<hotreload::Event>().kind == hotreload::EventKind::health)
                        return true;
                return false;
            },
            bound));
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        host.reset();
    }

    // There is nothing to go back to; the next version is tried.
    void first_version_fails()
    {
        install("bad_init");
        open();
        QVERIFY(fails("init: it returned false"));
        QVERIFY(host->instance("p") == nullptr);
        QCOMPARE(host->generation("p"), std::uint64_t(0));
        install("2");
        QVERIFY(loads(2));
        QVERIFY(failed->isEmpty());
        QCOMPARE(version(), 2);
    }

    // The one that is to leave throws when it is asked for its state, and when it is ended.
    void present_version_throws()
    {
        install("bad_end");
        open();
        QVERIFY(loads(1));
        install("2");
        QVERIFY(fails("generation 2 waits: generation 1, save: the state is lost; generation 1 goes on"));
        QCOMPARE(version(), 9);
        host->close("p");
        QVERIFY(host->instance("p") == nullptr);
        install("1");
        open();
        QVERIFY(loaded->wait(bound));
        QCOMPARE(version(), 1);
    }

    // A version that leaves may ask the host, and one that never was used is not ended.
    void shutdown_may_call_the_host()
    {
        said.clear();
        asked = host.get();
        const auto handler = qInstallMessageHandler([](QtMsgType, const QMessageLogContext&, const QString& text) {
            said.append(text + QStringLiteral(", the present one is %1").arg(asked->generation("p")));
        });
        install("1");
        open();
        const bool first = loads(1);
        install("2");
        const bool second = loads(2);
        install("bad_init");
        const bool third = fails("init: it returned false");
        host->close("p");
        qInstallMessageHandler(handler);
        QVERIFY(first && second && third);
        QCOMPARE(said, QStringList({QStringLiteral("version 1 leaves, the present one is 2"),
                                    QStringLiteral("version 2 leaves, the present one is 0")}));
    }

    void closed_is_not_exchanged()
    {
        install("1");
        open();
        QVERIFY(host->open("q", file.toStdString()).has_value());
        QTRY_COMPARE_WITH_TIMEOUT(int(loaded->size()), 2, bound);
        host->close("p");
        loaded->clear();
        install("2");
        QTRY_COMPARE_WITH_TIMEOUT(host->generation("q"), std::uint64_t(2), bound);
        QCOMPARE(int(loaded->size()), 1);
        QVERIFY(host->instance("p") == nullptr);
    }

    void what_is_no_plugin_changes_nothing()
    {
        install("1");
        open();
        QVERIFY(loads(1));
        QFile f(file);
        QVERIFY(f.open(QIODevice::WriteOnly) && f.write("no library") > 0);
        f.close();
        QVERIFY(fails("plugin.so"));
        QCOMPARE(version(), 1);
    }

    void validation_comes_first()
    {
        std::atomic<bool> refuse{false};
        QVERIFY(host->manager().set_validator([&](const hotreload::Candidate& c) -> std::optional<std::string> {
            if (refuse)
                return "not " + c.plugin_id;
            return std::nullopt;
        }).has_value());
        install("1");
        open();
        QVERIFY(loads(1));
        refuse = true;
        install("2");
        QVERIFY(fails("not p"));
        QCOMPARE(version(), 1);
        hotreload::EnableOptions strict;
        strict.safe.emplace();
        strict.safe->symbols = {"no_such_symbol"};
        QVERIFY(host->open("q", file.toStdString(), strict).has_value());
        QVERIFY(fails("no_such_symbol"));
    }

    void goes_back()
    {
        install("1");
        open();
        QVERIFY(loads(1));
        install("2");
        QVERIFY(loads(2));
        QCOMPARE(version(), 2);
        QVERIFY(host->fail("p", "answers nonsense").has_value());
        QVERIFY(loads(1));
        QCOMPARE(version(), 1);
        QVERIFY(!host->fail("nobody").has_value());
    }

    // The version to go back to is still loaded: it goes on, and is not started twice.
    void goes_back_to_what_somebody_has()
    {
        install("1");
        open();
        QVERIFY(loads(1));
        auto held = host->instance("p");
        QObject* const root = held.get();
        install("2");
        QVERIFY(loads(2));
        QVERIFY(host->fail("p").has_value());
        QVERIFY(loads(1));
        QCOMPARE(host->instance("p").get(), root);
        QCOMPARE(root->property("starts").toInt(), 1);
        held.reset();
        QCOMPARE(version(), 1);
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        host->close("p");
    }

    // The same when another thread has just let go of it: it goes on, or is loaded anew if it was shut down already.
    void goes_back_to_what_is_about_to_leave()
    {
        install("1");
        open();
        QVERIFY(loads(1));
        auto held = host->instance("p");
        install("2");
        QVERIFY(loads(2));
        QVERIFY(host->fail("p").has_value());
        QDeadlineTimer deadline(bound);
        while (host->manager().stats().pending == 0 && !deadline.hasExpired())
            QThread::yieldCurrentThread();  // the way back is decided; the event loop has not run yet
        std::thread([&] { held.reset(); }).join();
        QTest::ignoreMessage(QtInfoMsg, "version 2 leaves");
        QVERIFY(loads(1));
        QCOMPARE(host->instance("p")->property("starts").toInt(), 1);
        QCOMPARE(version(), 1);
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        host->close("p");
    }

    void versions_stay_mapped_unless_they_are_to_go_data()
    {
        QTest::addColumn<bool>("stay");
        QTest::newRow("stay, as QPluginLoader has it") << true;
        QTest::newRow("go") << false;
    }
    void versions_stay_mapped_unless_they_are_to_go()
    {
        QFETCH(bool, stay);
        const auto mapped = [] {
            QFile maps(QStringLiteral("/proc/self/maps"));
            if (!maps.open(QIODevice::ReadOnly))
                return -1;
            QSet<QByteArray> files;
            for (const QByteArray& line : maps.readAll().split('\n'))
                if (line.contains("/plugin.so"))
                    files.insert(line.mid(line.indexOf('/')));
            return int(files.size());
        };
        const int before = mapped();
        if (!stay)
            host->set_load_hints(QLibrary::ResolveAllSymbolsHint);
        install("1");
        open();
        QVERIFY(loads(1));
        for (quint64 g = 2; g <= 5; ++g) {
            install(g % 2 == 0 ? "2" : "1");
            QVERIFY(loads(g));
        }
        QTRY_COMPARE_WITH_TIMEOUT(mapped() - before, stay ? 5 : 1, bound);  // the former one goes after the signal
    }

    void deleted_in_a_slot()
    {
        install("1");
        open();
        connect(host.get(), &PluginHost::plugin_loaded, this, [this] { host.reset(); });
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        QTRY_VERIFY_WITH_TIMEOUT(host == nullptr, bound);
    }

    // What another thread has stays loaded, and is unloaded on the host's thread.
    void under_load_from_another_thread()
    {
        install("1");
        open();
        QVERIFY(loads(1));
        std::atomic<bool> stop{false};
        long calls = 0, bad = 0;
        std::thread load([&] {
            while (!stop) {
                const auto plugin = host->instance("p");
                const int v = plugin ? plugin->property("version").toInt() : 0;
                ++(v == 1 || v == 2 ? calls : bad);
            }
        });
        bool good = true;
        for (quint64 g = 2; g <= 6 && good; ++g) {
            install(g % 2 == 0 ? "2" : "1");
            good = loads(g);
        }
        stop = true;
        load.join();
        QVERIFY(good);
        QCOMPARE(bad, 0L);
        QVERIFY(calls > 0);
    }

    void errors_of_open()
    {
        QVERIFY(host->open("p", file.toStdString()).error().code() == PluginErrorCode::FileNotFound);
        install("1");
        open();
        QVERIFY(host->open("p", file.toStdString()).error().code() == PluginErrorCode::AlreadyExists);
        host->close("p");
        host->close("p");
    }
};

QTEST_GUILESS_MAIN(TestHost)
#include "tst_host.moc"
