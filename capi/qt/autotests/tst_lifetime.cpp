// SPDX-License-Identifier: MIT
// When the object may be made, moved, connected and destroyed.
// What the tests capture outlives their connections. clazy:excludeall=lambda-in-connect
#include "host.hpp"

#include <QCoreApplication>
#include <QLoggingCategory>
#include <QPointer>
#include <QSemaphore>
#include <QThread>
#include <QTimer>

#include <atomic>
#include <optional>
#include <thread>

// Made before the application object, and destroyed after it.
static PluginHotReloadManager early;  // clazy:exclude=non-pod-global-static

class Receiver : public QObject {
    Q_OBJECT
public:
    QStringList ids;
    QThread* on = nullptr;
public Q_SLOTS:
    void changed(const QString& id, const QString&) { ids.append(id); }
    void happened(const hotreload::Event& event)
    {
        ids.append(QString::fromStdString(event.plugin_id));
        on = QThread::currentThread();
    }
};

class Lifetime : public QObject {
    Q_OBJECT

    static inline QStringList lines;
    static void collect(QtMsgType, const QMessageLogContext& context, const QString& text)
    {
        lines.append(QString::fromLatin1(context.category) + QStringLiteral(": ") + text);
    }

private Q_SLOTS:
    void madeBeforeTheApplication()
    {
        Host h;
        QVERIFY(early.is_valid());
        QVERIFY(early.enable_hot_reload("early", h.file.toStdString()));
        QSignalSpy spy(&early, &PluginHotReloadManager::plugin_file_changed);
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(int(spy.count()), 1, bound);
        early.clear();
    }

    // Without an event loop nothing is told; the next one tells.
    void changedWhileNoEventLoopRuns()
    {
        Host h;
        hotreload::Options quick;
        quick.quiet = hotreload::no_quiet;
        PluginHotReloadManager manager(quick);
        QSignalSpy spy(&manager, &PluginHotReloadManager::plugin_file_changed);
        QVERIFY(manager.enable_hot_reload("p", h.file.toStdString()));
        h.replace("v1");
        QElapsedTimer since;
        since.start();
        while (manager.stats().pending == 0 && since.elapsed() < bound)
            std::this_thread::yield();
        QCOMPARE(int(spy.count()), 0);
        QEventLoop loop;
        connect(&manager, &PluginHotReloadManager::plugin_file_changed, &loop, &QEventLoop::quit);
        QTimer::singleShot(bound, &loop, &QEventLoop::quit);
        loop.exec();
        QCOMPARE(int(spy.count()), 1);
    }

    void connectedByName()
    {
        Host h;
        Receiver receiver, queued;
        QVERIFY(connect(&h.manager, SIGNAL(plugin_file_changed(QString,QString)), &receiver, SLOT(changed(QString,QString))));
        QVERIFY(connect(&h.manager, SIGNAL(hot_reload_event(hotreload::Event)), &queued,
                        SLOT(happened(hotreload::Event)), Qt::QueuedConnection));
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(queued.ids, QStringList(QStringLiteral("p")), bound);
        QCOMPARE(receiver.ids, QStringList(QStringLiteral("p")));
    }

    void eventQueuedToAnotherThread()
    {
        Host h;
        QThread worker;
        Receiver receiver;
        receiver.moveToThread(&worker);
        worker.start();
        connect(&h.manager, &PluginHotReloadManager::hot_reload_event, &receiver, &Receiver::happened);
        h.replace("v1");
        QVERIFY(h.tells("v1"));
        worker.quit();  // after what is queued
        QVERIFY(worker.wait(bound));
        QCOMPARE(receiver.on, &worker);
    }

    void slotThatBlocksForAnotherThread()
    {
        Host h;
        QThread worker;
        Receiver receiver;
        receiver.moveToThread(&worker);
        worker.start();
        connect(&h.manager, &PluginHotReloadManager::plugin_file_changed, &receiver, &Receiver::changed,
                Qt::BlockingQueuedConnection);
        for (const char* v : {"v1", "v2"}) {
            h.replace(v);
            QVERIFY(h.tells(v));
        }
        worker.quit();
        QVERIFY(worker.wait(bound));
        QCOMPARE(int(receiver.ids.size()), 2);
    }

