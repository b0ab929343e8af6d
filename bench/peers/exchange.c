/* SPDX-License-Identifier: MIT */
/*
 * exchange VERSION1 VERSION2 PLUGIN MODE EXCHANGES: what the host costs that exchanges versions. MODE is "beside" (side by
 * side) or "exit" (exit first). The plugin exports work(). Prints one line:
 *
 *   direct NS  pinned NS  calls N  refused N  longest NS
 *
 * a call through a pointer; acquire, call and release; how many of these a thread made while the versions were exchanged,
 * how many of them found no version, and the longest one: how long an exchange holds callers up.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hot_reload_plugin.h>

static hrm_plugin *plugin;
static volatile int ended;
static long calls, refused;
static int64_t longest;

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int call(void)
{
    const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
    if (v == NULL)
        return 0;
    ((int (*)(void))hrm_plugin_function(v, 0))();
    hrm_plugin_release(v);
    return 1;
}

static void *caller(void *arg)
{
    (void)arg;
    while (!ended) {
        const int64_t start = now_ns();
        int64_t took;
        if (!call())
            refused++;
        took = now_ns() - start;
        if (took > longest)
            longest = took;
        calls++;
    }
    return NULL;
}

/* Puts a copy of a version at the plugin's path, as install(1) does. */
static void put(const char *version, const char *path)
{
    char command[8192];
    snprintf(command, sizeof command, "cp '%s' '%s.new' && mv '%s.new' '%s'", version, path, path, path);
    if (system(command) != 0)
        exit(1);
}

static uint64_t generation(void)
{
    const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
    const uint64_t g = hrm_plugin_generation(v);
    hrm_plugin_release(v);
    return g;
}

int main(int argc, char **argv)
{
    static const char *const symbols[] = {"work", NULL};
    const long many = 5000000;
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    hrm_plugin_options po = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_host *host = NULL;
    const hrm_plugin_version *v;
    pthread_t thread;
    int64_t start;
    double direct, pinned;
    int (*work)(void);
    long i;
    if (argc != 6)
        return 2;
    put(argv[1], argv[3]);
    po.symbols = symbols;
    po.mode = strcmp(argv[4], "exit") == 0 ? HRM_MODE_EXIT_FIRST : HRM_MODE_SIDE_BY_SIDE;
    if (hrm_host_create(&ho, &host, &err) != HRM_OK || hrm_host_open(host, "p", argv[3], &po, &plugin, &err) != HRM_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    v = hrm_plugin_acquire(plugin);
    *(void **)&work = *(void **)&(hrm_plugin_fn){hrm_plugin_function(v, 0)};
    start = now_ns();
    for (i = 0; i < many; i++)
        work();
    direct = (double)(now_ns() - start) / (double)many;
    hrm_plugin_release(v);
    start = now_ns();
    for (i = 0; i < many; i++)
        call();
    pinned = (double)(now_ns() - start) / (double)many;
    if (pthread_create(&thread, NULL, caller, NULL) != 0)
        return 1;
    for (i = 0; i < atol(argv[5]); i++) {
        const uint64_t before = generation();
        const int64_t limit = now_ns() + (int64_t)20 * 1000000000;
        put(argv[1 + (i + 1) % 2], argv[3]);
        while (generation() == before) {
            if (now_ns() > limit) {
                fprintf(stderr, "no exchange within 20 s\n");
                return 1;
            }
            usleep(1000);
        }
    }
    ended = 1;
    pthread_join(thread, NULL);
    printf("direct %.2f pinned %.2f calls %ld refused %ld longest %lld\n", direct, pinned, calls, refused, (long long)longest);
    return hrm_host_destroy(host, 10000, &err) == HRM_OK ? 0 : 1;
}
