/* SPDX-License-Identifier: MIT */
/**
 * \file hot_reload_canary.h
 * \brief Tries a library in a child process before it is loaded. POSIX.
 *
 * hot_reload_plugin.h does this for its plugins (hrm_plugin_options.canary_timeout_ms). Here it is alone, for a validator
 * of your own.
 *
 *   \code
 *   #include <hot_reload_canary.h>
 *   #include <stdio.h>
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
 * \section hrm_canary_child The child
 * The child is a fork without an exec, or a program that you name (hrm_plugin_canary_by()).
 * - A fork sees the host's memory as it is, with every registry that the host has filled. Its init runs in a process that
 *   has this thread alone. The fork of a host with many gigabytes stops the host for some milliseconds.
 * - A program (the library comes with one, hotreload-canary) begins empty. Starting it costs the host nothing that grows
 *   with its size.
 *
 * Neither can have what the version in use holds: a port, a lock, in a fork also an entry in a registry. An init that needs
 * such a thing fails there: use no canary for plugins with #HRM_MODE_EXIT_FIRST or #HRM_MODE_UNLOAD_FIRST that do.
 *
 * The child is called hotreload-canar in the system's logs, so that its crash is not taken for the host's. It writes no core
 * file. It ends with the host, at the latest a few seconds after the timeout. It has a process group of its own: processes
 * that the library starts in it are killed when it ends, unless they leave the group.
 *
 * \section hrm_canary_sigchld SIGCHLD
 * The host gets SIGCHLD for each child, as for every child of its own. A host that ignores SIGCHLD, or waits for all of its
 * children, may take the child's status away. The verdict is the right one all the same; only the number of the signal
 * that killed the child is missing in the reason.
 */
#ifndef HOT_RELOAD_CANARY_H
#define HOT_RELOAD_CANARY_H

#include "hot_reload_manager.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Loads a library in the child of a fork and calls its init there.
 * \param path        the library, as for dlopen()
 * \param init        the name of its init; NULL = plugin_init. A library that does not export it has none.
 * \param timeout_ms  how long loading and init may take, in milliseconds, 1 or more
 * \param[out] why    receives why it failed: one line of ASCII, other bytes as \\xNN; may be NULL
 * \param size        the room in why in bytes, the NUL included
 * \returns 1 if the library was loaded and its init returned 0, otherwise 0. Windows has no fork: 0.
 * \threadsafety Any thread. In the child of a fork it returns 0.
 * \since 1.0.0
 * \sa hrm_plugin_canary_by(), hrm_plugin_options
 */
HRM_API int HRM_CALL hrm_plugin_canary(const char *path, const char *init, int32_t timeout_ms, char *why, size_t size);
/**
 * Loads a library in a program of its own and calls its init there.
 *
 * The program is started as `PROGRAM PATH INIT`. It reports on descriptor 3: a dot when it begins, then a plus sign if the
 * library was loaded and its init returned 0, otherwise why not. The library's own program is hotreload-canary, in the
 * directory libexec/hotreload of its installation.
 * \param program     the program's path; NULL = a fork, as hrm_plugin_canary()
 * \param path        the library, as for dlopen()
 * \param init        the name of its init; NULL = plugin_init. A library that does not export it has none.
 * \param timeout_ms  how long loading and init may take, in milliseconds, 1 or more
 * \param[out] why    receives why it failed: one line of ASCII, other bytes as \\xNN; may be NULL
 * \param size        the room in why in bytes, the NUL included
 * \returns 1 if the library was loaded and its init returned 0, otherwise 0. It is not there on Windows: 0.
 * \threadsafety Any thread. In the child of a fork it returns 0.
 * \since 1.0.0
 * \sa hrm_plugin_canary(), hrm_plugin_options
 */
HRM_API int HRM_CALL hrm_plugin_canary_by(const char *program, const char *path, const char *init, int32_t timeout_ms,
                                          char *why, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* HOT_RELOAD_CANARY_H */
