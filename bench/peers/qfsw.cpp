// SPDX-License-Identifier: MIT
// QFileSystemWatcher, one path a plugin. QFSW_READD says what a slot does about
// Qt's dropping a path when its file is replaced: "never" (as QtForge 3 has it),
// "once" (adds it again in the slot), or a number of milliseconds for a timer,
// started anew by each signal, that adds it again and then tells.
#include "subject.h"

#include <memory>
#include <unordered_map>

#include <QtCore/QCoreApplication>
#include <QtCore/QFile>
#include <QtCore/QFileSystemWatcher>
#include <QtCore/QSocketNotifier>
#include <QtCore/QTimer>

static QFileSystemWatcher* watcher;

static int64_t enable_all()
{
    for (size_t i = 0; i < npaths; i++)
        if (!watcher->addPath(QFile::decodeName(paths[i])))
            return -1;
    return 0;
}

static int64_t list_all() { return watcher->files().size(); }

static int64_t count_events() { return 0; }

static void disable_all()
{
    for (size_t i = 0; i < npaths; i++)
        watcher->removePath(QFile::decodeName(paths[i]));
}

static void clear_all()
{
    const QStringList files = watcher->files();
    if (!files.isEmpty())
        watcher->removePaths(files);
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    read_list(argc, argv);
    const QByteArray readd = qgetenv("QFSW_READD");
    const int delay = readd.toInt();
    QFileSystemWatcher w;
    watcher = &w;
    std::unordered_map<std::string, std::unique_ptr<QTimer>> timers;
    QObject::connect(&w, &QFileSystemWatcher::fileChanged, &w, [&](const QString& path) {
        const std::string name = QFile::encodeName(path).toStdString();
        if (delay == 0) {
            told(name.c_str());
            if (readd == "once" && QFile::exists(path))
                w.addPath(path);
            return;
        }
        auto& timer = timers[name];
        if (!timer) {
            timer = std::make_unique<QTimer>();
            timer->setSingleShot(true);
            timer->setTimerType(Qt::PreciseTimer);
            QObject::connect(timer.get(), &QTimer::timeout, &w, [&w, path, name] {
                if (QFile::exists(path))
                    w.addPath(path);
                told(name.c_str());
            });
        }
        timer->start(delay);
    });
    QSocketNotifier in(0, QSocketNotifier::Read);
    QObject::connect(&in, &QSocketNotifier::activated, &app, [&] {
        if (!obey_stdin())
            app.quit();
    });
    answer("start", 0, 0);
    return app.exec();
}
