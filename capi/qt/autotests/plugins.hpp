// SPDX-License-Identifier: MIT
// A host of Qt plugins, and the file that holds the present build of one.
#pragma once

#include <QtTest>

#include <QFile>
#include <QTemporaryDir>

#include <chrono>
#include <cstdio>
#include <string>

#include <qtplugin/monitoring/plugin_host.hpp>

using namespace qtplugin;

constexpr int bound = 20000;  // ms; far beyond what any step takes

class Plugins {
public:
    hotreload::Options options() const
    {
        hotreload::Options options;
        options.quiet = std::chrono::milliseconds(30);
        options.snapshot_dir = dir.filePath(QStringLiteral("snapshots")).toStdString();
        return options;
    }
    std::string path() const { return file.toStdString(); }

    /** Puts a build into the plugin's place, as an installer does it. */
    void install(const char* build) const { install(build, file); }
    static void install(const char* build, const QString& file)
    {
        const QString part = file + QStringLiteral(".part");
        QFile::remove(part);
        if (!QFile::copy(QStringLiteral(PLUGIN_DIR "/reloadable_%1.so").arg(QLatin1String(build)), part) ||
            std::rename(qPrintable(part), qPrintable(file)) != 0)
            qFatal("cannot install %s", build);
    }

    QTemporaryDir dir;
    QString file = dir.filePath(QStringLiteral("plugin.so"));
};

/** Waits for a condition that other threads bring about, while this thread's event loop runs. */
template <class Condition>
bool becomes(Condition&& holds)
{
    return QTest::qWaitFor(holds, bound);
}
