/* SPDX-License-Identifier: MIT */
/* hot_reload_plugin.h: which versions are unloaded, which stay in memory, and what is said of them. */
#include "hosts.h"

#include <dlfcn.h>
#include <signal.h>

/* Opens the plugin that is in place. */
static void open_present(hrm_plugin_options *o)
{
    hrm_error err = HRM_ERROR_INIT;
    CHECK_INT(try_open(o, &err), HRM_OK);
    CHECK_STR(err.message, "");
}

static const char *numbered(const char *format, int version)
{
    static char text[3000];
    snprintf(text, sizeof text, format, version);
    return text;
}

/* Whether a version of this test's plugin is in memory; those of other tests may be. */
static int is_mapped(int version)
{
    char line[1000], part[40];
    int yes = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    snprintf(part, sizeof part, "/%d/plugin.so", version);
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        yes = yes || (strstr(line, dir) != NULL && strstr(line, part) != NULL);
    if (maps != NULL)
        fclose(maps);
    return yes;
}

static int is_gone(void *version) { return !is_mapped(*(int *)version); }
static void expect_gone(int version) { CHECK(wait_until(is_gone, &version, PATIENCE)); }

/* ------------------------------------------------- what versions would share -- */

/* Its counter is one of an inline function, and it needs the C++ library. */
#define INLINE_STATIC                                                                                                  \
    "namespace APP { inline int &calls() { static int n; return n; } }\nstruct kept {\n"                               \
    "int *n = new int(%d); ~kept() { delete n; } } kept;\nextern \"C\" int version() { return *kept.n; }\n"                \
    "extern \"C\" int work() { return ++APP::calls(); }\n"

/* APP is another one in each test: what is shared lives as long as the process. */
static void build_cxx(int version, const char *flags) { compile_cxx(numbered(INLINE_STATIC, version), flags, "plugin.so"); }

static void versions_that_share_an_object_are_kept_and_named(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    begin(HRM_DISPATCH_THREAD);
    build_cxx(1, "-DAPP=app");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "answers now; all its versions use the object app::calls()::n of the version that was loaded first");
    CHECK_INT(call(1), 1);
    build_cxx(2, "-DAPP=app");
    expect(HRM_VERDICT_DONE, 2, "compile it with -fno-gnu-unique");
    CHECK_INT(call(0), 2);
    CHECK_INT(call(1), 2); /* the object of generation 1: this is what is warned of */
    expect_note("generation 1 stays in memory: other versions may use the object app::calls()::n of it (STB_GNU_UNIQUE)");
    build_cxx(3, "-DAPP=app");
    expect(HRM_VERDICT_DONE, 3, "");
    expect_note("generation 2 stays in memory: other versions may use");
    CHECK(is_mapped(1) && is_mapped(2));
    stop();
}

static void versions_that_share_nothing_are_unloaded(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    begin(HRM_DISPATCH_THREAD);
    build_cxx(1, "-DAPP=app -fno-gnu-unique");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "");
    CHECK(strstr(told.o[0].message, ";") == NULL);
    CHECK_INT(call(1), 1);
    build_cxx(2, "-DAPP=app -fno-gnu-unique");
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(call(1), 1);
    expect_gone(1);
    stop();
    CHECK_INT(told.notes, 0);
}

static void versions_that_would_share_an_object_can_be_rejected(void)
{
    hrm_safe_options all = HRM_SAFE_OPTIONS_INIT, own = HRM_SAFE_OPTIONS_INIT;
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    all.flags = HRM_SAFE_NO_UNIQUE;
    own.flags = HRM_SAFE_ALLOW_UNIQUE;
    everybody = &all;
    begin(HRM_DISPATCH_THREAD);
    everybody = NULL;
    build_cxx(1, "-DAPP=sole");
    CHECK_INT(try_open(&o, &err), HRM_ERR_IO);
    CHECK_HAS(err.message, "its symbol _ZZN4sole5callsEvE1n is unique in the process (STB_GNU_UNIQUE)");
    CHECK_HAS(err.message, "compile it with -fno-gnu-unique");
    expect(HRM_VERDICT_REJECTED, 0, "");
    build_cxx(1, "-DAPP=sole -fno-gnu-unique");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "");
    build_cxx(2, "-DAPP=sole");
    expect(HRM_VERDICT_REJECTED, 1, "STB_GNU_UNIQUE");
    build(3, ""); /* in C */
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(hrm_plugin_close(plugin, PATIENCE, NULL), HRM_OK);
    o.safe = &own;
    build_cxx(4, "-DAPP=sole");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "");
    own.flags = HRM_SAFE_NO_UNIQUE | HRM_SAFE_ALLOW_UNIQUE;
    CHECK_INT(hrm_host_open(host, "q", f, &o, NULL, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "both HRM_SAFE_NO_UNIQUE and HRM_SAFE_ALLOW_UNIQUE");
    stop();
}

