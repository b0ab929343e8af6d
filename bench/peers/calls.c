/* SPDX-License-Identifier: MIT */
/*
 * What a question costs. Linked with libhotreload: hrm_is_hot_reload_enabled by
 * 1, 2, 4 and 8 threads; with cgocall (-DCGOCALL): an empty call into Go, by as
 * many threads, and a map lookup inside Go.
 *
 *   calls PLUGINS DIRECTORY   one "name threads ns-per-call" line each
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef CGOCALL
#include "cgocall.h"
#else
#include <hot_reload_manager.h>
static hrm_manager *m;
#endif

enum { calls = 400000 };
static long plugins;
static pthread_barrier_t barrier;

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *work(void *result)
{
    long i;
    double start;
    char ids[64][32];
    for (i = 0; i < 64; i++)
        snprintf(ids[i], sizeof ids[i], "id-%013ld", i * 7919 % plugins);
    pthread_barrier_wait(&barrier);
    start = now();
    for (i = 0; i < calls; i++) {
#ifdef CGOCALL
        cgocall_empty();
#else
        if (hrm_is_hot_reload_enabled(m, ids[i & 63]) != 1)
            exit(3);
#endif
    }
    *(double *)result = (now() - start) / calls;
    return NULL;
}

static void run(const char *name, int threads)
{
    pthread_t t[8];
    double each[8], sum = 0;
    int i;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (i = 0; i < threads; i++)
        pthread_create(&t[i], NULL, work, &each[i]);
    for (i = 0; i < threads; i++) {
        pthread_join(t[i], NULL);
        sum += each[i];
    }
    printf("%s %d %.2f\n", name, threads, sum / threads);
}

int main(int argc, char **argv)
{
    const char *name;
    long i;
    int threads;
    char id[32], path[4200];
    if (argc != 3)
        return 2;
    plugins = atol(argv[1]);
#ifdef CGOCALL
    name = "empty";
    for (i = 0; i < plugins; i++) {
        snprintf(id, sizeof id, "id-%013ld", i);
        cgocall_fill(id);
    }
    for (i = 0; i < 3; i++) {
        double start = now();
        cgocall_lookups(id, (int)strlen(id), calls);
        printf("lookup 1 %.2f\n", (now() - start) / calls);
    }
    (void)path;
#else
    name = "is_enabled";
    if (hrm_manager_create(NULL, &m, NULL) < 0)
        return 1;
    for (i = 0; i < plugins; i++) {
        snprintf(id, sizeof id, "id-%013ld", i);
        snprintf(path, sizeof path, "%s/plugin%07ld.so", argv[2], i);
        if (hrm_enable_hot_reload(m, id, path, NULL) < 0)
            return 1;
    }
    for (;;) { /* the first look at each plugin is no part of this */
        hrm_stats_t s = {.struct_size = sizeof s};
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
        if (hrm_stats(m, &s) < 0)
            return 1;
        if (s.settling == 0)
            break;
    }
#endif
    for (threads = 1; threads <= 8; threads *= 2)
        for (i = 0; i < 3; i++)
            run(name, threads);
    return 0;
}
