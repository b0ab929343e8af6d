// SPDX-License-Identifier: MIT
// PluginHost on another thread: all that it owns goes along.
// What the tests capture outlives their connections. clazy:excludeall=lambda-in-connect
#include "plugins.hpp"

#include <QSignalSpy>
#include <QThread>
#include <QTimer>

#include <atomic>
#include <thread>

class Move : public QObject {
    Q_OBJECT

    /** A host that is destroyed on its thread; what it says, and where. */
    class Moving {
    public:
        Moving() : host(new PluginHost(plugins.options()))
        {
            connect(host, &PluginHost::plugin_loaded, host, [this](const QString&, quint64 generation) {
                on = QThread::currentThread();
                loaded = generation;
            }, Qt::DirectConnection);
            connect(host, &PluginHost::plugin_failed, host, [this](const QString&, const QString&) {
                on = QThread::currentThread();
                ++failed;
            }, Qt::DirectConnection);
            connect(&worker, &QThread::finished, host, &QObject::deleteLater);
            plugins.install("1");
        }
        ~Moving()
        {
            if (worker.isRunning()) {
                worker.quit();
                worker.wait(bound);
            } else {
                delete host;
            }
        }
        Q_DISABLE_COPY(Moving)

        bool loads(quint64 generation)
        {
            const bool done = becomes([&] { return loaded == generation; });
            if (!done)
                qWarning("generation %llu, not %llu", quint64(loaded), generation);
            return done && host->generation("p") == generation;
        }
        bool open() { return host->open("p", plugins.path()).has_value(); }
        void move()
        {
            host->moveToThread(&worker);
            worker.start();
        }
        int version() const
        {
            const auto root = host->instance("p");
            return root ? root->property("version").toInt() : 0;
        }

        Plugins plugins;
        QThread worker;
        PluginHost* const host;
        std::atomic<QThread*> on{nullptr};
        std::atomic<quint64> loaded{0};
        std::atomic<int> failed{0};
    };

private Q_SLOTS:
    void the_manager_and_the_plugins_go_along()
    {
        Moving m;
        QVERIFY(m.open());
        QVERIFY(m.loads(1));
        QCOMPARE(m.on.load(), thread());
        m.move();
        QCOMPARE(m.host->manager().thread(), &m.worker);
        QVERIFY(becomes([&] { return m.host->instance("p")->thread() == &m.worker; }));
        QCOMPARE(m.version(), 1);
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
    }

    void it_loads_exchanges_and_goes_back_on_the_new_thread()
    {
        Moving m;
        m.move();
        QVERIFY(m.open());
        QVERIFY(m.loads(1));
        QCOMPARE(m.on.load(), &m.worker);
        QCOMPARE(m.host->instance("p")->thread(), &m.worker);
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        m.plugins.install("2");
        QVERIFY(m.loads(2));
        QCOMPARE(m.version(), 2);
        m.plugins.install("bad_init");
        QVERIFY(becomes([&] { return m.failed == 1; }));
        QCOMPARE(m.on.load(), &m.worker);
        QTest::ignoreMessage(QtInfoMsg, "version 2 leaves");
        QVERIFY(m.host->fail("p", "answers nonsense").has_value());
        QVERIFY(m.loads(1));
        QCOMPARE(m.version(), 1);
        QCOMPARE(m.host->instance("p")->thread(), &m.worker);
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
    }

    // The same with versions that were loaded before.
    void what_was_loaded_before_is_exchanged_and_gone_back_to()
    {
        Moving m;
        QVERIFY(m.open());
        QVERIFY(m.loads(1));
        auto held = m.host->instance("p");
        QObject* const first = held.get();
        m.plugins.install("2");
        QVERIFY(m.loads(2));
        m.move();
        QVERIFY(m.host->fail("p").has_value());
        QVERIFY(m.loads(1));
        QCOMPARE(m.on.load(), &m.worker);
        QCOMPARE(m.host->instance("p").get(), first);  // still loaded, and not started twice
        QVERIFY(becomes([&] { return first->thread() == &m.worker; }));
        QCOMPARE(first->property("starts").toInt(), 1);
        held.reset();
        m.plugins.install("2");  // whose bytes are known to fail
        m.plugins.install("bad_init");
        QVERIFY(becomes([&] { return m.failed == 1; }));
        QCOMPARE(m.version(), 1);
    }

    void moved_inside_its_slot()
    {
        Moving m;
        connect(m.host, &PluginHost::plugin_loaded, m.host, [&](const QString&, quint64 generation) {
            if (generation == 1)
                m.host->moveToThread(&m.worker);
        }, Qt::DirectConnection);
        QVERIFY(m.open());
        QVERIFY(m.loads(1));
        QCOMPARE(m.on.load(), thread());
        QCOMPARE(m.host->thread(), &m.worker);
        QCOMPARE(m.host->manager().thread(), &m.worker);
        m.worker.start();
        m.plugins.install("2");
        QVERIFY(m.loads(2));
        QCOMPARE(m.on.load(), &m.worker);
        QVERIFY(m.host->fail("p").has_value());
        QVERIFY(m.loads(1));
        QCOMPARE(m.host->instance("p")->thread(), &m.worker);
    }

