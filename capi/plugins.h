/* SPDX-License-Identifier: MIT */
/* Plugins of hosts and their versions, as C has them. Included by C files alone. */
#ifndef HRM_PLUGINS_H
#define HRM_PLUGINS_H

#include "host.h"
#include "pins.h"
#include "places.h"

typedef int (*hrmc_init_fn)(void);
typedef void (*hrmc_exit_fn)(void);
typedef size_t (*hrmc_save_fn)(void *to, size_t room);
typedef int (*hrmc_restore_fn)(const void *from, size_t size);

struct hrmc_plugin {
    hrmc_entry e; /* first */
    hrmc_pins pins;
    int initialised;  /* the door is */
    char reason[200]; /* why no version answers; under the door's lock */
    /* As it was opened: */
    char *id;
    uint32_t flags;
    size_t count;
    char **symbols;
    char *init, *exit, *save_state, *restore_state;
    hrm_prepare_fn connect, prepare, dispose;
    void *prepare_data;
    /* Of its host: */
    uintptr_t host;
    uint64_t mask;
    hrm_step_fn step;
    void *user_data;
};

struct hrmc_loaded {
    hrmc_entry e; /* first */
    hrmc_version v;
    int initialised; /* its semaphore is */
    hrmc_plugin *p;
    uint64_t generation, instance;
    char *path;
    void *data;
    /* Of a shared library: */
    void *library;
    char keep[600];  /* why it is not to be unloaded; "" if it may be */
    char stick[600]; /* why the loader will keep it; "" if that is not known */
    size_t count;
    void **symbols;
    hrmc_init_fn init;
    hrmc_exit_fn exit;
    hrmc_save_fn save;
    hrmc_restore_fn restore;
    void *state; /* that it has saved */
    size_t state_size;
    int prepared;
};

/* library.c. Each returns HRM_STEP_DONE, or the reason in why and another HRM_STEP_*. */
int32_t hrmc_library_load(hrmc_loaded *v, char *why, size_t room);
int32_t hrmc_library_unload(hrmc_loaded *v, char *why, size_t room);

/* callers.c: 1 if something could call a loaded library after it was unloaded; why receives what. */
int hrmc_has_callers(void *library, char *why, size_t room);

#endif