static int32_t do_nothing(const hrm_step *s, hrm_step_result *r, void *arg)
{
    (void)s, (void)r;
    CHECK(arg == &told);
    return HRM_STEP_DONE;
}

/* Nearly every Qt plugin shares objects of Qt's templates; that is no news. */
static void hosts_of_other_languages_name_the_plugins_own_objects(void)
{
    static const char of_qt[] = "__asm__(\".data\\n.globl _ZN9QtPrivate1nE\\n.type _ZN9QtPrivate1nE, \\\"gnu_unique_object\\\"\\n"
                                "_ZN9QtPrivate1nE: .long 0\\n.text\\n\");\n";
    hrm_options mo = HRM_OPTIONS_INIT;
    hrm_host_options ho = HRM_HOST_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    begin(HRM_DISPATCH_THREAD); /* for its directory */
    stop();
    mo.quiet_ms = QUIET;
    mo.snapshot_dir = in(dir, "snapshots");
    ho.manager = &mo;
    ho.outcome = on_outcome;
    ho.step = do_nothing;
    ho.user_data = &told;
    CHECK_INT(hrm_host_create(&ho, &host, &err), HRM_OK);
    build_cxx(1, "-DAPP=other");
    CHECK_INT(hrm_host_open(host, "p", f, NULL, &plugin, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "answers now; all its versions use the object "); /* in words if this program has a C++ library */
    CHECK_HAS(told.o[0].message, "calls");
    compile_c(of_qt, "", "plugin.so");
    expect(HRM_VERDICT_DONE, 2, "answers now");
    CHECK(strchr(told.o[1].message, ';') == NULL);
    stop();
}

/* ------------------------------------------------------------ what is asked for -- */

static void a_host_can_have_everything_unloaded(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    begin(HRM_DISPATCH_THREAD);
    o.flags = HRM_PLUGIN_UNLOAD;
    build_cxx(1, "-DAPP=last");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "all its versions use the object");
    build_cxx(2, "-DAPP=last");
    expect(HRM_VERDICT_DONE, 2, "");
    /* The loader itself keeps what has such an object, but not who uses it. */
    expect_note("generation 1 stays in memory: the process has its last::calls()::n once (STB_GNU_UNIQUE)");
    build_cxx(3, "-DAPP=last");
    expect(HRM_VERDICT_DONE, 3, "");
    expect_gone(2);
    CHECK_INT(told.notes, 1);
    stop();
}

static void a_host_can_have_everything_kept(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    begin(HRM_DISPATCH_THREAD);
    o.flags = HRM_PLUGIN_KEEP_LOADED | HRM_PLUGIN_UNLOAD;
    build(1, "");
    CHECK_INT(try_open(&o, &err), HRM_ERR_INVALID_ARGUMENT);
    CHECK_HAS(err.message, "both HRM_PLUGIN_KEEP_LOADED and HRM_PLUGIN_UNLOAD");
    o.flags = HRM_PLUGIN_KEEP_LOADED;
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "");
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "");
    CHECK_INT(hrm_plugin_close(plugin, PATIENCE, NULL), HRM_OK);
    CHECK(is_mapped(1) && is_mapped(2));
    CHECK_INT(told.notes, 0); /* it was asked for */
    stop();
}

/* ---------------------------------------------------- what the loader keeps -- */

/* Opens a plugin in C, has it exchanged, and expects this note of its first version; NULL: it is unloaded. */
static void first_version(const char *more, const char *flags, const char *note)
{
    static const char head[] = "#define _GNU_SOURCE\n#include <pthread.h>\n#include <signal.h>\n#include <stdlib.h>\n"
                               "#include <unistd.h>\nint version(void) { return 1; }\nint work(void);\n";
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    char source[2500];
    snprintf(source, sizeof source, "%s%s", head, more);
    begin(HRM_DISPATCH_THREAD);
    compile_c(source, flags, "plugin.so");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "");
    CHECK(call(1) > 0);
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "");
    if (note == NULL) {
        expect_gone(1);
        CHECK_INT(told.notes, 0);
        return;
    }
    expect_note(note);
    CHECK(is_mapped(1));
}

#define WORKS "int work(void) { return 1; }\n"

static void a_library_that_is_linked_not_to_be_unloaded(void)
{
    first_version(WORKS, "-Wl,-z,nodelete", "generation 1 stays in memory: it is linked with -z nodelete");
    stop();
}

