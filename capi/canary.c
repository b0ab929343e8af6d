/* SPDX-License-Identifier: MIT */
/* Tries a library in a child process; include/hot_reload_canary.h says what is promised. */
#define _GNU_SOURCE
#define HRM_BUILDING 1
#include "host.h"

#include <stdio.h>
#include <string.h>

#if defined(_WIN32)

int32_t hrmc_canary(const char *program, const char *path, const char *init, int32_t timeout_ms, char *why, uint64_t room)
{
    (void)program, (void)path, (void)init, (void)timeout_ms;
    snprintf(why, (size_t)room, "no canary: not on Windows");
    return 0;
}

#else

#include "canary_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#ifdef __GLIBC__
#include <link.h>
#include <sys/auxv.h>
#endif

extern char **environ;

/* How long the child may take to begin, and how often it is tried. */
#define BEGIN_MS 1000
#define PROGRAM_BEGIN_MS 10000
#define TRIES 100

enum { WORKS = 1, REJECTED = 0, NOT_BEGUN = -1 };

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* -------------------------------------------------------- the child of a fork -- */

#ifdef __GLIBC__
/* The loader's own record of what it is doing. (The name _r_debug may lead to a
 * copy of it, made when the program began.) */
static const struct r_debug *loader_record(void)
{
    const ElfW(Phdr) *h = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    size_t n = getauxval(AT_PHNUM), i;
    const ElfW(Dyn) *d = NULL;
    ElfW(Addr) base = 0;
    for (i = 0; h != NULL && i < n; i++)
        if (h[i].p_type == PT_PHDR)
            base = (ElfW(Addr))h - h[i].p_vaddr;
    for (i = 0; h != NULL && i < n; i++)
        if (h[i].p_type == PT_DYNAMIC)
            d = (const ElfW(Dyn) *)(base + h[i].p_vaddr);
    while (d != NULL && d->d_tag != DT_NULL && d->d_tag != DT_DEBUG)
        d++;
    return d != NULL && d->d_tag == DT_DEBUG ? (const struct r_debug *)d->d_un.d_ptr : NULL;
}

static int nothing(struct dl_phdr_info *i, size_t n, void *arg)
{
    (void)i, (void)n, (void)arg;
    return 0;
}
#endif

/* In the child of a fork that fell into another thread's dlopen or dlclose,
 * glibc's loader is between two states, in which it would end the process, or
 * one of its locks is held by a thread that does not exist here. Ends, or hangs
 * until it is ended, in these cases. */
static void probe_loader(void)
{
#ifdef __GLIBC__
    const struct r_debug *loader = loader_record();
    if (loader != NULL && loader->r_state != RT_CONSISTENT)
        _exit(0);
    dl_iterate_phdr(nothing, NULL);
#endif
}

static void be_child(const char *path, const char *init, int32_t timeout_ms, int to, pid_t host)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGTERM, SIGALRM};
    struct sigaction usual;
    sigset_t set;
    size_t i;
    memset(&usual, 0, sizeof usual);
    usual.sa_handler = SIG_DFL;
    sigemptyset(&set);
    for (i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        sigaction(deadly[i], &usual, NULL); /* the host's handlers, a runtime's among them, do not work here */
        sigaddset(&set, deadly[i]);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    hrmc_canary_settle(timeout_ms, host);
    probe_loader();
    hrmc_canary_try(path, init, to);
    _exit(0);
}

/* ------------------------------------------------------------------ starting -- */

/* A pipe that no other program inherits; 0 if there is none. */
static int open_pipe(int ends[2])
{
#if defined(__linux__)
    return pipe2(ends, O_CLOEXEC) == 0;
#else
    if (pipe(ends) != 0)
        return 0;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 1;
#endif
}

/* Starts the program with the pipe as its descriptor 3, and no signal blocked. */
static pid_t spawn(const char *program, const char *path, const char *init, int to, int *problem)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char *const argv[] = {(char *)program, (char *)path, (char *)init, NULL};
    sigset_t none, all;
    pid_t child = -1;
    const int high = fcntl(to, F_DUPFD_CLOEXEC, 10); /* never 3 itself, which would be closed */
    *problem = ENOMEM;
    if (high < 0)
        *problem = errno;
    else if (posix_spawn_file_actions_init(&actions) == 0) {
        if (posix_spawnattr_init(&attr) == 0) {
            sigemptyset(&none);
            sigfillset(&all);
            posix_spawnattr_setsigmask(&attr, &none);
            posix_spawnattr_setsigdefault(&attr, &all);
            posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
            posix_spawn_file_actions_adddup2(&actions, high, 3);
            *problem = posix_spawn(&child, program, &actions, &attr, argv, environ);
            posix_spawnattr_destroy(&attr);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    if (high >= 0)
        close(high);
    return *problem == 0 ? child : -1;
}

static pid_t start(const char *program, const char *path, const char *init, int32_t timeout_ms, int to, int *problem)
{
    const pid_t host = getpid();
    pid_t child;
    if (program != NULL)
        return spawn(program, path, init, to, problem);
    child = fork();
    if (child == 0)
        be_child(path, init, timeout_ms, to, host);
    *problem = errno;
    return child;
}

/* ------------------------------------------------------------------ watching -- */

/* What became of a child. */
typedef struct {
    char text[400]; /* that it has written */
    size_t got;
    int timed_out, waited, reaped_here, status;
} ending;

/* Whether the child has ended; its status may have been taken by the host. What the library has started in it ends as
 * well: as long as the status is not taken, no other process group has its number. */
static void look(pid_t child, int options, ending *e)
{
    siginfo_t info;
    int found;
    info.si_pid = 0;
    found = waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT | options);
    if (found == 0 && info.si_pid == child) {
        kill(-child, SIGKILL);
        e->waited = 1;
        e->reaped_here = waitpid(child, &e->status, 0) == child;
    } else if (found != 0 && errno != EINTR) {
        e->waited = 1;
    }
}

