/* SPDX-License-Identifier: MIT */
/* What the host and the plugins of the server agree on. */
#ifndef SERVER_H
#define SERVER_H

#include <stddef.h>

/* greeter.c defines `const char *greeter_text(void)`. */
typedef const char *(*greeter_text_fn)(void);

/* listener.c defines `struct listener_needs listener_needs`, which the host fills in before plugin_init. */
struct listener_needs {
    int port;
    greeter_text_fn greet;                        /* of the greeter that it is initialised with */
    void (*identity)(char *text, size_t room);    /* the host's certificate and key, which fit together */
};

#endif
