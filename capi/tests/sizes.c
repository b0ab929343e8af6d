/* SPDX-License-Identifier: MIT */
/* Every struct of the interface in every size: of an older header, of a newer
 * one, and of none. The memory is exactly as large as struct_size says, so that
 * AddressSanitizer sees a byte that is read or written too many. */
#include "support.h"

typedef struct {
    size_t begin, end;
} field;
#define FIELD(type, name) {offsetof(type, name), offsetof(type, name) + sizeof(((type *)0)->name)}
#define COUNT(list) (sizeof(list) / sizeof *(list))

static const field options[] = {
    FIELD(hrm_options, struct_size),   FIELD(hrm_options, dispatch_mode),    FIELD(hrm_options, quiet_ms),
    FIELD(hrm_options, max_delay_ms),  FIELD(hrm_options, poll_interval_ms), FIELD(hrm_options, flags),
    FIELD(hrm_options, safe),          FIELD(hrm_options, snapshot_dir),     FIELD(hrm_options, safety_check_ms),
    FIELD(hrm_options, held_after_ms),  FIELD(hrm_options, marker_after_ms),   FIELD(hrm_options, reserved),
};
static const field enabling[] = {
    FIELD(hrm_enable_options, struct_size), FIELD(hrm_enable_options, flags),
    FIELD(hrm_enable_options, quiet_ms),    FIELD(hrm_enable_options, reserved),
    FIELD(hrm_enable_options, safe),        FIELD(hrm_enable_options, pause_marker),
};
static const field safety[] = {
    FIELD(hrm_safe_options, struct_size),          FIELD(hrm_safe_options, flags),
    FIELD(hrm_safe_options, files),                FIELD(hrm_safe_options, symbols),
    FIELD(hrm_safe_options, allow_list),           FIELD(hrm_safe_options, public_keys),
    FIELD(hrm_safe_options, signature),            FIELD(hrm_safe_options, reserved_pointer),
    FIELD(hrm_safe_options, validator_timeout_ms),
    FIELD(hrm_safe_options, report_timeout_ms),    FIELD(hrm_safe_options, retries),
    FIELD(hrm_safe_options, retry_delay_ms),       FIELD(hrm_safe_options, keep_generations),
    FIELD(hrm_safe_options, reserved),
    FIELD(hrm_safe_options, max_size),             FIELD(hrm_safe_options, plugin_name),
    FIELD(hrm_safe_options, min_version),          FIELD(hrm_safe_options, version_dir),
    FIELD(hrm_safe_options, manifest),
};

static int is_cut(size_t size, const field *fields, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (fields[i].begin < size && size < fields[i].end)
            return 1;
    return 0;
}

/* A copy of the first size bytes of a struct, zeros behind what it has. */
static void *sized(const void *from, size_t known, size_t size)
{
    unsigned char *exact = malloc(size < 4 ? 4 : size);
    uint32_t says = (uint32_t)size;
    if (exact == NULL)
        abort();
    memset(exact, 0, size < 4 ? 4 : size);
    memcpy(exact, from, size < known ? size : known);
    memcpy(exact, &says, sizeof says);
    return exact;
}

static const char *dir, *f;
static const char *const symbols[] = {"answer", NULL};
static const char *const files[] = {"other", NULL};
static const char *const keys[] = {"RWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR", NULL};

static hrm_safe_options full_safe(void)
{
    hrm_safe_options s = HRM_SAFE_OPTIONS_INIT;
    s.flags = HRM_SAFE_IMAGE;
    s.files = files;
    s.symbols = symbols;
    s.allow_list = "list";
    s.public_keys = keys;
    s.validator_timeout_ms = s.report_timeout_ms = 1000;
    s.retries = s.retry_delay_ms = s.keep_generations = 1;
    s.max_size = 1 << 20;
    s.manifest = "manifest";
    return s;
}

/* What a call with this size must return, and what it says if that is an error. */
static void judge(const char *name, size_t size, int cut, int32_t code, const hrm_error *err)
{
    char number[32];
    if (size >= 4 && !cut) {
        CHECK_INT(code, HRM_OK);
        if (code != HRM_OK)
            printf("   %s of %zu bytes: %s\n", name, size, err->message);
        return;
    }
    CHECK_INT(code, HRM_ERR_INVALID_ARGUMENT);
    snprintf(number, sizeof number, "is %zu;", size);
    CHECK_HAS(err->message, name);
    CHECK_HAS(err->message, number);
}

static void options_of_every_size(void)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_options full = HRM_OPTIONS_INIT;
    size_t size;
    full.dispatch_mode = HRM_DISPATCH_MANUAL;
    full.quiet_ms = full.max_delay_ms = full.poll_interval_ms = full.safety_check_ms = full.held_after_ms = full.marker_after_ms = 50;
    full.safe = &safe;
    full.snapshot_dir = in(dir, "snapshots");
    for (size = 0; size <= sizeof full + 64; size++) {
        hrm_options *o = sized(&full, sizeof full, size);
        hrm_error err = HRM_ERROR_INIT;
        hrm_manager *m = NULL;
        int32_t code = hrm_manager_create(o, &m, &err);
        judge("hrm_options", size, is_cut(size, options, COUNT(options)), code, &err);
        CHECK((m != NULL) == (code == HRM_OK));
        hrm_manager_destroy(m);
        free(o);
    }
}

