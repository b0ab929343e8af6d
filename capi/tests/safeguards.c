/* SPDX-License-Identifier: MIT */
/* Safeguards cannot be lost: a manager's hold for each plugin that does not name
 * the field, an empty one is an error, and what goes wrong is a rejection. */
#include "snapshots.h"

static const char *const key_text[] = {"RWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR", NULL};
static const char *const other_key[] = {"RWStPtZVUyIEzJH/A9YIvL+9rncdPQ/5MAYxjYv3J4pqQswed6/GL7C9", NULL};
static const char signed_text[] = "plugin v1\n";
/* As minisign 0.11 made it. */
static const char signature[] =
    "untrusted comment: signature from minisign secret key\n"
    "RURY1qxhqSfXuw1FyMVkF+fmfcADlPE9jfoNofKvA0vCd4dkmw7KV/nM3KRKdfkxyKMcl4/1nTZc5pKYo1RpcImGr4DjEFgJiw0=\n"
    "trusted comment: plugin 1\n"
    "jFeMX1z11nHDqj+6X/qNR4sWERfUNdjZZeAtZjvVW3ZsfFQyCQb8O3TtTVZFWo7qJz4r/3Q/JO2At5ijxt/XBw==\n";
/* SHA-256 of the text. */
static const char sum_text[] = "c31ef152e0ebdf064fa5d311f643013280d92cc1c37d1ce089658bc62d455b2b\n";
static const char *hrm_library;

typedef struct {
    const char *name;
    void (*of_manager)(hrm_safe_options *);
    const char *without; /* the plugin names nothing: a part of the message that rejects it, NULL = delivered */
    void (*of_plugin)(hrm_safe_options *);
    const char *with; /* the plugin names the field */
} rule;

static char list[2][600];
static const char *const nobodys[] = {"nobody_exports_this", NULL};
static const char *const others[] = {"nobody_exports_that", NULL};

static void image(hrm_safe_options *s) { s->flags |= HRM_SAFE_IMAGE; }
static void no_image(hrm_safe_options *s) { s->flags |= HRM_SAFE_NO_IMAGE; }
static void strict(hrm_safe_options *s) { s->flags |= HRM_SAFE_STRICT_MODES; }
static void no_strict(hrm_safe_options *s) { s->flags |= HRM_SAFE_NO_STRICT_MODES; }
static void exports(hrm_safe_options *s) { s->symbols = nobodys; }
static void other_exports(hrm_safe_options *s) { s->symbols = others; }
static void empty_list(hrm_safe_options *s) { s->allow_list = list[0]; }
static void full_list(hrm_safe_options *s) { s->allow_list = list[1]; }
static void keys(hrm_safe_options *s) { s->public_keys = key_text; }
static void other_keys(hrm_safe_options *s) { s->public_keys = other_key; }
static void elsewhere(hrm_safe_options *s) { s->signature = "nowhere.minisig"; }
static void time_50(hrm_safe_options *s) { s->validator_timeout_ms = 50; }
static void time_51(hrm_safe_options *s) { s->validator_timeout_ms = 51; }
static void one_byte(hrm_safe_options *s) { s->max_size = 1; }
static void nine_bytes(hrm_safe_options *s) { s->max_size = 9; }
static void version_9(hrm_safe_options *s) { keys(s), s->min_version = "9"; }
static void version_8(hrm_safe_options *s) { s->min_version = "8"; }
static void rising(hrm_safe_options *s) { keys(s), s->flags |= HRM_SAFE_RISING_VERSION; }
static void not_rising(hrm_safe_options *s) { s->flags |= HRM_SAFE_ANY_VERSION; }
static void names(hrm_safe_options *s) { full_list(s), s->flags |= HRM_SAFE_LIST_NAMES; }
static void no_names(hrm_safe_options *s) { s->flags |= HRM_SAFE_NO_LIST_NAMES; }
static void late_is_good(hrm_safe_options *s) { time_50(s), s->flags |= HRM_SAFE_ACCEPT_ON_TIMEOUT; }
static void late_is_bad(hrm_safe_options *s) { s->flags |= HRM_SAFE_REJECT_ON_TIMEOUT; }

