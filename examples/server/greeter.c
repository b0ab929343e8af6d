/* SPDX-License-Identifier: MIT */
/* What the listener needs. -DVERSION=2 makes another version. */
#include "server.h"

#define TEXT_OF(version) "greeter " #version
#define TEXT(version) TEXT_OF(version)

const char *greeter_text(void);
const char *greeter_text(void) { return TEXT(VERSION); }
