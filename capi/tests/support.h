/* SPDX-License-Identifier: MIT */
/* What the test programs share: bounded waits, files with a recognisable
 * content, a recorder of events. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "check.h"
#include "hot_reload_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUIET 40      /* quiet_ms of the tests' managers */
#define PATIENCE 8000 /* ms that something may take before it counts as missing */

int64_t now_ms(void); /* monotonic */

typedef int (*condition)(void *);
/* Waits until it holds; 0 if it does not within ms. The only wait there is. */
int wait_until(condition holds, void *arg, int ms);
/* Lets time pass in the middle of a slow write; never used to wait for a result. */
void let_pass(int ms);
/* For wait_until: *(atomic int *)arg is not zero. */
int is_set(void *arg);
#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)
#define ADD(x, v) __atomic_add_fetch(&(x), (v), __ATOMIC_SEQ_CST)

/* A fresh directory, removed at exit. The result is valid for ever. */
const char *scratch(void);
/* Runs this program once more, in a mount namespace of its own, with the arguments --here and the scratch directory.
 * Where no namespace can be had it says what is not tested. */
void run_in_a_mount_namespace(const char *untested);
/* dir/name, valid for ever. */
const char *in(const char *dir, const char *name);

/* A whole file of version v: a first and a last line that name v. */
char *contents(int v, size_t *size);
void write_version(const char *path, int v);   /* truncated and rewritten in place */
void replace_version(const char *path, int v); /* renamed over */
void write_bytes(const char *path, const void *data, size_t size);
int read_version(const char *path); /* -1 if torn or missing */

typedef struct {
    int kind, health;
    char id[64], path[512], message[256];
    uint64_t generation, sequence;
    int64_t timestamp_ns, first_seen_ns;
    int version; /* what a reader found at the callback */
    long thread;
} record;

typedef struct {
    pthread_mutex_t mu;
    int n, reloads, inside, overlaps;
    record ev[512];
} recorder;

hrm_manager *manager(int mode, uint32_t flags);
/* Sets both callbacks of m to r. */
void record_into(hrm_manager *m, recorder *r);
void on_event(const hrm_event *ev, void *r);
void on_reload(const char *id, void *r);
/* Events of a kind (0 any) for an id (NULL any). */
int count(recorder *r, int kind, const char *id);
record nth(recorder *r, int kind, const char *id, int n); /* n from 0 */
/* Waits for at least n of them; pumps hrm_dispatch if pump is not NULL. */
int await(recorder *r, int kind, const char *id, int n);
/* Changes the file of id "sentinel" and waits for its delivery: whatever was to
 * be told of earlier happenings has been told then. */
void watch_sentinel(hrm_manager *m, const char *dir);
int sentinel(recorder *r, const char *dir);

int threads_now(void);
int fds_now(void);

#endif
