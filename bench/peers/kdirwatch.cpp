// SPDX-License-Identifier: MIT
// KDirWatch, one file a plugin.
#include "subject.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QFile>
#include <QtCore/QSocketNotifier>

#include <KDirWatch>

static KDirWatch* watcher;

static int64_t enable_all()
{
    for (size_t i = 0; i < npaths; i++)
        watcher->addFile(QFile::decodeName(paths[i]));
    return 0;
}

static int64_t list_all() { return 0; }
static void clear_all() {}

static int64_t count_events() { return 0; }

static void disable_all()
{
    for (size_t i = 0; i < npaths; i++)
        watcher->removeFile(QFile::decodeName(paths[i]));
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    read_list(argc, argv);
    KDirWatch w;
    watcher = &w;
    const auto tell = [](const QString& path) { told(QFile::encodeName(path).constData()); };
    QObject::connect(&w, &KDirWatch::dirty, &w, tell);
    QObject::connect(&w, &KDirWatch::created, &w, tell);
    QSocketNotifier in(0, QSocketNotifier::Read);
    QObject::connect(&in, &QSocketNotifier::activated, &app, [&] {
        if (!obey_stdin())
            app.quit();
    });
    answer("start", 0, 0);
    return app.exec();
}
