// SPDX-License-Identifier: MIT
// PluginHost and PluginHotReloadManager: no safeguard that was asked for is lost, and nothing that goes wrong around a
// validator lets a version through.
#include "plugins.hpp"

#include <QSignalSpy>

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>

using hotreload::SafeOptions;

using Set = std::function<void(SafeOptions&)>;
using Validate = std::function<std::optional<std::string>()>;
Q_DECLARE_METATYPE(Set)
Q_DECLARE_METATYPE(Validate)

namespace {

constexpr const char* key = "RWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR";

/** "before", a NUL, "after": what C would take for "before". */
std::string cut(const std::string& before) { return before + std::string("\0after", 6); }

struct Silent : std::exception {
    const char* what() const noexcept override { return nullptr; }
};

}  // namespace

class Safeguards : public QObject {
    Q_OBJECT

    const Plugins plugins;

    hotreload::Options options(const std::optional<SafeOptions>& safe) const
    {
        hotreload::Options options = plugins.options();
        options.safe = safe;
        return options;
    }
    /** Why a host with @p all does not load the plugin with @p own; empty if it does. */
    QString opened(const SafeOptions& all, const std::optional<SafeOptions>& own) const
    {
        PluginHost host(options(all));
        const QSignalSpy loaded(&host, &PluginHost::plugin_loaded);
        const QSignalSpy failed(&host, &PluginHost::plugin_failed);
        hotreload::EnableOptions mine;
        mine.safe = own;
        if (const auto result = host.open("p", plugins.path(), mine); !result)
            return QString::fromStdString(result.error().message());
        if (!becomes([&] { return loaded.size() + failed.size() == 1; }))
            return QStringLiteral("neither loaded nor failed");
        return failed.isEmpty() ? QString() : failed.at(0).at(1).toString();
    }
    static const char* name_of(const qtplugin::expected<void, PluginError>& result)
    {
        return result ? "no error" : result.error().message().c_str();
    }

private Q_SLOTS:
    void init() { plugins.install("1"); }

    void the_hosts_hold_for_every_plugin_data()
    {
        QTest::addColumn<Set>("set");
        QTest::addColumn<Set>("exempt");
        QTest::addColumn<QByteArray>("build");
        QTest::addColumn<QByteArray>("why");
        const std::string list = plugins.dir.filePath(QStringLiteral("sums")).toStdString();
        const Set none = [](SafeOptions&) {};
        QTest::newRow("image") << Set([](SafeOptions& o) { o.image = true; }) << Set([](SafeOptions& o) { o.image = false; })
                               << QByteArray("text") << QByteArray("image");
        QTest::newRow("strict_modes") << Set([](SafeOptions& o) { o.strict_modes = true; })
                                      << Set([](SafeOptions& o) { o.strict_modes = false; }) << QByteArray("writable")
                                      << QByteArray("writable by others");
        QTest::newRow("symbols") << Set([](SafeOptions& o) { o.symbols = std::vector<std::string>{"no_such"}; })
                                 << Set([](SafeOptions& o) { o.symbols = std::vector<std::string>{"qt_plugin_instance"}; })
                                 << QByteArray("1") << QByteArray("no_such");
        QTest::newRow("allow_list") << Set([list](SafeOptions& o) { o.allow_list = list; }) << none << QByteArray("1")
                                    << QByteArray("sums");
        QTest::newRow("public_keys") << Set([](SafeOptions& o) { o.public_keys = std::vector<std::string>{key}; })
                                     << none << QByteArray("1") << QByteArray("minisig");
        QTest::newRow("rising_version") << Set([](SafeOptions& o) { o.rising_version = true; })
                                        << Set([](SafeOptions& o) { o.rising_version = false; }) << QByteArray("1")
                                        << QByteArray("there are no public_keys");
        QTest::newRow("min_version") << Set([](SafeOptions& o) { o.min_version = "1.0"; }) << none << QByteArray("1")
                                     << QByteArray("there are no public_keys");
        QTest::newRow("list_names") << Set([](SafeOptions& o) { o.list_names = true; })
                                    << Set([](SafeOptions& o) { o.list_names = false; }) << QByteArray("1")
                                    << QByteArray("there is no allow_list");
    }
    void the_hosts_hold_for_every_plugin()
    {
        QFETCH(Set, set);
        QFETCH(Set, exempt);
        QFETCH(QByteArray, build);
        QFETCH(QByteArray, why);
        QFile(plugins.dir.filePath(QStringLiteral("sums"))).open(QIODevice::WriteOnly);
        if (build == "text") {
            QFile f(plugins.file);
            QVERIFY(f.open(QIODevice::WriteOnly) && f.write("no image") > 0);
        } else if (build == "writable") {
            QVERIFY(QFile::setPermissions(plugins.file, QFile::permissions(plugins.file) | QFile::WriteOther));
        }
        SafeOptions all, something, own;
        set(all);
        something.keep_generations = 2;
        exempt(own);
        for (const std::optional<SafeOptions>& plugin : {std::optional<SafeOptions>(), std::optional(something)}) {
            const QString reason = opened(all, plugin);
            QVERIFY2(reason.contains(QLatin1String(why)), qPrintable(reason));
        }
        // Without it, and for a plugin that names the field, it does not hold.
        QVERIFY(!opened({}, something).contains(QLatin1String(why)));
        if (own.image || own.strict_modes || own.symbols || own.rising_version || own.list_names)
            QVERIFY(!opened(all, own).contains(QLatin1String(why)));
    }

