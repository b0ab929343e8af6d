/* SPDX-License-Identifier: MIT */
/**
 * \file hot_reload_canary.h
 * \brief Tries a library in a child process before it is loaded. POSIX.
 *
 * A part of hot_reload_plugin.h that can also be used alone, with a validator of your own. It needs nothing else of
 * libhotreload. One C file of the program defines HRM_PLUGIN_IMPLEMENTATION before it includes the header.
 *
 *   \code
 *   #define HRM_PLUGIN_IMPLEMENTATION // in exactly one C file
 *   #include <hot_reload_canary.h>
 *
 *   int main(void)
 *   {
 *       char why[200];
 *       if (!hrm_plugin_canary("./plugin.so", NULL, 1000, why, sizeof why)) {
 *           printf("rejected: %s\n", why);
 *           return 1;
 *       }
 *       printf("it loads, and its init succeeds\n");
 *       return 0;
 *   }
 *   \endcode
 *
 * The child is a fork without an exec: the library sees the host's memory as it is, and its init runs in a process that has
 * this thread alone. The child ends with the host, at the latest a few seconds after the timeout.
 */
#ifndef HOT_RELOAD_CANARY_H
#define HOT_RELOAD_CANARY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Loads a library in a child process and calls its init there.
 * \param path        the library, as for dlopen()
 * \param init        the name of its init; NULL = plugin_init. A library that does not export it has none.
 * \param timeout_ms  how long loading and init may take, in milliseconds
 * \param[out] why    receives why it failed: one line of ASCII, other bytes as \\xNN
 * \param size        the room in why in bytes, the NUL included
 * \returns 1 if the library was loaded and its init returned 0, otherwise 0
 * \threadsafety Any thread.
 * \since 1.0.0
 * \sa hrm_plugin_options
 */
int hrm_plugin_canary(const char *path, const char *init, int32_t timeout_ms, char *why, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* HOT_RELOAD_CANARY_H */

#if defined(HRM_PLUGIN_IMPLEMENTATION) && !defined(HRM_CANARY_IMPLEMENTED)
#define HRM_CANARY_IMPLEMENTED

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifdef __GLIBC__
#include <link.h>
#include <sys/auxv.h>
#ifndef __USE_GNU
struct dl_phdr_info;
int dl_iterate_phdr(int (*)(struct dl_phdr_info *, size_t, void *), void *);
#endif
#endif

/* What the child writes: this, once its loader has been found to be usable, then
 * '+' or why it does not work. */
#define HRM_CANARY_BEGUN '.'
/* How long the loader may take for that, and how often a fork is tried. */
#define HRM_CANARY_LOADER_MS 1000
#define HRM_CANARY_TRIES 100

static int64_t hrm_canary_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#ifdef __GLIBC__
/* The loader's own record of what it is doing. (The name _r_debug may lead to a
 * copy of it, made when the program began.) */
static const struct r_debug *hrm_canary_loader(void)
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

static int hrm_canary_nothing(struct dl_phdr_info *i, size_t n, void *arg)
{
    (void)i, (void)n, (void)arg;
    return 0;
}
#endif

/* In the child of a fork that fell into another thread's dlopen or dlclose,
 * glibc's loader is between two states, in which it would end the process, or
 * one of its locks is held by a thread that does not exist here. Ends, or hangs
 * until it is ended, in these cases. */
static void hrm_canary_probe(void)
{
#ifdef __GLIBC__
    const struct r_debug *loader = hrm_canary_loader();
    if (loader != NULL && loader->r_state != 0) /* RT_CONSISTENT, which C++ has in another scope */
        _exit(0);
    dl_iterate_phdr(hrm_canary_nothing, NULL);
#endif
}

static void hrm_canary_child(const char *path, const char *init, int32_t timeout_ms, int to, pid_t parent)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGTERM, SIGALRM};
    const char begun = HRM_CANARY_BEGUN;
    const char *said = "+";
    char text[300];
    void *library, *symbol;
    int (*start)(void);
    sigset_t set;
    ssize_t ignored;
    size_t i;
    int code;
    sigemptyset(&set);
    for (i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        signal(deadly[i], SIG_DFL); /* the parent's handlers, a runtime's among them, do not work here */
        sigaddset(&set, deadly[i]);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    /* A host that is killed meanwhile must not leave the child behind: it would keep what the host had open and locked. */
    alarm((unsigned)timeout_ms / 1000 + 3);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != parent)
        _exit(0);
    hrm_canary_probe();
    ignored = write(to, &begun, 1);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        said = dlerror();
    } else {
        symbol = dlsym(library, init != NULL ? init : "plugin_init");
        memcpy(&start, &symbol, sizeof start); /* ISO C has no cast for it */
        if (symbol != NULL && (code = start()) != 0) {
            snprintf(text, sizeof text, "its init returned %d", code);
            said = text;
        }
    }
    ignored = write(to, said, strlen(said));
    (void)ignored;
    _exit(0);
}

