/* SPDX-License-Identifier: MIT */
/* libuv's uv_fs_event on each directory, as Node's fs.watch has it. */
#include "subject.h"

#include <uv.h>

static void changed(uv_fs_event_t *handle, const char *name, int what, int status)
{
    (void)handle, (void)what;
    events++;
    if (status == 0 && name)
        told(name);
}

static int64_t enable_all(void)
{
    size_t i;
    char dir[4200], last[4200] = "";
    int64_t dirs = 0;
    for (i = 0; i < npaths; i++) {
        uv_fs_event_t *h;
        strcpy(dir, paths[i]);
        *strrchr(dir, '/') = 0;
        if (strcmp(dir, last) == 0)
            continue;
        strcpy(last, dir);
        h = (uv_fs_event_t *)malloc(sizeof *h);
        uv_fs_event_init(uv_default_loop(), h);
        if (uv_fs_event_start(h, changed, dir, 0) != 0)
            exit(1);
        dirs++;
    }
    return dirs;
}

static int64_t list_all(void) { return 0; }
static int64_t count_events(void) { return (int64_t)events; }
static void disable_all(void) {}
static void clear_all(void) {}

static void on_stdin(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events;
    if (!obey_stdin())
        uv_stop(uv_default_loop());
}

int main(int argc, char **argv)
{
    uv_poll_t in;
    read_list(argc, argv);
    uv_poll_init(uv_default_loop(), &in, 0);
    uv_poll_start(&in, UV_READABLE, on_stdin);
    answer("start", 0, 0);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return 0;
}
