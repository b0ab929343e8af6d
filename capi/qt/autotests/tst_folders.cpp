// SPDX-License-Identifier: MIT
// Folders of plugins, and what a Qt host hears of them.
#include "host.hpp"

#include <QDir>

namespace {

/** A manager of a folder, and what it says: "+id" found, "E" enabled, "c" changed, "D" disabled. */
struct Folder {
    Folder()
    {
        QObject::connect(&manager, &PluginHotReloadManager::plugin_discovered,
                         [this](const QString& id, const QString& path, const QString& folder) {
                             said.append(QStringLiteral("+%1 %2 %3").arg(id, QDir(dir.path()).relativeFilePath(path), folder));
                         });
        QObject::connect(&manager, &PluginHotReloadManager::hot_reload_enabled,
                         [this](const QString& id) { said.append(QStringLiteral("E") + id); });
        QObject::connect(&manager, &PluginHotReloadManager::plugin_file_changed,
                         [this](const QString& id) { said.append(QStringLiteral("c") + id); });
        QObject::connect(&manager, &PluginHotReloadManager::hot_reload_disabled,
                         [this](const QString& id) { said.append(QStringLiteral("D") + id); });
    }
    void put(const char* name) const { Host::put(dir.filePath(QString::fromLatin1(name)), "v1"); }
    /** Waits until so much was said, and returns it. */
    QStringList hears(int n)
    {
        if (!QTest::qWaitFor([&] { return said.size() >= n; }, bound))
            qWarning() << "heard only" << said;
        return std::exchange(said, {});
    }

    QTemporaryDir dir;
    PluginHotReloadManager manager{backend()};
    QStringList said;
};

}  // namespace

