/* SPDX-License-Identifier: MIT */
/* stat LIST ROUNDS: what a stat of each file in the list costs, in ns of
 * processor time, once every 10 ms as whoever polls. */
#include "subject.h"

#include <sys/stat.h>

static int64_t enable_all(void) { return 0; }
static int64_t list_all(void) { return 0; }
static int64_t count_events(void) { return (int64_t)events; }
static void disable_all(void) {}
static void clear_all(void) {}

static int64_t processor_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int main(int argc, char **argv)
{
    long rounds = argc == 3 ? atol(argv[2]) : 1, r;
    size_t i;
    int64_t start;
    struct stat st;
    (void)obey_stdin;
    read_list(argc, argv);
    start = processor_ns();
    for (r = 0; r < rounds; r++) {
        usleep(10000);
        for (i = 0; i < npaths; i++)
            if (stat(paths[i], &st) != 0)
                return 1;
    }
    printf("%.1f\n", (double)(processor_ns() - start) / (double)rounds / (double)npaths);
    return 0;
}
