/* SPDX-License-Identifier: MIT */
/* A host that loads the library at run time and unloads it again and again. */
#include "../check.h"

#include <hot_reload_manager.h>
#include <windows.h>

int check_bad, check_passed, check_failed;

static void stays_loaded(void)
{
    int i;
    for (i = 0; i < 100; i++) {
        HMODULE h = LoadLibraryA("hotreload.dll");
        int32_t(HRM_CALL * create)(const hrm_options *, hrm_manager **, hrm_error *);
        int32_t(HRM_CALL * destroy)(hrm_manager *);
        hrm_manager *m = NULL;
        CHECK(h != NULL);
        *(FARPROC *)&create = GetProcAddress(h, "hrm_manager_create");
        *(FARPROC *)&destroy = GetProcAddress(h, "hrm_manager_destroy");
        CHECK(create != NULL && destroy != NULL);
        CHECK_INT(create(NULL, &m, NULL), 0);
        CHECK(FreeLibrary(h));
        CHECK(GetModuleHandleA("hotreload.dll") == h);
        CHECK_INT(destroy(m), 0);
    }
}

int main(void)
{
    RUN(stays_loaded);
    DONE();
}
