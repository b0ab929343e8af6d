/* SPDX-License-Identifier: MIT */
/* What a canary does in its child process: for canary.c, whose child is a fork, and for
 * the program hotreload-canary. */
#ifndef HRM_CANARY_CHILD_H
#define HRM_CANARY_CHILD_H

#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

/* What the child writes: this, once it can begin, then '+' or why it does not work. */
#define HRMC_CANARY_BEGUN '.'
#define HRMC_CANARY_WORKS '+'
/* How long the child may go on after the time given to it, should nobody end it. */
#define HRMC_CANARY_GRACE_S 3

/* It leaves no core file, is told from its host in the system's log, and ends with it. What its library starts is in its
 * process group, and ends with it. */
static void hrmc_canary_settle(int32_t timeout_ms, pid_t host)
{
    const struct rlimit none = {0, 0};
    setpgid(0, 0);
    setrlimit(RLIMIT_CORE, &none);
    if (timeout_ms > 0)
        alarm((unsigned)timeout_ms / 1000 + HRMC_CANARY_GRACE_S);
#ifdef __linux__
    prctl(PR_SET_DUMPABLE, 0); /* a program that is given core files takes no notice of the limit */
    prctl(PR_SET_NAME, "hotreload-canary");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != host)
        _exit(0);
}

static void hrmc_canary_try(const char *path, const char *init, int to)
{
    const char begun = HRMC_CANARY_BEGUN;
    char text[300] = {HRMC_CANARY_WORKS, 0};
    const char *said = text;
    void *library, *symbol = NULL;
    int (*start)(void);
    ssize_t ignored = write(to, &begun, 1);
    int code;
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        said = dlerror();
    } else {
        if (*init != 0)
            symbol = dlsym(library, init);
        memcpy(&start, &symbol, sizeof start); /* ISO C has no cast for it */
        if (symbol != NULL && (code = start()) != 0)
            snprintf(text, sizeof text, "its init returned %d", code);
    }
    ignored = write(to, said, strlen(said));
    (void)ignored;
}

#endif
