// SPDX-License-Identifier: MIT
// On which thread, and what slots and callbacks may do.
// What the tests capture outlives their connections. clazy:excludeall=lambda-in-connect
#include "host.hpp"

#include <QPointer>
#include <QThread>
#include <QTimer>

#include <atomic>
#include <stdexcept>
#include <thread>

class Delivery : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void onTheMainThread()
    {
        Host h;
        QThread *signalled = nullptr, *called = nullptr;
        QStringList order;
        const auto signal = [&] {
            signalled = QThread::currentThread();
            order.append(QStringLiteral("signal"));
        };
        connect(&h.manager, &PluginHotReloadManager::plugin_file_changed, &h.manager, signal, Qt::DirectConnection);
        h.manager.set_reload_callback([&](const std::string&) {
            called = QThread::currentThread();
            order.append(QStringLiteral("callback"));
        });
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(order, QStringList({QStringLiteral("signal"), QStringLiteral("callback")}), bound);
        QCOMPARE(signalled, thread());
        QCOMPARE(called, thread());
    }

    void onAWorkerThreadAfterMoveToThread()
    {
        Host h;
        h.replace("before the move");
        QVERIFY(h.tells("before the move"));
        auto* manager = new PluginHotReloadManager;
        QVERIFY(manager->enable_hot_reload("p", h.file.toStdString()));
        QThread worker;
        std::atomic<QThread*> signalled{nullptr}, called{nullptr};
        connect(manager, &PluginHotReloadManager::plugin_file_changed, manager,
                [&] { signalled = QThread::currentThread(); }, Qt::DirectConnection);
        manager->set_reload_callback([&](const std::string&) { called = QThread::currentThread(); });
        manager->moveToThread(&worker);
        connect(&worker, &QThread::finished, manager, &QObject::deleteLater);
        worker.start();
        h.replace("after the move");
        QTRY_COMPARE_WITH_TIMEOUT(called.load(), &worker, bound);
        QCOMPARE(signalled.load(), &worker);
        worker.quit();
        QVERIFY(worker.wait(bound));
    }

    void queuedConnectionToAnotherThread()
    {
        Host h;
        QThread worker;
        QObject receiver;
        receiver.moveToThread(&worker);
        std::atomic<QThread*> received{nullptr};
        connect(&h.manager, &PluginHotReloadManager::plugin_file_changed, &receiver,
                [&] { received = QThread::currentThread(); });
        worker.start();
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(received.load(), &worker, bound);
        worker.quit();
        QVERIFY(worker.wait(bound));
    }

    void enabledAndDisabledSignals()
    {
        Host h;
        QSignalSpy enabled(&h.manager, &PluginHotReloadManager::hot_reload_enabled);
        QSignalSpy disabled(&h.manager, &PluginHotReloadManager::hot_reload_disabled);
        QVERIFY(h.manager.enable_hot_reload("q", h.file.toStdString()));
        QCOMPARE(int(enabled.count()), 1);  // before the method returns, as QtForge has it
        QCOMPARE(enabled.at(0).at(0).toString(), QStringLiteral("q"));
        QVERIFY(!h.manager.enable_hot_reload("q", h.file.toStdString()));
        QCOMPARE(int(enabled.count()), 1);
        h.manager.disable_hot_reload("unknown");
        QCOMPARE(int(disabled.count()), 0);
        h.manager.clear();
        QCOMPARE(int(disabled.count()), 2);
        // From another thread they arrive on the object's.
        QThread* on = nullptr;
        connect(&h.manager, &PluginHotReloadManager::hot_reload_enabled, &h.manager,
                [&] { on = QThread::currentThread(); }, Qt::DirectConnection);
        std::thread([&] { (void)h.manager.enable_hot_reload("r", h.file.toStdString()); }).join();
        QTRY_COMPARE_WITH_TIMEOUT(int(enabled.count()), 2, bound);
        QCOMPARE(on, thread());
    }

    void slotMayCallEveryGetter()
    {
        Host h;
        bool enabled = true;
        std::size_t left = 99;
        connect(&h.manager, &PluginHotReloadManager::hot_reload_disabled, [&](const QString& id) {
            enabled = h.manager.is_hot_reload_enabled(id.toStdString());
            left = h.manager.get_hot_reload_plugins().size();
        });
        h.manager.disable_hot_reload("p");
        QVERIFY(!enabled);  // the state is set before the signal
        QCOMPARE(left, std::size_t(0));
    }

    void throwingCallbackAndSlot()
    {
        Host h;
        QTest::ignoreMessage(QtWarningMsg, "the reload callback for plugin \"p\" threw: from the callback");
        QTest::ignoreMessage(QtWarningMsg, "the reload callback for plugin \"p\" threw something that is no std::exception");
        int calls = 0;
        h.manager.set_reload_callback([&](const std::string& id) {
            h.reload(id);
            if (++calls == 1)
                throw std::runtime_error("from the callback");
            if (calls == 2)
                throw 7;
        });
        for (const char* v : {"v1", "v2", "v3"}) {
            h.replace(v);
            QVERIFY(h.tells(v));
        }
    }

    // What a slot throws stops neither the callback nor what is told later.
    void throwingSlots_data()
    {
        QTest::addColumn<QString>("signal");
        QTest::newRow("hot_reload_event") << QStringLiteral("hot_reload_event");
        QTest::newRow("plugin_file_changed") << QStringLiteral("plugin_file_changed");
    }
    void throwingSlots()
    {
        QFETCH(QString, signal);
        Host h;
        const auto thrower = [] { throw std::runtime_error("from a slot"); };
        if (signal == QLatin1String("hot_reload_event"))
            connect(&h.manager, &PluginHotReloadManager::hot_reload_event, thrower);
        else
            connect(&h.manager, &PluginHotReloadManager::plugin_file_changed, thrower);
        const QString warning = QStringLiteral("a slot of %1 for plugin \"p\" threw: from a slot").arg(signal);
        for (const char* v : {"v1", "v2"}) {
            QTest::ignoreMessage(QtWarningMsg, qPrintable(warning));
            h.replace(v);
            QVERIFY(h.tells(v));
        }
    }

    // A host goes on between many changes that are pending.
    void oneEventPerTurnOfTheEventLoop()
    {
        constexpr int plugins = 8;
        Host h;
        hotreload::Options quick;
        quick.quiet = hotreload::no_quiet;
        PluginHotReloadManager manager(quick);
        int told = 0, own = 0, ahead = 0;
        manager.set_reload_callback([&](const std::string&) {
            ahead = std::max(ahead, ++told - own);
            QMetaObject::invokeMethod(this, [&] { ++own; }, Qt::QueuedConnection);
        });
        for (int i = 0; i < plugins; ++i)
            QVERIFY(manager.enable_hot_reload(std::to_string(i), h.file.toStdString()));
        h.replace("v1");
        QElapsedTimer since;
        since.start();
        while (manager.stats().pending < plugins && since.elapsed() < bound)
            std::this_thread::yield();
        QTRY_COMPARE_WITH_TIMEOUT(own, plugins, bound);
        QCOMPARE(told, plugins);
        QVERIFY2(ahead <= 2, qPrintable(QString::number(ahead)));  // the next turn may have been in the queue already
    }

    void noEventSaysEnabledOrDisabled()
    {
        Host h;
        QList<hotreload::EventKind> kinds;
        connect(&h.manager, &PluginHotReloadManager::hot_reload_event,
                [&](const hotreload::Event& event) { kinds.append(event.kind); });
        QVERIFY(h.manager.enable_hot_reload("q", h.file.toStdString()));
        h.manager.disable_hot_reload("q");
        h.replace("v1");
        QVERIFY(h.tells("v1"));
        QCOMPARE(kinds, QList<hotreload::EventKind>{hotreload::EventKind::file_changed});
    }

    void callbackMayCallEverything()
    {
        Host h;
        bool done = false;
        h.manager.set_reload_callback([&](const std::string& id) {
            auto& m = h.manager;
            const bool second = bool(m.enable_hot_reload("q", h.file.toStdString()));
            m.set_global_hot_reload_enabled(false);
            m.set_global_hot_reload_enabled(true);
            m.disable_hot_reload(id);
            const auto left = m.get_hot_reload_plugins();
            m.clear();
            m.set_reload_callback({});
            done = second && left == std::vector<std::string>{"q"} && m.get_hot_reload_plugins().empty();
        });
        h.replace("v1");
        QTRY_VERIFY_WITH_TIMEOUT(done, bound);
        h.manager.set_reload_callback([&](const std::string& id) { h.reload(id); });
        QVERIFY(h.manager.enable_hot_reload("p", h.file.toStdString()));
        QVERIFY(h.isQuiet());
    }

    void deletedInsideTheCallbackOrASlot_data()
    {
        QTest::addColumn<bool>("slot");
        QTest::newRow("slot") << true;
        QTest::newRow("callback") << false;
    }

    void deletedInsideTheCallbackOrASlot()
    {
        QFETCH(bool, slot);
        Host h;
        QPointer<PluginHotReloadManager> manager = new PluginHotReloadManager;
        bool calledAfterwards = false;
        if (slot)
            connect(manager, &PluginHotReloadManager::plugin_file_changed, this, [&] { delete manager; });
        manager->set_reload_callback([&](const std::string&) {
            calledAfterwards = slot;
            delete manager;
        });
        QVERIFY(manager->enable_hot_reload("p", h.file.toStdString()));
        QVERIFY(manager->enable_hot_reload("q", h.file.toStdString()));
        h.replace("v1");
        QTRY_VERIFY_WITH_TIMEOUT(manager.isNull(), bound);
        QVERIFY(h.tells("v1"));
        QVERIFY(h.isQuiet());
        QVERIFY(!calledAfterwards);
    }

    void slotOfTheEventThatDisablesStopsTheSignal()
    {
        Host h;
        QSignalSpy changed(&h.manager, &PluginHotReloadManager::plugin_file_changed);
        connect(&h.manager, &PluginHotReloadManager::hot_reload_event,
                [&](const hotreload::Event& event) { h.manager.disable_hot_reload(event.plugin_id); });
        QSignalSpy disabled(&h.manager, &PluginHotReloadManager::hot_reload_disabled);
        h.replace("v1");
        QVERIFY(disabled.wait(bound));
        QVERIFY(changed.isEmpty() && h.told.isEmpty());
    }

    void slotThatDisablesStopsTheCallback()
    {
        Host h;
        connect(&h.manager, &PluginHotReloadManager::plugin_file_changed,
                [&](const QString& id, const QString&) { h.manager.disable_hot_reload(id.toStdString()); });
        QSignalSpy disabled(&h.manager, &PluginHotReloadManager::hot_reload_disabled);
        h.replace("v1");
        QVERIFY(disabled.wait(bound));
        QVERIFY(h.told.isEmpty());
    }

    void nestedEventLoop()
    {
        Host h;
        QVERIFY(h.manager.enable_hot_reload("q", h.file.toStdString()));
        int depth = 0, deepest = 0;
        QStringList ids;
        h.manager.set_reload_callback([&](const std::string& id) {
            deepest = std::max(deepest, ++depth);
            QEventLoop nested;
            QTimer::singleShot(300, &nested, &QEventLoop::quit);
            nested.exec();
            --depth;
            ids.append(QString::fromStdString(id));
        });
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(int(ids.size()), 2, bound);
        QCOMPARE(deepest, 1);
    }

    void disableInAnotherThreadWaitsForTheRunningCallback()
    {
        Host h;
        std::atomic<bool> left{false}, waited{false}, ended{false};
        std::thread other;
        h.manager.set_reload_callback([&](const std::string&) {
            other = std::thread([&] {
                h.manager.disable_hot_reload("p");
                waited = left.load();
                ended = true;
            });
            QElapsedTimer busy;
            busy.start();
            while (busy.elapsed() < 200)
                std::this_thread::yield();
            left = true;
        });
        h.replace("v1");
        QTRY_VERIFY_WITH_TIMEOUT(ended.load(), bound);
        other.join();
        QVERIFY(waited.load());
    }

    void parentOwnsIt()
    {
        auto* parent = new QObject;
        QPointer<PluginHotReloadManager> manager = new PluginHotReloadManager(parent);
        QVERIFY(manager->is_valid());
        QCOMPARE(manager->parent(), parent);
        delete parent;
        QVERIFY(manager.isNull());
    }

    void manyManagers()
    {
        Host h;
        for (int i = 0; i < 100; ++i) {
            const auto manager = PluginHotReloadManager::create();
            QVERIFY(manager->enable_hot_reload("p", h.file.toStdString()));
            h.replace("v" + QByteArray::number(i));
        }
        QTRY_VERIFY_WITH_TIMEOUT(!h.told.isEmpty() && h.told.last() == "v99", bound);
    }
};

QTEST_GUILESS_MAIN(Delivery)
#include "tst_delivery.moc"