/* Follows a child until its verdict is there, it has ended, or its time is over. */
static void follow(pid_t child, int from, int32_t begin_ms, int32_t timeout_ms, ending *e)
{
    struct pollfd ready = {from, POLLIN, 0};
    int64_t since = now_ms();
    int open = 1;
    while (e->got < 2 && !e->timed_out) {
        /* The pipe alone does not tell the end: another fork may hold its other end, or the library may have closed it. */
        if (!e->waited)
            look(child, WNOHANG, e);
        if (poll(&ready, open ? 1 : 0, e->waited ? 0 : 20) > 0) {
            ssize_t n;
            while ((n = read(from, e->text + e->got, sizeof e->text - e->got)) < 0 && errno == EINTR) {
            }
            if (n > 0 && e->got == 0)
                since = now_ms(); /* now it begins */
            e->got += n > 0 ? (size_t)n : 0;
            open = n > 0;
        } else if (e->waited) {
            break;
        }
        e->timed_out = e->got < 2 && !e->waited && now_ms() - since >= (e->got == 0 ? begin_ms : timeout_ms);
    }
    if (!e->waited) { /* of no effect on a verdict that is there already */
        kill(-child, SIGKILL);
        kill(child, SIGKILL);
    }
    while (!e->waited)
        look(child, 0, e);
}

/* What a child has written, in ASCII: names from the file are in it, which may be any bytes. */
static void show(const ending *e, char *out, size_t room)
{
    size_t end = 0, i;
    out[0] = 0;
    for (i = 1; i < e->got && end + 5 < room; i++) {
        const unsigned char c = (unsigned char)e->text[i];
        end += (size_t)snprintf(out + end, room - end, c >= ' ' && c < 0x7f ? "%c" : "\\x%02x", c);
    }
}

/* A library that forks has both processes say so. */
static int says_it_works(const ending *e)
{
    size_t i;
    for (i = 1; i < e->got; i++)
        if (e->text[i] != HRMC_CANARY_WORKS)
            return 0;
    return e->got > 1;
}

static int once(const char *program, const char *path, const char *init, int32_t timeout_ms, char *why, size_t room)
{
    ending e;
    char shown[4 * sizeof e.text + 1];
    int ends[2], problem = 0;
    pid_t child;
    memset(&e, 0, sizeof e);
    if (!open_pipe(ends)) {
        snprintf(why, room, "no canary: %s", strerror(errno));
        return REJECTED;
    }
    child = start(program, path, init, timeout_ms, ends[1], &problem);
    close(ends[1]);
    if (child < 0) {
        snprintf(why, room, "no canary: %s%s%s", program != NULL ? program : "", program != NULL ? ": " : "",
                 strerror(problem));
        close(ends[0]);
        return REJECTED;
    }
    follow(child, ends[0], program != NULL ? PROGRAM_BEGIN_MS : BEGIN_MS, timeout_ms, &e);
    close(ends[0]);
    if (e.got == 0 && program != NULL)
        snprintf(why, room, "no canary: %s reports nothing on descriptor 3; name a program that does (hot_reload_canary.h)",
                 program);
    if (e.got == 0)
        return program != NULL ? REJECTED : NOT_BEGUN;
    if (says_it_works(&e))
        return WORKS;
    show(&e, shown, sizeof shown);
    if (e.got > 1)
        snprintf(why, room, "in a child process: %s", shown);
    else if (e.timed_out)
        snprintf(why, room, "in a child process its init did not return within %d ms", (int)timeout_ms);
    else if (e.reaped_here && WIFSIGNALED(e.status))
        snprintf(why, room, "in a child process it crashed: signal %d", WTERMSIG(e.status));
    else if (e.reaped_here)
        snprintf(why, room, "in a child process it ended the process");
    else
        snprintf(why, room, "in a child process it crashed or ended the process; the host has taken its status (SIGCHLD)");
    return REJECTED;
}

int32_t hrmc_canary(const char *program, const char *path, const char *init, int32_t timeout_ms, char *why, uint64_t room)
{
    int tries, verdict = NOT_BEGUN;
    for (tries = 0; tries < TRIES && verdict == NOT_BEGUN; tries++)
        verdict = once(program, path, init, timeout_ms, why, (size_t)room);
    if (verdict == NOT_BEGUN)
        snprintf(why, (size_t)room, "no canary: other threads load libraries without pause");
    return verdict == WORKS;
}

#endif

int HRM_CALL hrm_plugin_canary_by(const char *program, const char *path, const char *init, int32_t timeout_ms, char *why,
                                  size_t size)
{
    char unused[8];
    if (why == NULL || size == 0) {
        why = unused;
        size = sizeof unused;
    }
    why[0] = 0;
    if (hrmc_unusable() == HRM_ERR_FORKED)
        snprintf(why, size, "no canary: called in the child of a fork");
    else if (path == NULL || timeout_ms <= 0)
        snprintf(why, size, "no canary: path is NULL, or timeout_ms is less than 1");
    else
        return hrmc_canary(program, path, init != NULL ? init : "plugin_init", timeout_ms, why, size);
    return 0;
}

int HRM_CALL hrm_plugin_canary(const char *path, const char *init, int32_t timeout_ms, char *why, size_t size)
{
    return hrm_plugin_canary_by(NULL, path, init, timeout_ms, why, size);
}