/* One child. Returns -1 if it could not even begin. */
static int hrm_canary_once(const char *path, const char *init, int32_t timeout_ms, char *why, size_t size)
{
    char text[400], shown[4 * sizeof text + 1] = "";
    struct pollfd ready;
    ssize_t n;
    size_t got = 0, end = 0, i;
    int ends[2], status = 0, timed_out = 0, open = 1;
    int64_t since;
    pid_t child, waited = 0, parent = getpid();
    if (pipe(ends) != 0) {
        snprintf(why, size, "no canary: %s", strerror(errno));
        return 0;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    child = fork();
    if (child == 0)
        hrm_canary_child(path, init, timeout_ms, ends[1], parent);
    close(ends[1]);
    if (child < 0) {
        snprintf(why, size, "no canary: %s", strerror(errno));
        close(ends[0]);
        return 0;
    }
    ready.fd = ends[0];
    ready.events = POLLIN;
    since = hrm_canary_ms();
    while (got < 2 && !timed_out) {
        /* The pipe alone does not tell the end: another fork may hold its other end, or the library may have closed it. */
        if (waited == 0 && ((waited = waitpid(child, &status, WNOHANG)) == 0 || (waited < 0 && errno == EINTR)))
            waited = 0;
        if (poll(&ready, open ? 1 : 0, waited == 0 ? 20 : 0) > 0) {
            while ((n = read(ends[0], text + got, sizeof text - got)) < 0 && errno == EINTR) {
            }
            if (n > 0 && got == 0)
                since = hrm_canary_ms(); /* now it begins */
            got += n > 0 ? (size_t)n : 0;
            open = n > 0;
        } else if (waited != 0) {
            break;
        }
        timed_out = got < 2 && waited == 0 && hrm_canary_ms() - since >= (got == 0 ? HRM_CANARY_LOADER_MS : timeout_ms);
    }
    if (waited == 0)
        kill(child, SIGKILL); /* of no effect on a verdict that is there already */
    close(ends[0]);
    while (waited == 0 && (waited = waitpid(child, &status, 0)) < 0 && errno == EINTR)
        waited = 0;
    if (got == 0)
        return -1;
    if (got == 2 && text[1] == '+')
        return 1;
    for (i = 1; i < got; i++) { /* what dlerror says has names from the file in it, which may be any bytes */
        const unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c < 0x7f)
            snprintf(shown + end, sizeof shown - end, "%c", c);
        else
            snprintf(shown + end, sizeof shown - end, "\\x%02x", c);
        end += strlen(shown + end);
    }
    if (got > 1)
        snprintf(why, size, "in a child process: %s", shown);
    else if (timed_out)
        snprintf(why, size, "in a child process its init did not return within %d ms", (int)timeout_ms);
    else if (waited == child && WIFSIGNALED(status))
        snprintf(why, size, "in a child process it crashed: signal %d", WTERMSIG(status));
    else
        snprintf(why, size, "in a child process it ended the process");
    return 0;
}

int hrm_plugin_canary(const char *path, const char *init, int32_t timeout_ms, char *why, size_t size)
{
    int tries, verdict = -1;
    for (tries = 0; tries < HRM_CANARY_TRIES && verdict < 0; tries++)
        verdict = hrm_canary_once(path, init, timeout_ms, why, size);
    if (verdict < 0)
        snprintf(why, size, "no canary: other threads load libraries without pause");
    return verdict > 0;
}

#endif /* HRM_PLUGIN_IMPLEMENTATION */
