// Runs the example to its end: check HOST PLUGIN-1 PLUGIN-2
#include <QCoreApplication>
#include <QFile>
#include <QFileInfo>
#include <QProcess>
#include <QTemporaryDir>

#include <cstdio>

static bool says(QProcess& host, const QByteArray& line)
{
    while (!host.canReadLine())
        if (!host.waitForReadyRead(20000)) {
            std::fprintf(stderr, "the host does not say \"%s\"\n", line.constData());
            return false;
        }
    const QByteArray got = host.readLine().trimmed();
    std::printf("%s\n", got.constData());
    if (got.startsWith(line))
        return true;
    std::fprintf(stderr, "want \"%s\"\n", line.constData());
    return false;
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    const QStringList args = app.arguments();
    if (args.size() != 4)
        return 2;
    QTemporaryDir dir;
    const QString plugin = dir.filePath(QFileInfo(args.at(2)).fileName());
    const auto publish = [&](const QString& build) {
        const QString part = plugin + QStringLiteral(".part");
        QFile::remove(part);
        return QFile::copy(build, part) && std::rename(qPrintable(part), qPrintable(plugin)) == 0;
    };
    const auto overwrite = [&](const QByteArray& content) {
        QFile f(plugin);
        return f.open(QIODevice::WriteOnly) && f.write(content) == content.size();
    };
    QFile first(args.at(2));
    if (!publish(args.at(2)) || !first.open(QIODevice::ReadOnly))
        return 1;
    QProcess host;
    host.setProcessChannelMode(QProcess::ForwardedErrorChannel);
    host.start(args.at(1), {plugin, QStringLiteral("2")});
    // Replaced, broken, and overwritten in place while a version of it is loaded.
    const bool good = says(host, "plugin answers 1") && says(host, "watching") && publish(args.at(3)) &&
                      says(host, "plugin: 1 -> 2") && overwrite("no library") && says(host, "kept 2, the new version fails") &&
                      overwrite(first.readAll()) && says(host, "plugin: 2 -> 1") && host.waitForFinished(20000) &&
                      host.exitStatus() == QProcess::NormalExit && host.exitCode() == 0;
    if (!good)
        host.kill();
    host.waitForFinished();
    return good ? 0 : 1;
}
