/* SPDX-License-Identifier: MIT */
/* What the signer says of a version: which plugin it is, which number it has, which
 * files belong to it. The signatures are those of core/internal/signtest's first key. */
#include "snapshots.h"

static const char *const signer[] = {"RWQBAAAAAAAAAItOU+f232FbfyjeucMszgp0NXsURuBdSA7AAG0xLO34", NULL};

#define SIGNED(line, comment, global)                                                                                  \
    "untrusted comment: signature from minisign secret key\n" line "\ntrusted comment: " comment "\n" global "\n"
#define OF_V1 "RUQBAAAAAAAAAKT9udQSkGRhsqBQmcviszhq9wacEiwCHgc0qDs9RixmyPhkSuEoesnkW3Inu9tEKoEEztowvPWtfrfd5pnHOws="

static const char v1[] = "plugin v1\n", v2[] = "plugin v2\n", words[] = "words 1\n";
static const char greeter_1[] = SIGNED(
    OF_V1, "plugin:greeter version:1.0", "7m2yMdkb2y4mlXohFSMZ/4Y6TsD7+TCaDDHsDiuapLlJnG0mGAH97dF01QZ6atDo4P3IStNqPRyH1MuRb6XTBw==");
static const char greeter_2[] =
    SIGNED("RUQBAAAAAAAAAONPYHtQM7p5Ovw5olHnPVEpsUsPr3Fkt7lnbpKWfhQQ1OVwngqO70G6yTzzFUJGdkZxeTSUUHLwTLQ6QVjrfgA=",
           "plugin:greeter\tversion:2", "7EvITwGx5olT+0gr4OLOvKWvOjR84lZCS6ljIUIvrvXZGdsDydg0KKaSlmDxIuOKrp8u4mB7YfD6AGm6pN7gCw==");
static const char painter_9[] = SIGNED(
    OF_V1, "plugin:painter version:9", "+7yNZusgVUCyza/lOtvCtebFVq8CnzlizVXhWZ1JGPRT7lcxBiw5gqSksVgbWOKNuhbaI9TTbjYthuvBxhXpAA==");
static const char manifest_1[] = "c31ef152e0ebdf064fa5d311f643013280d92cc1c37d1ce089658bc62d455b2b  plugin.so\n"
                                 "d75a4a58732ef6d2f87d76278f2fab264a2ce7b56069473a52823f4067fdb6c9  words\n";
static const char of_manifest_1[] =
    SIGNED("RUQBAAAAAAAAAJJhd+Loj+k523Z2tv6eubm/v73MTJYOIXaEL2EXUT/o2j3WcBM9Vfc+7QFZ7zweWLBrHG1J0S54Xv3puSJVKwo=",
           "manifest:greeter version:1", "ljZkr+Q4Cau95Qwp5njSi0o8HTupIzKSBrpUSd7WRJ0r5AmtPk+9I+4pf32EpGKNOfu7oJPxSgxsMkruWpkWAg==");

/* Replaces a file in one step. */
static void put(const char *name, const char *content)
{
    const char *path = in(dir, name);
    write_bytes(in(dir, ".new"), content, strlen(content));
    CHECK_INT(rename(in(dir, ".new"), path), 0);
}

static void release(const char *content, const char *signature)
{
    put("plugin.so.minisig", signature);
    put("plugin.so", content);
}

/* The next event of that kind; a version between two files is rejected, too. */
static told verdict(int kind, const char *message)
{
    told t;
    do {
        CHECK(wait_until(another, NULL, PATIENCE));
        pthread_mutex_lock(&r.mu);
        t = r.ev[seen++ % 256];
        pthread_mutex_unlock(&r.mu);
    } while (t.kind == HRM_EVENT_REJECTED && (kind != HRM_EVENT_REJECTED || strstr(t.message, message) == NULL) &&
             (strstr(t.message, "does not hold") != NULL || strstr(t.message, "manifest") != NULL));
    CHECK_INT(t.kind, kind);
    CHECK_HAS(t.message, message);
    return t;
}

static char asked[256];

