/* SPDX-License-Identifier: MIT */
/*
 * hot_reload_plugin.h: plugins as users have them. Each is really built and rebuilt. Further ones: hosts.c (a port, a
 * certificate and its key, a plugin and its dependent), unloading.c (what stays in memory).
 */
#include "hosts.h"

#include <dlfcn.h>

static struct {
    int ending;
    long good, bad;
} load;

static void *requests(void *p)
{
    while (!LOAD(load.ending)) {
        const int version = answer(p, 0);
        ADD(*(version >= 1 ? &load.good : &load.bad), 1);
    }
    return NULL;
}

/* ------------------------------------------------- a registry that aborts -- */

/* As protobuf's, GType's and many others: in a shared library, which lives on when plugins are unloaded. */
#define REGISTRY                                                                                                       \
    "#include <stdlib.h>\n#include <string.h>\nstatic char names[8][40];\n"                                            \
    "void registry_add(const char *name) { int i; for (i = 0; i < 8; i++) if (strcmp(names[i], name) == 0) abort();\n" \
    "for (i = 0; names[i][0] != 0; i++) ; strcpy(names[i], name); }\n"                                                 \
    "void registry_remove(const char *name) { int i; for (i = 0; i < 8; i++) if (strcmp(names[i], name) == 0) names[i][0] = 0; }\n" \
    "int registry_has(const char *name) { int i; for (i = 0; i < 8; i++) if (strcmp(names[i], name) == 0) return 1; return 0; }\n"

#define ENTERS                                                                                                         \
    "void registry_add(const char *); void registry_remove(const char *);\n"                                           \
    "__attribute__((constructor)) static void enter(void) { registry_add(\"greeter\"); }\n"
#define LEAVES "__attribute__((destructor)) static void leave(void) { registry_remove(\"greeter\"); }\n"
#define VERSION "int version(void) { return %d; }\nint work(void) { return 0; }\n"

static void build_registered(int version, const char *more)
{
    char source[1500];
    snprintf(source, sizeof source, VERSION "%s", version, more);
    compile_c(source, "%s/libregistry.so -Wl,-rpath,%s", "plugin.so");
}

static void *registry;
static int is_registered(void)
{
    int (*has)(const char *);
    *(void **)&has = dlsym(registry, "registry_has");
    return has("greeter");
}

static void begin_with_a_registry(void)
{
    begin(HRM_DISPATCH_THREAD);
    compile_c(REGISTRY, "-Wl,-soname,libregistry.so", "libregistry.so");
    registry = dlopen(in(dir, "libregistry.so"), RTLD_NOW | RTLD_LOCAL);
    CHECK(registry != NULL && !is_registered());
}

static void a_registry_that_plugins_leave_when_they_are_unloaded(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    pthread_t thread;
    int i;
    begin_with_a_registry();
    o.mode = HRM_MODE_UNLOAD_FIRST;
    build_registered(1, ENTERS LEAVES);
    CHECK_INT(try_open(&o, &err), HRM_OK);
    CHECK_STR(err.message, "");
    expect(HRM_VERDICT_DONE, 1, "");
    memset(&load, 0, sizeof load);
    CHECK_INT(pthread_create(&thread, NULL, requests, plugin), 0);
    for (i = 2; i < 5; i++) {
        build_registered(i, ENTERS LEAVES);
        expect(HRM_VERDICT_DONE, i, "");
        CHECK(is_registered());
    }
    build_registered(5, ENTERS LEAVES "int plugin_init(void) { return 3; }\n");
    expect(HRM_VERDICT_FAILED, 4, "init: it returned 3");
    CHECK(is_registered()); /* the old one, which was loaded anew */
    CHECK_INT(call(0), 4);
    STORE(load.ending, 1);
    pthread_join(thread, NULL);
    CHECK(load.good > 0 && load.bad == 0);
    stop();
    CHECK(!is_registered());
    dlclose(registry);
}

/* A child process finds out what would end the host: it has the host's registry. */
static void a_registry_that_nobody_leaves(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    begin_with_a_registry();
    o.canary_timeout_ms = PATIENCE;
    build_registered(1, ENTERS);
    CHECK_INT(try_open(&o, &err), HRM_OK);
    CHECK_STR(err.message, "");
    expect(HRM_VERDICT_DONE, 1, "");
    build_registered(2, ENTERS);
    expect(HRM_VERDICT_REJECTED, 1, "in a child process it crashed: signal 6");
    CHECK_INT(call(0), 1);
    build_registered(3, "");
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(call(0), 3);
    stop();
    dlclose(registry);
}

/* ---------------------------------------------------------------- threads -- */

#define COUNTS                                                                                                         \
    "#include <pthread.h>\n#include <unistd.h>\nstatic pthread_t thread[2]; static int end, count;\n"                  \
    "static void *counts(void *p) { while (!__atomic_load_n(&end, 5)) { __atomic_add_fetch(&count, 1, 5); usleep(100); }\n" \
    "return p; }\n"                                                                                                    \
    "int plugin_init(void) { return pthread_create(&thread[0], 0, counts, 0) || pthread_create(&thread[1], 0, counts, 0); }\n" \
    "void plugin_exit(void) { __atomic_store_n(&end, 1, 5); pthread_join(thread[0], 0); pthread_join(thread[1], 0); }\n" \
    "size_t plugin_save_state(void *to, size_t room) { if (room >= 4) *(int *)to = __atomic_load_n(&count, 5); return 4; }\n" \
    "int plugin_restore_state(const void *from, size_t size) { __atomic_add_fetch(&count, *(const int *)from, 5); return 0; }\n" \
    "int counted(void) { return __atomic_load_n(&count, 5); }\n"

