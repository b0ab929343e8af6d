/* SPDX-License-Identifier: MIT */
/* A host as people write it: what one thread prepares, the callbacks use without a
 * lock, and the other way round. Under ThreadSanitizer and LeakSanitizer nothing is
 * reported, unless the host makes the fault that is named.
 *   sanitized [race|leak] */
#include <hot_reload_manager.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE = 20000 }; /* ms */

struct plugin {
    char last[32];
    int reloads, events;
};

static int changed; /* for the waiting host; atomic, without an order */

static void on_reload(const char *id, void *user_data)
{
    struct plugin *p = user_data;
    snprintf(p->last, sizeof p->last, "%s", id);
    p->reloads++;
    __atomic_add_fetch(&changed, 1, __ATOMIC_RELAXED);
}

static void on_event(const hrm_event *event, void *user_data)
{
    struct plugin *p = user_data;
    p->events += event->kind == HRM_EVENT_FILE_CHANGED;
}

static int32_t on_candidate(const hrm_candidate *c, char *reason, size_t room, void *user_data)
{
    (void)c, (void)reason, (void)room;
    ++*(int *)user_data;
    return HRM_ACCEPT;
}

static void on_wakeup(void *user_data) { ++*(int *)user_data; }

static void write_version(const char *file, int version)
{
    FILE *f = fopen(file, "w");
    if (f == NULL || fprintf(f, "version %d\n", version) < 0 || fclose(f) != 0)
        abort();
}

static int life(const char *dir, const char *file, int mode)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_manager *m = NULL;
    struct plugin *p = malloc(sizeof *p);
    int *asked = malloc(sizeof *asked), *pokes = malloc(sizeof *pokes), waited, before, reloaded, told;
    strcpy(p->last, "none");
    p->reloads = p->events = *asked = *pokes = 0;
    o.dispatch_mode = mode;
    o.quiet_ms = 10;
    o.safe = &safe;
    o.snapshot_dir = dir;
    write_version(file, 1);
    before = __atomic_load_n(&changed, __ATOMIC_RELAXED);
    if (hrm_manager_create(&o, &m, NULL) != HRM_OK || hrm_set_reload_callback(m, on_reload, p, NULL) != HRM_OK ||
        hrm_set_event_callback(m, on_event, p, NULL) != HRM_OK || hrm_set_validator(m, on_candidate, asked, free) != HRM_OK)
        return 1;
    if (mode == HRM_DISPATCH_MANUAL)
        hrm_set_wakeup_callback(m, on_wakeup, pokes, free);
    else
        free(pokes);
    if (hrm_enable_hot_reload(m, "plugin", file, NULL) != HRM_OK)
        return 2;
    write_version(file, 2);
    for (waited = 0; __atomic_load_n(&changed, __ATOMIC_RELAXED) == before && waited < PATIENCE; waited += 5)
        if (mode == HRM_DISPATCH_MANUAL)
            hrm_dispatch(m, 0, 5, NULL);
        else
            poll(NULL, 0, 5);
    hrm_disable_hot_reload(m, "plugin");
    reloaded = p->reloads == 1 && strcmp(p->last, "plugin") == 0; /* no reload callback runs any more, */
    if (hrm_manager_destroy(m) != HRM_OK)
        return 3;
    told = p->events == 1; /* and now none at all */
    free(p);
    return reloaded && told ? 0 : 4;
}

static int shared;
static void *write_shared(void *unused)
{
    shared++;
    return unused;
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/hotreload-sanitized-XXXXXX", file[64], snapshots[64];
    const char *fault = argc > 1 ? argv[1] : "";
    int i, status = 0;
    if (mkdtemp(dir) == NULL)
        return 5;
    snprintf(file, sizeof file, "%s/plugin", dir);
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", dir);
    for (i = 0; i < 4 && status == 0; i++)
        status = life(snapshots, file, i % 2 ? HRM_DISPATCH_MANUAL : HRM_DISPATCH_THREAD);
    if (strcmp(fault, "race") == 0) {
        pthread_t t[2];
        for (i = 0; i < 2; i++)
            pthread_create(&t[i], NULL, write_shared, NULL);
        for (i = 0; i < 2; i++)
            pthread_join(t[i], NULL);
    }
    if (strcmp(fault, "leak") == 0)
        *(volatile char *)malloc(100) = 1;
    unlink(file);
    rmdir(snapshots);
    rmdir(dir);
    return status;
}
