/* SPDX-License-Identifier: MIT */
/* hot_reload_plugin.h on Windows: version1.dll, version2.dll and fails.dll lie in the
 * working directory. */
#include "hot_reload_plugin.h"

#include <stdio.h>
#include <string.h>
#include <windows.h>

static int bad;
#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            printf("   %s:%d: not true: %s\n", __FILE__, __LINE__, #what);                                             \
            bad++;                                                                                                     \
        }                                                                                                              \
    } while (0)

static volatile LONG outcomes, ending, failed, answered;
static char last[1001];
static int verdict;

static void HRM_CALL on_outcome(const hrm_plugin_outcome *o, void *user_data)
{
    (void)user_data;
    if (o->verdict == HRM_VERDICT_NOTED)
        return;
    verdict = o->verdict;
    strncpy(last, o->message, sizeof last - 1);
    InterlockedIncrement(&outcomes);
}

static int await(LONG n)
{
    int i;
    for (i = 0; i < 2000 && outcomes < n; i++)
        Sleep(10);
    if (outcomes < n)
        printf("   outcome %d did not come; the last one: %s\n", (int)n, last);
    return outcomes >= n;
}

static int call(hrm_plugin *p, size_t index)
{
    const hrm_plugin_version *v = hrm_plugin_acquire(p);
    const int n = v == NULL ? -2 : ((int (*)(void))hrm_plugin_function(v, index))();
    hrm_plugin_release(v);
    return n;
}

static DWORD WINAPI requests(void *p)
{
    while (!ending)
        InterlockedIncrement(call(p, 0) >= 1 ? &answered : &failed);
    return 0;
}

static void put(const char *from)
{
    CHECK(CopyFileA(from, "plugin.new", FALSE));
    CHECK(MoveFileExA("plugin.new", "plugin.dll", MOVEFILE_REPLACE_EXISTING));
}

static void exchanged(int mode)
{
    static const char *const symbols[] = {"version", "work", NULL};
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    const hrm_plugin_version *v;
    hrm_host *host = NULL;
    hrm_plugin *p = NULL;
    HANDLE thread;
    outcomes = ending = failed = answered = 0;
    ho.outcome = on_outcome;
    CHECK(hrm_host_create(&ho, &host, &err) == HRM_OK);
    o.symbols = symbols;
    o.mode = mode;
    put("version1.dll");
    CHECK(hrm_host_open(host, "p", "plugin.dll", &o, &p, &err) == HRM_OK);
    if (p == NULL)
        printf("   %s\n", err.message);
    CHECK(await(1) && call(p, 0) == 1 && call(p, 1) == 1);
    thread = CreateThread(NULL, 0, requests, p, 0, NULL);
    CHECK(thread != NULL);
    put("fails.dll");
    CHECK(await(2) && verdict == HRM_VERDICT_FAILED && strstr(last, "init: it returned 7") != NULL);
    put("version2.dll");
    CHECK(await(3) && verdict == HRM_VERDICT_DONE && call(p, 0) == 2 && call(p, 1) == 2);
    ending = 1;
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    CHECK(failed == 0 && answered > 0);
    v = hrm_plugin_acquire(p);
    CHECK(hrm_plugin_close(p, 20, &err) == HRM_ERR_IO); /* it is in use */
    CHECK(((int (*)(void))hrm_plugin_function(v, 0))() == 2);
    CHECK(hrm_plugin_release(v) == HRM_OK);
    CHECK(hrm_host_destroy(host, 10000, &err) == HRM_OK);
    CHECK(hrm_plugin_release(v) == HRM_ERR_INVALID_HANDLE && hrm_plugin_acquire(p) == NULL);
    CHECK(hrm_host_destroy(host, 10000, &err) == HRM_ERR_INVALID_HANDLE);
    printf("%s versions are exchanged, mode %d\n", bad == 0 ? "ok" : "FAILED", mode);
}

static void what_windows_has_not(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_host *host = NULL;
    char why[100];
    o.canary_timeout_ms = 100;
    CHECK(hrm_host_create(NULL, &host, &err) == HRM_OK);
    CHECK(hrm_host_open(host, "p", "plugin.dll", &o, NULL, &err) == HRM_ERR_NOT_SUPPORTED);
    CHECK(hrm_plugin_canary("plugin.dll", NULL, 100, why, sizeof why) == 0 && strstr(why, "not on Windows") != NULL);
    CHECK(hrm_host_destroy(host, 10000, &err) == HRM_OK);
    printf("%s what Windows has not\n", bad == 0 ? "ok" : "FAILED");
}

int main(void)
{
    exchanged(HRM_MODE_SIDE_BY_SIDE);
    exchanged(HRM_MODE_EXIT_FIRST);
    exchanged(HRM_MODE_UNLOAD_FIRST);
    what_windows_has_not();
    return bad != 0;
}