static void enable_options_of_every_size(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_enable_options full = HRM_ENABLE_OPTIONS_INIT;
    size_t size;
    full.flags = HRM_ENABLE_DELIVER_PRESENT;
    full.quiet_ms = 50;
    full.safe = &safe;
    full.pause_marker = ".building";
    for (size = 0; size <= sizeof full + 64; size++) {
        hrm_enable_options *o = sized(&full, sizeof full, size);
        hrm_error err = HRM_ERROR_INIT;
        judge("hrm_enable_options", size, is_cut(size, enabling, COUNT(enabling)),
              hrm_enable_hot_reload_ex(m, "p", f, o, &err), &err);
        hrm_disable_hot_reload(m, "p");
        free(o);
    }
    hrm_manager_destroy(m);
}

static void safe_options_of_every_size(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    hrm_safe_options full = full_safe();
    hrm_options mo = HRM_OPTIONS_INIT;
    hrm_enable_options eo = HRM_ENABLE_OPTIONS_INIT;
    size_t size;
    for (size = 0; size <= sizeof full + 64; size++) {
        int cut = is_cut(size, safety, COUNT(safety));
        hrm_safe_options *s = sized(&full, sizeof full, size);
        hrm_error err = HRM_ERROR_INIT;
        hrm_manager *other = NULL;
        eo.safe = s;
        judge("hrm_safe_options", size, cut, hrm_enable_hot_reload_ex(m, "p", f, &eo, &err), &err);
        hrm_disable_hot_reload(m, "p");
        if (size >= sizeof s->struct_size && size < offsetof(hrm_safe_options, files)) { /* files are no manager's */
            mo.safe = s;
            judge("hrm_safe_options", size, cut, hrm_manager_create(&mo, &other, &err), &err);
            hrm_manager_destroy(other);
        }
        free(s);
    }
    hrm_manager_destroy(m);
}

static void stats_of_every_size(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    hrm_statistics zero = HRM_STATS_INIT;
    size_t size;
    for (size = 0; size <= sizeof zero + 64; size++) {
        hrm_statistics *s = sized(&zero, sizeof zero, size);
        int whole = size == 4 || size >= sizeof zero || (size > 4 && size % 8 == 0);
        CHECK_INT(hrm_stats(m, s), whole ? HRM_OK : HRM_ERR_INVALID_ARGUMENT);
        CHECK_INT(s->struct_size, whole && size > sizeof zero ? sizeof zero : size);
        free(s);
    }
    hrm_manager_destroy(m);
}

/* An error is detail: a field that is not there as a whole is not written. */
static void errors_of_every_size(void)
{
    hrm_error zero;
    size_t size;
    memset(&zero, 0, sizeof zero);
    for (size = 0; size <= sizeof zero + 64; size++) {
        hrm_error *e = sized(&zero, sizeof zero, size), all;
        char *bytes = (char *)&all;
        CHECK_INT(hrm_enable_hot_reload(NULL, "p", "\xc3\xbc\xc3\xbc", e), HRM_ERR_INVALID_HANDLE);
        memset(&all, 0, sizeof all);
        memcpy(bytes, e, size < sizeof all ? (size < 4 ? 4 : size) : sizeof all);
        CHECK_INT(all.struct_size, size);
        CHECK_INT(all.code, size >= 8 ? HRM_ERR_INVALID_HANDLE : 0);
        CHECK_INT(all.message[0] != 0, size > offsetof(hrm_error, message) + 1);
        CHECK(memchr(all.message, 0, sizeof all.message) != NULL);
        free(e);
    }
}

/* A message that is cut ends with a whole character. */
static void a_short_message_is_utf8(void)
{
    hrm_manager *m = manager(HRM_DISPATCH_MANUAL, 0);
    hrm_error zero;
    size_t size;
    memset(&zero, 0, sizeof zero);
    for (size = offsetof(hrm_error, message) + 1; size < 200; size++) {
        hrm_error *e = sized(&zero, sizeof zero, size);
        const unsigned char *c;
        size_t length;
        CHECK_INT(hrm_enable_hot_reload(m, "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", "/\xc3\xa4\xc3\xa4\xc3\xa4/x", e), HRM_ERR_FILE_NOT_FOUND);
        length = strlen(e->message);
        CHECK(length < size - offsetof(hrm_error, message));
        c = (const unsigned char *)e->message + length;
        CHECK(length == 0 || c[-1] < 0x80 || (c[-1] >> 6 == 2 && c[-2] >> 6 == 3));
        free(e);
    }
    hrm_manager_destroy(m);
}

int main(void)
{
    dir = scratch();
    f = in(dir, "plugin.so");
    write_version(f, 1);
    write_version(in(dir, "other"), 1);
    RUN(options_of_every_size);
    RUN(enable_options_of_every_size);
    RUN(safe_options_of_every_size);
    RUN(stats_of_every_size);
    RUN(errors_of_every_size);
    RUN(a_short_message_is_utf8);
    DONE();
}
