/* SPDX-License-Identifier: MIT */
/* A host of plugins that are shared libraries, and the compiler that makes their versions. */
#ifndef PLUGINS_H
#define PLUGINS_H

#include "hot_reload_plugin.h"
#include "support.h"

#define HELPER __attribute__((unused)) /* not every program needs each */

static const char *dir, *f;
static hrm_host *host;
static hrm_plugin *plugin;
static int manual; /* the host has manual dispatch */

static struct {
    pthread_mutex_t mu;
    int n, seen, close_inside, notes;
    struct {
        int verdict;
        uint64_t generation, active;
        char message[1001];
    } o[64];
    char note[16][1001]; /* the last ones */
} told = {PTHREAD_MUTEX_INITIALIZER, 0, 0, 0, 0, {{0, 0, 0, ""}}, {""}};

static HELPER void on_outcome(const hrm_plugin_outcome *o, void *arg)
{
    CHECK(arg == &told);
    pthread_mutex_lock(&told.mu);
    if (o->verdict == HRM_VERDICT_NOTED) {
        snprintf(told.note[told.notes++ % 16], sizeof told.note[0], "%s", o->message);
        pthread_mutex_unlock(&told.mu);
        return;
    }
    told.o[told.n % 64].verdict = o->verdict;
    told.o[told.n % 64].generation = o->generation;
    told.o[told.n % 64].active = o->active;
    snprintf(told.o[told.n % 64].message, sizeof told.o[0].message, "%s", o->message);
    told.n++;
    pthread_mutex_unlock(&told.mu);
    if (LOAD(told.close_inside))
        CHECK_INT(hrm_plugin_close(plugin, -1, NULL), HRM_OK);
}

static HELPER int another(void *arg)
{
    int yes;
    (void)arg;
    if (manual)
        hrm_dispatch(hrm_host_manager(host), 0, 5, NULL);
    pthread_mutex_lock(&told.mu);
    yes = told.n > told.seen;
    pthread_mutex_unlock(&told.mu);
    return yes;
}

/* What is known of the plugin: for a failed wait, which says nothing of why. */
static HELPER void describe(void)
{
    hrm_plugin_condition c = HRM_PLUGIN_CONDITION_INIT;
    hrm_error err = HRM_ERROR_INIT;
    char text[16384] = "";
    size_t size = sizeof text;
    int i;
    if (hrm_plugin_state(plugin, &c, &err) == HRM_OK)
        printf("   state: step %d, active %llu, pending %llu, exchanging %llu, %llu old, \"%s\"\n", (int)c.step,
               (unsigned long long)c.active, (unsigned long long)c.pending, (unsigned long long)c.exchanging,
               (unsigned long long)c.old, c.text);
    else
        printf("   state: %s\n", err.message);
    if (hrm_explain(hrm_host_manager(host), "p", text, &size) == HRM_OK)
        printf("%s", text);
    pthread_mutex_lock(&told.mu);
    printf("   %d outcomes, %d seen; the last ones:\n", told.n, told.seen);
    for (i = told.n > 4 ? told.n - 4 : 0; i < told.n; i++)
        printf("   verdict %d: %s\n", told.o[i % 64].verdict, told.o[i % 64].message);
    pthread_mutex_unlock(&told.mu);
}

static HELPER int another_comes(void)
{
    int yes = wait_until(another, NULL, PATIENCE);
    if (!yes)
        describe();
    return yes;
}

/* The next outcome: its verdict, which generation answers, a part of its message. */
static HELPER void expect(int verdict, int active, const char *message)
{
    int i;
    CHECK(another_comes());
    i = told.seen++ % 64;
    CHECK_INT(told.o[i].verdict, verdict);
    CHECK_INT(told.o[i].active, active);
    CHECK_HAS(told.o[i].message, message);
}

static HELPER int is_noted(void *part)
{
    int i, yes = 0;
    if (manual)
        hrm_dispatch(hrm_host_manager(host), 0, 5, NULL);
    pthread_mutex_lock(&told.mu);
    for (i = 0; i < told.notes && i < 16; i++)
        yes = yes || strstr(told.note[i], part) != NULL;
    pthread_mutex_unlock(&told.mu);
    return yes;
}

