/* SPDX-License-Identifier: MIT */
/* A host on Windows: what its users rely on, on a real file system. */
#include "../check.h"

#include <hot_reload_manager.h>
#include <stdlib.h>
#include <windows.h>

int check_bad, check_passed, check_failed;

#define PLUGIN "plugins\\plugin.dll"

static hrm_manager *m;
static volatile LONG told, removed;
static char loaded[64]; /* what stood in the file at the last delivery */
static DWORD thread;

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL);
    if (f != NULL) {
        fputs(text, f);
        fclose(f);
    }
}

static void HRM_CALL on_reload(const char *id, void *user_data)
{
    FILE *f = fopen(PLUGIN, "rb");
    size_t n = f ? fread(loaded, 1, sizeof loaded - 1, f) : 0;
    (void)user_data;
    CHECK_STR(id, "p");
    loaded[n] = 0;
    if (f)
        fclose(f);
    thread = GetCurrentThreadId();
    InterlockedIncrement(&told);
}

static void HRM_CALL on_event(const hrm_event *event, void *user_data)
{
    (void)user_data;
    if (event->kind == HRM_EVENT_FILE_REMOVED)
        InterlockedIncrement(&removed);
}

/* Waits for the condition with a bound. */
#define AWAIT(cond)                                                            \
    do {                                                                       \
        ULONGLONG end_ = GetTickCount64() + 20000;                             \
        int ok_;                                                               \
        while (!(ok_ = !!(cond)) && GetTickCount64() < end_)                   \
            Sleep(1);                                                          \
        CHECK(ok_ && #cond);                                                   \
    } while (0)

/* As installers do, these try again while somebody looks at the file: the
 * library, too, does so for a moment after a delivery. */
static void replace(const char *from, const char *to) { AWAIT(MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING)); }

static void delete_file(const char *path)
{
    AWAIT(DeleteFileA(path));
    AWAIT(GetFileAttributesA(path) == INVALID_FILE_ATTRIBUTES); /* it goes with its last handle */
}

static void start(uint32_t flags)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    o.flags = flags;
    o.quiet_ms = 50;
    o.poll_interval_ms = 30;
    CreateDirectoryA("plugins", NULL);
    put(PLUGIN, "v0");
    told = removed = 0;
    CHECK_INT(hrm_manager_create(&o, &m, &err), 0);
    CHECK_STR(err.message, "");
    CHECK_INT(hrm_set_reload_callback(m, on_reload, NULL, NULL), 0);
    CHECK_INT(hrm_set_event_callback(m, on_event, NULL, NULL), 0);
    /* Names differ in case: it is the same file here. */
    CHECK_INT(hrm_enable_hot_reload(m, "p", "PLUGINS\\Plugin.DLL", &err), 0);
    CHECK_STR(err.message, "");
}

static void stop(void) { CHECK_INT(hrm_manager_destroy(m), 0); }

/* The next delivery is this version, and it is the only one since. */
static void expect(LONG n, const char *version)
{
    AWAIT(told >= n);
    CHECK_INT(told, n);
    CHECK_STR(loaded, version);
}

static void change_in_every_way(void)
{
    HANDLE f;
    DWORD written;
    hrm_stats_t s = {.struct_size = sizeof s};

    put(PLUGIN, "in place");
    expect(1, "in place");

    put("plugins\\new", "replaced");
    replace("plugins\\new", PLUGIN);
    expect(2, "replaced");

    delete_file(PLUGIN);
    put(PLUGIN, "made anew");
    expect(3, "made anew");

    f = CreateFileA(PLUGIN, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, CREATE_ALWAYS, 0, NULL);
    CHECK(f != INVALID_HANDLE_VALUE);
    CHECK(WriteFile(f, "half ", 5, &written, NULL));
    AWAIT(hrm_stats(m, &s) == 0 && s.being_written == 1);
    CHECK_INT(told, 3);
    CHECK(WriteFile(f, "whole", 5, &written, NULL));
    CHECK(CloseHandle(f));
    expect(4, "half whole");

    AWAIT(MoveFileA("plugins", "plugins-old"));
    CHECK(CreateDirectoryA("plugins", NULL));
    put(PLUGIN, "in another directory");
    expect(5, "in another directory");
    delete_file("plugins-old\\plugin.dll");
    AWAIT(RemoveDirectoryA("plugins-old"));

    delete_file(PLUGIN);
    AWAIT(removed == 1);
    put(PLUGIN, "back");
    expect(6, "back");
}