static const rule rules[] = {
    {"image", image, "neither an ELF", no_image, NULL},
    {"strict_modes", strict, "others could exchange", no_strict, NULL},
    {"symbols", exports, "nobody_exports_this", other_exports, "nobody_exports_that"},
    {"allow_list", empty_list, "not in the allow-list", full_list, NULL},
    {"public_keys", keys, NULL, other_keys, "not among the given ones"},
    {"signature", keys, NULL, elsewhere, "nowhere.minisig"},
    {"min_version", version_9, "does not give a version", version_8, "does not give a version"},
    {"rising_version", rising, "does not give a version", not_rising, NULL},
    {"list_names", names, "not for a file of this name", no_names, NULL},
    {"max_size", one_byte, "limit of 1 (", nine_bytes, "limit of 9 ("},
    {"validator_timeout_ms", time_50, "within 50ms", time_51, "within 51ms"},
    {"accept_on_timeout", late_is_good, NULL, late_is_bad, "within 50ms"},
};

static int hang, gate;

static int32_t slow(const hrm_candidate *c, char *reason, size_t room, void *arg)
{
    (void)c, (void)reason, (void)room, (void)arg;
    if (LOAD(hang))
        CHECK(wait_until(is_set, &gate, PATIENCE));
    return HRM_ACCEPT;
}

static void judged(const char *rejection)
{
    if (rejection == NULL)
        next(HRM_EVENT_FILE_CHANGED);
    else
        CHECK_HAS(next(HRM_EVENT_REJECTED).message, rejection);
    STORE(gate, 1);
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    STORE(gate, 0);
}

static void each_one_of_a_manager_holds_unless_the_plugin_names_it(void)
{
    size_t i;
    for (i = 0; i < sizeof rules / sizeof *rules; i++) {
        const rule *rule = &rules[i];
        hrm_safe_options all = HRM_SAFE_OPTIONS_INIT, own = HRM_SAFE_OPTIONS_INIT, another = HRM_SAFE_OPTIONS_INIT;
        int bad = check_bad;
        another.keep_generations = 3;
        snprintf(list[0], sizeof list[0], "%s", in(scratch(), "empty"));
        snprintf(list[1], sizeof list[1], "%s", in(scratch(), "full"));
        write_bytes(list[0], "", 0);
        write_bytes(list[1], sum_text, strlen(sum_text));
        rule->of_manager(&all);
        rule->of_plugin(&own);
        hang = strstr(rule->name, "timeout") != NULL;
        start(&all);
        CHECK_INT(hrm_set_validator(m, slow, NULL, NULL), HRM_OK);
        if (strcmp(rule->name, "symbols") == 0) {
            size_t n = 0;
            char *self = NULL;
            FILE *library = fopen(hrm_library, "rb");
            CHECK(library != NULL && fseek(library, 0, SEEK_END) == 0 && (n = (size_t)ftell(library)) > 0);
            CHECK((self = malloc(n)) != NULL && fseek(library, 0, SEEK_SET) == 0 && fread(self, 1, n, library) == n);
            write_bytes(f, self, n);
            fclose(library);
            free(self);
        } else {
            write_bytes(f, signed_text, strlen(signed_text));
        }
        write_bytes(in(dir, "plugin.so.minisig"), signature, strlen(signature));
        enable(NULL);
        judged(rule->without);
        enable(&another); /* which names another field */
        judged(rule->without);
        enable(&own);
        judged(rule->with);
        STORE(gate, 1);
        stop();
        STORE(gate, 0);
        if (check_bad != bad)
            printf("   in: %s\n", rule->name);
    }
    hang = 0;
}

