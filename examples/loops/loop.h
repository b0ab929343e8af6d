/* SPDX-License-Identifier: MIT */
/* What the recipes share: what is told, and when they end. */
#ifndef LOOP_H
#define LOOP_H

#include <hot_reload_manager.h>

#include <stdio.h>
#include <stdlib.h>

/* Prints the first line of the plugin's file. Returns 1 after as many calls as the program's second argument says. */
static int told(const char *plugin_id, char **argv)
{
    static int times;
    char line[80] = "";
    FILE *f = fopen(argv[1], "r");
    if (f != NULL) {
        if (fscanf(f, "%79[^\n]", line) != 1)
            line[0] = '\0';
        fclose(f);
    }
    printf("%s: %s\n", plugin_id, line);
    fflush(stdout);
    return ++times == atoi(argv[2]);
}

static void watching(void)
{
    puts("watching");
    fflush(stdout);
}

/* Says why a call failed: err, if the call takes one, has the detail. Returns 1. */
static inline int failed(int32_t code, const hrm_error *err)
{
    fprintf(stderr, "%s\n", err->code < 0 ? err->message : hrm_strerror(code));
    return 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: PROGRAM FILE CHANGES\n");
    return 2;
}

#endif
