// SPDX-License-Identifier: MIT
// Runs an example to its end while its plugin changes: check SCENARIO HOST PLUGIN...
#include <QCoreApplication>
#include <QFile>
#include <QFileInfo>
#include <QProcess>
#include <QTemporaryDir>
#include <QThread>

#include <cstdio>

static QByteArray bytes_of(const QString& path)
{
    QFile f(path);
    return f.open(QIODevice::ReadOnly) ? f.readAll() : QByteArray();
}

class Example {
public:
    /** The plugin is a copy of the first of the builds. */
    Example(const QString& program, const QStringList& builds) : m_program(program), m_builds(builds)
    {
        m_host.setProcessChannelMode(QProcess::MergedChannels);
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QStringLiteral("QT_ASSUME_STDERR_HAS_CONSOLE"), QStringLiteral("1"));
        m_host.setProcessEnvironment(environment);
        plugin = m_dir.filePath(QFileInfo(builds.at(0)).fileName());
        replace(0);
    }
    ~Example()
    {
        m_host.kill();
        m_host.waitForFinished();
    }

    bool starts(const QStringList& arguments)
    {
        m_host.start(m_program, arguments);
        return m_host.waitForStarted();
    }
    /** Waits for a line that contains @p text. */
    bool says(const QByteArray& text)
    {
        for (QByteArray got; !got.contains(text);) {
            while (!m_host.canReadLine())
                if (!m_host.waitForReadyRead(20000)) {
                    std::printf("the host does not say \"%s\"\n", text.constData());
                    return false;
                }
            got = m_host.readLine().trimmed();
            std::printf("%s\n", got.constData());
        }
        return true;
    }
    /** With status 0. */
    bool ends(bool close_input)
    {
        if (close_input)
            m_host.closeWriteChannel();
        const bool good = m_host.waitForFinished(20000) && m_host.exitStatus() == QProcess::NormalExit && m_host.exitCode() == 0;
        std::printf("%s", m_host.readAll().constData());
        if (!good)
            std::printf("the host did not end well\n");
        return good;
    }

    /** As an installer does it. */
    bool replace(int build) const
    {
        const QString part = plugin + QStringLiteral(".part");
        QFile::remove(part);
        return QFile::copy(m_builds.at(build), part) && std::rename(qPrintable(part), qPrintable(plugin)) == 0;
    }
    /** As a careless one does it: into the file, while it is loaded. */
    bool overwrite(const QByteArray& content) const
    {
        QFile f(plugin);
        return f.open(QIODevice::WriteOnly) && f.write(content) == content.size();
    }
    bool overwrite(int build) const { return overwrite(bytes_of(m_builds.at(build))); }

    /** As a linker does it: in pieces, with the file open and pauses longer than the quiet period. */
    bool write_slowly(int build) const
    {
        const QByteArray content = bytes_of(m_builds.at(build));
        QFile f(plugin);
        bool good = f.open(QIODevice::WriteOnly);
        const int step = int(content.size()) / 4 + 1;
        for (int at = 0; good && at < content.size(); at += step) {
            good = f.write(content.mid(at, step)) > 0 && f.flush();
            QThread::msleep(300);
        }
        return good;
    }
    bool remove() const { return QFile::remove(plugin); }

    QString plugin;

private:
    QString m_program;
    QStringList m_builds;
    QTemporaryDir m_dir;
    QProcess m_host;
};

static bool smallest(Example& e)
{
    return e.starts({e.plugin, QStringLiteral("2")}) && e.says("plugin answers 1") && e.says("watching") && e.replace(1) &&
           e.says("plugin: 1 -> 2") && e.overwrite("no library") && e.says("kept 2, the new version fails") &&
           e.overwrite(0) && e.says("plugin: 2 -> 1") && e.ends(false);
}

static bool development(Example& e)
{
    return e.starts({e.plugin}) && e.says("Development mode enabled for") && e.replace(0) && e.says("Plugin file changed:") &&
           e.says("version 1 starts") && e.says("Plugin reloaded successfully:") &&
           // Overwritten in place while it is loaded: the loaded version ends well.
           e.overwrite(1) && e.says("version 1 stops") && e.says("version 2 starts") && e.says("Plugin reloaded successfully:") &&
           // A broken build, and the next good one.
           e.overwrite("no library") && e.says("version 2 stops") && e.says("Failed to reload plugin:") && e.replace(0) &&
           e.says("version 1 starts") && e.ends(true);
}

// As every build system, installer and editor does it: exchanged, overwritten in place, written slowly, removed and anew.
static bool qtforge(Example& e)
{
    return e.starts({e.plugin}) && e.says("version 1 starts") && e.says("watching example") && e.replace(1) &&
           e.says("changed: example at") && e.says("version 1 stops") && e.says("version 2 starts") &&
           e.says("reloaded example") && e.overwrite(0) && e.says("version 2 stops") && e.says("version 1 starts") &&
           e.says("reloaded example") && e.write_slowly(1) && e.says("version 1 stops") && e.says("version 2 starts") &&
           e.says("reloaded example") && e.remove() && e.overwrite(0) && e.says("version 2 stops") &&
           e.says("version 1 starts") && e.says("reloaded example") &&
           // A broken build, and the next good one.
           e.overwrite("no library") && e.says("version 1 stops") && e.says("cannot load:") && e.replace(1) &&
           e.says("version 2 starts") && e.says("reloaded example") && e.ends(true);
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    const QStringList args = app.arguments();
    if (args.size() < 4)
        return 2;
    Example example(args.at(2), args.mid(3));
    const auto scenario = args.at(1) == QLatin1String("smallest")  ? smallest
                          : args.at(1) == QLatin1String("qtforge") ? qtforge
                                                                   : development;
    return scenario(example) ? 0 : 1;
}