static void notified(void)
{
    start(0);
    change_in_every_way();
    CHECK(thread != GetCurrentThreadId());
    stop();
}

static void polled(void)
{
    start(HRM_FORCE_POLLING);
    change_in_every_way();
    stop();
}

static void HRM_CALL on_wakeup(void *user_data) { SetEvent((HANDLE)user_data); }

/* There is no descriptor here: a host's loop waits for an event object. */
static void manual_delivery(void)
{
    hrm_options o = HRM_OPTIONS_INIT;
    HANDLE wakeup = CreateEventA(NULL, FALSE, FALSE, NULL);
    o.dispatch_mode = HRM_DISPATCH_MANUAL;
    told = 0;
    put(PLUGIN, "v0");
    CHECK_INT(hrm_manager_create(&o, &m, NULL), 0);
    CHECK_INT(hrm_event_fd(m), HRM_ERR_NOT_SUPPORTED);
    CHECK_INT(hrm_set_reload_callback(m, on_reload, NULL, NULL), 0);
    CHECK_INT(hrm_set_wakeup_callback(m, on_wakeup, wakeup, NULL), 0);
    CHECK_INT(hrm_enable_hot_reload(m, "p", PLUGIN, NULL), 0);
    put(PLUGIN, "v1");
    CHECK_INT(WaitForSingleObject(wakeup, 20000), WAIT_OBJECT_0);
    CHECK_INT(told, 0);
    CHECK_INT(hrm_dispatch(m, 0, 0, NULL), 1);
    CHECK_INT(thread, GetCurrentThreadId());
    expect(1, "v1");
    stop();
    CloseHandle(wakeup);
}

static void refused(const char *path, int32_t want, const char *says)
{
    hrm_error err = HRM_ERROR_INIT;
    CHECK_INT(hrm_enable_hot_reload(m, "bad", path, &err), want);
    CHECK_HAS(err.message, says);
}

static void bad_input(void)
{
    static char longer[40000];
    start(0);
    memset(longer, 'n', sizeof longer - 1);
    refused("", HRM_ERR_INVALID_PATH, "empty");
    refused("plugins\\missing.dll", HRM_ERR_FILE_NOT_FOUND, "missing.dll");
    refused("missing\\plugin.dll", HRM_ERR_FILE_NOT_FOUND, "missing");
    refused("plugins", HRM_ERR_INVALID_PATH, "directory");
    refused("NUL", HRM_ERR_INVALID_PATH, "NUL");
    refused(longer, HRM_ERR_INVALID_PATH, "too long");
    CHECK_INT(hrm_enable_hot_reload(m, "p", PLUGIN, NULL), HRM_ERR_ALREADY_EXISTS);
    CHECK_INT(hrm_enable_hot_reload(m, NULL, PLUGIN, NULL), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_disable_hot_reload(NULL, "p"), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_disable_hot_reload((hrm_manager *)longer, "p"), HRM_ERR_INVALID_HANDLE);
    stop();
    CHECK_INT(hrm_manager_destroy(m), HRM_ERR_INVALID_HANDLE);
    CHECK_INT(hrm_clear(m), HRM_ERR_INVALID_HANDLE);
}

/* UTF-8 in, whatever the code page. */
static void names_in_utf8(void)
{
    const char *path = "plugins\\pl\xc3\xbcg\xe2\x82\xac.dll";
    const wchar_t *wide = L"plugins\\pl\u00fcg\u20ac.dll";
    HANDLE f = CreateFileW(wide, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    DWORD written;
    CHECK(f != INVALID_HANDLE_VALUE);
    CHECK(CloseHandle(f));
    start(0);
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    CHECK_INT(hrm_enable_hot_reload(m, "p", path, NULL), 0);
    f = CreateFileW(wide, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    CHECK(WriteFile(f, "text", 4, &written, NULL));
    CHECK(CloseHandle(f));
    AWAIT(told == 1);
    stop();
}

int main(void)
{
    RUN(notified);
    RUN(polled);
    RUN(manual_delivery);
    RUN(bad_input);
    RUN(names_in_utf8);
    DONE();
}
