/* SPDX-License-Identifier: MIT */
/* A plugin. Build it with -DANSWER=43, or change the number, while the host runs. */
#include "plugin.h"

#ifndef ANSWER
#define ANSWER 42
#endif

int plugin_answer(void);
int plugin_answer(void) { return ANSWER; }
