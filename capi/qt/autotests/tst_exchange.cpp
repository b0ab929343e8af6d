// SPDX-License-Identifier: MIT
// PluginHost: the orders of an exchange, several plugins, time limits, and what a step may do to its host.
#include <QDir>
#include <QEventLoop>
#include <QThread>
#include <QTimer>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "plugins.hpp"

using hotreload::PluginOutcome;
using hotreload::ReloadMode;
using hotreload::Verdict;

class Exchange : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<Plugins> plugins;
    PluginHost* host = nullptr;
    std::vector<PluginOutcome> outcomes;  // but notes
    std::vector<PluginOutcome> notes;

    QString at(const char* name) const { return plugins->dir.filePath(QLatin1String(name)); }
    bool open(const ReloadOptions& reload) { return host->open("p", plugins->path(), {}, reload).has_value(); }
    int version(const char* id = "p") const
    {
        const auto root = host->instance(id);
        return root ? root->property("version").toInt() : 0;
    }
    /** Waits for the next outcome; its verdict, and a part of its message. */
    bool happens(Verdict verdict, const char* message)
    {
        if (!becomes([&] { return !outcomes.empty(); }))
            return false;
        const PluginOutcome outcome = outcomes.front();
        outcomes.erase(outcomes.begin());
        const bool good = outcome.verdict == verdict && outcome.message.find(message) != std::string::npos;
        if (!good)
            qWarning("verdict %d: %s", int(outcome.verdict), outcome.message.c_str());
        return good;
    }