    // Times and numbers, by what they do.
    void the_hosts_times_and_numbers_hold_too()
    {
        SafeOptions all;
        all.validator_timeout = std::chrono::milliseconds(50);
        all.accept_on_timeout = true;
        all.retries = 1;
        all.retry_delay = std::chrono::milliseconds(1);
        PluginHost host(options(all));
        std::atomic<bool> goes_on{false};
        QVERIFY(host.manager().set_validator([&](const hotreload::Candidate&) -> std::optional<std::string> {
            for (const QDeadlineTimer deadline(bound); !goes_on && !deadline.hasExpired();)
                QThread::yieldCurrentThread();
            return std::nullopt;
        }).has_value());
        const QSignalSpy failed(&host, &PluginHost::plugin_failed);
        plugins.install("bad_init");
        hotreload::EnableOptions mine;
        mine.safe.emplace().keep_generations = 2;
        QVERIFY(host.open("p", plugins.path(), mine).has_value());
        QVERIFY(becomes([&] { return failed.size() == 1; }));  // accepted at its timeout
        goes_on = true;
        QVERIFY(becomes([&] { return failed.size() == 2; }));  // tried once more
        for (const auto& failure : failed)
            QVERIFY(failure.at(1).toString().contains(QStringLiteral("init: it returned false")));
        host.close("p");
        goes_on = false;
        mine.safe->accept_on_timeout = false;
        QVERIFY(host.open("p", plugins.path(), mine).has_value());
        QVERIFY(becomes([&] { return failed.size() == 3; }));
        QVERIFY(failed.at(2).at(1).toString().contains(QStringLiteral("50ms")));
        goes_on = true;
    }

    void report_timeout_holds_too()
    {
        hotreload::Options all = options(SafeOptions());
        all.safe->report_timeout = std::chrono::milliseconds(50);
        PluginHotReloadManager manager(all);  // a PluginHost always reports
        int missing = 0, changes = 0;
        connect(&manager, &PluginHotReloadManager::hot_reload_event, this, [&](const hotreload::Event& event) {
            missing += event.health == hotreload::Health::no_report ? 1 : 0;
            changes += event.kind == hotreload::EventKind::file_changed ? 1 : 0;
        });
        hotreload::EnableOptions mine;
        mine.deliver_present = true;
        mine.safe.emplace().keep_generations = 2;
        QVERIFY(manager.enable_hot_reload_ex("p", plugins.path(), mine).has_value());
        QVERIFY(becomes([&] { return missing == 1; }));
        mine.safe->report_timeout = std::chrono::milliseconds(0);
        QVERIFY(manager.enable_hot_reload_ex("q", plugins.path(), mine).has_value());
        QVERIFY(becomes([&] { return changes == 2; }));
        plugins.install("2");
        QVERIFY(becomes([&] { return missing == 2 && changes == 4; }));  // of p alone
    }