static int32_t look(const hrm_candidate *c, char *reason, size_t room, void *arg)
{
    (void)reason, (void)room, (void)arg;
    snprintf(asked, sizeof asked, "%s", c->trusted_comment);
    return HRM_ACCEPT;
}

static void the_trusted_comment_reaches_the_host(void)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    start(NULL);
    CHECK_INT(hrm_set_validator(m, look, NULL, NULL), HRM_OK);
    release(v2, greeter_2);
    enable(&safe);
    CHECK_STR(verdict(HRM_EVENT_FILE_CHANGED, "").comment, "");
    CHECK_STR(asked, "");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    safe.public_keys = signer;
    enable(&safe);
    CHECK_STR(verdict(HRM_EVENT_FILE_CHANGED, "").comment, "plugin:greeter version:2");
    CHECK_STR(asked, "plugin:greeter version:2");
    stop();
}

static void another_plugin_and_an_old_version_are_rejected(void)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    start(NULL);
    safe.public_keys = signer;
    safe.plugin_name = "greeter";
    safe.min_version = "1";
    release(v1, greeter_1);
    enable(&safe);
    verdict(HRM_EVENT_FILE_CHANGED, "");
    put("plugin.so.minisig", painter_9);
    release(v2, painter_9);
    verdict(HRM_EVENT_REJECTED, "does not hold");
    release(v1, painter_9); /* the same bytes, for another plugin */
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    enable(&safe);
    CHECK_STR(verdict(HRM_EVENT_REJECTED, "is for plugin \"painter\", not for \"greeter\"").comment, "plugin:painter version:9");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    safe.min_version = "1.0.1";
    release(v1, greeter_1);
    enable(&safe);
    verdict(HRM_EVENT_REJECTED, "version 1 is older than 1.0.1");
    stop();
}

static void versions_only_rise_also_after_a_restart(void)
{
    hrm_safe_options all = HRM_SAFE_OPTIONS_INIT, exempt = HRM_SAFE_OPTIONS_INIT;
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    told t;
    char state[600];
    int i;
    snprintf(state, sizeof state, "%s", in(scratch(), "versions"));
    all.public_keys = signer;
    all.flags = HRM_SAFE_RISING_VERSION;
    all.version_dir = state;
    for (i = 0; i < 2; i++) {
        start(&all);
        release(v2, greeter_2);
        enable(NULL);
        t = verdict(HRM_EVENT_FILE_CHANGED, "");
        CHECK_INT(hrm_report_reload(m, "p", t.generation, HRM_RELOAD_OK, NULL, &err), HRM_OK);
        release(v1, greeter_1);
        verdict(HRM_EVENT_REJECTED, "version 1 is older than version 2");
        stop();
    }
    start(&all);
    release(v1, greeter_1);
    enable(NULL);
    verdict(HRM_EVENT_REJECTED, "version 1 is older than version 2");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);
    exempt.flags = HRM_SAFE_ANY_VERSION;
    enable(&exempt);
    verdict(HRM_EVENT_FILE_CHANGED, "");
    CHECK_INT(hrm_disable_hot_reload(m, "p"), 1);

    write_bytes(in(state, "p.version"), "damaged", 7);
    CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "is damaged");
    stop();
}

static void a_manifest_covers_all_files(void)
{
    static const char *const files[] = {"words", NULL};
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT;
    start(NULL);
    safe.public_keys = signer;
    safe.plugin_name = "greeter";
    safe.files = files;
    safe.manifest = in(dir, "manifest");
    put("plugin.so", v1);
    put("words", words);
    put("manifest", manifest_1);
    put("manifest.minisig", of_manifest_1);
    enable(&safe);
    CHECK_STR(verdict(HRM_EVENT_FILE_CHANGED, "").comment, "manifest:greeter version:1");
    put("words", v1);
    verdict(HRM_EVENT_REJECTED, "\"words\" (SHA-256");
    put("plugin.so", words);
    verdict(HRM_EVENT_REJECTED, "\"plugin.so\" (SHA-256");
    stop();
    start(NULL); /* what is signed as a manifest is no plugin */
    safe.files = NULL;
    safe.manifest = NULL;
    release(manifest_1, of_manifest_1);
    enable(&safe);
    verdict(HRM_EVENT_REJECTED, "is of a manifest");
    stop();
}

