/* SPDX-License-Identifier: MIT */
/* A test program is a list of functions: RUN(name) calls each, DONE ends main. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

extern int check_bad;    /* failed checks of the running test */
extern int check_passed; /* tests */
extern int check_failed; /* tests */

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond)) {                                                         \
            check_bad++;                                                       \
            printf("   %s:%d: not true: %s\n", __FILE__, __LINE__, #cond);     \
        }                                                                      \
    } while (0)

#define CHECK_INT(got, want)                                                   \
    do {                                                                       \
        long long got_ = (long long)(got), want_ = (long long)(want);          \
        if (got_ != want_) {                                                   \
            check_bad++;                                                       \
            printf("   %s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__,    \
                   #got, got_, want_);                                         \
        }                                                                      \
    } while (0)

#define CHECK_STR(got, want)                                                   \
    do {                                                                       \
        const char *got_ = (got), *want_ = (want);                             \
        if (strcmp(got_, want_) != 0) {                                        \
            check_bad++;                                                       \
            printf("   %s:%d: %s is \"%s\", want \"%s\"\n", __FILE__,          \
                   __LINE__, #got, got_, want_);                               \
        }                                                                      \
    } while (0)

/* text contains part */
#define CHECK_HAS(text, part)                                                  \
    do {                                                                       \
        const char *text_ = (text), *part_ = (part);                           \
        if (strstr(text_, part_) == NULL) {                                    \
            check_bad++;                                                       \
            printf("   %s:%d: \"%s\" does not contain \"%s\"\n", __FILE__,     \
                   __LINE__, text_, part_);                                    \
        }                                                                      \
    } while (0)

#define RUN(test)                                                              \
    do {                                                                       \
        check_bad = 0;                                                         \
        test();                                                                \
        if (check_bad == 0)                                                    \
            check_passed++;                                                    \
        else                                                                   \
            check_failed++;                                                    \
        printf("%s %s\n", check_bad == 0 ? "ok" : "FAILED", #test);            \
        fflush(stdout);                                                        \
    } while (0)

#define DONE()                                                                 \
    do {                                                                       \
        printf("%d passed, %d failed\n", check_passed, check_failed);          \
        fflush(stdout);                                                        \
        return check_failed == 0 ? 0 : 1;                                      \
    } while (0)

#endif
