// SPDX-License-Identifier: MIT
// libhotreload's Qt class, told in a slot of plugin_file_changed. HRM_QUIET_MS as in hotreload.c.
#include "subject.h"

#include <chrono>

#include <QtCore/QCoreApplication>
#include <QtCore/QSocketNotifier>

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

static qtplugin::PluginHotReloadManager* manager;

static int64_t enable_all()
{
    char id[32];
    for (size_t i = 0; i < npaths; i++) {
        id_of(i, id);
        if (!manager->enable_hot_reload(id, paths[i]))
            return -1;
    }
    return 0;
}

static int64_t list_all() { return static_cast<int64_t>(manager->get_hot_reload_plugins().size()); }

static int64_t count_events() { return 0; }

static void disable_all()
{
    char id[32];
    for (size_t i = 0; i < npaths; i++) {
        id_of(i, id);
        manager->disable_hot_reload(id);
    }
}

static void clear_all() { manager->clear(); }

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    read_list(argc, argv);
    hotreload::Options options;
    if (const char* quiet = getenv("HRM_QUIET_MS"))
        options.quiet = std::chrono::milliseconds(atoi(quiet));
    qtplugin::PluginHotReloadManager m(options);
    manager = &m;
    QObject::connect(manager, &qtplugin::PluginHotReloadManager::plugin_file_changed, manager,
                     [](const QString& id, const QString&) { told(id.toUtf8().constData()); });
    QSocketNotifier in(0, QSocketNotifier::Read);
    QObject::connect(&in, &QSocketNotifier::activated, &app, [&] {
        if (!obey_stdin())
            app.quit();
    });
    answer("start", 0, 0);
    return app.exec();
}
