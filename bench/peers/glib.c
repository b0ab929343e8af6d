/* SPDX-License-Identifier: MIT */
/* GLib's GFileMonitor, one a file, with no rate limit. */
#include "subject.h"

#include <gio/gio.h>
#include <glib-unix.h>

static GFileMonitor **monitors;
static GMainLoop *loop;

static void changed(GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer path)
{
    (void)monitor, (void)file, (void)other;
    /* What a host acts upon: the last hint of a set of changes, or another file in its place. */
    if (event == G_FILE_MONITOR_EVENT_CHANGES_DONE_HINT || event == G_FILE_MONITOR_EVENT_RENAMED ||
        event == G_FILE_MONITOR_EVENT_MOVED_IN)
        told((const char *)path);
}

static int64_t enable_all(void)
{
    size_t i;
    monitors = g_new0(GFileMonitor *, npaths);
    for (i = 0; i < npaths; i++) {
        GFile *f = g_file_new_for_path(paths[i]);
        monitors[i] = g_file_monitor_file(f, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);
        g_object_unref(f);
        if (!monitors[i])
            exit(1);
        g_file_monitor_set_rate_limit(monitors[i], 0);
        g_signal_connect(monitors[i], "changed", G_CALLBACK(changed), paths[i]);
    }
    return 0;
}

static int64_t list_all(void) { return 0; }
static int64_t count_events(void) { return (int64_t)events; }
static void clear_all(void) {}

static void disable_all(void)
{
    size_t i;
    for (i = 0; i < npaths; i++)
        g_object_unref(monitors[i]);
}

static gboolean on_stdin(gint fd, GIOCondition condition, gpointer data)
{
    (void)fd, (void)condition, (void)data;
    if (!obey_stdin())
        g_main_loop_quit(loop);
    return TRUE;
}

int main(int argc, char **argv)
{
    read_list(argc, argv);
    loop = g_main_loop_new(NULL, FALSE);
    g_unix_fd_add(0, G_IO_IN | G_IO_HUP, on_stdin, NULL);
    answer("start", 0, 0);
    g_main_loop_run(loop);
    return 0;
}
