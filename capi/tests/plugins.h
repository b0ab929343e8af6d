/* SPDX-License-Identifier: MIT */
/* A host of plugins loaded with dlopen, and the compiler that makes their versions. */
#ifndef PLUGINS_H
#define PLUGINS_H

#define HRM_PLUGIN_IMPLEMENTATION
#include "hot_reload_plugin.h"
#include "support.h"

#define HELPER __attribute__((unused)) /* not every program needs each */

static const char *dir, *f;
static hrm_plugin_host *host;
static hrm_plugin *plugin;

static struct {
    pthread_mutex_t mu;
    int n, seen, close_inside;
    struct {
        int result;
        uint64_t generation, present;
        char message[400];
    } o[64];
} told = {PTHREAD_MUTEX_INITIALIZER, 0, 0, 0, {{0, 0, 0, ""}}};

static HELPER void on_outcome(const hrm_plugin_outcome *o, void *arg)
{
    CHECK(arg == &told);
    pthread_mutex_lock(&told.mu);
    told.o[told.n % 64].result = o->result;
    told.o[told.n % 64].generation = o->generation;
    told.o[told.n % 64].present = o->present;
    snprintf(told.o[told.n % 64].message, sizeof told.o[0].message, "%s", o->message);
    told.n++;
    pthread_mutex_unlock(&told.mu);
    if (LOAD(told.close_inside))
        hrm_plugin_close(plugin);
}

static HELPER int another(void *arg)
{
    int yes;
    if (arg != NULL)
        hrm_dispatch(hrm_plugin_host_manager(host), 0, 5, NULL);
    pthread_mutex_lock(&told.mu);
    yes = told.n > told.seen;
    pthread_mutex_unlock(&told.mu);
    return yes;
}

/* The next outcome: its result, what is present, a part of its message. */
static HELPER void expect(int result, int present, const char *message)
{
    int i;
    CHECK(wait_until(another, host->manual ? host : NULL, PATIENCE));
    i = told.seen++ % 64;
    CHECK_INT(told.o[i].result, result);
    CHECK_INT(told.o[i].present, present);
    CHECK_HAS(told.o[i].message, message);
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

static HELPER void begin(int mode)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    dir = scratch();
    f = in(dir, "plugin.so");
    told.n = told.seen = told.close_inside = 0;
    o.dispatch_mode = mode;
    o.quiet_ms = QUIET;
    o.snapshot_dir = in(dir, "snapshots");
    o.safe = everybody;
    CHECK_INT(hrm_plugin_host_create(&o, on_outcome, &told, &host, &err), HRM_OK);
}

static HELPER int32_t try_open(hrm_plugin_options *o, hrm_error *err)
{
    o->symbols = symbols;
    return hrm_plugin_open(host, "p", f, o, &plugin, err);
}

static HELPER void start(int mode, hrm_plugin_options *o)
{
    hrm_error err = HRM_ERROR_INIT;
    begin(mode);
    build(1, STATE);
    CHECK_INT(try_open(o, &err), HRM_OK);
    CHECK_STR(err.message, "");
    expect(HRM_RELOAD_OK, 1, "");
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
    hrm_plugin_host_destroy(host);
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

#endif
