/* SPDX-License-Identifier: MIT */
/*
 * A host in production: its plugin is exchanged while it answers requests, and
 * no version that is unsigned, broken, crashing or failing can stop it.
 *
 *   ./host [--exit-first] PLUGIN.so PUBLIC_KEY
 *
 * With --exit-first the old version exits before the new one is initialised, as a plugin needs it that owns a port. Requests
 * wait meanwhile.
 * PUBLIC_KEY is minisign's (minisign -G); PLUGIN.so.minisig is the signature
 * (minisign -S -m PLUGIN.so). Prints every outcome. Ends when its input does, and
 * prints how many requests were answered and how many failed.
 */
#include "hot_reload_plugin.h"
#include "plugin.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { VERSION, ANSWER, CALLS };
static const char *const symbols[] = {"plugin_version", "plugin_answer", "plugin_calls", NULL};

static hrm_plugin *plugin;
static volatile int ending;

struct load {
    pthread_t thread;
    long answered, failed;
};

/* Requests without pause. What is acquired stays loaded until it is released. */
static void *requests(void *arg)
{
    struct load *l = arg;
    int question = 0;
    while (!ending) {
        const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
        int (*version)(void) = (int (*)(void))hrm_plugin_function(v, VERSION);
        int (*answer)(int) = (int (*)(int))hrm_plugin_function(v, ANSWER);
        question = (question + 1) % 1000;
        if (answer(question) == question + version())
            l->answered++;
        else
            l->failed++;
        hrm_plugin_release(v);
    }
    return NULL;
}

static void on_outcome(const hrm_plugin_outcome *o, void *user_data)
{
    (void)user_data;
    switch (o->verdict) {
    case HRM_VERDICT_DONE: printf("generation %d answers\n", (int)o->generation); break;
    case HRM_VERDICT_FAILED:
        printf("failed, generation %d still answers: %s\n", (int)o->active, o->reason);
        break;
    case HRM_VERDICT_REJECTED:
        printf("refused, generation %d still answers: %s\n", (int)o->active, o->reason);
        break;
    default: printf("%s\n", o->message); /* waits, is tried again, and the like */
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *keys[] = {NULL, NULL};
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_host_options host_options = HRM_HOST_OPTIONS_INIT;
    hrm_plugin_options options = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_host *host = NULL;
    struct load load[2] = {{0, 0, 0}, {0, 0, 0}};
    size_t i, n = sizeof load / sizeof load[0];
    if (argc == 4 && strcmp(argv[1], "--exit-first") == 0) {
        options.mode = HRM_MODE_EXIT_FIRST;
        argv++;
    } else if (argc != 3) {
        fprintf(stderr, "usage: %s [--exit-first] PLUGIN.so PUBLIC_KEY\n", argv[0]);
        return 2;
    }
    keys[0] = argv[2];
    safe.flags = HRM_SAFE_IMAGE;
    safe.symbols = symbols;
    safe.public_keys = keys;
    host_options.outcome = on_outcome;
    options.symbols = symbols;
    options.safe = &safe;
    options.canary_timeout_ms = 2000;
    if (hrm_host_create(&host_options, &host, &err) < 0 ||
        hrm_host_open(host, "plugin", argv[1], &options, &plugin, &err) < 0) {
        fprintf(stderr, "%s: %s\n", hrm_error_name(err.code), err.message);
        hrm_host_destroy(host, 1000, NULL);
        return 1;
    }
    for (i = 0; i < n; i++)
        if (pthread_create(&load[i].thread, NULL, requests, &load[i]) != 0)
            return 1;
    while (getchar() != EOF) {
    }
    ending = 1;
    for (i = 0; i < n; i++) {
        pthread_join(load[i].thread, NULL);
        if (i > 0) {
            load[0].answered += load[i].answered;
            load[0].failed += load[i].failed;
        }
    }
    {
        const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
        long (*calls)(void) = (long (*)(void))hrm_plugin_function(v, CALLS);
        printf("%ld requests answered, %ld failed; the plugin has counted %ld\n", load[0].answered, load[0].failed, calls());
        hrm_plugin_release(v);
    }
    hrm_host_destroy(host, -1, NULL);
    return load[0].failed == 0 && load[0].answered > 0 ? 0 : 1;
}
