// SPDX-License-Identifier: MIT
// The adapter for QtForge, with the stand-in: QtForge's interface over this library, and its loader of private copies.
#include <QtTest/QtTest>

#include <fstream>
#include <set>
#include <thread>
#include <type_traits>

#include <qtplugin/core/plugin_loader.hpp>
#include <qtplugin/hotreload/qtforge.hpp>

#include "../../../examples/qt/qtforge/inject.hpp"

using hotreload::qtforge::HotReloadManager;
using qtplugin::PluginErrorCode;
using Interface = qtplugin::IPluginHotReloadManager;
using CopyingLoader = hotreload::qtforge::CopyingLoader<qtplugin::QtPluginLoader>;

static_assert(std::is_base_of_v<QObject, HotReloadManager> && std::is_base_of_v<Interface, HotReloadManager>);
static_assert(std::is_base_of_v<qtplugin::IPluginLoader, CopyingLoader>);

static std::filesystem::path plugin(int version)
{
    return std::filesystem::path(PLUGIN_DIR) / ("qtforge_plugin_" + std::to_string(version) + ".so");
}

static void put(const std::filesystem::path& file, const char* content) { std::ofstream(file) << content; }

class QtForgeAdapter : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_dir = std::make_unique<QTemporaryDir>();
        m_file = m_dir->filePath(QStringLiteral("plugin.so")).toStdString();
        put(m_file, "version 1");
    }

    void everythingWorksThroughQtForgesInterface()
    {
        HotReloadManager object;
        Interface& manager = object;
        QSignalSpy enabled(&object, &HotReloadManager::hot_reload_enabled);
        QSignalSpy disabled(&object, &HotReloadManager::hot_reload_disabled);
        QSignalSpy changed(&object, &HotReloadManager::plugin_file_changed);
        QVERIFY(manager.enable_hot_reload("p", m_file));
        QVERIFY(manager.is_hot_reload_enabled("p") && !manager.is_hot_reload_enabled("q"));
        QCOMPARE(manager.get_hot_reload_plugins(), std::vector<std::string>{"p"});
        QCOMPARE(int(enabled.count()), 1);

        std::vector<std::string> reloads;
        QThread* thread = nullptr;
        manager.set_reload_callback([&](const std::string& id) {
            QCOMPARE(int(changed.count()), 1);  // the signal goes first
            thread = QThread::currentThread();
            reloads.push_back(id);
        });
        put(m_file, "version 2");
        QTRY_COMPARE_WITH_TIMEOUT(reloads, std::vector<std::string>{"p"}, 20000);
        QCOMPARE(thread, object.thread());
        QCOMPARE(changed.at(0).at(0).toString(), QStringLiteral("p"));
        QCOMPARE(changed.at(0).at(1).toString(), QString::fromStdString(m_file.string()));

        manager.set_global_hot_reload_enabled(false);
        QVERIFY(!manager.is_global_hot_reload_enabled());
        manager.set_global_hot_reload_enabled(true);
        QVERIFY(manager.is_global_hot_reload_enabled());
        manager.disable_hot_reload("p");
        QCOMPARE(int(disabled.count()), 1);
        QVERIFY(manager.enable_hot_reload("q", m_file));
        manager.clear();
        QVERIFY(manager.get_hot_reload_plugins().empty());
        QCOMPARE(int(disabled.count()), 2);
    }

    void deliversOnTheThreadOfTheObject()
    {
        QThread thread;
        auto* const object = new HotReloadManager;
        std::atomic<QThread*> delivered{nullptr};
        QObject::connect(object, &HotReloadManager::plugin_file_changed, object,
                         [&] { delivered = QThread::currentThread(); }, Qt::DirectConnection);
        object->moveToThread(&thread);
        thread.start();
        QVERIFY(object->enable_hot_reload("p", m_file));
        put(m_file, "version 2");
        QTRY_COMPARE_WITH_TIMEOUT(delivered.load(), &thread, 20000);
        QMetaObject::invokeMethod(object, [object] { delete object; }, Qt::BlockingQueuedConnection);
        thread.quit();
        QVERIFY(thread.wait(20000));
    }

    void errorsHaveQtForgesCodesAndOurMessage()
    {
        HotReloadManager manager;
        const auto gone = manager.enable_hot_reload("p", m_file.string() + ".gone");
        QVERIFY(!gone);
        QCOMPARE(gone.error().code, PluginErrorCode::FileNotFound);
        QVERIFY(gone.error().message.find("plugin.so.gone") != std::string::npos);
        QVERIFY(manager.enable_hot_reload("p", m_file));
        QCOMPARE(manager.enable_hot_reload("p", m_file).error().code, PluginErrorCode::AlreadyExists);
        QCOMPARE(manager.enable_hot_reload("", m_file).error().code, PluginErrorCode::InvalidParameters);
        QCOMPARE(manager.enable_hot_reload("q", m_file.parent_path()).error().code, PluginErrorCode::InvalidParameters);
        hotreload::Options bad;
        bad.quiet = std::chrono::hours(1000);
        HotReloadManager unusable(bad);
        QVERIFY(!unusable.is_valid());
        QCOMPARE(unusable.enable_hot_reload("p", m_file).error().code, PluginErrorCode::InvalidParameters);
        // Every code of ours has QtForge's of the same number, where there is one.
        using hotreload::ErrorCode;
        for (const ErrorCode code : {ErrorCode::FileNotFound, ErrorCode::InvalidParameters, ErrorCode::ResourceUnavailable,
                                     ErrorCode::AlreadyExists, ErrorCode::InvalidState, ErrorCode::NotSupported,
                                     ErrorCode::SystemError, ErrorCode::PermissionDenied})
            QCOMPARE(int(hotreload::qtforge::code_of(code)), int(code));
        QCOMPARE(hotreload::qtforge::code_of(ErrorCode::InvalidPath), PluginErrorCode::InvalidParameters);
    }

    void everyCopyHasANameOfItsOwnAndGoesWithTheObject()
    {
        std::set<std::filesystem::path> made;
        std::filesystem::path root;
        {
            hotreload::PrivateCopies copies;
            for (int i = 0; i < 5; ++i) {
                const auto copy = copies.make(m_file);
                QVERIFY(copy);
                QCOMPARE(copy->filename(), m_file.filename());
                QVERIFY(made.insert(*copy).second && std::filesystem::exists(*copy));
                root = copy->parent_path().parent_path();
            }
            QCOMPARE(std::filesystem::status(root).permissions() & std::filesystem::perms::mask,
                     std::filesystem::perms::owner_all);
            int left = 0;
            for (const auto& copy : made)
                left += std::filesystem::exists(copy) ? 1 : 0;
            QCOMPARE(left, 2);
            const auto gone = copies.make(m_file.string() + ".gone");
            QCOMPARE(gone.error().code(), hotreload::ErrorCode::FileNotFound);
            QVERIFY(gone.error().message().find("plugin.so.gone") != std::string::npos);
        }
        QVERIFY(!std::filesystem::exists(root));
    }

    void loaderLoadsACopyAndAnswersInQtForgesErrors()
    {
        CopyingLoader loader;
        std::filesystem::copy_file(plugin(1), m_file, std::filesystem::copy_options::overwrite_existing);
        const auto first = loader.load(m_file);
        QVERIFY2(first, first.error().message.c_str());
        // The file is overwritten in place while its copy is loaded, which would crash what is mapped from it.
        put(m_file, "no library");
        first.value()->shutdown();
        QVERIFY(loader.unload("example"));
        QCOMPARE(loader.load(m_file).error().code, PluginErrorCode::LoadFailed);
        QCOMPARE(loader.load(m_file.string() + ".gone").error().code, PluginErrorCode::FileNotFound);
    }

    // PluginManager owns both and deletes them through QtForge's interfaces.
    void pluginManagerOwnsBoth()
    {
        auto object = std::make_unique<HotReloadManager>();
        const QPointer<HotReloadManager> alive(object.get());
        auto plugins = make_plugin_manager(std::make_unique<CopyingLoader>(), std::move(object));
        QVERIFY(alive);
        QVERIFY(plugins->load_plugin(plugin(1)));
        QVERIFY(plugins->unload_plugin("example"));
        plugins.reset();
        QVERIFY(!alive);
    }

private:
    std::unique_ptr<QTemporaryDir> m_dir;
    std::filesystem::path m_file;
};

QTEST_GUILESS_MAIN(QtForgeAdapter)
#include "tst_qtforge.moc"