/* A note with this part: a version that is in use, or stays in memory. */
static HELPER void expect_note(const char *part)
{
    int i;
    if (wait_until(is_noted, (void *)part, PATIENCE))
        return;
    CHECK(!"the note came");
    printf("   want: %s\n", part);
    for (i = 0; i < told.notes && i < 16; i++)
        printf("   note: %s\n", told.note[i]);
}

static const char *const symbols[] = {"version", "work", NULL};

/* Compiles a plugin and puts it into place in one step. */
static HELPER void build(int version, const char *more)
{
    char command[2000];
    FILE *c = fopen(in(dir, "plugin.c"), "w");
    if (c == NULL)
        abort();
    fprintf(c,
            "#define _GNU_SOURCE\n#include <signal.h>\n#include <stddef.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
            "static const volatile struct { char mark[8]; int number; } stamp = {\"stamped\", %d};\n"
            "static int state;\nint version(void) { return stamp.number; }\nint work(void) { return ++state; }\n%s\n",
            version, more);
    fclose(c);
    snprintf(command, sizeof command, "%s -shared -fPIC -w %s -o %s && mv %s %s", getenv("CC") ? getenv("CC") : "cc",
             in(dir, "plugin.c"), in(dir, "built"), in(dir, "built"), f);
    if (system(command) != 0)
        abort();
}

#define STATE                                                                                                         \
    "size_t plugin_save_state(void *to, size_t room) { if (room >= sizeof state) *(int *)to = state; return sizeof "  \
    "state; }\nint plugin_restore_state(const void *from, size_t size) { state = *(const int *)from; return 0; }\n"

static HELPER const hrm_safe_options *everybody; /* the next host's */
static HELPER uint32_t host_flags;

static HELPER void begin(int mode)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    dir = scratch();
    f = in(dir, "plugin.so");
    told.n = told.seen = told.close_inside = told.notes = 0;
    manual = mode == HRM_DISPATCH_MANUAL;
    o.dispatch_mode = mode;
    o.quiet_ms = QUIET;
    o.snapshot_dir = in(dir, "snapshots");
    o.safe = everybody;
    ho.manager = &o;
    ho.outcome = on_outcome;
    ho.user_data = &told;
    ho.flags = host_flags;
    CHECK_INT(hrm_host_create(&ho, &host, &err), HRM_OK);
}

static HELPER int32_t try_open(hrm_plugin_options *o, hrm_error *err)
{
    o->symbols = symbols;
    if (o->hand_over_timeout_ms == 0)
        o->hand_over_timeout_ms = PATIENCE; /* on a busy machine a call may take long */
    return hrm_host_open(host, "p", f, o, &plugin, err);
}

static HELPER void start(int mode, hrm_plugin_options *o)
{
    hrm_error err = HRM_ERROR_INIT;
    begin(mode);
    build(1, STATE);
    CHECK_INT(try_open(o, &err), HRM_OK);
    CHECK_STR(err.message, "");
    expect(HRM_VERDICT_DONE, 1, "");
}

static HELPER int call(size_t index)
{
    const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
    int answer = ((int (*)(void))hrm_plugin_function(v, index))();
    hrm_plugin_release(v);
    return answer;
}

static HELPER void stop(void)
{
    CHECK_INT(hrm_host_destroy(host, PATIENCE, NULL), HRM_OK);
    host = NULL;
}

static HELPER int loaded(const char *part)
{
    char line[1000];
    int yes = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        yes = yes || strstr(line, part) != NULL;
    if (maps != NULL)
        fclose(maps);
    return yes;
}

static HELPER int is_unloaded(void *part)
{
    if (manual)
        hrm_dispatch(hrm_host_manager(host), 0, 5, NULL);
    return !loaded(part);
}

/* Versions are unloaded after the outcome that says so of their successor. */
static HELPER void expect_unloaded(const char *part) { CHECK(wait_until(is_unloaded, (void *)part, PATIENCE)); }

#endif