/* The numbers: seen by what follows a delivery. */
static void numbers_of_a_manager_hold_unless_the_plugin_names_them(void)
{
    hrm_safe_options all = HRM_SAFE_OPTIONS_INIT, own = HRM_SAFE_OPTIONS_INIT;
    told t;
    int i;
    all.retries = 1;
    all.retry_delay_ms = 3600000;
    all.report_timeout_ms = 40;
    all.keep_generations = 5;
    start(&all);
    write_version(f, 1);
    enable(NULL);
    next(HRM_EVENT_FILE_CHANGED);
    CHECK_HAS(next(HRM_EVENT_HEALTH).message, "within 40ms");
    CHECK_INT(hrm_report_reload(m, "p", 1, HRM_RELOAD_FAILED, NULL, NULL), HRM_OK);
    CHECK_HAS(next(HRM_EVENT_ROLLBACK).message, "again in 1h0m0s");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);

    own.retry_delay_ms = 60000;
    own.report_timeout_ms = 41;
    enable(&own);
    next(HRM_EVENT_FILE_CHANGED);
    CHECK_HAS(next(HRM_EVENT_HEALTH).message, "within 41ms");
    CHECK_INT(hrm_report_reload(m, "p", 1, HRM_RELOAD_FAILED, NULL, NULL), HRM_OK);
    CHECK_HAS(next(HRM_EVENT_ROLLBACK).message, "again in 1m0s");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);

    own.retries = own.report_timeout_ms = HRM_SAFE_NONE;
    enable(&own);
    next(HRM_EVENT_FILE_CHANGED);
    CHECK_INT(hrm_report_reload(m, "p", 1, HRM_RELOAD_FAILED, NULL, NULL), HRM_OK);
    t = next(HRM_EVENT_ROLLBACK);
    CHECK(strstr(t.message, "again") == NULL);
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);

    for (i = 0; i < 2; i++) { /* five are kept, or none */
        uint64_t g;
        own.keep_generations = i == 0 ? 0 : HRM_KEEP_NONE;
        enable(&own);
        for (g = 1; g <= 3; g++) {
            CHECK_INT(next(HRM_EVENT_FILE_CHANGED).generation, g);
            CHECK_INT(hrm_report_reload(m, "p", g, HRM_RELOAD_OK, NULL, NULL), HRM_OK);
            if (g < 3)
                replace_version(f, (int)g + 10 * (i + 1));
        }
        CHECK_INT(hrm_report_reload(m, "p", 1, HRM_RELOAD_OK, NULL, NULL), i == 0 ? HRM_OK : HRM_ERR_INVALID_ARGUMENT);
        CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    }
    stop();
}

static void an_empty_one_is_an_error(void)
{
    static const char *const none[] = {NULL}, *const empty[] = {"", NULL};
    static const struct {
        const char *field;
        hrm_safe_options s;
    } cases[] = {
#define WITH(...) {.struct_size = sizeof(hrm_safe_options), __VA_ARGS__}
        {"allow_list is an empty string", WITH(.allow_list = "")},
        {"symbols is an empty list", WITH(.symbols = none)},
        {"symbols contains an empty entry", WITH(.symbols = empty)},
        {"public_keys is an empty list", WITH(.public_keys = none)},
        {"public_keys contains an empty entry", WITH(.public_keys = empty)},
        {"signature is an empty string", WITH(.signature = "", .public_keys = key_text)},
        {"files contains an empty entry", WITH(.files = empty)},
        {"HRM_SAFE_NO_IMAGE", WITH(.flags = HRM_SAFE_IMAGE | HRM_SAFE_NO_IMAGE)},
        {"HRM_SAFE_NO_STRICT_MODES", WITH(.flags = HRM_SAFE_STRICT_MODES | HRM_SAFE_NO_STRICT_MODES)},
        {"HRM_SAFE_REJECT_ON_TIMEOUT", WITH(.flags = HRM_SAFE_ACCEPT_ON_TIMEOUT | HRM_SAFE_REJECT_ON_TIMEOUT)},
        {"validator_timeout of -2 ms", WITH(.validator_timeout_ms = -2)},
        {"retries of -2", WITH(.retries = -2)},
        {"max_size of -2", WITH(.max_size = -2)},
        {"retry_delay of -1 ms", WITH(.retry_delay_ms = -1)},
    };
    hrm_safe_options no_files = WITH(.files = none);
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_options mo = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *other = NULL;
    size_t i;
    start(NULL);
    write_version(f, 1);
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        o.safe = mo.safe = &cases[i].s;
        CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_ERR_INVALID_ARGUMENT);
        CHECK_HAS(err.message, cases[i].field);
        CHECK_INT(hrm_manager_create(&mo, &other, &err), HRM_ERR_INVALID_ARGUMENT);
        if (cases[i].s.files == NULL && cases[i].s.signature == NULL)
            CHECK_HAS(err.message, cases[i].field);
    }
    mo.safe = NULL;
    mo.snapshot_dir = "";
    CHECK_INT(hrm_manager_create(&mo, &other, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "snapshot_dir");
    o.safe = &no_files; /* no safeguard */
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_OK);
    stop();
}

