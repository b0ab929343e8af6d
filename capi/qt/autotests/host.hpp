// SPDX-License-Identifier: MIT
// A host with one plugin, as the tests use it.
#pragma once

#include <QtTest>

#include <QByteArray>
#include <QFile>
#include <QTemporaryDir>

#include <chrono>
#include <cstdio>
#include <string>

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

using namespace qtplugin;

constexpr int bound = 20000;  // ms; far beyond what any step takes

/** Notifications, or polling if HOTRELOAD_TEST_POLLING is set: programs that use it are run once for each. */
inline hotreload::Options backend()
{
    hotreload::Options options;
    options.force_polling = qEnvironmentVariableIsSet("HOTRELOAD_TEST_POLLING");
    if (options.force_polling)
        options.poll_interval = std::chrono::milliseconds(20);
    return options;
}

class Host {
public:
    Host()
    {
        put("v0");
        manager.set_reload_callback([this](const std::string& id) { reload(id); });
        const auto result = manager.enable_hot_reload("p", file.toStdString());
        if (!result)
            qFatal("%s", result.error().message().c_str());
    }

    QString at(const char* name) const { return dir.filePath(QString::fromLatin1(name)); }

    void put(const QByteArray& content) const { put(file, content); }
    static void put(const QString& path, const QByteArray& content)
    {
        QFile f(path);
        if (!f.open(QIODevice::WriteOnly) || f.write(content) != content.size())
            qFatal("cannot write %s", qPrintable(path));
    }
    /** How careful tools write: beside, and renamed over. */
    void replace(const QByteArray& content) const
    {
        put(file + QStringLiteral(".part"), content);
        if (std::rename(qPrintable(file + QStringLiteral(".part")), qPrintable(file)) != 0)
            qFatal("cannot rename");
    }
    QByteArray content() const
    {
        QFile f(file);
        return f.open(QIODevice::ReadOnly) ? f.readAll() : QByteArray("missing");
    }
    void reload(const std::string&) { told.append(content()); }

    /** Waits for one delivery, and checks what could be loaded at it. */
    bool tells(const QByteArray& want)
    {
        if (!QTest::qWaitFor([this] { return !told.isEmpty(); }, bound)) {
            qWarning("not told of %s", want.constData());
            return false;
        }
        const QByteArray got = told.takeFirst();
        if (got == want && told.isEmpty())
            return true;
        qWarning("told at \"%s\", want \"%s\"; %d more", got.left(60).constData(), want.left(60).constData(),
                 int(told.size()));
        return false;
    }
    /** Proves that nothing was told: a further change is the next delivery. */
    bool isQuiet()
    {
        const QByteArray sentinel = "sentinel " + QByteArray::number(++sentinels);
        replace(sentinel);
        return tells(sentinel);
    }

    QTemporaryDir dir;
    QString file = dir.filePath(QStringLiteral("plugin.so"));
    PluginHotReloadManager manager{backend()};
    QList<QByteArray> told;
    int sentinels = 0;
};
