/* SPDX-License-Identifier: MIT */
/* A host: loads a plugin from a private copy, reloads it when a change is delivered. */
#include "demo.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct host {
    hrm_manager *manager;
    const char *path, *private_dir;
    pthread_mutex_t mu; /* guards what follows; the plugin is called under it */
    pthread_cond_t changed;
    void *library;
    int (*answer)(void);
    int loads, reloads, rejected;
    int64_t delivered_ns;
};

/* Loads a copy under a name of its own: a build may then write to the original
 * while the copy is mapped, and dlopen does not take it for the one it has. */
static int load(host *h)
{
    char copy[512];
    void *library;
    int (*answer)(void);
    snprintf(copy, sizeof copy, "%s/loaded-%d.so", h->private_dir, ++h->loads);
    if (build_copy(h->path, copy) != 0) {
        printf("   cannot copy %s to %s\n", h->path, copy);
        return 0;
    }
    library = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    unlink(copy);
    if (library == NULL) {
        printf("   %s\n", dlerror());
        return 0;
    }
    *(void **)&answer = dlsym(library, "plugin_answer");
    if (answer == NULL) {
        printf("   %s\n", dlerror());
        dlclose(library);
        return 0;
    }
    if (h->library != NULL)
        dlclose(h->library);
    h->library = library;
    h->answer = answer;
    return 1;
}

static void on_event(const hrm_event *ev, void *user_data)
{
    host *h = user_data;
    int64_t now = now_ns();
    if (ev->kind == HRM_EVENT_FILE_CHANGED) {
        say(ev->first_seen_ns, "changed", "the library noticed the first notification");
        say(ev->timestamp_ns, "complete", "quiet, closed by every writer, a complete image");
        say(now, "delivered", "callback for \"%s\", generation %llu", ev->plugin_id, (unsigned long long)ev->generation);
        pthread_mutex_lock(&h->mu);
        h->delivered_ns = now;
        pthread_mutex_unlock(&h->mu);
    } else if (ev->kind == HRM_EVENT_HEALTH && ev->health == HRM_HEALTH_IMAGE_INCOMPLETE) {
        say(now, "rejected", "%s", ev->message);
        pthread_mutex_lock(&h->mu);
        h->rejected++;
        pthread_cond_broadcast(&h->changed);
        pthread_mutex_unlock(&h->mu);
    }
}

static void on_reload(const char *plugin_id, void *user_data)
{
    host *h = user_data;
    int before;
    (void)plugin_id;
    pthread_mutex_lock(&h->mu);
    before = h->answer();
    if (load(h)) {
        h->reloads++;
        say(now_ns(), "reloaded", "answer %d -> %d", before, h->answer());
    }
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->mu);
}

host *host_start(const char *plugin_path, const char *private_dir)
{
    hrm_options options = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    int32_t code;
    host *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->path = plugin_path;
    h->private_dir = private_dir;
    pthread_mutex_init(&h->mu, NULL);
    pthread_cond_init(&h->changed, NULL);
    options.dispatch_mode = HRM_DISPATCH_THREAD;
    options.flags = HRM_CHECK_IMAGE;
    pthread_mutex_lock(&h->mu); /* no reload before the first load */
    code = hrm_manager_create(&options, &h->manager, &err);
    if (code == HRM_OK)
        code = hrm_set_event_callback(h->manager, on_event, h, NULL);
    if (code == HRM_OK)
        code = hrm_set_reload_callback(h->manager, on_reload, h, NULL);
    if (code == HRM_OK)
        code = hrm_enable_hot_reload(h->manager, "my_plugin", plugin_path, &err);
    if (code != HRM_OK) /* not every function has err */
        printf("   %s: %s\n", hrm_error_name(code), err.code == code ? err.message : hrm_strerror(code));
    if (code != HRM_OK || !load(h)) {
        pthread_mutex_unlock(&h->mu);
        host_stop(h);
        return NULL;
    }
    pthread_mutex_unlock(&h->mu);
    return h;
}

void host_stop(host *h)
{
    hrm_manager_destroy(h->manager);
    if (h->library != NULL)
        dlclose(h->library);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->mu);
    free(h);
}

int host_answer(host *h)
{
    int answer;
    pthread_mutex_lock(&h->mu);
    answer = h->answer();
    pthread_mutex_unlock(&h->mu);
    return answer;
}

static int read_counter(host *h, const int *counter)
{
    int n;
    pthread_mutex_lock(&h->mu);
    n = *counter;
    pthread_mutex_unlock(&h->mu);
    return n;
}

int host_reloads(host *h) { return read_counter(h, &h->reloads); }
int host_rejected(host *h) { return read_counter(h, &h->rejected); }

int64_t host_delivered_ns(host *h)
{
    int64_t at;
    pthread_mutex_lock(&h->mu);
    at = h->delivered_ns;
    pthread_mutex_unlock(&h->mu);
    return at;
}

int64_t host_delivered(host *h)
{
    hrm_statistics st = HRM_STATS_INIT;
    return hrm_stats(h->manager, &st) == HRM_OK ? (int64_t)st.deliveries : -1;
}

static int await(host *h, const int *counter, int n)
{
    struct timespec end;
    int enough, late = 0;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 10;
    pthread_mutex_lock(&h->mu);
    while (*counter < n && !late)
        late = pthread_cond_timedwait(&h->changed, &h->mu, &end) != 0;
    enough = *counter >= n;
    pthread_mutex_unlock(&h->mu);
    return enough;
}

int host_await_reloads(host *h, int n) { return await(h, &h->reloads, n); }
int host_await_rejected(host *h, int n) { return await(h, &h->rejected, n); }
