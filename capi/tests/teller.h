/* SPDX-License-Identifier: MIT */
/* One who tells a story of core/reload/testdata to a host: what the host does, and what is said of it. */
#ifndef TELLER_H
#define TELLER_H

#include "hot_reload_plugin.h"
#include "tales.h"

#include <stdarg.h>

enum { SAID = 128, PLUGINS = 6, SCRIPTS = 8, CALLS = 8, LONG = 20000 /* ms */ };

static const char *const step_names[] = {"", "load", "init", "quiesce", "save", "exit", "unload", "restore", "prepare"};

/* How the next such step ends. */
typedef struct {
    const char *plugin;
    int generation, kind, takes, hangs, always, code;
    int prints; /* with always: how often the story says so, less how often it came */
    char why[200];
} script;

/* A step that runs. */
typedef struct running {
    const char *plugin;
    int generation, kind, returns;
    char why[200];
    struct running *next;
} running;

typedef struct {
    struct teller *t;
    const char *id;
    char path[600];
    hrm_plugin *handle;
    uint32_t hooks;
    int delivered; /* the last generation */
    int rejects;   /* the next version */
} plugin;

/* What stands for a version. */
typedef struct {
    const char *id;
    int generation;
} version;

typedef struct teller {
    const tale *st;
    char dir[400], failure[2000];
    hrm_host *host;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    int n, clock, over, files; /* clock: in the story, ms */
    int commands;              /* of the story, that the engine notices */
    char *said[SAID];          /* and not yet expected */
    plugin plugins[PLUGINS];
    script scripts[SCRIPTS];
    running *steps;
    const char *fits; /* why not; NULL: they do */
    const hrm_plugin_version *calls[CALLS];
    char *lines[LINES]; /* of add, which the plugins' ids are in */
    int added;
} teller;

static int fail(teller *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->failure, sizeof t->failure, format, args);
    va_end(args);
    return 0;
}

/* Says a line; the lock is held. */
static void say(teller *t, const char *format, ...)
{
    char line[1100];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (t->n < SAID)
        t->said[t->n++] = strdup(line);
    pthread_cond_broadcast(&t->changed);
}

/* ------------------------------------------------------- what the host does */

static script *find_script(teller *t, const version *v, int kind)
{
    script *s;
    for (s = t->scripts; s < t->scripts + SCRIPTS; s++)
        if (s->plugin != NULL && strcmp(s->plugin, v->id) == 0 && s->kind == kind && s->generation == v->generation)
            return s;
    return NULL;
}

/* The engine's pauses are real. A step that it tries again before the story's next command waits for that command. */
static int take_script(teller *t, const version *v, int kind, script *out)
{
    const int before = t->commands;
    script *s = find_script(t, v, kind);
    while (s != NULL && s->always && s->prints == 0 && !t->over && t->commands == before)
        pthread_cond_wait(&t->changed, &t->mu);
    if ((s = find_script(t, v, kind)) == NULL)
        return 0;
    *out = *s;
    if (!s->always)
        s->plugin = NULL;
    s->prints -= s->prints > 0;
    return 1;
}

/* Runs a step as the story wants it; the lock is held. */
static int32_t as_told(teller *t, const version *v, int kind, char *why, size_t room)
{
    script s;
    running r = {v->id, v->generation, kind, 0, "", t->steps};
    running **at;
    int begun;
    if (!take_script(t, v, kind, &s))
        return HRM_STEP_DONE;
    begun = t->clock;
    t->steps = &r;
    snprintf(r.why, sizeof r.why, "%s", s.why);
    while (!t->over && !r.returns && (s.hangs || t->clock < begun + s.takes))
        pthread_cond_wait(&t->changed, &t->mu);
    for (at = &t->steps; *at != &r; at = &(*at)->next) {
    }
    *at = r.next;
    if (r.returns && r.why[0] != 0)
        s.code = HRM_STEP_FAILED;
    snprintf(why, room, "%s", r.why);
    if (why[0] != 0 && s.code != HRM_STEP_KEPT)
        say(t, "  %s %s %d: %s", step_names[kind], v->id, v->generation, why);
    return s.code;
}

static int32_t HRM_CALL step(const hrm_step *s, hrm_step_result *r, void *arg)
{
    teller *t = arg;
    const plugin *p = s->plugin_data;
    version *v = s->data;
    char with[300] = "";
    int32_t result;
    size_t i;
    if (s->kind == HRM_STEP_FORGET) {
        free(v);
        return HRM_STEP_DONE;
    }
    if (s->kind == HRM_STEP_ACTIVATE)
        return HRM_STEP_DONE; /* not all hosts see it */
    if (v == NULL) {
        v = calloc(1, sizeof *v);
        v->id = p->id;
        v->generation = (int)s->generation;
        r->data = v;
    }
    for (i = 0; i < s->needs_count; i++) {
        const version *n = s->needs[i];
        snprintf(with + strlen(with), sizeof with - strlen(with), "%s %s %d", i == 0 ? " with" : ",", n->id, n->generation);
    }
    r->hooks = p->hooks;
    pthread_mutex_lock(&t->mu);
    say(t, "%s %s %d%s", step_names[s->kind], v->id, v->generation, with);
    result = as_told(t, v, s->kind, r->reason, (size_t)r->reason_size);
    pthread_mutex_unlock(&t->mu);
    return result;
}