/* ------------------------------------------------- whatever goes wrong rejects */

static int kind_of_reason, verdict;

static int32_t odd(const hrm_candidate *c, char *reason, size_t room, void *arg)
{
    (void)c, (void)arg;
    switch (LOAD(kind_of_reason)) {
    case 1: memset(reason, 'x', room); break;                 /* no NUL */
    case 2: memset(reason, 0xff, room); break;                /* no UTF-8, nor a NUL */
    case 3: memcpy(reason, "\x1b[2Jforged\nline\xe2\x80\xae", 18); break;
    case 4: memset(reason, 0xe2, room - 1); break;            /* a character that is cut */
    case 5: hrm_set_validator(m, NULL, NULL, NULL); break;    /* removed while it is asked */
    case 6: hrm_set_validator(m, slow, NULL, NULL); break;    /* replaced */
    }
    return LOAD(verdict);
}

static int is_printable(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    for (; *c != 0; c++)
        if (*c < ' ' || *c == 0x7f || (*c == 0xe2 && c[1] == 0x80 && c[2] == 0xae))
            return 0;
    return strlen(text) <= 1000;
}

static void what_a_validator_does_not_accept_is_rejected(void)
{
    static const int32_t verdicts[] = {0, 2, -1, 77, INT32_MAX, INT32_MIN};
    hrm_safe_options everybody = HRM_SAFE_OPTIONS_INIT;
    int version = 1, i;
    told t;
    start(&everybody);
    write_version(f, version);
    STORE(verdict, HRM_REJECT);
    kind_of_reason = 0;
    CHECK_INT(hrm_set_validator(m, odd, NULL, NULL), HRM_OK);
    enable(NULL);
    next(HRM_EVENT_REJECTED);
    for (i = 0; i < (int)(sizeof verdicts / sizeof *verdicts); i++) {
        STORE(verdict, verdicts[i]);
        replace_version(f, ++version);
        next(HRM_EVENT_REJECTED);
    }
    for (i = 1; i <= 6; i++) {
        STORE(kind_of_reason, i);
        CHECK_INT(hrm_set_validator(m, odd, NULL, NULL), HRM_OK);
        replace_version(f, ++version);
        t = next(HRM_EVENT_REJECTED);
        CHECK(is_printable(t.message) && t.message[0] != 0);
        if (i == 3)
            CHECK_STR(t.message, "\\x1b[2Jforged\\nline\\u202e");
    }
    CHECK_INT(stats().deliveries, 0);
    CHECK_INT(hrm_set_validator(m, NULL, NULL, NULL), HRM_OK);
    replace_version(f, ++version);
    CHECK_INT(next(HRM_EVENT_FILE_CHANGED).generation, 1);
    stop();
}

/* A manager that is destroyed while its validator is asked delivers nothing. */
static int32_t destroys(const hrm_candidate *c, char *reason, size_t room, void *inside)
{
    (void)c, (void)reason, (void)room;
    if (inside != NULL)
        CHECK_INT(hrm_manager_destroy(m), HRM_OK);
    return HRM_ACCEPT;
}

static void on_gone(void *arg) { ADD(*(int *)arg, 1); }

static void destroying_while_it_is_asked_delivers_nothing(void)
{
    hrm_safe_options everybody = HRM_SAFE_OPTIONS_INIT;
    int gone = 0;
    start(&everybody);
    write_version(f, 1);
    CHECK_INT(hrm_set_validator(m, destroys, &gone, on_gone), HRM_OK);
    enable(NULL);
    CHECK(wait_until(is_set, &gone, PATIENCE));
    CHECK_INT(r.n, 0);
}

/* ------------------------------------------------------------ hostile text */