static void a_library_that_another_one_needs(void)
{
    static const char user[] = "int version(void); int use(void) { return version(); }\n";
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    void *library;
    begin(HRM_DISPATCH_THREAD);
    compile_c("int version(void) { return 1; } int work(void) { return 1; }\n", "-Wl,-soname,libbase.so", "plugin.so");
    compile_c(user, "%s/plugin.so", "user.so");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "");
    library = dlopen(in(dir, "user.so"), RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "");
    expect_note("/user.so needs it: it is linked to libbase.so");
    dlclose(library);
    stop();
}

static void a_library_that_the_host_has_loaded_too(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    const hrm_plugin_version *v;
    void *library;
    start(HRM_DISPATCH_THREAD, &o);
    v = hrm_plugin_acquire(plugin);
    library = dlopen(hrm_plugin_path(v), RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    hrm_plugin_release(v);
    build(2, STATE);
    expect(HRM_VERDICT_DONE, 2, "");
    expect_note("generation 1 stays in memory: something else has loaded it, too (dlopen)");
    dlclose(library);
    CHECK(!is_mapped(1));
    stop();
}

/* ---------------------------------------------- what could call it afterwards -- */

#define KEYS                                                                                                           \
    "static pthread_key_t key; static void freed(void *p) { *(int *)p = 1; }\n"                                        \
    "int plugin_init(void) { return pthread_key_create(&key, freed); }\n"                                              \
    "int work(void) { static int data; pthread_setspecific(key, &data); return 1; }\n"

static struct {
    int called, go;
} guest;

static void *calls_once(void *arg)
{
    CHECK_INT(call(1), 1);
    STORE(guest.called, 1);
    CHECK(wait_until(is_set, &guest.go, PATIENCE));
    return arg;
}

/* A thread of the host ends long after the version whose data it has. */
static void keys_that_are_not_deleted(void)
{
    pthread_t thread;
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    begin(HRM_DISPATCH_THREAD);
    compile_c("#include <pthread.h>\nint version(void) { return 1; }\n" KEYS, "", "plugin.so");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "");
    memset(&guest, 0, sizeof guest);
    CHECK_INT(pthread_create(&thread, NULL, calls_once, NULL), 0);
    CHECK(wait_until(is_set, &guest.called, PATIENCE));
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "");
    expect_note("makes keys of thread-specific data (pthread_key_create) and deletes none");
    STORE(guest.go, 1);
    pthread_join(thread, NULL); /* calls freed() of generation 1 */
    stop();
}

static void keys_that_are_deleted(void)
{
    first_version(KEYS "void plugin_exit(void) { pthread_key_delete(key); }\n", "", NULL);
    stop();
}

static void the_end_of_the_process(void)
{
    first_version("static void ends(int code, void *p) {}\nint work(void) { return 1 + on_exit(ends, 0); }\n", "",
                  "the end of the process may call it (on_exit): use atexit");
    stop();
}

static void handlers_of_atexit_run_when_it_is_unloaded(void)
{
    char source[700];
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    begin(HRM_DISPATCH_THREAD);
    snprintf(source, sizeof source, FCNTL "static void ends(void) { close(open(\"%s\", O_CREAT | O_WRONLY, 0644)); }\n"
                                          "int plugin_init(void) { return atexit(ends); }\n", in(dir, "ended"));
    build(1, source);
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "");
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "");
    expect_gone(1);
    CHECK(access(in(dir, "ended"), F_OK) == 0);
    stop();
}

#define HANDLES                                                                                                        \
    "static void handle(int s) { (void)s; }\nint plugin_init(void) { signal(SIGUSR2, handle); return 0; }\n" WORKS

static void a_handler_of_a_signal_that_is_left(void)
{
    first_version(HANDLES, "", "generation 1 stays in memory: it handles signal 12: its exit should set the old handler again");
    raise(SIGUSR2); /* still works */
    signal(SIGUSR2, SIG_DFL);
    stop();
}

static void a_handler_of_a_signal_that_is_put_back(void)
{
    first_version(HANDLES "void plugin_exit(void) { signal(SIGUSR2, SIG_DFL); }\n", "", NULL);
    stop();
}

/* AddressSanitizer starts threads by a function of its own, so that nobody can tell who has started them. */
#ifdef __SANITIZE_ADDRESS__
enum { WHO_STARTED_IS_KNOWN = 0 };
#else
enum { WHO_STARTED_IS_KNOWN = 1 };
#endif

#define STARTS                                                                                                         \
    "static pthread_t thread; static int volatile end; static void *runs(void *p) { while (!end) usleep(1000); return p; }\n" \
    "int plugin_init(void) { return pthread_create(&thread, 0, runs, 0); }\nint *ends(void) { return (int *)&end; }\n" WORKS

