/* SPDX-License-Identifier: MIT */
/* What the host and the plugin agree on. */
#ifndef PLUGIN_H
#define PLUGIN_H

/* The plugin defines `int plugin_answer(void)`. */
#define PLUGIN_SYMBOL "plugin_answer"
typedef int (*plugin_answer_fn)(void);

#endif