static int counts_on(void *before) { return answer(plugin, 2) > *(int *)before; }

static void a_plugin_that_starts_threads(void)
{
    static const char *const names[] = {"version", "work", "counted", NULL};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    pthread_t thread;
    int i, before = 0;
    begin(HRM_DISPATCH_THREAD);
    o.symbols = names;
    plugin = open_as("p", "plugin.so", 1, COUNTS, &o);
    expect(HRM_VERDICT_DONE, 1, "");
    memset(&load, 0, sizeof load);
    CHECK_INT(pthread_create(&thread, NULL, requests, plugin), 0);
    for (i = 2; i < 6; i++) {
        CHECK(wait_until(counts_on, &before, PATIENCE)); /* from where the version before was */
        before = answer(plugin, 2);
        build(i, COUNTS);
        expect(HRM_VERDICT_DONE, i, "");
        CHECK(answer(plugin, 2) >= before);
    }
    STORE(load.ending, 1);
    pthread_join(thread, NULL);
    CHECK(load.good > 0 && load.bad == 0);
    CHECK_INT(hrm_plugin_close(plugin, PATIENCE, NULL), HRM_OK);
    CHECK(!loaded(dir)); /* nor does a thread of it live */
    CHECK_INT(told.notes, 0);
    stop();
}

/* -------------------------------------------- static destructors, thread_local -- */

#define OBJECTS                                                                                                        \
    "static int none[2]; extern \"C\" { int *ended = none; }\n"                                                        \
    "struct once { ~once() { __atomic_add_fetch(&ended[0], 1, 5); } } object;\n"                                       \
    "struct each { int n = 0; ~each() { __atomic_add_fetch(&ended[1], 1, 5); } };\nstatic thread_local each own;\n"    \
    "extern \"C\" int version() { return %d; }\nextern \"C\" int work() { return ++own.n; }\n"

static struct {
    int used, go;
} guest;

static void *uses_it(void *arg)
{
    CHECK_INT(answer(plugin, 1), 1);
    CHECK_INT(answer(plugin, 1), 2);
    STORE(guest.used, 1);
    CHECK(wait_until(is_set, &guest.go, PATIENCE));
    return arg;
}

static int ended[4][2]; /* by version: static objects, and those of threads */

static void build_objects(int version)
{
    char source[1500];
    snprintf(source, sizeof source, OBJECTS, version);
    compile_cxx(source, "-fno-gnu-unique", "plugin.so");
}

static void have_its_ends_counted(int version)
{
    const hrm_plugin_version *v = hrm_plugin_acquire(plugin);
    *(int **)hrm_plugin_symbol(v, 2) = ended[version];
    hrm_plugin_release(v);
}

static int has_ended(void *version) { return LOAD(ended[*(int *)version][0]) == 1; }

static void a_cxx_plugin_with_static_destructors_and_thread_locals(void)
{
    static const char *const names[] = {"version", "work", "ended", NULL};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    pthread_t thread;
    int i, first = 1, second = 2;
    begin(HRM_DISPATCH_THREAD);
    o.symbols = names;
    build_objects(1);
    CHECK_INT(hrm_host_open(host, "p", f, &o, &plugin, &err), HRM_OK);
    CHECK_STR(err.message, "");
    expect(HRM_VERDICT_DONE, 1, "");
    have_its_ends_counted(1);
    memset(&guest, 0, sizeof guest);
    CHECK_INT(pthread_create(&thread, NULL, uses_it, NULL), 0);
    CHECK(wait_until(is_set, &guest.used, PATIENCE));
    build_objects(2);
    expect(HRM_VERDICT_DONE, 2, "");
    have_its_ends_counted(2);
    expect_note("generation 1 stays in memory: a thread that has not ended has objects of it (thread_local)");
    CHECK_INT(LOAD(ended[1][0]), 0);
    STORE(guest.go, 1);
    pthread_join(thread, NULL); /* calls a destructor of generation 1 */
    CHECK_INT(LOAD(ended[1][1]), 1);
    build_objects(3);
    expect(HRM_VERDICT_DONE, 3, "");
    CHECK(wait_until(has_ended, &second, PATIENCE));
    CHECK(wait_until(has_ended, &first, PATIENCE)); /* with it, since no thread has objects of it any more */
    CHECK_INT(answer(plugin, 0), 3);
    stop();
    for (i = 1; i < 3; i++)
        CHECK_INT(ended[i][0], 1);
    CHECK(!loaded(dir));
}

int main(void)
{
    RUN(a_registry_that_plugins_leave_when_they_are_unloaded);
    RUN(a_registry_that_nobody_leaves);
    RUN(a_plugin_that_starts_threads);
    RUN(a_cxx_plugin_with_static_destructors_and_thread_locals);
    DONE();
}
