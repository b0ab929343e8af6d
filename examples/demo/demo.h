/* SPDX-License-Identifier: MIT */
/*
 * The demo in three parts: a host that loads a plugin and reloads it when a
 * change is delivered (host.c), a build that changes the plugin (build.c), and
 * the story with its timeline (main.c, timeline.c).
 */
#ifndef DEMO_H
#define DEMO_H

#include "hot_reload_manager.h"

#include <stdint.h>

/* ------------------------------------------------------------- timeline -- */

int64_t now_ns(void); /* since 1970, as the library's events have it */
void step(const char *title);
/* A line of the step, at its time; from any thread. */
__attribute__((format(printf, 3, 4))) void say(int64_t at_ns, const char *what, const char *format, ...);
/* Prints the step's lines in the order of their times. */
void show(void);
/* Prints a verdict and remembers whether all were good. */
void verdict(int good, const char *text);
int all_good(void);

/* ----------------------------------------------------------------- host -- */

typedef struct host host;

/* Loads the plugin and watches it. NULL, with a message printed, on failure. */
host *host_start(const char *plugin_path, const char *private_dir);
void host_stop(host *h);
int host_answer(host *h);  /* calls the loaded plugin */
int host_reloads(host *h); /* how many reloads have been completed */
int host_rejected(host *h); /* how many incomplete images have been rejected */
int64_t host_delivered_ns(host *h); /* when the last change was delivered */
int64_t host_delivered(host *h);    /* changes delivered, by hrm_stats */
/* Waits until there have been n, at most ten seconds; 0 if there have not. */
int host_await_reloads(host *h, int n);
int host_await_rejected(host *h, int n);

/* ---------------------------------------------------------------- build -- */

/* Writes the plugin's source; broken makes it one that does not compile. */
int build_source(const char *source, int answer, int broken);
/* Runs the C compiler that CC names, else cc; its exit status, -1 if it cannot be started. What it says is in log. */
int build_compile(const char *source, const char *output, const char *log);
void build_show(const char *log); /* on stderr */
int build_copy(const char *from, const char *to);
/* Overwrites to with from as a linker might: opened once, written in chunks with
 * pauses. *closed_ns is when it was closed. */
int build_write_slowly(const char *from, const char *to, int chunks, int pause_ms, int64_t *closed_ns);
int build_write_part(const char *from, const char *to, int percent);
void build_pause(int ms);

#endif
