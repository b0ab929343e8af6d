// SPDX-License-Identifier: MIT
// expected, PluginError, and deriving from the class and the interface.
#include "host.hpp"

#include <functional>
#include <memory>
#include <sstream>
#include <type_traits>

#include <hot_reload_manager.h>

// Every function of the reference has its type and is not overloaded, so that its address can be taken without a cast.
template <class Result, class... Args>
using Member = Result (PluginHotReloadManager::*)(Args...);
template <class Result, class... Args>
using ConstMember = Result (PluginHotReloadManager::*)(Args...) const;
#define HAS_TYPE(name, ...) static_assert(std::is_same_v<decltype(&PluginHotReloadManager::name), __VA_ARGS__>)
HAS_TYPE(enable_hot_reload, Member<expected<void, PluginError>, const std::string&, const std::filesystem::path&>);
HAS_TYPE(disable_hot_reload, Member<void, const std::string&>);
HAS_TYPE(is_hot_reload_enabled, ConstMember<bool, const std::string&>);
HAS_TYPE(set_reload_callback, Member<void, std::function<void(const std::string&)>>);
HAS_TYPE(get_hot_reload_plugins, ConstMember<std::vector<std::string>>);
HAS_TYPE(clear, Member<void>);
HAS_TYPE(set_global_hot_reload_enabled, Member<void, bool>);
HAS_TYPE(is_global_hot_reload_enabled, ConstMember<bool>);
HAS_TYPE(plugin_file_changed, Member<void, const QString&, const QString&>);
HAS_TYPE(hot_reload_enabled, Member<void, const QString&>);
HAS_TYPE(hot_reload_disabled, Member<void, const QString&>);
HAS_TYPE(create, std::shared_ptr<PluginHotReloadManager> (*)());
static_assert(std::is_base_of_v<QObject, PluginHotReloadManager>);
static_assert(std::is_base_of_v<IPluginHotReloadManager, PluginHotReloadManager>);
static_assert(std::is_constructible_v<PluginHotReloadManager, QObject*>);
static_assert(!std::is_convertible_v<QObject*, PluginHotReloadManager>);  // explicit

using Text = expected<std::string, PluginError>;
using Nothing = expected<void, PluginError>;

class Fake : public IPluginHotReloadManager {
public:
    expected<void, PluginError> enable_hot_reload(const std::string& id, const std::filesystem::path&) override
    {
        if (id.empty())
            return make_unexpected(PluginError(PluginErrorCode::InvalidParameters, "empty"));
        ids.push_back(id);
        return {};
    }
    void disable_hot_reload(const std::string&) override { ids.clear(); }
    bool is_hot_reload_enabled(const std::string&) const override { return !ids.empty(); }
    void set_reload_callback(std::function<void(const std::string&)>) override {}
    std::vector<std::string> get_hot_reload_plugins() const override { return ids; }
    void clear() override { ids.clear(); }
    void set_global_hot_reload_enabled(bool) override {}
    bool is_global_hot_reload_enabled() const override { return true; }

    std::vector<std::string> ids;
};

class Derived : public PluginHotReloadManager {
    Q_OBJECT
public:
    using PluginHotReloadManager::PluginHotReloadManager;
    expected<void, PluginError> enable_hot_reload(const std::string& id, const std::filesystem::path& path) override
    {
        ++calls;
        return PluginHotReloadManager::enable_hot_reload(id, path);
    }
    int calls = 0;
};

