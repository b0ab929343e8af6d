// SPDX-License-Identifier: MIT
#include "workshop.hpp"

#include <QFile>
#include <QRegularExpression>

// From CMake: BUILD_TOOL, BUILD_DIRECTORY, PROJECT_DIRECTORY, and SOURCE_DIRECTORY with the copies that are edited.

namespace {

struct Look {
    const char *first, *second;
    int count;
};

constexpr Look skies[] = {{"#0b6e99", "#8fd3f4", 3}, {"#f46b45", "#eea849", 2}, {"#134e5e", "#71b280", 3}, {"#1d2b53", "#29366f", 2}};
constexpr Look flowers[] = {{"#ff5964", "#38618c", 6}, {"#c03bff", "#ffe66d", 8}, {"#ffffff", "#ffb000", 12}, {"#ff77a8", "#ffec27", 5}};

}  // namespace

Workshop::Workshop(QObject* parent) : QObject(parent)
{
    m_build.setProcessChannelMode(QProcess::MergedChannels);
    connect(&m_build, &QProcess::readyRead, this, [this] {
        while (m_build.canReadLine())
            Q_EMIT said(QString::fromLocal8Bit(m_build.readLine()).trimmed());
    });
    connect(&m_build, QOverload<int, QProcess::ExitStatus>::of(&QProcess::finished), this,
            [this](int code, QProcess::ExitStatus status) {
                const bool good = status == QProcess::NormalExit && code == 0;
                Q_EMIT said(QStringLiteral("the build %1 after %2 ms")
                                .arg(good ? QStringLiteral("ends") : QStringLiteral("fails"))
                                .arg(m_since.elapsed()));
                Q_EMIT finished(m_plugin, good);
            });
}

Workshop::~Workshop()
{
    m_build.disconnect(this);
    m_build.kill();
    m_build.waitForFinished();
}

void Workshop::rebuild(const QString& plugin)
{
    if (!busy() && edit(plugin, Mistake::None))
        build(plugin);
}

void Workshop::misspell(const QString& plugin)
{
    if (!busy() && edit(plugin, Mistake::Spelling))
        build(plugin);
}

void Workshop::forget_interface(const QString& plugin)
{
    if (!busy() && edit(plugin, Mistake::Interface))
        build(plugin);
}

QString Workshop::relative(QString line)
{
    for (const char* directory : {BUILD_DIRECTORY "/", PROJECT_DIRECTORY "/"})
        line.remove(QString::fromUtf8(directory));
    return line;
}

bool Workshop::edit(const QString& plugin, Mistake mistake)
{
    QFile file(QStringLiteral(SOURCE_DIRECTORY "/%1.cpp").arg(plugin));
    if (!file.open(QIODevice::ReadWrite)) {
        Q_EMIT said(file.errorString());
        return false;
    }
    const bool wrong = mistake == Mistake::Spelling;
    QString text = QString::fromUtf8(file.readAll());
    const bool is_sky = plugin == QLatin1String("sky");
    const Look& look = (is_sky ? skies : flowers)[m_look % 4];
    m_look += mistake == Mistake::None ? 1 : 0;
    static const QRegularExpression colours(QStringLiteral("colours\\[\\] = .*;"));
    static const QRegularExpression interface(QStringLiteral("(// )?Q_INTERFACES\\(Look\\)"));
    static const QRegularExpression constant(QStringLiteral("static const int (\\w+) = .*;"));
    text.replace(colours,
                 QStringLiteral("colours[] = {\"%1\", \"%2\"};")
                     .arg(QLatin1String(look.first), QLatin1String(look.second)));
    text.replace(constant,
                 QStringLiteral("static const int \\1 = %1;")
                     .arg(wrong ? QStringLiteral("quite_a_few") : QString::number(look.count)));
    text.replace(interface, mistake == Mistake::Interface ? QStringLiteral("// Q_INTERFACES(Look)")
                                                          : QStringLiteral("Q_INTERFACES(Look)"));
    Q_EMIT said(QStringLiteral("%1.cpp: \"%2\", %3").arg(plugin, QLatin1String(look.first))
                    .arg(wrong ? QStringLiteral("and a mistake") : QString::number(look.count)));
    return file.resize(0) && file.seek(0) && file.write(text.toUtf8()) > 0;
}

void Workshop::build(const QString& plugin)
{
    m_plugin = plugin;
    m_since.start();
    const QStringList arguments = {QStringLiteral("--build"), QStringLiteral(BUILD_DIRECTORY), QStringLiteral("--target"),
                                   QStringLiteral("demo_gui_") + plugin};
    Q_EMIT said(QStringLiteral("$ cmake --build . --target %1").arg(arguments.last()));
    Q_EMIT started(plugin);
    m_build.start(QStringLiteral(BUILD_TOOL), arguments);
}