private Q_SLOTS:
    void init()
    {
        plugins = std::make_unique<Plugins>();
        host = new PluginHost(plugins->options());
        outcomes.clear();
        notes.clear();
        connect(host, &PluginHost::plugin_outcome, this, [this](const PluginOutcome& outcome) {
            (outcome.verdict == Verdict::noted ? notes : outcomes).push_back(outcome);
        });
    }
    void cleanup()
    {
        delete host;
        host = nullptr;
        // What is deleted inside a step or slot ends a little later.
        const QDir snapshots(at("snapshots"));
        QVERIFY(becomes([&] { return snapshots.entryList(QDir::Dirs | QDir::NoDotAndDotDot).isEmpty(); }));
        plugins.reset();
    }

    // Requests of other threads wait while the old version is shut down and the new one begins; none fails.
    void no_request_fails_data()
    {
        QTest::addColumn<int>("mode");
        QTest::newRow("side by side") << int(ReloadMode::side_by_side);
        QTest::newRow("exit first") << int(ReloadMode::exit_first);
        QTest::newRow("unload first") << int(ReloadMode::unload_first);
    }
    void no_request_fails()
    {
        QFETCH(int, mode);
        ReloadOptions reload;
        reload.mode = ReloadMode(mode);
        reload.hand_over_timeout = std::chrono::milliseconds(bound);  // on a busy machine a call may take long
        plugins->install("1");
        QVERIFY(open(reload));
        QVERIFY(happens(Verdict::done, "p: generation 1 answers now"));
        std::atomic<bool> stop{false};
        std::atomic<long> good{0}, bad{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 2; ++i)
            threads.emplace_back([&] {
                while (!stop) {
                    const auto root = host->instance("p");
                    ++(root && root->property("running").toBool() ? good : bad);
                }
            });
        plugins->install("2");
        const bool second = happens(Verdict::done, "p: generation 2 answers now");
        plugins->install("bad_init");
        const bool third = happens(Verdict::failed, "p: generation 3 failed: init: it returned false; generation 2 goes on");
        plugins->install("bad_state");
        const bool fourth = happens(Verdict::failed, "p: generation 4 failed: restore: it returned false; generation 2 goes on");
        plugins->install("1");
        const bool fifth = happens(Verdict::done, "p: generation 5 answers now");
        stop = true;
        for (std::thread& thread : threads)
            thread.join();
        QVERIFY(second && third && fourth && fifth);
        QCOMPARE(bad.load(), 0L);
        QVERIFY(good > 0);
        QCOMPARE(version(), 1);
    }

    // A call on another thread is waited for; if it does not end in time, nothing is wrong with the new version.
    void call_of_another_thread_postpones_a_hand_over()
    {
        ReloadOptions reload;
        reload.hand_over_timeout = std::chrono::milliseconds(50);
        plugins->install("1");
        QVERIFY(open(reload));
        QVERIFY(happens(Verdict::done, "generation 1"));
        std::shared_ptr<QObject> call;
        std::thread([&] { call = host->instance("p"); }).join();
        plugins->install("2");
        QVERIFY(happens(Verdict::postponed, "p: generation 2 is tried again in 1s (attempt 1): generation 1, calls under way did "
                                            "not end within 50ms; generation 1 goes on"));
        QCOMPARE(version(), 1);
        call.reset();
        QVERIFY(happens(Verdict::done, "p: generation 2 answers now"));
    }

    // What this thread keeps is no call: it holds up no hand-over, only the end of its version.
    void what_the_hosts_thread_keeps_holds_up_nothing()
    {
        plugins->install("1");
        QVERIFY(open({}));
        QVERIFY(happens(Verdict::done, "generation 1"));
        auto kept = host->instance("p");
        plugins->install("2");
        QVERIFY(happens(Verdict::done, "generation 2"));
        QVERIFY(kept->property("running").toBool());
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        kept.reset();
        QVERIFY(becomes([&] { return !notes.empty(); }));
        QVERIFY(notes.front().message.find("p: generation 1 stays in memory: Qt never unloads") == 0);
    }
    // But for one that is to be shut down first.
    void what_the_hosts_thread_keeps_is_not_shut_down()
    {
        ReloadOptions reload;
        reload.mode = ReloadMode::exit_first;
        plugins->install("1");
        QVERIFY(open(reload));
        QVERIFY(happens(Verdict::done, "generation 1"));
        auto kept = host->instance("p");
        plugins->install("2");
        QVERIFY(happens(Verdict::postponed, "generation 1, exit: the host's thread still has it; generation 1 goes on"));
        QVERIFY(kept->property("running").toBool());
        kept.reset();
        QVERIFY(happens(Verdict::done, "p: generation 2 answers now"));
    }

    void state_that_cannot_be_saved_is_waited_for()
    {
        plugins->install("bad_end");
        QVERIFY(open({}));
        QVERIFY(happens(Verdict::done, "generation 1"));
        QVERIFY(!host->take_without_state("p"));
        QVERIFY(!host->take_without_state("nobody"));
        const QSignalSpy failed(host, &PluginHost::plugin_failed);
        plugins->install("2");
        QVERIFY(happens(Verdict::waiting, "p: generation 2 waits: generation 1, save: the state is lost; generation 1 goes on"));
        QCOMPARE(int(failed.size()), 1);
        QCOMPARE(failed.first().at(1).toString(), QStringLiteral("generation 2 waits: generation 1, save: the state is lost; generation 1 goes on"));
        QVERIFY(host->take_without_state("p"));
        QVERIFY(happens(Verdict::done, "p: generation 2 answers now"));
        QVERIFY(becomes([&] {
            return std::any_of(notes.begin(), notes.end(), [](const PluginOutcome& note) {
                return note.message == "p: generation 1 could not exit: it is not over";
            });
        }));
    }
    void optional_state_is_done_without()
    {
        ReloadOptions reload;
        reload.state_optional = true;
        plugins->install("bad_end");
        QVERIFY(open(reload));
        QVERIFY(happens(Verdict::done, "generation 1"));
        plugins->install("2");
        QVERIFY(happens(Verdict::done, "p: generation 2 answers now; without the saved state: generation 1, save: the state is lost"));
    }

    void plugin_that_is_needed_comes_first()
    {
        const QString fonts = at("fonts.so"), style = at("style.so");
        Plugins::install("1", fonts);
        Plugins::install("1", style);
        std::vector<int> connected;
        PluginOpening one{"fonts", fonts.toStdString(), {}, {}}, other{"style", style.toStdString(), {}, {}};
        other.reload.needs = {"fonts"};
        other.reload.connect = [&](QObject& root, const std::vector<QObject*>& needs) {
            QVERIFY(needs.size() == 1 && !root.property("running").toBool() && needs[0]->property("running").toBool());
            connected.push_back(needs[0]->property("version").toInt());
        };
        QVERIFY(!host->open("style", style.toStdString(), {}, other.reload));  // fonts is not open
        QVERIFY(host->open_all({other, one}));
        QVERIFY(happens(Verdict::done, "fonts: generation 1 answers now"));
        QVERIFY(happens(Verdict::done, "style: generation 1 answers now"));
        QTest::ignoreMessage(QtWarningMsg, "plugin \"fonts\" is not closed: plugin \"fonts\" is needed by \"style\"; remove that first or with it");
        host->close("fonts");
        QCOMPARE(version("fonts"), 1);
        Plugins::install("2", fonts);
        QVERIFY(happens(Verdict::done, "fonts: generation 2 answers now"));
        QVERIFY(happens(Verdict::restarted, "style: generation 1 answers again, restarted for fonts generation 2"));
        QCOMPARE(connected, (std::vector<int>{1, 2}));
        one.reload.needs = {"style"};
        PluginHost another(plugins->options());
        const auto circle = another.open_all({one, other});
        QVERIFY(!circle && circle.error().code() == PluginErrorCode::InvalidParameters);
    }

    void set_is_exchanged_when_its_check_agrees()
    {
        const QString left = at("left.so"), right = at("right.so");
        Plugins::install("1", left);
        Plugins::install("1", right);
        std::atomic<bool> fits{true};
        std::atomic<int> asked{0};
        PluginSet set;
        set.id = "pair";
        set.check = [&](const std::vector<hotreload::Candidate>& candidates) -> std::optional<std::string> {
            ++asked;
            if (fits && candidates.size() == 2)
                return std::nullopt;
            return "they do not fit";
        };
        QVERIFY(host->open_all({{"left", left.toStdString(), {}, {}}, {"right", right.toStdString(), {}, {}}}, set));
        QVERIFY(happens(Verdict::done, "left: generation 1 answers now, together with right generation 1"));
        QVERIFY(happens(Verdict::done, "right: generation 1 answers now, together with left generation 1"));
        fits = false;
        const int before = asked;
        Plugins::install("2", left);
        QVERIFY(becomes([&] { return asked > before; }));
        fits = true;
        Plugins::install("2", right);
        QVERIFY(happens(Verdict::done, "left: generation 2 answers now, together with right generation 2"));
        QVERIFY(happens(Verdict::done, "right: generation 2 answers now, together with left generation 2"));
        const auto again = host->open_all({{"third", left.toStdString(), {}, {}}}, set);
        QVERIFY(!again && again.error().code() == PluginErrorCode::AlreadyExists);
    }

    // The thread cannot be interrupted; what it did is undone when it returns.
    void step_that_takes_too_long_has_failed()
    {
        bool slow = false;
        ReloadOptions reload;
        reload.prepare_limit = std::chrono::milliseconds(50);
        reload.prepare = [&](QObject&) {
            if (slow)
                QThread::msleep(500);
        };
        plugins->install("1");
        QVERIFY(open(reload));
        QVERIFY(happens(Verdict::done, "generation 1"));
        slow = true;
        plugins->install("2");
        QVERIFY(happens(Verdict::failed, "p: generation 2 failed: prepare: did not return within 50ms; generation 1 goes on; "
                                         "generation 2 stays loaded until its prepare returns"));
        QCOMPARE(version(), 1);
    }
    void prepare_that_throws_fails_the_version()
    {
        ReloadOptions reload;
        reload.prepare = [](QObject& root) {
            if (root.property("version").toInt() == 2)
                throw std::runtime_error("no room for it");
        };
        plugins->install("1");
        QVERIFY(open(reload));
        QVERIFY(happens(Verdict::done, "generation 1"));
        plugins->install("2");
        QVERIFY(happens(Verdict::failed, "p: generation 2 failed: prepare: no room for it; generation 1 goes on"));
    }
    void bad_options_are_errors()
    {
        plugins->install("1");
        ReloadOptions reload;
        reload.mode = ReloadMode(7);
        QVERIFY(host->open("p", plugins->path(), {}, reload).error().code() == PluginErrorCode::NotSupported);
        reload = {};
        reload.needs = {std::string("a\0b", 3)};
        QVERIFY(host->open("p", plugins->path(), {}, reload).error().code() == PluginErrorCode::InvalidParameters);
        reload = {};
        reload.hand_over_timeout = std::chrono::milliseconds(-5);
        QVERIFY(host->open("p", plugins->path(), {}, reload).error().code() == PluginErrorCode::InvalidParameters);
        hotreload::EnableOptions marked;
        marked.pause_marker = "building";
        QVERIFY(host->open("p", plugins->path(), marked).error().code() == PluginErrorCode::NotSupported);
        QVERIFY(!host->open_all({}));
        hotreload::Options options;
        options.quiet = std::chrono::milliseconds(-7);
        QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("cannot create the hot reload manager: .*")));
        PluginHost bad(options);
        QVERIFY(!bad.manager().is_valid());
        QVERIFY(bad.open("p", plugins->path()).error().code() == PluginErrorCode::InvalidParameters);
        bad.close("p");
        QVERIFY(bad.instance("p") == nullptr && bad.generation("p") == 0);
    }

    void plugin_is_opened_paused()
    {
        hotreload::EnableOptions paused;
        paused.paused = true;
        plugins->install("1");
        QVERIFY(host->open("p", plugins->path(), paused));
        const QString other = at("other.so");
        Plugins::install("1", other);
        QVERIFY(host->open("other", other.toStdString()));
        QVERIFY(happens(Verdict::done, "other: generation 1"));
        QVERIFY(host->manager().is_plugin_paused("p") && host->instance("p") == nullptr);
        QVERIFY(host->manager().set_plugin_paused("p", false));
        QVERIFY(happens(Verdict::done, "p: generation 1"));
    }

    // Steps do not nest, and what happens in the nested loop waits.
    void step_that_runs_an_event_loop()
    {
        const QString other = at("other.so");
        Plugins::install("1", other);
        int depth = 0, deepest = 0;
        bool nested = false;
        ReloadOptions reload;
        reload.prepare = [&](QObject&) {
            deepest = std::max(deepest, ++depth);
            QEventLoop loop;
            connect(&host->manager(), &PluginHotReloadManager::hot_reload_event, &loop, [&] { nested = true; });
            QTimer::singleShot(200, &loop, &QEventLoop::quit);  // the other plugin's version comes meanwhile
            QVERIFY(host->open("other", other.toStdString(), {}, reload));
            loop.exec();
            --depth;
        };
        plugins->install("1");
        QVERIFY(open(reload));
        reload.prepare = [&](QObject&) { deepest = std::max(deepest, ++depth), --depth; };
        QVERIFY(happens(Verdict::done, "p: generation 1"));
        QVERIFY(happens(Verdict::done, "other: generation 1"));
        QCOMPARE(deepest, 1);
        QVERIFY(!nested);
        QCOMPARE(version("other"), 1);
    }

    void host_may_be_deleted_inside_a_step_data()
    {
        QTest::addColumn<bool>("second");
        QTest::newRow("of the first version") << false;
        QTest::newRow("in the middle of an exchange") << true;
    }
    void host_may_be_deleted_inside_a_step()
    {
        QFETCH(bool, second);
        bool deletes = !second;
        ReloadOptions reload;
        reload.prepare = [&](QObject&) {
            if (deletes)
                delete std::exchange(host, nullptr);
        };
        plugins->install("1");
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        QVERIFY(open(reload));
        if (second) {
            QVERIFY(happens(Verdict::done, "generation 1"));
            deletes = true;
            QTest::ignoreMessage(QtInfoMsg, "version 2 leaves");
            plugins->install("2");
        }
        QVERIFY(becomes([&] { return host == nullptr; }));
        QVERIFY(outcomes.empty());
    }

    void host_may_be_deleted_in_a_slot_of_each_signal_data()
    {
        QTest::addColumn<bool>("first");
        QTest::newRow("plugin_outcome") << true;
        QTest::newRow("plugin_loaded") << false;
    }
    void host_may_be_deleted_in_a_slot_of_each_signal()
    {
        QFETCH(bool, first);
        const auto end = [this] { delete std::exchange(host, nullptr); };
        if (first)
            connect(host, &PluginHost::plugin_outcome, this, end);
        else
            connect(host, &PluginHost::plugin_loaded, this, end);
        plugins->install("1");
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        QVERIFY(open({}));
        QVERIFY(becomes([&] { return host == nullptr; }));
    }

    // The exchange goes on there.
    void host_may_be_moved_inside_a_step()
    {
        QThread thread;
        thread.start();
        std::atomic<QThread*> loaded{nullptr}, prepared{nullptr};
        ReloadOptions reload;
        reload.prepare = [&](QObject&) {
            prepared = QThread::currentThread();
            if (host->thread() == prepared && prepared != &thread)
                host->moveToThread(&thread);
        };
        host->disconnect(this);
        connect(host, &PluginHost::plugin_loaded, host, [&] { loaded = QThread::currentThread(); });
        plugins->install("1");
        QVERIFY(open(reload));
        QVERIFY(becomes([&] { return loaded != nullptr; }));
        QVERIFY(loaded == &thread && prepared == QThread::currentThread());
        loaded = nullptr;
        plugins->install("2");
        QVERIFY(becomes([&] { return loaded != nullptr; }));
        QVERIFY(loaded == &thread && prepared == &thread);
        QMetaObject::invokeMethod(host, [this] { delete std::exchange(host, nullptr); }, Qt::BlockingQueuedConnection);
        thread.quit();
        QVERIFY(thread.wait());
    }

    // Nothing of another thread's runs in a plugin: its end comes from the event loop of the host's thread.
    void last_caller_may_be_another_thread()
    {
        plugins->install("1");
        ReloadOptions reload;
        reload.hand_over_timeout = std::chrono::milliseconds(bound);
        QVERIFY(open(reload));
        QVERIFY(happens(Verdict::done, "generation 1"));
        std::shared_ptr<QObject> call;
        std::thread([&] { call = host->instance("p"); }).join();
        host->close("p");
        QVERIFY(call->property("running").toBool());
        std::thread([&] { call.reset(); }).join();
        QTest::ignoreMessage(QtInfoMsg, "version 1 leaves");
        QVERIFY(becomes([&] { return !notes.empty(); }));
    }
};

QTEST_GUILESS_MAIN(Exchange)
#include "tst_exchange.moc"
