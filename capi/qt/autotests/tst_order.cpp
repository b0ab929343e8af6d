// SPDX-License-Identifier: MIT
// In which order signals come when other threads enable and disable.
// What the tests capture outlives their connections. clazy:excludeall=lambda-in-connect
#include "plugins.hpp"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <thread>

#include <QtCore/QRandomGenerator>

namespace {

// Runs at each allocation of its thread: a place inside of the library at which a thread can be held.
thread_local const std::function<void()>* at_allocation = nullptr;

}  // namespace

void* operator new(std::size_t size)
{
    if (const auto* const held = std::exchange(at_allocation, nullptr)) {
        (*held)();
        at_allocation = held;
    }
    void* const memory = std::malloc(size > 0 ? size : 1);
    if (memory == nullptr)
        throw std::bad_alloc();
    return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

class Order : public QObject {
    Q_OBJECT

    static void put(const Plugins& plugins)
    {
        QFile f(plugins.file);
        if (!f.open(QIODevice::WriteOnly) || f.write("v0") != 2)
            qFatal("cannot write the plugin");
    }
    static void run_on_another_thread(const std::function<void()>& f) { std::thread(f).join(); }

    /** Notes what a manager says: E(nabled), c(hanged), D(isabled). */
    static void note(const PluginHotReloadManager& manager, QByteArray& said)
    {
        connect(&manager, &PluginHotReloadManager::hot_reload_enabled, [&] { said.append('E'); });
        connect(&manager, &PluginHotReloadManager::hot_reload_disabled, [&] { said.append('D'); });
        connect(&manager, &PluginHotReloadManager::plugin_file_changed, [&] { said.append('c'); });
    }
    /** Delivers without the rests of qWaitFor() between two events. */
    static bool all_delivered(const PluginHotReloadManager& manager)
    {
        const QDeadlineTimer end(bound);
        while (manager.stats().pending > 0 && !end.hasExpired())
            QCoreApplication::processEvents();
        return manager.stats().pending == 0;
    }
    static hotreload::Options quick()
    {
        hotreload::Options quick;
        quick.quiet = hotreload::no_quiet;
        return quick;
    }

private Q_SLOTS:
    // The thread that enables is held, as soon as the plugin is enabled, until its first change was delivered.
    void enabled_comes_first_however_slow_the_thread_that_enables()
    {
        const Plugins plugins;
        put(plugins);
        PluginHotReloadManager manager(quick());
        QByteArray said;
        note(manager, said);
        std::atomic<bool> changed{false};
        connect(&manager, &PluginHotReloadManager::plugin_file_changed, [&] { changed = true; });
        std::thread other([&] {
            const std::function<void()> held = [&] {
                for (const QDeadlineTimer end(bound); manager.is_hot_reload_enabled("p") && !changed && !end.hasExpired();)
                    std::this_thread::yield();
            };
            hotreload::EnableOptions present;
            present.deliver_present = true;
            at_allocation = &held;
            (void)manager.enable_hot_reload_ex("p", plugins.path(), present);
            at_allocation = nullptr;
        });
        (void)becomes([&] { return said.size() == 2; });
        other.join();
        QCOMPARE(said, QByteArray("Ec"));
    }

    // The two take turns, and every change of a plugin comes between them. An enabling that ends before anything of it was
    // delivered may go unsignalled: every other one waits for its change.
    void enabled_comes_before_every_change_and_disabled_after_the_last()
    {
        constexpr int rounds = 60;
        const Plugins plugins;
        put(plugins);
        PluginHotReloadManager manager(quick());
        QByteArray said;
        note(manager, said);
        std::atomic<int> changes{0};
        connect(&manager, &PluginHotReloadManager::plugin_file_changed, [&] { ++changes; });
        std::atomic<bool> good{true}, ended{false};
        std::thread other([&] {
            hotreload::EnableOptions present;
            present.deliver_present = true;
            for (int i = 1; i <= rounds && good; ++i) {
                good = manager.enable_hot_reload_ex("p", plugins.path(), present).has_value();
                QDeadlineTimer deadline(bound);
                while (i % 2 == 0 && changes < i / 2 && good) {  // else it may be disabled before it is delivered
                    good = !deadline.hasExpired();
                    std::this_thread::yield();
                }
                manager.disable_hot_reload("p");
                if (i % 2 != 0)
                    changes = i / 2;
            }
            ended = true;
        });
        const bool all = QTest::qWaitFor([&] { return ended.load() && manager.stats().pending == 0; }, 3 * bound);
        other.join();
        QVERIFY2(all && good, said.right(40).constData());
        QVERIFY2(said.count('c') >= rounds / 2, said.constData());
        QCOMPARE(said.count('E'), said.count('D'));
        char last = 'D';
        for (const char c : said) {
            QVERIFY2(c == 'E' ? last == 'D' : last != 'D', said.constData());
            last = c;
        }
    }

    // Calls on the object's thread announce at once, also while announcements of other threads are to come.
    void announcements_of_two_threads_take_turns()
    {
        const Plugins plugins;
        put(plugins);
        PluginHotReloadManager manager;
        QByteArray said;
        note(manager, said);
        const auto enable = [&] { (void)manager.enable_hot_reload("p", plugins.path()); };
        const auto disable = [&] { manager.disable_hot_reload("p"); };
        run_on_another_thread(enable);
        QCOMPARE(said, QByteArray());
        disable();
        QCOMPARE(said, QByteArray("ED"));  // it was enabled, by the other thread
        run_on_another_thread(enable);
        run_on_another_thread(disable);  // came and went unheard
        enable();
        QCOMPARE(said, QByteArray("EDE"));
        QVERIFY(all_delivered(manager));
        QCOMPARE(said, QByteArray("EDE"));
        disable();
        enable();
        QCOMPARE(said, QByteArray("EDEDE"));
        run_on_another_thread(disable);
        run_on_another_thread(enable);
        run_on_another_thread(disable);
        QVERIFY(all_delivered(manager));
        QCOMPARE(said, QByteArray("EDEDED"));
        enable();
        QCOMPARE(said, QByteArray("EDEDEDE"));
        QVERIFY(all_delivered(manager));
        run_on_another_thread(disable);
        enable();
        QCOMPARE(said, QByteArray("EDEDEDEDE"));  // it was disabled, by the other thread
        QVERIFY(all_delivered(manager));
        run_on_another_thread(disable);
        QVERIFY(all_delivered(manager));
        QCOMPARE(said, QByteArray("EDEDEDEDED"));
    }

    // However often calls on the object's thread enabled and disabled it before.
    void what_another_thread_does_is_announced_after_calls_on_the_objects_thread()
    {
        const Plugins plugins;
        put(plugins);
        PluginHotReloadManager manager;
        QByteArray said;
        note(manager, said);
        const auto enable = [&] { (void)manager.enable_hot_reload("p", plugins.path()); };
        const auto disable = [&] { manager.disable_hot_reload("p"); };
        for (const int heard : {0, 1}) {  // whether its first enabling is delivered before it is disabled
            for (const int calls : {1, 2, 3, 4, 5, 6}) {
                said.clear();
                for (int i = 0; i < calls; ++i) {
                    i % 2 == 0 ? enable() : disable();
                    if (i == 0 && heard != 0)
                        QVERIFY(all_delivered(manager));
                }
                QByteArray expected = QByteArray("EDEDED").left(calls);
                QCOMPARE(said, expected);
                if (calls % 2 == 0) {
                    run_on_another_thread(enable);
                    QVERIFY(all_delivered(manager));
                    QCOMPARE(said, expected += 'E');
                }
                run_on_another_thread(disable);
                QVERIFY(all_delivered(manager));
                QCOMPARE(said, expected += 'D');
            }
        }
    }

    // In any order of calls: the signals take turns, a call on the object's thread is signalled when it returns, no
    // signal stands for no call, and when all is delivered the last signal says how things are.
    void signals_say_how_things_are_whatever_two_threads_did()
    {
        const Plugins plugins;
        put(plugins);
        QRandomGenerator random(1);
        for (int run = 0; run < 100; ++run) {
            PluginHotReloadManager manager;
            QByteArray said;
            note(manager, said);
            QByteArray calls;  // in capitals: on the object's thread
            bool enabled = false, alone = true;
            const bool others = run % 4 != 0;
            for (int i = 0; i < 20; ++i) {
                const bool own = !others || random.bounded(2) == 0;
                const auto before = said.size();
                const auto call = [&] {
                    if (enabled)
                        manager.disable_hot_reload("p");
                    else
                        (void)manager.enable_hot_reload("p", plugins.path());
                };
                own ? call() : run_on_another_thread(call);
                calls.append(enabled ? (own ? 'D' : 'd') : (own ? 'E' : 'e'));
                enabled = !enabled;
                alone = alone && own;
                if (own)
                    QVERIFY2(said.size() > before && said.endsWith(enabled ? 'E' : 'D'), (calls + ": " + said).constData());
                if (random.bounded(3) == 0) {
                    calls.append('.');
                    QVERIFY(all_delivered(manager));
                    QVERIFY2(said.endsWith(enabled ? 'E' : 'D') || (!enabled && said.isEmpty()), (calls + ": " + said).constData());
                } else if (random.bounded(3) == 0) {
                    calls.append(',');
                    QCoreApplication::processEvents();
                }
                for (int j = 0; j < said.size(); ++j)
                    QVERIFY2(said[j] == (j % 2 == 0 ? 'E' : 'D'), (calls + ": " + said).constData());
                if (alone)
                    QCOMPARE(said.size(), i + 1);
                QVERIFY2(said.size() <= i + 1, (calls + ": " + said).constData());
            }
        }
    }

    // The library keeps no event of most of these.
    void plugins_that_came_and_went_by_the_thousand_are_announced_when_another_thread_enables_them()
    {
        constexpr int count = 1000;
        const Plugins plugins;
        put(plugins);
        PluginHotReloadManager manager;
        QByteArray said;
        note(manager, said);
        const auto id = [](int i) { return "p" + std::to_string(i); };
        for (int i = 0; i < count; ++i) {
            QVERIFY(manager.enable_hot_reload(id(i), plugins.path()));
            manager.disable_hot_reload(id(i));
        }
        QCOMPARE(said, QByteArray("ED").repeated(count));
        run_on_another_thread([&] { (void)manager.enable_hot_reload(id(0), plugins.path()); });
        QVERIFY(all_delivered(manager));
        QCOMPARE(said.mid(2 * count), QByteArray("E"));
        run_on_another_thread([&] {
            for (int i = 1; i < count; ++i)
                (void)manager.enable_hot_reload(id(i), plugins.path());
        });
        QVERIFY(all_delivered(manager));
        QCOMPARE(said.mid(2 * count), QByteArray("E").repeated(count));
        run_on_another_thread([&] { manager.clear(); });
        QVERIFY(all_delivered(manager));
        QCOMPARE(said.mid(3 * count), QByteArray("D").repeated(count));
    }

    // The library takes most of these for unheard, and keeps no event of them.
    void plugins_that_were_announced_as_enabled_are_announced_as_disabled_however_many_wait()
    {
        constexpr int count = 1000;
        const Plugins plugins;
        put(plugins);
        PluginHotReloadManager manager;
        QByteArray said;
        note(manager, said);
        for (int i = 0; i < count; ++i)
            QVERIFY(manager.enable_hot_reload("p" + std::to_string(i), plugins.path()));
        run_on_another_thread([&] { manager.clear(); });
        QVERIFY(all_delivered(manager));
        QVERIFY(becomes([&] { return said.size() >= 2 * count; }));
        QCOMPARE(said, QByteArray("E").repeated(count) + QByteArray("D").repeated(count));
    }
};

QTEST_GUILESS_MAIN(Order)
#include "tst_order.moc"