    // Before the host itself has seen the event: it does so on its new thread.
    void moved_inside_a_slot_of_its_manager()
    {
        const Plugins plugins;
        plugins.install("1");
        QThread worker;
        auto* const host = new PluginHost(plugins.options());
        connect(&worker, &QThread::finished, host, &QObject::deleteLater);
        // As the first slot of the signal, though the host connects its own when it is made.
        disconnect(&host->manager(), &PluginHotReloadManager::plugin_file_changed, nullptr, nullptr);
        std::atomic<QThread*> on{nullptr};
        connect(host, &PluginHost::plugin_loaded, host, [&] { on = QThread::currentThread(); }, Qt::DirectConnection);
        connect(&host->manager(), &PluginHotReloadManager::plugin_file_changed, host, [&] {
            if (host->thread() != &worker)
                host->moveToThread(&worker);
        }, Qt::DirectConnection);
        QVERIFY(host->open("p", plugins.path()).has_value());
        QVERIFY(becomes([&] { return host->thread() == &worker; }));
        worker.start();
        plugins.install("2");
        QVERIFY(becomes([&] { return host->generation("p") == 2; }));
        QVERIFY(becomes([&] { return on == &worker; }));
        QVERIFY(becomes([&] { return host->instance("p")->thread() == &worker; }));
        worker.quit();
        QVERIFY(worker.wait(bound));
    }

    // A plugin's timers and children go on.
    void timers_of_a_plugin_go_on_there()
    {
        Moving m;
        QVERIFY(m.open());
        QVERIFY(m.loads(1));
        const auto root = m.host->instance("p");
        auto* const timer = new QTimer(root.get());
        std::atomic<QThread*> on{nullptr};
        connect(timer, &QTimer::timeout, root.get(), [&] { on = QThread::currentThread(); }, Qt::DirectConnection);
        timer->start(1);
        QVERIFY(becomes([&] { return on == thread(); }));
        m.move();
        QVERIFY(becomes([&] { return on == &m.worker; }));
        QCOMPARE(timer->thread(), &m.worker);
        m.host->close("p");
        QMetaObject::invokeMethod(timer, [timer] { delete timer; }, Qt::BlockingQueuedConnection);
    }

    // What a plugin has arranged for itself stays so.
    void a_plugin_that_lives_elsewhere_stays_there()
    {
        Moving m;
        QVERIFY(m.open());
        QVERIFY(m.loads(1));
        QThread own;
        const auto root = m.host->instance("p");
        root->moveToThread(&own);
        m.move();
        QCOMPARE(m.host->manager().thread(), &m.worker);
        QCOMPARE(root->thread(), &own);
    }

    void there_and_back_again()
    {
        Moving m;
        QVERIFY(m.open());
        QVERIFY(m.loads(1));
        m.host->moveToThread(&m.worker);  // which never runs
        QThread other;
        QCOMPARE(m.host->manager().thread(), &m.worker);
        m.worker.start();
        QMetaObject::invokeMethod(m.host, [&] { m.host->moveToThread(thread()); }, Qt::BlockingQueuedConnection);
        QCOMPARE(m.host->manager().thread(), thread());
        QVERIFY(becomes([&] { return m.host->instance("p")->thread() == thread(); }));
        m.plugins.install("2");
        QVERIFY(m.loads(2));
        QCOMPARE(m.on.load(), thread());
        m.host->moveToThread(&m.worker);  // where it is destroyed
    }

    // Its children are not the host's to destroy while somebody has them.
    void what_is_held_outlives_the_host_data()
    {
        QTest::addColumn<bool>("moved");
        QTest::newRow("where it was") << false;
        QTest::newRow("moved") << true;
    }
    void what_is_held_outlives_the_host()
    {
        QFETCH(bool, moved);
        std::shared_ptr<QObject> held;
        {
            Moving m;
            QVERIFY(m.open());
            QVERIFY(m.loads(1));
            held = m.host->instance("p");
            if (moved)
                m.move();
        }
        QCOMPARE(held->property("version").toInt(), 1);
        if (!moved) {
            QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
            held.reset();
        }
    }

    // Another thread lets go of a version while the host goes to another thread, or ends.
    void let_go_of_while_the_host_moves_or_ends()
    {
        for (int i = 0; i < 50; ++i) {
            Moving m;
            QVERIFY(m.open());
            QVERIFY(m.loads(1));
            auto held = m.host->instance("p");
            m.host->close("p");
            std::atomic<bool> go{false};
            std::thread other([&] {
                while (!go) {
                }
                held.reset();
            });
            go = true;
            if (i % 2 == 0)
                m.move();
            else
                m.host->moveToThread(&m.worker);
            other.join();
        }
    }
};

QTEST_GUILESS_MAIN(Move)
#include "tst_move.moc"
