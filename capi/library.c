/* SPDX-License-Identifier: MIT */
/* Shared libraries: loaded, searched for what they export, and unloaded. */
#define _GNU_SOURCE
#include "plugins.h"

#include <stdio.h>
#include <string.h>

#if defined(_WIN32)

#include <windows.h>

static wchar_t *wide(const char *text)
{
    const int n = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
    wchar_t *out = n > 0 ? calloc((size_t)n, sizeof *out) : NULL;
    if (out != NULL)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, out, n);
    return out;
}

static void *open_library(const char *path, char *why, size_t room)
{
    wchar_t *name = wide(path);
    HMODULE library = NULL;
    if (name != NULL) {
        /* What it needs is looked for beside it first. No box on the screen says what is missing. */
        const UINT before = SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX);
        library = LoadLibraryExW(name, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
        if (library == NULL)
            snprintf(why, room, "LoadLibrary: error %lu", (unsigned long)GetLastError());
        SetErrorMode(before);
    } else {
        snprintf(why, room, "out of memory");
    }
    free(name);
    return library;
}

static void *find(void *library, const char *name)
{
    const FARPROC f = GetProcAddress(library, name);
    void *symbol;
    memcpy(&symbol, &f, sizeof symbol);
    return symbol;
}

static void close_library(const hrmc_loaded *v, char *kept, size_t room)
{
    wchar_t *name = wide(v->path);
    FreeLibrary(v->library);
    if (name != NULL && GetModuleHandleW(name) != NULL)
        snprintf(kept, room, "the loader keeps it: something else uses it, or it is pinned");
    free(name);
}

#else

#include <dlfcn.h>

#if defined(__GLIBC__)
#include <elf.h>
#include <link.h>

/* A loaded library's dynamic section. */
typedef struct dynamic {
    const ElfW(Sym) *symbols;
    const char *names;
    const uint32_t *gnu_hash;
    ElfW(Xword) flags;
    size_t names_size;
} dynamic;

static dynamic read_dynamic(void *library)
{
    struct link_map *map = NULL;
    dynamic d = {NULL, NULL, NULL, 0, 0};
    const ElfW(Dyn) *at;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == NULL)
        return d;
    for (at = map->l_ld; at != NULL && at->d_tag != DT_NULL; at++)
        switch (at->d_tag) { /* glibc has made addresses of the offsets */
        case DT_SYMTAB: d.symbols = (const ElfW(Sym) *)at->d_un.d_ptr; break;
        case DT_STRTAB: d.names = (const char *)at->d_un.d_ptr; break;
        case DT_STRSZ: d.names_size = at->d_un.d_val; break;
        case DT_GNU_HASH: d.gnu_hash = (const uint32_t *)at->d_un.d_ptr; break;
        case DT_FLAGS_1: d.flags = at->d_un.d_val; break;
        default: break;
        }
    return d;
}

/* The first of the symbols that the whole process has once (STB_GNU_UNIQUE); NULL if
 * there is none. Exported symbols are in the hash table: its chains say which. */
static const char *unique_symbol(const dynamic *d)
{
    const uint32_t *h = d->gnu_hash, *buckets, *chain;
    uint32_t i, n;
    if (h == NULL || d->symbols == NULL || d->names == NULL)
        return NULL;
    buckets = h + 4 + h[2] * (sizeof(ElfW(Addr)) / sizeof *h);
    chain = buckets + h[0];
    for (i = 0; i < h[0]; i++) {
        for (n = buckets[i]; n >= h[1]; n++) {
            if (ELF64_ST_BIND(d->symbols[n].st_info) == STB_GNU_UNIQUE && d->symbols[n].st_name < d->names_size)
                return d->names + d->symbols[n].st_name;
            if (chain[n - h[1]] & 1)
                break;
        }
    }
    return NULL;
}

/* Why the loader will keep a library, as far as it can be seen. */
static void why_kept(void *library, char *why, size_t room)
{
    const dynamic d = read_dynamic(library);
    const char *unique = unique_symbol(&d);
    if (d.flags & DF_1_NODELETE)
        snprintf(why, room, "it is linked with -z nodelete");
    else if (unique != NULL)
        snprintf(why, room, "its symbol %s is unique in the process, and the next version uses this one's: compile with "
                            "-fno-gnu-unique", unique);
    else
        snprintf(why, room, "another library uses it, or a thread has objects of it that end with the thread");
}
#else
static void why_kept(void *library, char *why, size_t room)
{
    (void)library;
    snprintf(why, room, "the loader keeps it");
}
#endif

static void *open_library(const char *path, char *why, size_t room)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        snprintf(why, room, "%s", dlerror());
    return library;
}

static void *find(void *library, const char *name) { return dlsym(library, name); }

static void close_library(const hrmc_loaded *v, char *kept, size_t room)
{
    char why[400];
    void *still;
    why_kept(v->library, why, sizeof why);
    dlclose(v->library);
    still = dlopen(v->path, RTLD_NOW | RTLD_NOLOAD);
    if (still != NULL) {
        dlclose(still);
        snprintf(kept, room, "%s", why);
    }
}

#endif

/* A hook, by its name; "" is none. */
#define HOOK(v, name, hook)                                                                                            \
    do {                                                                                                               \
        void *symbol = *(name) != 0 ? find((v)->library, name) : NULL;                                                 \
        memcpy(&(hook), &symbol, sizeof(hook));                                                                        \
    } while (0)

int32_t hrmc_library_load(hrmc_loaded *v, char *why, size_t room)
{
    const hrmc_plugin *p = v->p;
    size_t i;
    v->library = open_library(v->path, why, room);
    if (v->library == NULL)
        return HRM_STEP_FAILED;
    for (i = 0; i < p->count; i++) {
        v->symbols[i] = find(v->library, p->symbols[i]);
        if (v->symbols[i] == NULL) {
            char unused[8];
            snprintf(why, room, "it does not export %s", p->symbols[i]);
            close_library(v, unused, sizeof unused);
            v->library = NULL;
            return HRM_STEP_FAILED;
        }
    }
    HOOK(v, p->init, v->init);
    HOOK(v, p->exit, v->exit);
    HOOK(v, p->save_state, v->save);
    HOOK(v, p->restore_state, v->restore);
    return HRM_STEP_DONE;
}

int32_t hrmc_library_unload(hrmc_loaded *v, char *why, size_t room)
{
    if (v->library != NULL && (v->p->flags & HRM_PLUGIN_KEEP_LOADED) == 0)
        close_library(v, why, room);
    v->library = NULL;
    return why[0] == 0 ? HRM_STEP_DONE : HRM_STEP_KEPT;
}