static void HRM_CALL on_outcome(const hrm_plugin_outcome *o, void *arg)
{
    teller *t = arg;
    pthread_mutex_lock(&t->mu);
    say(t, "> %s", o->message);
    pthread_mutex_unlock(&t->mu);
}

static int32_t HRM_CALL check(const char *set, const hrm_candidate *c, size_t count, char *reason, size_t room, void *arg)
{
    teller *t = arg;
    int32_t fits;
    (void)c, (void)count;
    pthread_mutex_lock(&t->mu);
    fits = t->fits == NULL ? HRM_ACCEPT : HRM_REJECT;
    say(t, "check %s: %s", set, t->fits == NULL ? "fits" : t->fits);
    snprintf(reason, room, "%s", t->fits == NULL ? "" : t->fits);
    pthread_mutex_unlock(&t->mu);
    return fits;
}

static int32_t HRM_CALL validate(const hrm_candidate *c, char *reason, size_t room, void *arg)
{
    plugin *p = arg;
    int rejects;
    (void)c;
    pthread_mutex_lock(&p->t->mu);
    rejects = p->rejects;
    p->rejects = 0;
    pthread_mutex_unlock(&p->t->mu);
    snprintf(reason, room, "its signature is not valid");
    return rejects ? HRM_REJECT : HRM_ACCEPT;
}

static plugin *find(teller *t, const char *id)
{
    int i;
    for (i = 0; i < PLUGINS; i++)
        if (t->plugins[i].id != NULL && strcmp(t->plugins[i].id, id) == 0)
            return &t->plugins[i];
    return NULL;
}

static void HRM_CALL delivered(const hrm_event *ev, void *arg)
{
    teller *t = arg;
    pthread_mutex_lock(&t->mu);
    if (ev->kind == HRM_EVENT_FILE_CHANGED)
        find(t, ev->plugin_id)->delivered = (int)ev->generation;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->mu);
}

/* ------------------------------------------------------- what is to be said */

/* A step that a language performs; the others are the engine's. */
static int is_visible(const char *line)
{
    int kind;
    if (strncmp(line, "> ", 2) == 0 || strncmp(line, "check ", 6) == 0)
        return 1;
    line += strspn(line, " ");
    for (kind = HRM_STEP_LOAD; kind <= HRM_STEP_PREPARE; kind++)
        if (kind != HRM_STEP_QUIESCE && strncmp(line, step_names[kind], strlen(step_names[kind])) == 0)
            return 1;
    return 0;
}

/* Waits for a change; 0 after the end of patience. The lock is held. */
static int await_change(teller *t, int64_t end)
{
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 2000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&t->changed, &t->mu, &soon);
    return now_ms() < end;
}

/* Waits until a line is said, and takes it away. */
static int hear(teller *t, const char *line)
{
    const int64_t end = now_ms() + LONG;
    char all[1500] = "";
    int i, found = -1;
    pthread_mutex_lock(&t->mu);
    do {
        for (i = t->n - 1; i >= 0; i--)
            found = strcmp(t->said[i], line) == 0 ? i : found;
    } while (found < 0 && await_change(t, end));
    if (found >= 0) {
        free(t->said[found]);
        memmove(&t->said[found], &t->said[found + 1], (size_t)(--t->n - found) * sizeof t->said[0]);
    }
    for (i = 0; i < t->n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "\n      %s", t->said[i]);
    pthread_mutex_unlock(&t->mu);
    return found >= 0 || fail(t, "missing: %s; instead:%s", line, all);
}

/* Waits until callers of a plugin are held. */
static int await_hold(teller *t, const char *id)
{
    const int64_t end = now_ms() + LONG;
    const hrm_plugin_version *v;
    while ((v = hrm_plugin_try_acquire(find(t, id)->handle)) != NULL) {
        hrm_plugin_release(v);
        if (now_ms() > end)
            return fail(t, "callers of %s are not held", id);
        usleep(500);
    }
    return 1;
}

static int expect(teller *t, const block *b)
{
    int i, held = -1;
    for (i = 0; i < b->prints; i++) {
        if (strncmp(b->print[i], "quiesce ", 8) == 0)
            held = i;
        else if (strncmp(b->print[i], "activate ", 9) == 0 || strncmp(b->print[i], "shut ", 5) == 0)
            held = -1;
        if (is_visible(b->print[i]) && !hear(t, b->print[i]))
            return 0;
    }
    if (held >= 0) {
        char id[64];
        snprintf(id, sizeof id, "%.*s", (int)strcspn(b->print[held] + 8, " "), b->print[held] + 8);
        return await_hold(t, id);
    }
    return 1;
}

/* Whether a call of the library ended as the story says. */
static int is_error(teller *t, const block *b, int32_t code, const hrm_error *err)
{
    const char *want = b->prints > 0 && strncmp(b->print[0], "error: ", 7) == 0 ? b->print[0] + 7 : "";
    return strcmp(code < 0 ? err->message : "", want) == 0 || fail(t, "the error is \"%s\", want \"%s\"", err->message, want);
}

#endif
