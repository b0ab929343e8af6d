/* SPDX-License-Identifier: MIT */
/*
 * What every measured program in C and C++ shares: the list of files, the
 * commands of the driver, the clock, and what it reports.
 *
 *   PROGRAM LIST MODE   LIST has one path a line; MODE is how to report:
 *                       "each" prints "told NS NUMBER" for every notice, NS by
 *                       CLOCK_MONOTONIC; "count" only counts.
 *
 * Commands, one a line: enable, report, events, list, disable, clear, quit. Each is
 * answered by one line. A plugin's number stands in its file's name.
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char **paths;
static size_t npaths;
static int each;
static unsigned *counts;
static unsigned long total;
__attribute__((unused)) static unsigned long events; /* that the watcher has read from the system, where it can be known */

static inline int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The number in "plugin0000042.so", its directory and other text ignored; -1 if there is none. */
static inline long number_in(const char *name)
{
    const char *at = strrchr(name, '/');
    at = at ? at + 1 : name;
    if (strncmp(at, "plugin", 6) != 0 && strncmp(at, "id-", 3) != 0)
        return -1;
    while (*at && !isdigit((unsigned char)*at))
        at++;
    return *at ? strtol(at, NULL, 10) : -1;
}

static inline void told(const char *name)
{
    int64_t t = now_ns();
    long n = number_in(name);
    char line[64];
    if (n < 0 || (size_t)n >= npaths)
        return;
    if (each) {
        int len = snprintf(line, sizeof line, "told %lld %ld\n", (long long)t, n);
        if (write(1, line, (size_t)len) < 0)
            exit(1);
        return;
    }
    __atomic_fetch_add(&counts[n], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&total, 1, __ATOMIC_RELAXED);
}

static inline void answer(const char *what, int64_t a, int64_t b)
{
    char line[96];
    int len = snprintf(line, sizeof line, "%s %lld %lld\n", what, (long long)a, (long long)b);
    if (write(1, line, (size_t)len) < 0)
        exit(1);
}

/* "counted NOTICES PLUGINS": since the last time. */
static inline void report_counts(void)
{
    size_t i, distinct = 0;
    unsigned long all = total;
    total = 0;
    for (i = 0; i < npaths; i++) {
        distinct += counts[i] != 0;
        counts[i] = 0;
    }
    answer("counted", (int64_t)all, (int64_t)distinct);
}

static inline void read_list(int argc, char **argv)
{
    char line[4200];
    FILE *f;
    size_t room = 0;
    if (argc != 3 || !(f = fopen(argv[1], "r"))) {
        fprintf(stderr, "usage: %s LIST each|count\n", argv[0]);
        exit(2);
    }
    each = strcmp(argv[2], "each") == 0;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (npaths == room) {
            room = room ? 2 * room : 1024;
            paths = (char **)realloc(paths, room * sizeof *paths);
        }
        paths[npaths++] = strdup(line);
    }
    fclose(f);
    counts = (unsigned *)malloc((npaths + 1) * sizeof *counts);
    memset(counts, 0, (npaths + 1) * sizeof *counts);
}

static inline void id_of(size_t n, char id[32]) { snprintf(id, 32, "id-%013zu", n); }

/* What the program under test provides; each returns a figure for the answer. */
static int64_t enable_all(void);
static int64_t list_all(void);
static int64_t count_events(void);
static void disable_all(void);
static void clear_all(void);

/* Carries out one command; false at the end. */
static inline int obey(const char *command)
{
    int64_t start = now_ns(), n = 0;
    if (strcmp(command, "report") == 0) {
        report_counts();
        return 1;
    }
    if (strcmp(command, "enable") == 0)
        n = enable_all();
    else if (strcmp(command, "events") == 0)
        n = count_events();
    else if (strcmp(command, "list") == 0)
        n = list_all();
    else if (strcmp(command, "disable") == 0)
        disable_all();
    else if (strcmp(command, "clear") == 0)
        clear_all();
    else
        return 0;
    answer(command, now_ns() - start, n);
    return 1;
}

/* Reads what stdin has and obeys it; false at the end. */
static inline int obey_stdin(void)
{
    static char buf[4096];
    static size_t len;
    ssize_t n = read(0, buf + len, sizeof buf - len - 1);
    char *nl;
    if (n <= 0)
        return 0;
    len += (size_t)n;
    buf[len] = 0;
    while ((nl = strchr(buf, '\n'))) {
        *nl = 0;
        if (!obey(buf))
            return 0;
        len -= (size_t)(nl + 1 - buf);
        memmove(buf, nl + 1, len + 1);
    }
    return 1;
}

#endif
