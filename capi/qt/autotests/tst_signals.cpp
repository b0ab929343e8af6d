// SPDX-License-Identifier: MIT
// Every signal of both classes, whichever thread causes it: what its slots throw harms nobody.
// What the tests capture outlives their connections. clazy:excludeall=lambda-in-connect
#include "plugins.hpp"

#include <QThread>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>

namespace {

/** Runs @p f on this thread, or on another. */
void run_on(bool other, const std::function<void()>& f)
{
    if (other)
        std::thread(f).join();
    else
        f();
}

void put(const QString& path, const QByteArray& content)
{
    QFile f(path);
    if (!f.open(QIODevice::WriteOnly) || f.write(content) != content.size())
        qFatal("cannot write %s", qPrintable(path));
}

struct Unusual {};

}  // namespace

class Signals : public QObject {
    Q_OBJECT

    static void threads_and_exceptions()
    {
        QTest::addColumn<bool>("other");
        QTest::addColumn<int>("kind");
        QTest::newRow("on the object's thread") << false << 0;
        QTest::newRow("from another thread") << true << 0;
        QTest::newRow("no std::exception, on the object's thread") << false << 1;
        QTest::newRow("no std::exception, from another thread") << true << 1;
    }
    /** What a slot throws, and the warning that is then logged; counts the calls. */
    static auto thrower(int kind, int& calls)
    {
        return [kind, &calls] {
            ++calls;
            if (kind == 0)
                throw std::runtime_error("from a slot");
            throw Unusual();
        };
    }
    static void expect_warning(const char* signal, int kind)
    {
        const QString why = kind == 0 ? QStringLiteral(": from a slot") : QStringLiteral(" something that is no std::exception");
        QTest::ignoreMessage(QtWarningMsg,
                             qPrintable(QStringLiteral("a slot of %1 for plugin \"p\" threw%2").arg(QLatin1String(signal), why)));
    }

private Q_SLOTS:
    void hot_reload_enabled_data() { threads_and_exceptions(); }
    void hot_reload_enabled()
    {
        QFETCH(bool, other);
        QFETCH(int, kind);
        const Plugins plugins;
        put(plugins.file, "v0");
        PluginHotReloadManager manager(plugins.options());
        int calls = 0, changes = 0;
        connect(&manager, &PluginHotReloadManager::hot_reload_enabled, thrower(kind, calls));
        connect(&manager, &PluginHotReloadManager::plugin_file_changed, [&] { ++changes; });
        expect_warning("hot_reload_enabled", kind);
        bool enabled = false;
        run_on(other, [&] { enabled = manager.enable_hot_reload("p", plugins.path()).has_value(); });
        QVERIFY(enabled);
        QVERIFY(becomes([&] { return calls == 1; }));
        put(plugins.file, "v1");
        QVERIFY(becomes([&] { return changes == 1; }));
        QCOMPARE(calls, 1);
    }

    void hot_reload_disabled_data() { threads_and_exceptions(); }
    void hot_reload_disabled()
    {
        QFETCH(bool, other);
        QFETCH(int, kind);
        const Plugins plugins;
        put(plugins.file, "v0");
        PluginHotReloadManager manager(plugins.options());
        int calls = 0;
        connect(&manager, &PluginHotReloadManager::hot_reload_disabled, thrower(kind, calls));
        for (const bool clear : {false, true}) {
            QVERIFY(manager.enable_hot_reload("p", plugins.path()));
            expect_warning("hot_reload_disabled", kind);
            run_on(other, [&] { clear ? manager.clear() : manager.disable_hot_reload("p"); });
            QVERIFY(becomes([&] { return calls == (clear ? 2 : 1); }));
            QVERIFY(!manager.is_hot_reload_enabled("p"));
        }
    }

    // clear() goes on with the other plugins.
    void clear_announces_all_though_slots_throw()
    {
        const Plugins plugins;
        put(plugins.file, "v0");
        PluginHotReloadManager manager;
        QStringList ids;
        connect(&manager, &PluginHotReloadManager::hot_reload_disabled, [&](const QString& id) {
            ids.append(id);
            throw std::runtime_error("from a slot");
        });
        for (const char* id : {"a", "b", "c"}) {
            QVERIFY(manager.enable_hot_reload(id, plugins.path()));
            QTest::ignoreMessage(QtWarningMsg, qPrintable(QStringLiteral("a slot of hot_reload_disabled for plugin \"%1\" threw: from a slot").arg(QLatin1String(id))));
        }
        manager.clear();
        QCOMPARE(ids, QStringList({QStringLiteral("a"), QStringLiteral("b"), QStringLiteral("c")}));
    }

