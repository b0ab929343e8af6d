// SPDX-License-Identifier: MIT
// Bad input: the documented code, and a message that names the value.
#include "host.hpp"

#include <QProcess>

#include <sys/stat.h>
#include <unistd.h>

class Paths : public QObject {
    Q_OBJECT

    static bool refuses(PluginHotReloadManager& m, const std::string& id, const std::filesystem::path& path,
                        PluginErrorCode code, const char* names)
    {
        const auto result = m.enable_hot_reload(id, path);
        if (result) {
            qWarning("enabled: %s", path.c_str());
            return false;
        }
        const std::string message = result.error().message();
        if (result.error().code() == code && message.find(names) != std::string::npos)
            return true;
        qWarning("code %d, \"%s\"", int(result.error().code()), message.c_str());
        return false;
    }

private Q_SLOTS:
    void refusedPaths()
    {
        Host h;
        const auto p = [&](const char* name) { return std::filesystem::path(h.at(name).toStdString()); };
        QCOMPARE(symlink("nowhere", p("dangling").c_str()), 0);
        QCOMPARE(mkfifo(p("fifo").c_str(), 0600), 0);
        auto& m = h.manager;
        QVERIFY(refuses(m, "x", p("missing.so"), PluginErrorCode::FileNotFound, "missing.so"));
        QVERIFY(refuses(m, "x", p("dangling"), PluginErrorCode::FileNotFound, "dangling"));
        QVERIFY(refuses(m, "x", "", PluginErrorCode::InvalidPath, "empty"));
        QVERIFY(refuses(m, "x", h.dir.path().toStdString(), PluginErrorCode::InvalidPath, "directory"));
        QVERIFY(refuses(m, "x", p("fifo"), PluginErrorCode::InvalidPath, "fifo"));
        QVERIFY(refuses(m, "x", "/dev/null", PluginErrorCode::InvalidPath, "/dev/null"));
        QVERIFY(refuses(m, "x", std::string(5000, 'l'), PluginErrorCode::InvalidPath, "5000"));
        QVERIFY(refuses(m, "x", std::string("nul\0byte", 8), PluginErrorCode::InvalidPath, "nul\\x00byte"));
        QVERIFY(refuses(m, "p", p("missing.so"), PluginErrorCode::AlreadyExists, "\"p\""));
        QVERIFY(h.isQuiet());
    }

    void refusedIds()
    {
        Host h;
        const std::string path = h.file.toStdString();
        QVERIFY(refuses(h.manager, "", path, PluginErrorCode::InvalidParameters, "empty"));
        QVERIFY(refuses(h.manager, std::string("a\0b", 3), path, PluginErrorCode::InvalidParameters, "a\\x00b"));
        QVERIFY(refuses(h.manager, "\xff", path, PluginErrorCode::InvalidParameters, "xff"));
        QVERIFY(refuses(h.manager, std::string(256, 'x'), path, PluginErrorCode::InvalidParameters, "256"));
        QVERIFY(!h.manager.is_hot_reload_enabled(std::string("p\0q", 3)));
        h.manager.disable_hot_reload(std::string("p\0q", 3));
        QVERIFY(h.manager.is_hot_reload_enabled("p"));
        h.manager.disable_hot_reload("unknown");
        QVERIFY(h.isQuiet());
    }

    void bytesThatAreNotUtf8()
    {
        Host h;
        const std::string path = h.dir.path().toStdString() + "/pl\xffug\xfein.so";
        const auto put = [&](const char* content) {
            FILE* f = std::fopen(path.c_str(), "w");
            QVERIFY(f != nullptr);
            QVERIFY(std::fputs(content, f) >= 0);
            QCOMPARE(std::fclose(f), 0);
        };
        put("v0");
        QStringList ids;
        connect(&h.manager, &PluginHotReloadManager::plugin_file_changed,
                [&](const QString& id, const QString&) { ids.append(id); });
        QVERIFY(h.manager.enable_hot_reload("bytes", path));
        put("v1");
        QTRY_COMPARE_WITH_TIMEOUT(ids, QStringList(QStringLiteral("bytes")), bound);
    }

    void listIsInOrderOfEnabling()
    {
        Host h;
        for (const char* id : {"z", "b", "\xc3\xa4", "a"})
            QVERIFY(h.manager.enable_hot_reload(id, h.file.toStdString()));
        h.manager.disable_hot_reload("b");
        QCOMPARE(h.manager.get_hot_reload_plugins(), (std::vector<std::string>{"p", "z", "\xc3\xa4", "a"}));
        h.manager.clear();
        QVERIFY(h.manager.get_hot_reload_plugins().empty());
    }

    // As an ordinary user, in a process of its own: the privileges do not come back.
    void permissionDenied()
    {
        QTemporaryDir dir;
        QVERIFY(::chmod(qPrintable(dir.path()), 0755) == 0);
        const QString unreadable = dir.filePath(QStringLiteral("unreadable.so"));
        const QString closed = dir.filePath(QStringLiteral("closed"));
        Host::put(unreadable, "x");
        QVERIFY(QDir().mkdir(closed));
        Host::put(closed + QStringLiteral("/plugin.so"), "x");
        QVERIFY(::chmod(qPrintable(unreadable), 0) == 0);
        QVERIFY(::chmod(qPrintable(closed), 0) == 0);
        QProcess child;
        child.setProcessChannelMode(QProcess::MergedChannels);
        // A leak is named by what its suppression reads, which may lie where nobody else may read.
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("ASAN_OPTIONS"), QStringLiteral("detect_leaks=0"));
        child.setProcessEnvironment(environment);
        child.start(QCoreApplication::applicationFilePath(),
                    {QStringLiteral("--as-nobody"), unreadable, closed + QStringLiteral("/plugin.so")});
        QVERIFY(child.waitForFinished(bound));
        QVERIFY(::chmod(qPrintable(closed), 0700) == 0);
        QVERIFY2(child.exitCode() == 0, child.readAll().constData());
    }
};

static int asNobody(int argc, char** argv)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 2;
    PluginHotReloadManager manager;
    for (int i = 2; i < argc; ++i) {
        const auto result = manager.enable_hot_reload("p", argv[i]);
        if (result || result.error().code() != PluginErrorCode::PermissionDenied ||
            result.error().message().find(argv[i]) == std::string::npos) {
            std::printf("%s: %s\n", argv[i], result ? "enabled" : result.error().message().c_str());
            return 1;
        }
    }
    return 0;
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    if (argc > 1 && QByteArray(argv[1]) == "--as-nobody")
        return asNobody(argc, argv);
    Paths test;
    return QTest::qExec(&test, argc, argv);
}
#include "tst_paths.moc"