static void names_in_an_allow_list_may_count(void)
{
    hrm_safe_options safe = HRM_SAFE_OPTIONS_INIT, exempt = HRM_SAFE_OPTIONS_INIT;
    start(NULL);
    safe.allow_list = in(dir, "list");
    safe.flags = HRM_SAFE_LIST_NAMES;
    put("plugin.so", words); /* which is listed, by the name of words */
    put("list", manifest_1);
    enable(&safe);
    verdict(HRM_EVENT_REJECTED, "not for a file of this name");
    put("plugin.so", v1);
    verdict(HRM_EVENT_FILE_CHANGED, "");
    stop();
    start(&safe);
    put("plugin.so", words);
    exempt.flags = HRM_SAFE_NO_LIST_NAMES;
    enable(&exempt);
    verdict(HRM_EVENT_FILE_CHANGED, "");
    stop();
}

static void what_is_empty_or_lacks_something_is_an_error(void)
{
    static const char *const files[] = {"words", NULL};
    static const struct {
        const char *field;
        hrm_safe_options s;
    } cases[] = {
#define WITH(...) {.struct_size = sizeof(hrm_safe_options), __VA_ARGS__}
        {"plugin_name is \"\"", WITH(.plugin_name = "", .public_keys = signer)},
        {"plugin_name is \"two words\"", WITH(.plugin_name = "two words", .public_keys = signer)},
        {"min_version: \"\"", WITH(.min_version = "", .public_keys = signer)},
        {"min_version: \"1.0-rc\"", WITH(.min_version = "1.0-rc", .public_keys = signer)},
        {"version_dir is an empty string", WITH(.version_dir = "", .public_keys = signer, .flags = HRM_SAFE_RISING_VERSION)},
        {"manifest is an empty string", WITH(.manifest = "", .public_keys = signer)},
        {"plugin_name is compared", WITH(.plugin_name = "p")},
        {"min_version is compared", WITH(.min_version = "1")},
        {"rising_version is compared", WITH(.flags = HRM_SAFE_RISING_VERSION)},
        {"there are no public_keys", WITH(.manifest = "m")},
        {"there is no allow_list", WITH(.flags = HRM_SAFE_LIST_NAMES)},
        {"nothing is remembered", WITH(.version_dir = "d", .public_keys = signer)},
        {"needs a manifest", WITH(.plugin_name = "p", .public_keys = signer, .files = files)},
        {"HRM_SAFE_ANY_VERSION", WITH(.flags = HRM_SAFE_RISING_VERSION | HRM_SAFE_ANY_VERSION)},
        {"HRM_SAFE_NO_LIST_NAMES", WITH(.flags = HRM_SAFE_LIST_NAMES | HRM_SAFE_NO_LIST_NAMES)},
    };
    hrm_safe_options of_all = WITH(.plugin_name = "p", .public_keys = signer);
    hrm_enable_options o = HRM_ENABLE_OPTIONS_INIT;
    hrm_options mo = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *other = NULL;
    size_t i;
    start(NULL);
    put("plugin.so", v1);
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        o.safe = &cases[i].s;
        CHECK_INT(hrm_enable_hot_reload_ex(m, "p", f, &o, &err), HRM_ERR_INVALID_ARGUMENT);
        CHECK_HAS(err.message, cases[i].field);
    }
    mo.safe = &of_all;
    CHECK_INT(hrm_manager_create(&mo, &other, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "plugin_name belong to one plugin");
    stop();
}

int main(void)
{
    RUN(the_trusted_comment_reaches_the_host);
    RUN(another_plugin_and_an_old_version_are_rejected);
    RUN(versions_only_rise_also_after_a_restart);
    RUN(a_manifest_covers_all_files);
    RUN(names_in_an_allow_list_may_count);
    RUN(what_is_empty_or_lacks_something_is_an_error);
    DONE();
}
