/* SPDX-License-Identifier: MIT */
/*
 * The smallest honest host: loads a plugin, and loads it anew whenever its file
 * has a new complete version.
 *
 *   cc host.c -o host -lhotreload -ldl
 *   cc -shared -fPIC plugin.c -o plugin.so
 *   ./host ./plugin.so [RELOADS]     # ends after that many reloads, else never
 */
#include "hot_reload_manager.h"
#include "plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct host {
    const char *path;
    void *library;
    plugin_answer_fn answer;
    int reloads;
};

/* Copies the plugin to a file of its own. What is loaded must not be the file a
 * compiler writes to: rewriting a mapped library in place crashes its host. The
 * name is new each time, or dlopen would return the library it has already. */
static int private_copy(const char *path, char *copy)
{
    char buf[65536];
    size_t n;
    int fd = mkstemp(copy), ok;
    FILE *from = fopen(path, "rb"), *to = fd < 0 ? NULL : fdopen(fd, "wb");
    ok = from != NULL && to != NULL;
    while (ok && (n = fread(buf, 1, sizeof buf, from)) > 0)
        ok = fwrite(buf, 1, n, to) == n;
    ok = ok && !ferror(from);
    if (from != NULL)
        fclose(from);
    if (to != NULL)
        ok = fclose(to) == 0 && ok;
    return ok;
}

/* Loads the present version; keeps the old one if that does not work. */
static int load(struct host *h)
{
    char copy[] = "/tmp/plugin-XXXXXX";
    void *library = NULL;
    plugin_answer_fn answer = NULL;
    if (!private_copy(h->path, copy)) {
        perror(h->path);
    } else if ((library = dlopen(copy, RTLD_NOW | RTLD_LOCAL)) == NULL) {
        fprintf(stderr, "%s\n", dlerror());
    } else {
        *(void **)&answer = dlsym(library, PLUGIN_SYMBOL);
        if (answer == NULL)
            fprintf(stderr, "%s\n", dlerror());
    }
    unlink(copy); /* the mapping stays */
    if (answer == NULL) {
        if (library != NULL)
            dlclose(library);
        return 0;
    }
    if (h->library != NULL)
        dlclose(h->library);
    h->library = library;
    h->answer = answer;
    return 1;
}

/* Runs inside hrm_dispatch, so on the main thread: no call of the plugin is
 * under way while it is exchanged. */
static void on_reload(const char *plugin_id, void *user_data)
{
    struct host *h = user_data;
    int before = h->answer();
    if (!load(h))
        return;
    h->reloads++;
    printf("%s: %d -> %d\n", plugin_id, before, h->answer());
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct host h = {NULL, NULL, NULL, 0};
    hrm_options options = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    int32_t code;
    int wanted = argc > 2 ? atoi(argv[2]) : -1;

    if (argc < 2) {
        fprintf(stderr, "usage: %s PLUGIN.so [RELOADS]\n", argv[0]);
        return 2;
    }
    h.path = argv[1];
    options.dispatch_mode = HRM_DISPATCH_MANUAL;
    options.flags = HRM_CHECK_IMAGE;
    code = hrm_manager_create(&options, &m, &err);
    if (code >= 0)
        code = hrm_set_reload_callback(m, on_reload, &h, NULL);
    if (code >= 0)
        code = hrm_enable_hot_reload(m, "plugin", h.path, &err);
    if (code < 0) { /* not every function has err; hrm_strerror knows every code */
        fprintf(stderr, "%s: %s\n", hrm_error_name(code), err.code == code ? err.message : hrm_strerror(code));
        hrm_manager_destroy(m);
        return 1;
    }
    /* Loaded after watching has begun: a change in between is delivered, not lost. */
    if (!load(&h)) {
        hrm_manager_destroy(m);
        return 1;
    }
    printf("plugin: %d\n", h.answer());
    fflush(stdout);

    while (wanted < 0 || h.reloads < wanted) {
        if (hrm_dispatch(m, 0, -1, &err) < 0) {
            fprintf(stderr, "%s: %s\n", hrm_error_name(err.code), err.message);
            break;
        }
    }
    hrm_manager_destroy(m);
    dlclose(h.library);
    return h.reloads == wanted ? 0 : 1;
}
