/* SPDX-License-Identifier: MIT */
/*
 * hotreload-canary PATH INIT: loads a library and calls its init, and reports on
 * descriptor 3. hrm_plugin_canary_by (hot_reload_canary.h) starts it: a version that
 * crashes then crashes here.
 */
#define _GNU_SOURCE
#include "../canary_child.h"

int main(int argc, char **argv)
{
    const int report = 3;
    if (argc != 3 || write(report, "", 0) != 0) {
        fprintf(stderr, "usage: %s LIBRARY INIT 3>REPORT\n"
                        "Started by hrm_plugin_canary_by() of libhotreload; see hot_reload_canary.h.\n",
                argv[0]);
        return 2;
    }
    hrmc_canary_settle(0, getppid()); /* its host ends it */
    hrmc_canary_try(argv[1], argv[2], report);
    _exit(0);
}
