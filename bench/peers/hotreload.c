/* SPDX-License-Identifier: MIT */
/* libhotreload through C, delivered on the library's thread. HRM_QUIET_MS: the
 * quiet period, -1 for none; HRM_POLL_MS: poll, this often; HRM_FOLDER: the files
 * are found in their directory, by one call. */
#include "subject.h"

#include <hot_reload_manager.h>

static hrm_manager *m;

static void on_reload(const char *id, void *user_data)
{
    (void)user_data;
    told(id);
}

static int64_t enable_folder(void)
{
    char dir[4200];
    hrm_folder_options o = HRM_FOLDER_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    o.max_files = 1000000;
    o.quiet_ms = HRM_NO_QUIET;
    strcpy(dir, paths[0]);
    *strrchr(dir, '/') = 0;
    if (hrm_enable_folder(m, "folder", dir, &o, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return 0;
}

static int64_t enable_all(void)
{
    size_t i;
    char id[32];
    hrm_error err = HRM_ERROR_INIT;
    if (getenv("HRM_FOLDER"))
        return enable_folder();
    for (i = 0; i < npaths; i++) {
        id_of(i, id);
        if (hrm_enable_hot_reload(m, id, paths[i], &err) < 0) {
            fprintf(stderr, "%s\n", err.message);
            exit(1);
        }
    }
    return 0;
}

static int64_t list_all(void)
{
    size_t size = 0;
    int32_t n = hrm_get_hot_reload_plugins(m, NULL, &size);
    char *buf = (char *)malloc(size + 1);
    n = hrm_get_hot_reload_plugins(m, buf, &size);
    free(buf);
    return n;
}

static int64_t count_events(void)
{
    hrm_stats_t s = {.struct_size = sizeof s};
    return hrm_stats(m, &s) < 0 ? -1 : (int64_t)s.notifications;
}

static void disable_all(void)
{
    size_t i;
    char id[32];
    if (getenv("HRM_FOLDER")) {
        hrm_disable_folder(m, "folder");
        return;
    }
    for (i = 0; i < npaths; i++) {
        id_of(i, id);
        if (hrm_disable_hot_reload(m, id) != 1)
            exit(1);
    }
}

static void clear_all(void) { hrm_clear(m); }

int main(int argc, char **argv)
{
    hrm_options o = HRM_OPTIONS_INIT;
    const char *quiet = getenv("HRM_QUIET_MS"), *poll = getenv("HRM_POLL_MS");
    read_list(argc, argv);
    o.quiet_ms = quiet ? atoi(quiet) : 0;
    if (poll) {
        o.flags = HRM_FORCE_POLLING;
        o.poll_interval_ms = atoi(poll);
    }
    if (hrm_manager_create(&o, &m, NULL) < 0 || hrm_set_reload_callback(m, on_reload, NULL, NULL) < 0)
        return 1;
    answer("start", 0, 0);
    while (obey_stdin())
        ;
    hrm_manager_destroy(m);
    return 0;
}
