// Runs an example to its end while its plugin changes: check SCENARIO HOST PLUGIN...
#include <QCoreApplication>
#include <QCryptographicHash>
#include <QFile>
#include <QFileInfo>
#include <QProcess>
#include <QTemporaryDir>

#include <algorithm>
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
    /** Waits for a line that contains @p text; what @p never says must not come before. */
    bool says(const QByteArray& text, const QByteArray& never = {}) { return says_all({text}, never); }
    /** Waits for such lines in any order: they come from more than one thread. */
    bool says_all(QList<QByteArray> texts, const QByteArray& never = {})
    {
        while (!texts.isEmpty()) {
            while (!m_host.canReadLine())
                if (!m_host.waitForReadyRead(20000)) {
                    std::printf("the host does not say \"%s\"\n", texts.first().constData());
                    return false;
                }
            const QByteArray got = m_host.readLine().trimmed();
            std::printf("%s\n", got.constData());
            const auto text = std::find_if(texts.begin(), texts.end(), [&](const QByteArray& t) { return got.contains(t); });
            if (text != texts.end())
                texts.erase(text);
            else if (!never.isEmpty() && got.contains(never))
                return false;
        }
        return true;
    }
    /** With status 0, and with @p text among its last words. */
    bool ends(bool close_input, const QByteArray& text = {})
    {
        if (close_input)
            m_host.closeWriteChannel();
        const bool ended = m_host.waitForFinished(20000) && m_host.exitStatus() == QProcess::NormalExit && m_host.exitCode() == 0;
        const QByteArray words = m_host.readAll();
        std::printf("%s", words.constData());
        const bool good = ended && words.contains(text);
        if (!good)
            std::printf("the host did not end well\n");
        return good;
    }
    bool tell(const QByteArray& line) { return m_host.write(line + '\n') > 0 && m_host.waitForBytesWritten(20000); }

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

    /** Lists builds as those that may be loaded. */
    bool allow(const QList<int>& builds)
    {
        QFile f(list());
        if (!f.open(QIODevice::WriteOnly))
            return false;
        for (const int build : builds)
            f.write(QCryptographicHash::hash(bytes_of(m_builds.at(build)), QCryptographicHash::Sha256).toHex() + "  plugin\n");
        return true;
    }
    QString list() const { return m_dir.filePath(QStringLiteral("allowed")); }

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

static bool production(Example& e)
{
    const QByteArray reloaded = "Plugin reloaded";
    return e.allow({0, 2}) && e.starts({e.plugin, e.list()}) && e.says("answers 1") &&
           e.replace(1) && e.says("not on the list", reloaded) &&                   // not allowed
           e.allow({0, 1, 2}) && e.tell("list") && e.says("list read") &&
           e.overwrite(1) && e.says_all({reloaded, "answers 2", "version 1 stops after"}) &&  // allowed now
           e.overwrite(2) && e.says("Rolled back:", reloaded) &&                    // allowed, but does not start
           e.overwrite("no library") && e.says("validation failed", reloaded) &&    // none
           QFile::setPermissions(e.plugin, QFile::ReadOwner | QFile::WriteOwner | QFile::WriteOther) &&
           e.overwrite(0) && e.says("others may write it", reloaded) &&             // anybody's
           QFile::setPermissions(e.plugin, QFile::ReadOwner | QFile::WriteOwner) &&
           e.overwrite(0) && e.says_all({reloaded, "answers 1"}) && e.ends(true, "many calls, 0 failed");
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    const QStringList args = app.arguments();
    if (args.size() < 4)
        return 2;
    Example example(args.at(2), args.mid(3));
    const auto scenario = args.at(1) == QLatin1String("smallest")      ? smallest
                          : args.at(1) == QLatin1String("development") ? development
                                                                       : production;
    return scenario(example) ? 0 : 1;
}
