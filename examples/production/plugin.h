/* SPDX-License-Identifier: MIT */
/* What the host and its plugins agree on. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <stddef.h>

int plugin_version(void);
int plugin_answer(int question); /* question + plugin_version() */
long plugin_calls(void);         /* answered so far, over all versions */

int plugin_init(void);
void plugin_exit(void);
size_t plugin_save_state(void *to, size_t room);
int plugin_restore_state(const void *from, size_t size);

#endif
