/* SPDX-License-Identifier: MIT */
//go:build panics

/* Faults inside the library, for the tests' build alone. */
#define _GNU_SOURCE
#define HRM_BUILDING 1
#include "bridge.h"
#include "_cgo_export.h"
#include "thread.h"

HRM_API void hrm_test_panic(const char *function);
HRM_API int32_t hrm_test_fault(int32_t shortly);

void hrm_test_panic(const char *function)
{
    hrmc_call call;
    if (hrmc_enter(&call)) {
        hrmgo_test_panic(function);
        hrmc_leave(&call);
    }
}

int32_t hrm_test_fault(int32_t shortly)
{
    hrmc_call call;
    int32_t code;
    if (!(shortly ? hrmc_enter_shortly(&call) : hrmc_enter(&call)))
        return HRM_ERR_NOT_SUPPORTED;
    code = hrmgo_test_fault();
    hrmc_leave(&call);
    return code;
}