    void changes_data()
    {
        QTest::addColumn<bool>("event");
        QTest::addColumn<bool>("other");
        QTest::addColumn<int>("kind");
        for (const bool event : {true, false})
            for (const bool other : {false, true})
                for (const int kind : {0, 1})
                    QTest::addRow("%s, enabled %s, kind %d", event ? "hot_reload_event" : "plugin_file_changed",
                                  other ? "by another thread" : "here", kind)
                        << event << other << kind;
    }
    void changes()
    {
        QFETCH(bool, event);
        QFETCH(bool, other);
        QFETCH(int, kind);
        const Plugins plugins;
        put(plugins.file, "v0");
        PluginHotReloadManager manager(plugins.options());
        int calls = 0, reloads = 0;
        if (event)
            connect(&manager, &PluginHotReloadManager::hot_reload_event, thrower(kind, calls));
        else
            connect(&manager, &PluginHotReloadManager::plugin_file_changed, thrower(kind, calls));
        manager.set_reload_callback([&](const std::string&) { ++reloads; });
        run_on(other, [&] { (void)manager.enable_hot_reload("p", plugins.path()); });
        for (int i = 1; i <= 2; ++i) {
            expect_warning(event ? "hot_reload_event" : "plugin_file_changed", kind);
            run_on(other, [&] { put(plugins.file, QByteArray(i, 'v')); });
            QVERIFY(becomes([&] { return reloads == i; }));
            QCOMPARE(calls, i);
        }
    }

    void plugin_loaded_data() { threads_and_exceptions(); }
    void plugin_loaded()
    {
        QFETCH(bool, other);
        QFETCH(int, kind);
        const Plugins plugins;
        plugins.install("1");
        PluginHost host(plugins.options());
        int calls = 0;
        connect(&host, &PluginHost::plugin_loaded, thrower(kind, calls));
        for (int i = 1; i <= 2; ++i) {
            expect_warning("plugin_loaded", kind);
            if (i == 1)
                run_on(other, [&] { (void)host.open("p", plugins.path()); });
            else
                plugins.install("2");
            QVERIFY(becomes([&] { return calls == i; }));
            QCOMPARE(host.generation("p"), std::uint64_t(i));
        }
        QCOMPARE(host.manager().stats().reloads_ok, std::uint64_t(2));
    }

    void plugin_failed_data() { threads_and_exceptions(); }
    void plugin_failed()
    {
        QFETCH(bool, other);
        QFETCH(int, kind);
        const Plugins plugins;
        plugins.install("bad_init");
        PluginHost host(plugins.options());
        int calls = 0;
        connect(&host, &PluginHost::plugin_failed, thrower(kind, calls));
        expect_warning("plugin_failed", kind);
        run_on(other, [&] { (void)host.open("p", plugins.path()); });
        QVERIFY(becomes([&] { return calls == 1; }));
        // A rejection comes another way.
        QVERIFY(host.manager().set_validator([](const hotreload::Candidate&) { return "no"; }).has_value());
        expect_warning("plugin_failed", kind);
        plugins.install("2");
        QVERIFY(becomes([&] { return calls == 2; }));
        QVERIFY(host.manager().set_validator({}).has_value());
        plugins.install("1");
        QVERIFY(becomes([&] { return host.generation("p") != 0; }));
    }

    // Each announcement of an object arrives where the object lives.
    void announced_on_the_objects_thread()
    {
        const Plugins plugins;
        put(plugins.file, "v0");
        QThread worker;
        auto* const manager = new PluginHotReloadManager;
        std::atomic<QThread*> enabled{nullptr}, disabled{nullptr};
        connect(manager, &PluginHotReloadManager::hot_reload_enabled, manager, [&] { enabled = QThread::currentThread(); }, Qt::DirectConnection);
        connect(manager, &PluginHotReloadManager::hot_reload_disabled, manager, [&] { disabled = QThread::currentThread(); }, Qt::DirectConnection);
        connect(&worker, &QThread::finished, manager, &QObject::deleteLater);
        manager->moveToThread(&worker);
        worker.start();
        QVERIFY(manager->enable_hot_reload("p", plugins.path()));
        QVERIFY(becomes([&] { return enabled == &worker; }));
        manager->clear();
        QVERIFY(becomes([&] { return disabled == &worker; }));
        worker.quit();
        QVERIFY(worker.wait(bound));
    }

    // Also between the two announcements that one call may make.
    void deleted_in_a_slot_of_an_announcement()
    {
        const Plugins plugins;
        put(plugins.file, "v0");
        auto manager = std::make_unique<PluginHotReloadManager>();
        int calls = 0;
        connect(manager.get(), &PluginHotReloadManager::hot_reload_enabled, this, [&] {
            ++calls;
            manager.reset();
        });
        connect(manager.get(), &PluginHotReloadManager::hot_reload_disabled, this, [&] { ++calls; });
        PluginHotReloadManager* const raw = manager.get();
        run_on(true, [&] { (void)raw->enable_hot_reload("p", plugins.path()); });
        raw->disable_hot_reload("p");
        QCOMPARE(calls, 1);
        QVERIFY(manager == nullptr);
    }
};

QTEST_GUILESS_MAIN(Signals)
#include "tst_signals.moc"
