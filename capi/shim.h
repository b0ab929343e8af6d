/* SPDX-License-Identifier: MIT */
/*
 * What the public functions have in common: structs of other versions, errors, and the
 * way into Go. Included by C files alone.
 */
#ifndef HRM_SHIM_H
#define HRM_SHIM_H

#include "bridge.h"
#include "thread.h"

/* Where the fields of a struct begin and end. */
typedef struct {
    uint32_t begin, end;
} hrmc_field;
#define FIELD(type, name) {offsetof(type, name), offsetof(type, name) + sizeof(((type *)0)->name)}
#define COUNT(list) (sizeof(list) / sizeof *(list))
/* An appended field must change the size of its struct, so no struct ends with padding (capi/tests/abi looks between
 * the fields, too, and on other systems). The last field here is the last one of the struct. */
#define LAST(type, name)                                                                                               \
    _Static_assert(sizeof(type) == offsetof(type, name) + sizeof(((type *)0)->name),                                   \
                   #type " ends with padding, or with a field that is missing here")

/* Copies the error to the caller's struct: its fields that are there as a whole,
 * and as much of the message as there is room for. */
int32_t hrmc_report(hrm_error *out, const hrm_error *e, int32_t code);
int32_t hrmc_fail(hrm_error *out, int32_t code, const char *message);
int32_t hrmc_fail_unusable(hrm_error *out, int32_t why);
/* Reads a caller's struct of another version: a short one is padded with zeros
 * and ends where a field does, the unknown tail of a long one must be zero. */
int32_t hrmc_read_struct(void *to, uint32_t size, const void *from, const char *name, const hrmc_field *fields, size_t n,
                         hrm_error *err);
/* The same for the safe options that another struct points to, and for hrm_options with its safe options. */
int32_t hrmc_read_safe(hrm_safe_options *to, const hrm_safe_options **at, hrm_error *err);
int32_t hrmc_read_options(hrm_options *to, hrm_safe_options *safe, const hrm_options *from, hrm_error *err);

/* Where Go cannot be entered, this ends the function. */
#define CHECK_USABLE(out)                                                                                              \
    do {                                                                                                               \
        int32_t why = hrmc_unusable();                                                                                 \
        if (why != HRM_OK)                                                                                             \
            return hrmc_fail_unusable(out, why);                                                                       \
    } while (0)

/* Runs an expression in Go, from a thread that is prepared for it. */
#define IN_GO(out, code, expression) IN_GO_BY(hrmc_enter, out, code, expression)
#define IN_GO_BY(enter, out, code, expression)                                                                         \
    do {                                                                                                               \
        hrmc_call call;                                                                                                \
        CHECK_USABLE(out);                                                                                             \
        if (!enter(&call))                                                                                             \
            return hrmc_fail(out, HRM_ERR_NOT_SUPPORTED,                                                               \
                        "called from a signal handler; set a flag or write to a pipe there, and call from the "        \
                        "host's loop");                                                                                \
        (code) = expression;                                                                                           \
        hrmc_leave(&call);                                                                                             \
    } while (0)

#define CALL(out, expression)                                                                                          \
    do {                                                                                                               \
        hrm_error e = HRM_ERROR_INIT;                                                                                  \
        int32_t code;                                                                                                  \
        IN_GO(out, code, expression);                                                                                  \
        e.code = code < 0 ? code : 0;                                                                                  \
        return hrmc_report(out, &e, code);                                                                             \
    } while (0)
/* The same, for one that waits for a running callback. */
#define CALL_AND_WAIT(expression)                                                                                      \
    do {                                                                                                               \
        int32_t code;                                                                                                  \
        IN_GO(NULL, code, expression);                                                                                 \
        hrmc_waited_for_callbacks();                                                                                   \
        return code;                                                                                                   \
    } while (0)

#endif
