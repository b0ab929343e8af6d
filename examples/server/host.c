/* SPDX-License-Identifier: MIT */
/*
 * A server of plugins, exchanged while it runs:
 * - listener.so owns a port and has a thread: the old version exits before the new one begins (exit first);
 * - it needs greeter.so, and is restarted with each new version of it;
 * - tls.crt and tls.key are exchanged together, when they fit. The first of the two may come much earlier.
 *
 *   cc host.c -o host -lhotreload
 *   cc -shared -fPIC -DVERSION=1 greeter.c -o DIR/greeter.so
 *   cc -shared -fPIC -DVERSION=1 listener.c -o DIR/listener.so -lpthread
 *   echo 1 >DIR/tls.crt; echo 1 >DIR/tls.key
 *   ./host DIR PORT              # until the end of its input
 */
#include "server.h"

#include <hot_reload_plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hrm_plugin *pair[2]; /* certificate and key */
static int port;

static void on_outcome(const hrm_plugin_outcome *o, void *none)
{
    (void)none;
    printf("%s\n", o->message);
    fflush(stdout);
}

/* -------------------------------------------------- a certificate and its key -- */

/* A real host makes an SSL_CTX of the file here. */
static int32_t HRM_CALL read_file(hrm_preparation *p, char *reason, size_t room, void *none)
{
    char text[40] = "";
    FILE *from = fopen(hrm_plugin_path(p->version), "r");
    (void)none;
    if (from == NULL || fgets(text, sizeof text, from) == NULL)
        snprintf(reason, room, "it cannot be read");
    if (from != NULL)
        fclose(from);
    text[strcspn(text, "\n")] = 0;
    p->data = text[0] != 0 ? strdup(text) : NULL;
    return p->data != NULL ? 0 : 1;
}

static int32_t HRM_CALL free_file(hrm_preparation *p, char *reason, size_t room, void *none)
{
    (void)reason, (void)room, (void)none;
    free(p->data);
    return 0;
}

/* A real host asks X509_check_private_key. */
static int32_t HRM_CALL fit(const char *set, const hrm_candidate *c, size_t n, char *reason, size_t room, void *none)
{
    char text[2][40] = {"", ""};
    size_t i;
    (void)set, (void)none;
    for (i = 0; i < n && i < 2; i++) {
        FILE *from = fopen(c[i].snapshot_path, "r");
        if (from != NULL && fgets(text[i], sizeof text[i], from) == NULL)
            text[i][0] = 0;
        if (from != NULL)
            fclose(from);
    }
    if (strcmp(text[0], text[1]) == 0)
        return HRM_ACCEPT;
    snprintf(reason, room, "the key is of another certificate");
    return HRM_REJECT;
}

static int32_t open_pair(hrm_host *host, const char *crt, const char *key, hrm_error *err)
{
    hrm_plugin_opening all[2] = {HRM_PLUGIN_OPENING_INIT, HRM_PLUGIN_OPENING_INIT};
    hrm_plugin_options o = HRM_PLUGIN_OPTIONS_INIT;
    hrm_set_options set = HRM_SET_OPTIONS_INIT;
    int32_t code;
    o.flags = HRM_PLUGIN_FILE;
    o.prepare = read_file;
    o.dispose = free_file;
    all[0].plugin_id = "certificate";
    all[0].path = crt;
    all[1].plugin_id = "key";
    all[1].path = key;
    all[0].options = all[1].options = &o;
    set.id = "tls";
    set.check = fit;
    code = hrm_host_open_all(host, all, 2, &set, err);
    pair[0] = all[0].plugin;
    pair[1] = all[1].plugin;
    return code;
}

/* Both of one moment, never one of before and one of after. */
static void identity(char *text, size_t room)
{
    const hrm_plugin_version *v[2];
    if (hrm_plugin_acquire_all(pair, 2, v) != HRM_OK) {
        snprintf(text, room, "no certificate");
        return;
    }
    snprintf(text, room, "certificate %s with key %s", (char *)hrm_plugin_data(v[0]), (char *)hrm_plugin_data(v[1]));
    hrm_plugin_release(v[0]);
    hrm_plugin_release(v[1]);
}

/* -------------------------------------------------- a plugin and its dependent -- */

/* Called before each plugin_init of the listener. needs[0] is the greeter that it is to use. */
static int32_t HRM_CALL wire(hrm_preparation *p, char *reason, size_t room, void *none)
{
    struct listener_needs *needs = hrm_plugin_symbol(p->version, 0);
    (void)reason, (void)room, (void)none;
    needs->port = port;
    needs->greet = (greeter_text_fn)hrm_plugin_function(p->needs[0], 0);
    needs->identity = identity;
    return 0;
}

static int32_t open_server(hrm_host *host, const char *greeter, const char *listener, hrm_error *err)
{
    static const char *const text[] = {"greeter_text", NULL}, *const wired[] = {"listener_needs", NULL};
    static const char *const needs[] = {"greeter", NULL};
    hrm_plugin_options of_greeter = HRM_PLUGIN_OPTIONS_INIT, of_listener = HRM_PLUGIN_OPTIONS_INIT;
    hrm_plugin *none = NULL;
    int32_t code;
    of_greeter.symbols = text;
    of_listener.symbols = wired;
    of_listener.needs = needs;
    of_listener.connect = wire;
    of_listener.mode = HRM_MODE_EXIT_FIRST;
    code = hrm_host_open(host, "greeter", greeter, &of_greeter, &none, err);
    return code < 0 ? code : hrm_host_open(host, "listener", listener, &of_listener, &none, err);
}

/* ----------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    hrm_host_options options = HRM_HOST_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_host *host = NULL;
    char path[4][1000];
    const char *const names[] = {"tls.crt", "tls.key", "greeter.so", "listener.so"};
    int32_t code;
    int i;
    if (argc != 3) {
        fprintf(stderr, "usage: host DIRECTORY PORT\n");
        return 2;
    }
    for (i = 0; i < 4; i++)
        snprintf(path[i], sizeof path[i], "%s/%s", argv[1], names[i]);
    port = atoi(argv[2]);
    options.outcome = on_outcome;
    code = hrm_host_create(&options, &host, &err);
    if (code >= 0)
        code = open_pair(host, path[0], path[1], &err);
    if (code >= 0)
        code = open_server(host, path[2], path[3], &err);
    if (code < 0)
        fprintf(stderr, "%s: %s\n", hrm_error_name(code), err.message);
    else
        while (getchar() != EOF) {
        }
    return hrm_host_destroy(host, 5000, NULL) < 0 || code < 0;
}