    void receiverThatIsGone()
    {
        Host h;
        auto receiver = std::make_unique<Receiver>();
        connect(&h.manager, &PluginHotReloadManager::plugin_file_changed, receiver.get(), &Receiver::changed);
        receiver.reset();
        h.replace("v1");
        QVERIFY(h.tells("v1"));
    }

    // A class that is no QObject, as the reference has it.
    void receiverThatIsNoQObject()
    {
        struct Plain {
            QStringList ids;
            void changed(const QString& id, const QString&) { ids.append(id); }
        } plain;
        Host h;
        QVERIFY(qtplugin::connect(&h.manager, &PluginHotReloadManager::plugin_file_changed, &plain, &Plain::changed));
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(plain.ids, QStringList(QStringLiteral("p")), bound);
    }

    void deletedLaterInASlot()
    {
        Host h;
        QPointer<PluginHotReloadManager> manager = new PluginHotReloadManager;
        int calls = 0;
        connect(manager, &PluginHotReloadManager::plugin_file_changed, manager, &QObject::deleteLater);
        manager->set_reload_callback([&](const std::string&) { ++calls; });
        QVERIFY(manager->enable_hot_reload("p", h.file.toStdString()));
        h.replace("v1");
        QTRY_VERIFY_WITH_TIMEOUT(manager.isNull(), bound);
        QCOMPARE(calls, 1);  // it was still there
    }

    void deletedInANestedEventLoopOfItsCallback()
    {
        Host h;
        QPointer<PluginHotReloadManager> manager = new PluginHotReloadManager;
        bool returned = false;
        manager->set_reload_callback([&](const std::string&) {
            QEventLoop nested;
            QTimer::singleShot(0, &nested, [&] {
                delete manager;
                nested.quit();
            });
            nested.exec();
            returned = true;
        });
        QVERIFY(manager->enable_hot_reload("p", h.file.toStdString()));
        h.replace("v1");
        QTRY_VERIFY_WITH_TIMEOUT(returned, bound);
        QVERIFY(manager.isNull());
    }

    void sharedOwnerLetGoInTheCallback()
    {
        Host h;
        auto manager = PluginHotReloadManager::create();
        QPointer<PluginHotReloadManager> alive = manager.get();
        manager->set_reload_callback([&](const std::string&) { manager.reset(); });
        QVERIFY(manager->enable_hot_reload("p", h.file.toStdString()));
        h.replace("v1");
        QTRY_VERIFY_WITH_TIMEOUT(alive.isNull(), bound);
    }

    void callbackThatReplacesItself()
    {
        Host h;
        const auto token = std::make_shared<int>(7);
        int seen = 0;
        h.manager.set_reload_callback([&h, &seen, token](const std::string&) {
            h.manager.set_reload_callback([&h](const std::string& id) { h.reload(id); });
            seen = *token;  // still alive
        });
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(seen, 7, bound);
        QCOMPARE(int(token.use_count()), 1);
        h.replace("v2");
        QVERIFY(h.tells("v2"));
    }

    // As the owner of a plugin does that goes with the callback.
    void capturesOfTheFormerCallbackMayCallWhenTheyGo()
    {
        Host h;
        int gone = 0;
        std::shared_ptr<void> owned(nullptr, [&](void*) {
            h.manager.set_reload_callback({});
            ++gone;
        });
        h.manager.set_reload_callback([owner = std::move(owned)](const std::string&) {});
        h.manager.set_reload_callback([&h](const std::string& id) { h.reload(id); });
        QCOMPARE(gone, 1);  // and its call, the later one, removed what was set
        h.manager.set_reload_callback([&h](const std::string& id) { h.reload(id); });
        QVERIFY(h.isQuiet());
    }

    void emptyCallbackRemovesIt()
    {
        Host h;
        lines.clear();
        const auto handler = qInstallMessageHandler(collect);
        h.manager.set_reload_callback({});
        QSignalSpy spy(&h.manager, &PluginHotReloadManager::plugin_file_changed);
        h.replace("v1");
        const bool signalled = QTest::qWaitFor([&] { return !spy.isEmpty(); }, bound);
        qInstallMessageHandler(handler);
        QVERIFY(signalled);
        QVERIFY(h.told.isEmpty());
        QCOMPARE(lines, QStringList());
    }

