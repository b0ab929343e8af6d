/* SPDX-License-Identifier: MIT */
/* A plugin with a state. -DVERSION=2 is a version that works; the other macros
 * are the ways in which one can be broken. */
#include "plugin.h"

#include <string.h>

#ifndef VERSION
#define VERSION 1
#endif

static long calls;
static int running; /* between init and exit: whoever asks at another time gets a wrong answer */

int plugin_version(void) { return VERSION; }

#if !defined(WITHOUT_ANSWER)
int plugin_answer(int question)
{
    __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    return running ? question + VERSION : -1;
}
#endif

long plugin_calls(void) { return __atomic_load_n(&calls, __ATOMIC_RELAXED); }

int plugin_init(void)
{
#if defined(INIT_FAILS)
    return -7;
#elif defined(INIT_CRASHES)
    return *(volatile int *)0;
#elif defined(INIT_HANGS)
    for (;;) {
    }
#else
    running = 1;
    return 0;
#endif
}

void plugin_exit(void) { running = 0; }

size_t plugin_save_state(void *to, size_t room)
{
    if (room >= sizeof calls)
        memcpy(to, &calls, sizeof calls);
    return sizeof calls;
}

int plugin_restore_state(const void *from, size_t size)
{
#if defined(RESTORE_FAILS)
    return -9;
#endif
    if (size != sizeof calls)
        return -1;
    memcpy(&calls, from, size);
    return 0;
}
