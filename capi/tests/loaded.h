/* SPDX-License-Identifier: MIT */
/* What the hosts share that load the library at run time. They are not linked to
 * it: each test is a process of its own that loads it when its host is ready.
 *   PROGRAM libhotreload.so second.so */
#ifndef LOADED_H
#define LOADED_H

#include "check.h"
#include "hot_reload_manager.h"

#include <dlfcn.h>

extern const char *library, *second; /* second: another library with Go in it */
extern char dir[64], file[128];      /* a scratch directory, and the plugin in it */

/* The functions, found by name. */
#define FUNCTIONS(F)                                                                                                  \
    F(hrm_manager_create)                                                                                             \
    F(hrm_manager_destroy)                                                                                            \
    F(hrm_enable_hot_reload)                                                                                          \
    F(hrm_enable_hot_reload_ex)                                                                                       \
    F(hrm_disable_hot_reload)                                                                                         \
    F(hrm_is_hot_reload_enabled)                                                                                      \
    F(hrm_is_hot_reload_enabled_ex)                                                                                   \
    F(hrm_get_hot_reload_plugins)                                                                                     \
    F(hrm_clear)                                                                                                      \
    F(hrm_set_global_hot_reload_enabled)                                                                              \
    F(hrm_is_global_hot_reload_enabled)                                                                               \
    F(hrm_set_reload_callback)                                                                                        \
    F(hrm_set_event_callback)                                                                                         \
    F(hrm_set_validator)                                                                                              \
    F(hrm_report_reload)                                                                                              \
    F(hrm_dispatch)                                                                                                   \
    F(hrm_event_fd)                                                                                                   \
    F(hrm_set_wakeup_callback)                                                                                        \
    F(hrm_stats)                                                                                                      \
    F(hrm_error_name)                                                                                                 \
    F(hrm_strerror)                                                                                                   \
    F(hrm_version_number)                                                                                             \
    F(hrm_version_string)
#define DECLARE(f) extern __typeof__(f) *p_##f;
FUNCTIONS(DECLARE)

void *load_as(int flags); /* of dlopen */
void load(void);
void write_file(const char *text); /* replaces the plugin's */
int wait_for(int (*holds)(void *), void *arg);
/* For hrm_set_reload_callback and wait_for: counts into, and looks at, an int. */
void on_reload(const char *id, void *told);
int is_told(void *told);
/* One manager from beginning to end, with a change told on the library's thread. */
void use(void);

/* Runs a test in a process of its own; it must end by itself, with success. */
void apart(void (*test)(void));
#define APART(test)                                                                                                   \
    static void test##_(void);                                                                                        \
    static void test(void) { apart(test##_); }                                                                        \
    static void test##_(void)

/* Takes the arguments of main, makes the scratch directory; finish removes it. */
void begin(int argc, char **argv);
void finish(void);

#endif