    // The first slot sees all of them disabled, and may end it all.
    void deletedInASlotOfClear()
    {
        Host h;
        QPointer<PluginHotReloadManager> manager = new PluginHotReloadManager;
        std::size_t left = 99;
        int slots_run = 0;
        connect(manager, &PluginHotReloadManager::hot_reload_disabled, this, [&] {
            ++slots_run;
            left = manager->get_hot_reload_plugins().size();
            delete manager;
        });
        for (const char* id : {"p", "q", "r"})
            QVERIFY(manager->enable_hot_reload(id, h.file.toStdString()));
        manager->clear();
        QVERIFY(manager.isNull());
        QCOMPARE(left, std::size_t(0));
        QCOMPARE(slots_run, 1);
    }

    void movedToAThreadInsideItsSlot()
    {
        Host h;
        QThread worker;
        auto* manager = new PluginHotReloadManager;
        std::atomic<int> here{0}, there{0};
        connect(manager, &PluginHotReloadManager::plugin_file_changed, manager, [&] {
            if (QThread::currentThread() == &worker)
                ++there;
            else if (++here == 1)
                manager->moveToThread(&worker);
        }, Qt::DirectConnection);
        connect(&worker, &QThread::finished, manager, &QObject::deleteLater);
        QVERIFY(manager->enable_hot_reload("p", h.file.toStdString()));
        worker.start();
        h.replace("v1");
        QVERIFY(h.tells("v1"));
        QTRY_COMPARE_WITH_TIMEOUT(here.load(), 1, bound);
        h.replace("v2");
        QTRY_COMPARE_WITH_TIMEOUT(there.load(), 1, bound);
        QCOMPARE(here.load(), 1);
        worker.quit();
        QVERIFY(worker.wait(bound));
    }

    // Its new thread goes on while the slot is still running on the former one, also if the next turn is its.
    void threadItIsMovedToDoesNotWaitForTheSlot()
    {
        constexpr int plugins = 8;
        Host h;
        hotreload::Options quick;
        quick.quiet = hotreload::no_quiet;
        for (int i = 0; i < 20; ++i) {
            QThread worker;
            QObject there;
            there.moveToThread(&worker);
            worker.start();
            auto* manager = new PluginHotReloadManager(quick);
            connect(&worker, &QThread::finished, manager, &QObject::deleteLater);
            QSemaphore goes_on;
            std::atomic<int> told{0};
            bool went_on = false;
            connect(manager, &PluginHotReloadManager::plugin_file_changed, manager, [&] {
                if (++told != 2)
                    return;
                manager->moveToThread(&worker);
                QMetaObject::invokeMethod(&there, [&] { goes_on.release(); }, Qt::QueuedConnection);
                went_on = goes_on.tryAcquire(1, bound);
            }, Qt::DirectConnection);
            for (int p = 0; p < plugins; ++p)
                QVERIFY(manager->enable_hot_reload(std::to_string(p), h.file.toStdString()));
            QCoreApplication::processEvents();
            h.replace("v" + QByteArray::number(i));
            QElapsedTimer since;
            since.start();
            while (manager->stats().pending < plugins && since.elapsed() < bound)
                std::this_thread::yield();
            QTRY_COMPARE_WITH_TIMEOUT(told.load(), plugins, bound);
            worker.quit();
            QVERIFY(worker.wait(bound));
            QVERIFY(went_on);
        }
    }

    // What changed after its thread ended is told by the thread that takes it over.
    void outlivesItsThread()
    {
        Host h;
        auto manager = PluginHotReloadManager::create();
        QVERIFY(manager->enable_hot_reload("p", h.file.toStdString()));
        {
            QThread worker;
            manager->moveToThread(&worker);
            worker.start();
            worker.quit();
            QVERIFY(worker.wait(bound));
        }
        h.replace("v1");
        QVERIFY(h.tells("v1"));
        QCOMPARE(manager->thread(), nullptr);
        QSignalSpy spy(manager.get(), &PluginHotReloadManager::plugin_file_changed);
        manager->moveToThread(thread());
        QTRY_COMPARE_WITH_TIMEOUT(int(spy.count()), 1, bound);
    }

