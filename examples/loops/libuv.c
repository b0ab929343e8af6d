/* SPDX-License-Identifier: MIT */
/* A manager in a libuv loop: reloads on the thread that runs it.
 *
 * The descriptor is readable while there is something to deliver; libuv polls it, the library reads it. On Windows,
 * which has no such descriptor, hrm_set_wakeup_callback() with uv_async_send() does the same. */
#include <hot_reload_manager.h>
#include <uv.h>

#include "loop.h"

typedef struct {
    uv_poll_t poll;
    char **argv;
} host;

static void on_reload(const char *plugin_id, void *user_data)
{
    host *h = user_data;
    if (told(plugin_id, h->argv))
        uv_close((uv_handle_t *)&h->poll, NULL); /* and with its last handle the loop ends */
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status == 0)
        hrm_dispatch(poll->data, 0, 0, NULL);
}

int main(int argc, char **argv)
{
    host h = { .argv = argv };
    hrm_options options = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    int32_t code;

    if (argc != 3)
        return usage();
    options.dispatch_mode = HRM_DISPATCH_MANUAL;
    if ((code = hrm_manager_create(&options, &m, &err)) < 0 ||
        (code = hrm_set_reload_callback(m, on_reload, &h, NULL)) < 0 ||
        (code = hrm_enable_hot_reload(m, "plugin", argv[1], &err)) < 0)
        return failed(code, &err);
    uv_poll_init(uv_default_loop(), &h.poll, hrm_event_fd(m));
    h.poll.data = m;
    uv_poll_start(&h.poll, UV_READABLE, on_ready);
    watching();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);

    hrm_manager_destroy(m); /* after the poll handle is closed: the descriptor goes with its manager */
    return uv_loop_close(uv_default_loop());
}
