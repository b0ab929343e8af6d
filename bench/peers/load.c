/* SPDX-License-Identifier: MIT */
/* load LIBRARY: how long dlopen and the first manager take, threads and resident memory after. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static long status(const char *field)
{
    char line[256];
    long value = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            sscanf(line + strlen(field), " %ld", &value);
    if (f)
        fclose(f);
    return value;
}

int main(int argc, char **argv)
{
    double start, loaded, created;
    long before = status("VmRSS:");
    void *lib, *m = NULL;
    int32_t (*create)(const void *, void **, void *);
    if (argc != 2)
        return 2;
    start = now();
    lib = dlopen(argv[1], RTLD_NOW);
    if (!lib) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    loaded = now();
    *(void **)&create = dlsym(lib, "hrm_manager_create");
    if (!create || create(NULL, &m, NULL) < 0)
        return 1;
    created = now();
    printf("%.0f %.0f %ld %ld\n", loaded - start, created - loaded, status("VmRSS:") - before, status("Threads:"));
    return 0;
}