class Folders : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void aFolderFindsAndLosesPlugins()
    {
        Folder f;
        f.put("old.so");
        f.put("note.txt");
        hotreload::FolderOptions options;
        options.include = {"*.so"};
        QVERIFY(f.manager.enable_folder("f", f.dir.path().toStdString(), options));
        QCOMPARE(f.hears(2), QStringList({"Ef/old.so", "+f/old.so old.so f"}));
        f.put("new.so");
        QCOMPARE(f.hears(3), QStringList({"Ef/new.so", "+f/new.so new.so f", "cf/new.so"}));
        QVERIFY(QFile::remove(f.dir.filePath(QStringLiteral("new.so"))));
        QCOMPARE(f.hears(1), QStringList({"Df/new.so"}));
        QCOMPARE(f.manager.get_folders(), std::vector<std::string>{"f"});
        QVERIFY(f.manager.disable_folder("f") && !f.manager.disable_folder("f"));
        QCOMPARE(f.hears(1), QStringList({"Df/old.so"}));
        QVERIFY(f.manager.get_folders().empty() && f.manager.get_hot_reload_plugins().empty());
    }

    void eventsNameTheFolder()
    {
        Folder f;
        QStringList kinds;
        QObject::connect(&f.manager, &PluginHotReloadManager::hot_reload_event, [&](const hotreload::Event& event) {
            kinds.append(QStringLiteral("%1 %2").arg(int(event.kind)).arg(QString::fromStdString(event.folder_id)));
        });
        QVERIFY(f.manager.enable_folder("f", f.dir.path().toStdString()));
        f.put("a");
        f.hears(3);
        QCOMPARE(kinds, QStringList({"8 f", "1 f"}));
    }

    void aPluginThatASlotDisablesIsNotHeardOfAnyMore()
    {
        Folder f;
        QObject::connect(&f.manager, &PluginHotReloadManager::hot_reload_enabled,
                         [&](const QString& id) { f.manager.disable_hot_reload(id.toStdString()); });
        QVERIFY(f.manager.enable_folder("f", f.dir.path().toStdString()));
        f.put("a");
        QCOMPARE(f.hears(2), QStringList({"Ef/a", "Df/a"}));
        f.put("b");
        QCOMPARE(f.hears(2), QStringList({"Ef/b", "Df/b"}));
    }

    void aSlotMayDeleteTheManager()
    {
        QTemporaryDir dir;
        auto* const manager = new PluginHotReloadManager(backend());
        int found = 0;
        connect(manager, &PluginHotReloadManager::plugin_discovered, this, [&] {
            ++found;
            delete manager;
        });
        QVERIFY(manager->enable_folder("f", dir.path().toStdString()));
        Host::put(dir.filePath(QStringLiteral("a")), "v1");
        QTRY_COMPARE_WITH_TIMEOUT(found, 1, bound);
    }

    void clearEndsFoldersToo()
    {
        Folder f;
        f.put("a");
        QVERIFY(f.manager.enable_folder("f", f.dir.path().toStdString()));
        f.hears(2);
        f.manager.clear();
        QCOMPARE(f.said, QStringList({"Df/a"}));  // before it returns
        QVERIFY(f.manager.get_folders().empty());
        f.put("b");
        QVERIFY(f.manager.enable_folder("g", f.dir.path().toStdString()));
        f.said.clear();
        QCOMPARE(f.hears(4).filter(QStringLiteral("f/")), QStringList());
    }

    void aFolderIsPaused()
    {
        Folder f;
        hotreload::FolderOptions options;
        options.paused = true;
        options.pause_marker = ".building";
        QVERIFY(f.manager.enable_folder("f", f.dir.path().toStdString(), options));
        QVERIFY(f.manager.is_folder_paused("f"));
        f.put("a");
        QTRY_COMPARE_WITH_TIMEOUT(f.manager.stats().pending, std::uint64_t(1), bound);
        QCOMPARE(f.said, QStringList());
        QVERIFY(f.manager.set_folder_paused("f", false) && !f.manager.is_folder_paused("f"));
        QCOMPARE(f.hears(3).size(), 3);
        f.put(".building");
        QTRY_VERIFY_WITH_TIMEOUT(f.manager.is_folder_paused("f"), bound);
        QVERIFY(QFile::remove(f.dir.filePath(QStringLiteral(".building"))));
        QTRY_VERIFY_WITH_TIMEOUT(!f.manager.is_folder_paused("f"), bound);
        QVERIFY(!f.manager.set_folder_paused("none", true) && !f.manager.is_folder_paused("none"));
    }

    void aFunctionGivesIdsAndMayThrow()
    {
        Folder f;
        f.put("a");
        f.put("throws");
        hotreload::FolderOptions options;
        options.id = [](const std::string& path) -> std::optional<std::string> {
            if (path == "throws")
                throw std::runtime_error("no id");
            return "id of " + path;
        };
        QTest::ignoreMessage(QtWarningMsg, "the id function of a folder for plugin \"throws\" threw: no id");
        QVERIFY(f.manager.enable_folder("f", f.dir.path().toStdString(), options));
        QCOMPARE(f.hears(2), QStringList({"Eid of a", "+id of a a f"}));
    }

    void errorsAreThoseOfTheLibrary()
    {
        Folder f;
        const auto failed = f.manager.enable_folder("f", f.dir.filePath(QStringLiteral("none")).toStdString());
        QVERIFY(!failed && failed.error().code() == PluginErrorCode::FileNotFound);
        hotreload::FolderOptions options;
        options.include = {"{"};
        QVERIFY(!f.manager.enable_folder("f", f.dir.path().toStdString(), options));
        hotreload::Options bad;
        bad.quiet = std::chrono::hours(2);
        PluginHotReloadManager none(bad);
        QVERIFY(!none.enable_folder("f", f.dir.path().toStdString()) && !none.set_folder_paused("f", true));
        QVERIFY(!none.disable_folder("f") && none.get_folders().empty() && !none.is_folder_paused("f"));
    }
};

QTEST_GUILESS_MAIN(Folders)
#include "tst_folders.moc"
