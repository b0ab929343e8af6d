/* SPDX-License-Identifier: MIT */
/* A program outside the tree: is told of one change, and ends. */
#include <hot_reload_manager.h>

#include <stdio.h>
#include <stdlib.h>

static void on_reload(const char *plugin_id, void *told)
{
    printf("told of %s\n", plugin_id);
    *(int *)told = 1;
}

static int put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    return f == NULL || fputs(text, f) < 0 || fclose(f) != 0;
}

int main(void)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_error err = HRM_ERROR_INIT;
    hrm_manager *m = NULL;
    int32_t code = HRM_OK;
    int told = 0;
    o.dispatch_mode = HRM_DISPATCH_MANUAL;
    if (hrm_version_number() != HRM_VERSION_NUMBER) {
        fprintf(stderr, "the header is %s, the library %s\n", HRM_VERSION_STRING, hrm_version_string());
        return 1;
    }
    if (put("plugin.conf", "one") != 0) {
        perror("plugin.conf");
        return 1;
    }
    if ((code = hrm_manager_create(&o, &m, &err)) < 0 || (code = hrm_set_reload_callback(m, on_reload, &told, NULL)) < 0 ||
        (code = hrm_enable_hot_reload(m, "plugin", "plugin.conf", &err)) < 0) {
        fprintf(stderr, "%s: %s\n", hrm_error_name(code), err.code < 0 ? err.message : hrm_strerror(code));
        return 1;
    }
    if (put("plugin.conf.new", "another") != 0 || rename("plugin.conf.new", "plugin.conf") != 0)
        return 1;
    if (hrm_dispatch(m, 1, 20000, &err) != 1 || !told)
        return 1;
    return hrm_manager_destroy(m) == HRM_OK ? 0 : 1;
}