    void madeUsedAndDestroyedInAWorker()
    {
        Host h;
        std::atomic<bool> told{false};
        std::unique_ptr<QThread> worker(QThread::create([&] {
            PluginHotReloadManager manager;
            QEventLoop loop;
            manager.set_reload_callback([&](const std::string&) {
                told = true;
                loop.quit();
            });
            if (!manager.enable_hot_reload("p", h.file.toStdString()))
                return;
            h.replace("v1");
            QTimer::singleShot(bound, &loop, &QEventLoop::quit);
            loop.exec();
        }));
        worker->start();
        QVERIFY(worker->wait(2 * bound));
        QVERIFY(told.load());
    }

    void destroyedWhileItIsBeingToldOfChanges()
    {
        Host h;
        std::atomic<bool> stop{false};
        std::thread writer([&] {
            while (!stop)
                h.replace("busy");
        });
        hotreload::Options quick;
        quick.quiet = hotreload::no_quiet;
        for (int i = 0; i < 100; ++i) {
            PluginHotReloadManager manager(quick);
            const auto enabled = manager.enable_hot_reload("p", h.file.toStdString());
            if (!enabled)
                stop = true;
            QCoreApplication::processEvents();
        }
        const bool refused = stop.exchange(true);
        writer.join();
        QVERIFY(!refused);
    }

    void manyDerivedAndParentedObjects()
    {
        Host h;
        QObject parent;
        for (int i = 0; i < 50; ++i)
            QVERIFY((new PluginHotReloadManager(&parent))->enable_hot_reload("p", h.file.toStdString()));
        int told = 0;
        for (auto* manager : parent.findChildren<PluginHotReloadManager*>())
            connect(manager, &PluginHotReloadManager::plugin_file_changed, [&] { ++told; });
        h.replace("v1");
        QTRY_COMPARE_WITH_TIMEOUT(told, 50, bound);
    }

    void badOptionsAreToldByEveryEnable()
    {
        Host h;
        hotreload::Options bad;
        bad.quiet = std::chrono::milliseconds(-5);
        QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("cannot create the hot reload manager: .*-5 ms")));
        PluginHotReloadManager manager(bad);
        QVERIFY(!manager.is_valid());
        for (int i = 0; i < 2; ++i) {
            const auto result = manager.enable_hot_reload("p", h.file.toStdString());
            QVERIFY(!result && result.error() == PluginErrorCode::InvalidParameters);
        }
        manager.disable_hot_reload("p");
        manager.clear();
        manager.set_global_hot_reload_enabled(true);
        manager.set_reload_callback([](const std::string&) {});
        QVERIFY(!manager.is_hot_reload_enabled("p") && !manager.is_global_hot_reload_enabled());
        QVERIFY(manager.get_hot_reload_plugins().empty());
        QCOMPARE(int(manager.stats().plugins), 0);
    }

    void nothingIsPrintedButThroughTheCategory()
    {
        lines.clear();
        qInstallMessageHandler(collect);
        {
            Host h;
            (void)h.manager.enable_hot_reload("missing", "/nowhere/at/all.so");
            h.manager.set_reload_callback([](const std::string&) { throw 7; });
            QSignalSpy spy(&h.manager, &PluginHotReloadManager::plugin_file_changed);
            h.replace("v1");
            (void)QTest::qWaitFor([&] { return !lines.isEmpty(); }, bound);
        }
        QLoggingCategory::setFilterRules(QStringLiteral("qtplugin.hotreload=false"));
        {
            Host h;
            bool called = false;
            h.manager.set_reload_callback([&](const std::string&) {
                called = true;
                throw 7;
            });
            h.replace("v1");
            (void)QTest::qWaitFor([&] { return called; }, bound);
        }
        QLoggingCategory::setFilterRules(QString());
        qInstallMessageHandler(nullptr);
        QCOMPARE(lines, QStringList(QStringLiteral("qtplugin.hotreload: the reload callback for plugin \"p\" threw something "
                                                   "that is no std::exception")));
    }
};

QTEST_GUILESS_MAIN(Lifetime)
#include "tst_lifetime.moc"