static void hostile_names_are_printable_in_every_message(void)
{
    static const char name[] = "\x1b[31m\nforged\r\x7f\xe2\x80\xae\xff";
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *other;
    char long_path[4000], small[16], out[64];
    const char *const named[] = {name, NULL};
    const char *odd_keys[] = {name, NULL};
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_options mo = HRM_OPTIONS_INIT;
    told t;
    start(NULL);
    memset(long_path, 'd', sizeof long_path);
    long_path[0] = '/', long_path[sizeof long_path - 1] = 0;
    o.safe = mo.safe = &safe;
#define PRINTABLE(call)                                                                                                \
    do {                                                                                                               \
        err.message[0] = 0;                                                                                            \
        CHECK((call) < 0);                                                                                             \
        CHECK(is_printable(err.message) && err.message[0] != 0);                                                       \
        CHECK(memchr(err.message, 0, sizeof err.message) != NULL);                                                     \
    } while (0)
    PRINTABLE(hrm_enable_hot_reload(m, "p", name, &err));
    PRINTABLE(hrm_enable_hot_reload(m, name, f, &err));
    PRINTABLE(hrm_enable_hot_reload(m, "p", in(dir, name), &err));
    PRINTABLE(hrm_enable_hot_reload(m, "p", long_path, &err));
    PRINTABLE(hrm_report_reload(m, name, 1, HRM_RELOAD_OK, NULL, &err));
    safe.public_keys = odd_keys;
    write_version(f, 1);
    PRINTABLE(hrm_enable_hot_reload_ex(m, "p", f, &o, &err));
    safe.public_keys = NULL;
    mo.snapshot_dir = name;
    CHECK_INT(hrm_manager_create(&mo, &other, &err), HRM_OK); /* examined when a plugin is enabled */
    PRINTABLE(hrm_enable_hot_reload_ex(other, "p", f, &o, &err));
    CHECK_INT(hrm_manager_destroy(other), HRM_OK);

    /* Events: a missing file, a symbol, a list, a signature, the host's own report. */
    safe.files = named;
    enable(&safe);
    t = next(HRM_EVENT_REJECTED);
    CHECK(is_printable(t.message) && strstr(t.message, "forged") != NULL);
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    safe.files = NULL;
    safe.allow_list = in(dir, name);
    write_bytes(safe.allow_list, name, strlen(name));
    enable(&safe);
    t = next(HRM_EVENT_REJECTED);
    CHECK(is_printable(t.message) && strstr(t.message, "line 1") != NULL);
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    safe.allow_list = NULL;
    safe.public_keys = key_text;
    safe.signature = in(dir, name);
    enable(&safe);
    t = next(HRM_EVENT_REJECTED);
    CHECK(is_printable(t.message) && strstr(t.message, "signature") != NULL);
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    safe.public_keys = NULL;
    safe.signature = NULL;
    f = in(dir, name); /* a path as a value is what it is */
    write_version(f, 1);
    enable(&safe);
    t = next(HRM_EVENT_FILE_CHANGED);
    CHECK_STR(t.path, f);
    CHECK_HAS(t.snapshot, name);
    CHECK_INT(hrm_report_reload(m, "p", 1, HRM_RELOAD_FAILED, name, &err), HRM_OK);
    t = next(HRM_EVENT_ROLLBACK);
    CHECK(is_printable(t.message) && strstr(t.message, "forged") != NULL);
    stop();

    CHECK_INT(hrm_printable(name, out, sizeof out), (int)strlen(out));
    CHECK_STR(out, "\\x1b[31m\\nforged\\r\\x7f\\u202e\\xff");
    CHECK_INT(hrm_printable("0123456789abcdefghij", small, 13), 12);
    CHECK_STR(small, "012345\xe2\x80\xa6hij");
    CHECK_INT(hrm_printable("x", small, 1), 0);
    CHECK_STR(small, "");
    CHECK_INT(hrm_printable(NULL, small, 2), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_printable("x", NULL, 2), HRM_ERR_INVALID_ARGUMENT);
    CHECK_INT(hrm_printable("x", small, 0), HRM_ERR_INVALID_ARGUMENT);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        hrm_library = argv[1];
    RUN(each_one_of_a_manager_holds_unless_the_plugin_names_it);
    RUN(numbers_of_a_manager_hold_unless_the_plugin_names_them);
    RUN(an_empty_one_is_an_error);
    RUN(what_a_validator_does_not_accept_is_rejected);
    RUN(destroying_while_it_is_asked_delivers_nothing);
    RUN(hostile_names_are_printable_in_every_message);
    DONE();
}
