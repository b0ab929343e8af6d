/* SPDX-License-Identifier: MIT */
/* A plugin for plugins.c: VERSION is its number, with FAILS its init fails. */
#include <stddef.h>
#include <string.h>

#define EXPORT __declspec(dllexport)

static int calls, alive;

EXPORT int plugin_init(void)
{
#ifdef FAILS
    return 7;
#else
    alive = 1;
    return 0;
#endif
}
EXPORT void plugin_exit(void) { alive = 0; }
#ifndef VERSION
#define VERSION 0
#endif
EXPORT int version(void) { return alive ? VERSION : -1; }
EXPORT int work(void) { return ++calls; }
EXPORT size_t plugin_save_state(void *to, size_t room)
{
    if (room >= sizeof calls)
        memcpy(to, &calls, sizeof calls);
    return sizeof calls;
}
EXPORT int plugin_restore_state(const void *from, size_t size)
{
    if (size == sizeof calls)
        memcpy(&calls, from, size);
    return size == sizeof calls ? 0 : 1;
}
