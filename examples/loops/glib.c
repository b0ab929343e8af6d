/* SPDX-License-Identifier: MIT */
/* A manager in a GLib main loop: reloads on the thread that runs it.
 *
 * The descriptor is readable while there is something to deliver; GLib polls it, the library reads it. On Windows, which
 * has no such descriptor, hrm_set_wakeup_callback() with g_main_context_invoke() does the same. */
#include <glib-unix.h>
#include <hot_reload_manager.h>

#include "loop.h"

typedef struct {
    GMainLoop *loop;
    char **argv;
} host;

static void on_reload(const char *plugin_id, void *user_data)
{
    host *h = user_data;
    if (told(plugin_id, h->argv))
        g_main_loop_quit(h->loop);
}

static gboolean on_ready(gint fd, GIOCondition condition, gpointer m)
{
    (void)fd, (void)condition;
    return hrm_dispatch(m, 0, 0, NULL) < 0 ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    host h = { g_main_loop_new(NULL, FALSE), argv };
    hrm_options options = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    int32_t code;
    guint source;

    if (argc != 3)
        return usage();
    options.dispatch_mode = HRM_DISPATCH_MANUAL;
    if ((code = hrm_manager_create(&options, &m, &err)) < 0 ||
        (code = hrm_set_reload_callback(m, on_reload, &h, NULL)) < 0 ||
        (code = hrm_enable_hot_reload(m, "plugin", argv[1], &err)) < 0)
        return failed(code, &err);
    source = g_unix_fd_add(hrm_event_fd(m), G_IO_IN, on_ready, m);
    watching();
    g_main_loop_run(h.loop);

    g_source_remove(source); /* before the descriptor goes with its manager */
    hrm_manager_destroy(m);
    g_main_loop_unref(h.loop);
    return 0;
}