static void a_thread_that_is_left(void)
{
    static const char *const names[] = {"version", "work", "ends", NULL};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    const hrm_plugin_version *v;
    int *end;
    begin(HRM_DISPATCH_THREAD);
    o.symbols = names;
    compile_c("#include <pthread.h>\n#include <unistd.h>\nint version(void) { return 1; }\n" STARTS, "", "plugin.so");
    CHECK_INT(hrm_host_open(host, "p", f, &o, &plugin, &err), HRM_OK);
    expect(HRM_VERDICT_DONE, 1, "");
    v = hrm_plugin_acquire(plugin);
    end = ((int *(*)(void))hrm_plugin_function(v, 2))();
    hrm_plugin_release(v);
    build(2, "int ends;");
    expect(HRM_VERDICT_DONE, 2, "");
    expect_note("was started by it: its exit should end the thread");
    CHECK(is_mapped(1));
    STORE(*end, 1); /* which would be a crash without the library */
    stop();
}

static void a_thread_that_is_ended(void)
{
    first_version(STARTS "void plugin_exit(void) { end = 1; pthread_join(thread, 0); }\n", "", NULL);
    stop();
}

/* The thread's function is one of the C++ library, and its argument an object of the plugin. */
static void a_thread_of_cxx_that_is_left(void)
{
    static const char source[] = "#include <atomic>\n#include <chrono>\n#include <thread>\nstatic std::atomic<bool> end;\n"
                                 "extern \"C\" int version() { return 1; }\nextern \"C\" int work() { end = true; return 1; }\n"
                                 "extern \"C\" int plugin_init() { std::thread([] { while (!end)\n"
                                 "std::this_thread::sleep_for(std::chrono::milliseconds(1)); }).detach(); return 0; }\n";
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    const hrm_plugin_version *v;
    hrm_plugin_fn end;
    begin(HRM_DISPATCH_THREAD);
    compile_cxx(source, "-fno-gnu-unique -pthread", "plugin.so");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "");
    v = hrm_plugin_acquire(plugin);
    end = hrm_plugin_function(v, 1);
    hrm_plugin_release(v);
    build(2, "");
    expect(HRM_VERDICT_DONE, 2, "");
    expect_note("was started by it");
    ((int (*)(void))end)();
    stop();
}

/* -------------------------------------------------------------- static TLS -- */

#define INITIAL_EXEC                                                                                                   \
    "static __thread int n[200] __attribute__((tls_model(\"initial-exec\")));\nint version(void) { return %d; }\n"      \
    "int work(void) { return ++n[0]; }\n"

static void room_for_thread_locals_runs_out(void)
{
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    int i = 1;
    begin(HRM_DISPATCH_THREAD);
    compile_c(numbered(INITIAL_EXEC, i), "-Wl,-z,nodelete", "plugin.so");
    open_present(&o);
    expect(HRM_VERDICT_DONE, 1, "each version that stays in memory takes static TLS, of which there is room for few");
    do {
        compile_c(numbered(INITIAL_EXEC, ++i), "-Wl,-z,nodelete", "plugin.so");
        CHECK(another_comes());
    } while (check_bad == 0 && i < 100 && told.o[told.seen++ % 64].verdict == HRM_VERDICT_DONE);
    told.seen--;
    expect(HRM_VERDICT_FAILED, i - 1, "compile the plugin without -ftls-model=initial-exec");
    CHECK_HAS(told.o[(told.seen - 1) % 64].message, "glibc.rtld.optional_static_tls");
    CHECK_INT(call(0), i - 1);
    stop();
}

int main(void)
{
    RUN(versions_that_share_an_object_are_kept_and_named);
    RUN(versions_that_share_nothing_are_unloaded);
    RUN(versions_that_would_share_an_object_can_be_rejected);
    RUN(hosts_of_other_languages_name_the_plugins_own_objects);
    RUN(a_host_can_have_everything_unloaded);
    RUN(a_host_can_have_everything_kept);
    RUN(a_library_that_is_linked_not_to_be_unloaded);
    RUN(a_library_that_another_one_needs);
    RUN(a_library_that_the_host_has_loaded_too);
    RUN(keys_that_are_not_deleted);
    RUN(keys_that_are_deleted);
    RUN(the_end_of_the_process);
    RUN(handlers_of_atexit_run_when_it_is_unloaded);
    RUN(a_handler_of_a_signal_that_is_left);
    RUN(a_handler_of_a_signal_that_is_put_back);
    if (WHO_STARTED_IS_KNOWN) {
        RUN(a_thread_that_is_left);
        RUN(a_thread_of_cxx_that_is_left);
    }
    RUN(a_thread_that_is_ended);
    RUN(room_for_thread_locals_runs_out);
    DONE();
}
