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

#if defined(__ELF__)
#include <link.h>

/* The first entry of a dynamic section with this tag; NULL if there is none. */
static const ElfW(Dyn) *entry(const ElfW(Dyn) *at, ElfW(Sxword) tag)
{
    while (at != NULL && at->d_tag != tag && at->d_tag != DT_NULL)
        at++;
    return at != NULL && at->d_tag == tag ? at : NULL;
}

/* The names in a dynamic section. Some loaders have made addresses of its offsets. */
static const char *names_of(const ElfW(Dyn) *dynamic, ElfW(Addr) base)
{
    const ElfW(Dyn) *names = entry(dynamic, DT_STRTAB);
    if (names == NULL)
        return NULL;
    return (const char *)(names->d_un.d_ptr < base ? base + names->d_un.d_ptr : names->d_un.d_ptr);
}

/* By which name others may need a library; "" if by none. */
static void name_of(void *library, char *name, size_t room)
{
    struct link_map *map = NULL;
    const ElfW(Dyn) *found = NULL;
    const char *names = NULL;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map != NULL) {
        names = names_of(map->l_ld, map->l_addr);
        found = entry(map->l_ld, DT_SONAME);
    }
    snprintf(name, room, "%s", names != NULL && found != NULL ? names + found->d_un.d_val : "");
}

struct search {
    const char *name;
    char found[200];
};

/* For dl_iterate_phdr: notes the first library that needs the one of this name. */
static int needs(struct dl_phdr_info *i, size_t size, void *arg)
{
    struct search *s = arg;
    const ElfW(Dyn) *at = NULL;
    const char *names;
    size_t n;
    (void)size;
    for (n = 0; n < i->dlpi_phnum; n++)
        if (i->dlpi_phdr[n].p_type == PT_DYNAMIC)
            at = (const ElfW(Dyn) *)(i->dlpi_addr + i->dlpi_phdr[n].p_vaddr);
    names = names_of(at, i->dlpi_addr);
    for (; names != NULL && (at = entry(at, DT_NEEDED)) != NULL; at++)
        if (strcmp(names + at->d_un.d_val, s->name) == 0) {
            snprintf(s->found, sizeof s->found, "%s", i->dlpi_name[0] != 0 ? i->dlpi_name : "the program");
            return 1;
        }
    return 0;
}

/* Which loaded library needs the one of this name; "" if none does. */
static void find_dependent(struct search *s)
{
    s->found[0] = 0;
    if (s->name[0] != 0)
        dl_iterate_phdr(needs, s);
}
#else
struct search {
    const char *name;
    char found[200];
};
static void name_of(void *library, char *name, size_t room)
{
    (void)library;
    snprintf(name, room, "%s", "");
}
static void find_dependent(struct search *s) { s->found[0] = 0; }
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
    char name[200];
    struct search dependent = {name, ""};
    void *still;
    name_of(v->library, name, sizeof name);
    dlclose(v->library);
    still = dlopen(v->path, RTLD_NOW | RTLD_NOLOAD);
    if (still == NULL)
        return;
    dlclose(still);
    find_dependent(&dependent);
    if (dependent.found[0] != 0)
        snprintf(kept, room, "%s needs it: it is linked to %s", dependent.found, name);
    else
        snprintf(kept, room, "%s", v->stick[0] != 0 ? v->stick : "something else has loaded it, too (dlopen)");
}

#endif

void hrmc_in_words(const hrmc_loaded *v, const char *symbol, char *words, uint64_t room)
{
    char *found = NULL;
#if !defined(_WIN32)
    char *(*demangle)(const char *, char *, size_t *, int *) = NULL;
    void *f = dlsym(v->library != NULL ? v->library : RTLD_DEFAULT, "__cxa_demangle");
    memcpy(&demangle, &f, sizeof demangle);
    if (demangle != NULL)
        found = demangle(symbol, NULL, NULL, NULL);
#else
    (void)v;
#endif
    snprintf(words, (size_t)room, "%s", found != NULL ? found : symbol);
    free(found);
}

/* Unloads a library, or says why it stays in memory. */
static void end_library(hrmc_loaded *v, char *kept, size_t room)
{
    kept[0] = 0;
    if (v->keep[0] != 0)
        snprintf(kept, room, "%s", v->keep);
    else if (!hrmc_has_callers(v->library, kept, room))
        close_library(v, kept, room);
    v->library = NULL;
}

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
            end_library(v, unused, sizeof unused);
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
        end_library(v, why, room);
    v->library = NULL;
    return why[0] == 0 ? HRM_STEP_DONE : HRM_STEP_KEPT;
}
