/* SPDX-License-Identifier: MIT */
/* The keys of managers, each a byte that go-pointer got from malloc. Otherwise only
 * Go's heap has them, which LeakSanitizer and valgrind do not search. */
#include "bridge.h"

static void *volatile *keys;
static size_t used, room;

void hrmc_keep_key(void *key)
{
    if (used == room) {
        const size_t more = room == 0 ? 16 : 2 * room;
        void *grown = realloc((void *)keys, more * sizeof *keys);
        if (grown == NULL)
            return; /* leak checkers will not find this one */
        keys = grown;
        room = more;
    }
    keys[used++] = key;
}

void hrmc_forget_key(void *key)
{
    size_t i;
    for (i = 0; i < used; i++)
        if (keys[i] == key) {
            keys[i] = keys[--used];
            return;
        }
}
