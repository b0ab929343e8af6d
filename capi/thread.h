/* SPDX-License-Identifier: MIT */
/* A host's thread inside the library, and in a callback. Included by C files alone,
 * behind bridge.h. */
#ifndef HRM_THREAD_H
#define HRM_THREAD_H

#include <stdint.h>

#if !defined(_WIN32)
#include <signal.h>
#endif

/* One call of the host into Go, on the caller's stack. */
typedef struct hrmc_call {
#if defined(__linux__)
    sigset_t mask;           /* the host's, */
    stack_t stack;           /* and its signal stack, */
    int new_mask, new_stack; /* if they are not those of now */
#else
    int unused;
#endif
} hrmc_call;

/* Prepares the thread for Go. 0 in a signal handler, as far as that is seen: Go
 * must not be entered then, and hrmc_leave not be called. */
int hrmc_enter(hrmc_call *call);
/* The same for questions that hosts ask often: without system calls, for functions
 * that need little stack and do not wait. */
int hrmc_enter_shortly(hrmc_call *call);
void hrmc_leave(hrmc_call *call);
/* The signals that the host's thread blocks, as a number. */
uint64_t hrmc_host_mask(const hrmc_call *call);

/* ThreadSanitizer does not see the locks of Go. It is told that callbacks see what
 * was done before a call, and that a call that waits for callbacks sees what they did. */
void hrmc_waited_for_callbacks(void);

/* A callback, on the host's thread or on one of the library. */
typedef struct {
    hrmc_call *call; /* that it is inside of; NULL on a thread of the library */
#if !defined(_WIN32)
    sigset_t mask; /* the library's */
#endif
} hrmc_callback;

/* The mask is that of the thread that created the manager. */
void hrmc_callback_begins(hrmc_callback *c, uint64_t mask);
void hrmc_callback_ends(hrmc_callback *c);

#define HOST_CODE(mask, call)                                                                                          \
    do {                                                                                                               \
        hrmc_callback callback;                                                                                        \
        hrmc_callback_begins(&callback, mask);                                                                         \
        call;                                                                                                          \
        hrmc_callback_ends(&callback);                                                                                 \
    } while (0)

/* What code of a host (hot_reload_plugin.h) this thread is in, innermost first. */
typedef struct hrmc_frame {
    uintptr_t host;
    int32_t what; /* HRMC_IN_STEP, HRMC_IN_CALLBACK or HRMC_IN_DISPATCH */
    struct hrmc_frame *outer;
} hrmc_frame;
void hrmc_frame_begins(hrmc_frame *f, uintptr_t host, int32_t what);
void hrmc_frame_ends(const hrmc_frame *f);

/* The same for code of a host; host 0 is none. */
#define HOST_CODE_IN(host, what, mask, call)                                                                           \
    do {                                                                                                               \
        hrmc_frame frame_;                                                                                             \
        hrmc_frame_begins(&frame_, host, what);                                                                        \
        HOST_CODE(mask, call);                                                                                         \
        hrmc_frame_ends(&frame_);                                                                                      \
    } while (0)

/* For a call that may run steps on its own thread. */
#define DISPATCHING(code, call)                                                                                        \
    do {                                                                                                               \
        hrmc_frame frame_;                                                                                             \
        hrmc_frame_begins(&frame_, 0, HRMC_IN_DISPATCH);                                                               \
        (code) = call;                                                                                                 \
        hrmc_frame_ends(&frame_);                                                                                      \
    } while (0)

/* Called first on a thread of the library. */
void hrmc_thread_is_of_the_library(void);

#endif
