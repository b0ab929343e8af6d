// In which order signals come when other threads enable and disable.
// What the tests capture outlives their connections. clazy:excludeall=lambda-in-connect
#include "plugins.hpp"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <thread>

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

    // The two take turns, and every change of a plugin comes between them.
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
        const bool all = QTest::qWaitFor([&] { return ended.load() && said.count('D') == rounds; }, 3 * bound);
        other.join();
        QVERIFY2(all && good, said.right(40).constData());
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
        run_on_another_thread(disable);
        enable();
        QCOMPARE(said, QByteArray("EDE"));
        QVERIFY(becomes([&] { return said.size() == 5; }));
        QCOMPARE(said, QByteArray("EDEDE"));
        disable();
        enable();
        QCOMPARE(said, QByteArray("EDEDEDE"));
        run_on_another_thread(disable);
        run_on_another_thread(enable);
        run_on_another_thread(disable);
        QVERIFY(becomes([&] { return said.size() == 10; }));
        QCOMPARE(said, QByteArray("EDEDEDEDED"));
        while (manager.stats().pending > 0)
            QCoreApplication::processEvents();
        enable();
        QCOMPARE(said, QByteArray("EDEDEDEDEDE"));
    }
};

QTEST_GUILESS_MAIN(Order)
#include "tst_order.moc"