class Types : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void valueOrError()
    {
        const Text good(std::string("yes"));
        QVERIFY(good && good.has_value());
        QCOMPARE(good.value(), std::string("yes"));
        QCOMPARE(good->size(), std::size_t(3));
        QCOMPARE(good.value_or("no"), std::string("yes"));
        const Text bad = make_unexpected(PluginError(PluginErrorCode::FileNotFound, "gone", "p", 2));
        QVERIFY(!bad);
        QCOMPARE(bad.value_or("no"), std::string("no"));
        QCOMPARE(bad.error().code(), PluginErrorCode::FileNotFound);
        QCOMPARE(bad.error().plugin_id(), std::string("p"));
        QCOMPARE(bad.error().os_error(), 2);
        QVERIFY(bad.error() == PluginErrorCode::FileNotFound);
        bool thrown = false;
        try {
            (void)bad.value();
        } catch (const bad_expected_access<PluginError>& e) {
            thrown = e.error().message() == "gone";
        }
        QVERIFY(thrown);
    }

    void noValue()
    {
        const Nothing good;
        QVERIFY(good);
        good.value();
        const Nothing bad = make_unexpected(PluginError(PluginErrorCode::SystemError, "io"));
        bool thrown = false;
        try {
            bad.value();
        } catch (const bad_expected_access<PluginError>& e) {
            thrown = e.error() == PluginErrorCode::SystemError;
        }
        QVERIFY(thrown);
    }

    void chains()
    {
        const auto twice = [](const std::string& s) { return Text(s + s); };
        QCOMPARE(Text(std::string("a")).and_then(twice).and_then(twice).value(), std::string("aaaa"));
        const Text bad = make_unexpected(PluginError(PluginErrorCode::InvalidPath, "bad"));
        QCOMPARE(bad.and_then(twice).error().code(), PluginErrorCode::InvalidPath);
        QCOMPARE(bad.or_else([](const PluginError& e) { return Text(std::string(e.message())); }).value(), std::string("bad"));
        QCOMPARE(bad.transform_error([](const PluginError& e) { return int(e.code()); }).error(), 10001);
        QVERIFY(Nothing().and_then([] { return Nothing(); }));
        QCOMPARE(Nothing(make_unexpected(PluginError(PluginErrorCode::InvalidPath, "bad")))
                     .transform_error([](const PluginError& e) { return int(e.code()); })
                     .error(),
                 10001);
    }

    void messageStreams()
    {
        const PluginError error(PluginErrorCode::FileNotFound, "no such file");
        QString text;
        QDebug(&text) << error.message();
        QVERIFY(text.contains(QStringLiteral("no such file")));
        QVERIFY((true ? std::string() : error.message()).empty());
        const std::string literal = error.message().empty() ? "nothing" : error.message();
        QCOMPARE(literal, std::string("no such file"));
        std::ostringstream out;
        out << error.message();
        QCOMPARE(out.str(), std::string("no such file"));
    }

    void errorsAreReadWithAndWithoutParentheses()
    {
        const Nothing result = make_unexpected(PluginError(PluginErrorCode::FileNotFound, "no such file"));
        const PluginError& error = result.error();
        // As the reference has them, and as the users of QtForge 3.2 write them.
        QCOMPARE(error.message(), std::string("no such file"));
        QCOMPARE(error.message, std::string("no such file"));
        QCOMPARE(std::string("no such file"), error.message);
        QCOMPARE(error.message, error.message());
        QCOMPARE(error.code(), PluginErrorCode::FileNotFound);
        QCOMPARE(error.code, PluginErrorCode::FileNotFound);
        QCOMPARE(PluginErrorCode::FileNotFound, error.code);
        QCOMPARE(error.code, error.code());
        QCOMPARE(QString::fromStdString(error.message), QStringLiteral("no such file"));
        QString text;
        QDebug(&text) << error.message.c_str() << error.message();
        QCOMPARE(int(text.count(QStringLiteral("no such file"))), 2);
        PluginError other(PluginErrorCode::SystemError, "io");
        other.code = PluginErrorCode::InvalidState;
        other.message = "another";
        QVERIFY(other == PluginErrorCode::InvalidState && other.message() == "another");
        QCOMPARE(make_error<int>(PluginErrorCode::NotSupported, "never").error().code, PluginErrorCode::NotSupported);
        QCOMPARE(make_error<void>(PluginErrorCode::NotSupported, "never").error().message, std::string("never"));
        QVERIFY(make_success());
    }

    // A code that QtForge 3.2 has is the same number there; ours begin at 10001.
    void numbersAreThoseOfQtForge()
    {
        QCOMPARE(int(PluginErrorCode::Success), 0);
        QCOMPARE(int(PluginErrorCode::FileNotFound), 100);
        QCOMPARE(int(PluginErrorCode::InvalidParameters), 302);
        QCOMPARE(int(PluginErrorCode::ResourceUnavailable), 306);
        QCOMPARE(int(PluginErrorCode::AlreadyExists), 307);
        QCOMPARE(int(PluginErrorCode::InvalidState), 309);
        QCOMPARE(int(PluginErrorCode::NotSupported), 314);
        QCOMPARE(int(PluginErrorCode::SystemError), 316);
        QCOMPARE(int(PluginErrorCode::PermissionDenied), 401);
        QCOMPARE(int(PluginErrorCode::InvalidPath), 10001);
    }

    void everyCodeOfTheLibraryIsMapped()
    {
        for (std::int32_t code = -1; std::string(hrm_error_name(code)) != "HRM_ERR_UNKNOWN"; --code)
            QVERIFY2(hotreload::error_code_of(code) != PluginErrorCode::Success, hrm_error_name(code));
        QCOMPARE(hotreload::error_code_of(HRM_ERR_NO_MEMORY), PluginErrorCode::ResourceUnavailable);  // the last one
        QCOMPARE(hotreload::error_code_of(0), PluginErrorCode::Success);
        QCOMPARE(hotreload::error_code_of(7), PluginErrorCode::Success);
        QCOMPARE(hotreload::error_code_of(-1000), PluginErrorCode::SystemError);
    }

    void throughTheInterface()
    {
        Host h;
        std::vector<std::unique_ptr<IPluginHotReloadManager>> managers;
        managers.push_back(std::make_unique<Fake>());
        managers.push_back(std::make_unique<PluginHotReloadManager>());
        managers.push_back(std::make_unique<Derived>());
        for (const auto& m : managers) {
            QVERIFY(m->enable_hot_reload("p", h.file.toStdString()));
            QVERIFY(!m->enable_hot_reload("", h.file.toStdString()));
            QVERIFY(m->is_hot_reload_enabled("p"));
            QCOMPARE(m->get_hot_reload_plugins(), std::vector<std::string>{"p"});
            m->clear();
            QVERIFY(!m->is_hot_reload_enabled("p"));
        }
        QCOMPARE(static_cast<Derived&>(*managers.back()).calls, 2);
    }

    void derivedClassIsTold()
    {
        Host h;
        Derived manager;
        QSignalSpy spy(&manager, &PluginHotReloadManager::plugin_file_changed);
        QVERIFY(manager.enable_hot_reload("p", h.file.toStdString()));
        h.replace("v1");
        QVERIFY(spy.wait(bound));
    }
};

QTEST_GUILESS_MAIN(Types)
#include "tst_types.moc"
