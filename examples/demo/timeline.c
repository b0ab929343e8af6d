/* SPDX-License-Identifier: MIT */
/* Lines with times, gathered from several threads and printed in order. */
#include "demo.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct line {
    int64_t at;
    int order;
    char what[16], text[320];
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct line lines[64];
static int used, number, failures;
static int64_t began;

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void step(const char *title)
{
    printf("\n%d. %s\n", ++number, title);
    pthread_mutex_lock(&mu);
    used = 0;
    began = now_ns();
    pthread_mutex_unlock(&mu);
}

void say(int64_t at_ns, const char *what, const char *format, ...)
{
    va_list args;
    pthread_mutex_lock(&mu);
    if (used < (int)(sizeof lines / sizeof *lines)) {
        struct line *l = &lines[used];
        l->at = at_ns;
        l->order = used++;
        snprintf(l->what, sizeof l->what, "%s", what);
        va_start(args, format);
        vsnprintf(l->text, sizeof l->text, format, args);
        va_end(args);
    }
    pthread_mutex_unlock(&mu);
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->order - y->order;
}

void show(void)
{
    int i;
    pthread_mutex_lock(&mu);
    qsort(lines, (size_t)used, sizeof *lines, by_time);
    for (i = 0; i < used; i++)
        printf("   %8.1f ms   %-9s  %s\n", (double)(lines[i].at - began) / 1e6, lines[i].what, lines[i].text);
    pthread_mutex_unlock(&mu);
    fflush(stdout);
}

void verdict(int good, const char *text)
{
    printf("   %s  %s\n", good ? "     [ok]" : "[FAILED]", text);
    fflush(stdout);
    if (!good)
        failures++;
}

int all_good(void) { return failures == 0; }