    void named_but_empty_is_an_error_data()
    {
        QTest::addColumn<Set>("set");
        QTest::newRow("symbols") << Set([](SafeOptions& o) { o.symbols.emplace(); });
        QTest::newRow("public_keys") << Set([](SafeOptions& o) { o.public_keys.emplace(1); });
        QTest::newRow("allow_list") << Set([](SafeOptions& o) { o.allow_list = ""; });
    }
    void named_but_empty_is_an_error()
    {
        QFETCH(Set, set);
        hotreload::EnableOptions mine;
        set(mine.safe.emplace());
        PluginHost host(plugins.options());
        const auto result = host.open("p", plugins.path(), mine);
        QVERIFY(!result && result.error() == PluginErrorCode::InvalidParameters);
        QVERIFY2(result.error().message().find(QTest::currentDataTag()) != std::string::npos, name_of(result));
        QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QString::fromLatin1(QTest::currentDataTag())));
        PluginHost bad(options(mine.safe));
        const auto refused = bad.open("p", plugins.path());
        QVERIFY(!refused && refused.error() == PluginErrorCode::InvalidParameters);
    }

    void no_string_is_cut_at_a_nul_byte()
    {
        PluginHost host(plugins.options());
        PluginHotReloadManager& manager = host.manager();
        QVERIFY(manager.enable_hot_reload("p", plugins.path()));
        const auto named = [](const qtplugin::expected<void, PluginError>& result) {
            return !result && result.error().message().find("\\x00after") != std::string::npos;
        };
        QVERIFY(named(manager.enable_hot_reload(cut("p"), plugins.path())));
        QVERIFY(named(manager.enable_hot_reload("q", cut(plugins.path()))));
        QVERIFY(named(manager.report_reload(cut("p"), 1, hotreload::Outcome::ok)));
        QVERIFY(named(manager.report_reload("p", 1, hotreload::Outcome::failed, cut("why"))));
        QVERIFY(named(host.open(cut("p"), plugins.path())));
        QVERIFY(named(host.fail(cut("p"), "why")));
        QVERIFY(named(host.fail("p", cut("why"))));
        hotreload::EnableOptions mine;
        mine.safe.emplace().allow_list = cut("list");
        QVERIFY(named(manager.enable_hot_reload_ex("q", plugins.path(), mine)));
        QVERIFY(named(host.open("q", plugins.path(), mine)));
        manager.disable_hot_reload(cut("p"));
        host.close(cut("p"));
        QVERIFY(manager.is_hot_reload_enabled("p") && !manager.is_hot_reload_enabled(cut("p")));
        QVERIFY(host.instance(cut("p")) == nullptr && host.generation(cut("p")) == 0);
    }

    void whatever_goes_wrong_in_a_validator_is_a_rejection_data()
    {
        using Answer = std::optional<std::string>;
        QTest::addColumn<Validate>("validate");
        QTest::addColumn<QString>("why");
        const auto row = [](const char* name, Validate validate, const char* why) {
            QTest::newRow(name) << std::move(validate) << QString::fromUtf8(why);
        };
        row("an exception", []() -> Answer { throw std::runtime_error("thrown"); }, "thrown");
        row("an exception without text", []() -> Answer { throw Silent(); }, "what() is null");
        row("no std::exception", []() -> Answer { throw 7; }, "no std::exception");
        row("no memory for a QString", []() -> Answer { qBadAlloc(); return std::nullopt; }, "bad_alloc");
        row("not UTF-8", []() -> Answer { return "\xff bytes"; }, "bytes");
        row("a NUL byte", []() -> Answer { return cut("before"); }, "before\\x00after");
        row("no text", []() -> Answer { return ""; }, "");
    }
    void whatever_goes_wrong_in_a_validator_is_a_rejection()
    {
        QFETCH(Validate, validate);
        QFETCH(QString, why);
        PluginHost host(plugins.options());
        QVERIFY(host.manager().set_validator([=](const hotreload::Candidate&) { return validate(); }).has_value());
        const QSignalSpy failed(&host, &PluginHost::plugin_failed);
        QVERIFY(host.open("p", plugins.path()).has_value());
        QVERIFY(becomes([&] { return failed.size() == 1; }));
        QVERIFY2(failed.at(0).at(1).toString().contains(why), qPrintable(failed.at(0).at(1).toString()));
        QVERIFY(host.instance("p") == nullptr);
        QCOMPARE(host.manager().stats().deliveries, std::uint64_t(0));
    }

    // The manager goes with what its callback holds, inside that callback.
    void a_callback_that_owns_its_manager()
    {
        auto manager = PluginHotReloadManager::create();
        const QPointer<PluginHotReloadManager> alive = manager.get();
        PluginHotReloadManager* const raw = manager.get();
        raw->set_reload_callback([manager](const std::string&) { manager->set_reload_callback({}); });
        QVERIFY(raw->enable_hot_reload("p", plugins.path()));
        manager.reset();
        QVERIFY(!alive.isNull());
        plugins.install("2");
        QVERIFY(becomes([&] { return alive.isNull(); }));
    }
};

QTEST_GUILESS_MAIN(Safeguards)
#include "tst_safeguards.moc"
