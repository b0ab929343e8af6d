/* SPDX-License-Identifier: MIT */
/* A host with safe reload that records what it is told. */
#ifndef SNAPSHOTS_H
#define SNAPSHOTS_H

#include "support.h"

#define HELPER __attribute__((unused)) /* not every program needs each */

typedef struct {
    int kind, health;
    uint64_t generation, size;
    char path[512], snapshot[512], sha[80], message[512], comment[128];
    int version; /* what a reader found in the snapshot at the callback */
} told;

static struct {
    pthread_mutex_t mu;
    int n, reloads;
    told ev[256];
} r = {PTHREAD_MUTEX_INITIALIZER, 0, 0, {{0, 0, 0, 0, "", "", "", "", "", 0}}};
static int seen; /* of r.ev, by next() */

static hrm_manager *m;
static const char *dir, *f, *snapshots;

static HELPER void on_safe_event(const hrm_event *ev, void *arg)
{
    told *t;
    (void)arg;
    if (ev->kind == HRM_EVENT_ENABLED || ev->kind == HRM_EVENT_DISABLED)
        return;
    pthread_mutex_lock(&r.mu);
    t = &r.ev[r.n++ % 256];
    t->kind = ev->kind;
    t->health = ev->health;
    t->generation = ev->generation;
    t->size = ev->snapshot_size;
    snprintf(t->path, sizeof t->path, "%s", ev->path);
    snprintf(t->snapshot, sizeof t->snapshot, "%s", ev->snapshot_path);
    snprintf(t->sha, sizeof t->sha, "%s", ev->snapshot_sha256);
    snprintf(t->message, sizeof t->message, "%s", ev->message);
    snprintf(t->comment, sizeof t->comment, "%s", ev->trusted_comment);
    t->version = ev->snapshot_path[0] ? read_version(ev->snapshot_path) : -2;
    pthread_mutex_unlock(&r.mu);
}

static HELPER void on_safe_reload(const char *id, void *arg)
{
    (void)id, (void)arg;
    ADD(r.reloads, 1);
}

static HELPER int another(void *arg)
{
    int yes;
    (void)arg;
    pthread_mutex_lock(&r.mu);
    yes = r.n > seen;
    pthread_mutex_unlock(&r.mu);
    return yes;
}

/* The reload callback comes after the event. */
static HELPER int reloaded(void *n) { return LOAD(r.reloads) >= *(int *)n; }

static HELPER void expect_reloads(int n)
{
    CHECK(wait_until(reloaded, &n, PATIENCE));
    CHECK_INT(LOAD(r.reloads), n);
}

/* The next event, which must be of that kind. */
static HELPER told next(int kind)
{
    told t;
    memset(&t, 0, sizeof t);
    CHECK(wait_until(another, NULL, PATIENCE));
    pthread_mutex_lock(&r.mu);
    if (r.n > seen)
        t = r.ev[seen++ % 256];
    pthread_mutex_unlock(&r.mu);
    CHECK_INT(t.kind, kind);
    return t;
}

static HELPER void start(const hrm_safe_options *everybody)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    r.n = seen = r.reloads = 0;
    dir = scratch();
    f = in(dir, "plugin.so");
    snapshots = in(dir, "snapshots");
    o.quiet_ms = QUIET;
    o.snapshot_dir = snapshots;
    o.safe = everybody;
    CHECK_INT(hrm_manager_create(&o, &m, &err), HRM_OK);
    CHECK_INT(hrm_set_event_callback(m, on_safe_event, NULL, NULL), HRM_OK);
    CHECK_INT(hrm_set_reload_callback(m, on_safe_reload, NULL, NULL), HRM_OK);
}

static HELPER void enable(const hrm_safe_options *safe)
{
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    o.flags = HRM_ENABLE_DELIVER_PRESENT;
    o.safe = safe;
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_OK);
    if (err.code != 0)
        printf("   %s\n", err.message);
}

static HELPER hrm_stats_t stats(void)
{
    hrm_stats_t s;
    s.struct_size = sizeof s;
    CHECK_INT(hrm_stats(m, &s), HRM_OK);
    return s;
}

static HELPER void stop(void) { CHECK_INT(hrm_manager_destroy(m), HRM_OK); }

#endif
