/* SPDX-License-Identifier: MIT */
/*
 * A host for the oracle of core/internal/engine/oracle_unix_test.go. It does what it
 * reads on standard input. On standard output it writes what the library delivers, with
 * the checksum of what it could load then.
 *
 *   oracle_host QUIET_MS MAX_DELAY_MS POLL_INTERVAL_MS FLAGS
 *   E id path   enable, the file may be missing          D id   disable
 *   F id path   enable a folder                          X id   disable a folder
 *   G 0|1       pause, resume                            end of input: destroy
 *   answers:    R code, -1000 if it does not know the command
 *   deliveries: T id timestamp_ns crc32
 *   other events of a folder's plugins: K id kind generation crc32
 */
#include "../../include/hot_reload_manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t crc32_of(FILE *f)
{
    uint32_t crc = 0xffffffffu;
    int c, bit;
    while ((c = getc(f)) != EOF) {
        crc ^= (uint32_t)c;
        for (bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static void on_event(const hrm_event *ev, void *user_data)
{
    FILE *f;
    uint32_t crc = 0;
    (void)user_data;
    if (ev->kind != HRM_EVENT_FILE_CHANGED && (ev->folder_id[0] == 0 || ev->plugin_id[0] == 0))
        return;
    f = fopen(ev->path, "rb");
    if (f != NULL) {
        crc = crc32_of(f);
        fclose(f);
    }
    if (ev->kind == HRM_EVENT_FILE_CHANGED)
        printf("T %s %lld %08x\n", ev->plugin_id, (long long)ev->timestamp_ns, (unsigned)crc);
    else
        printf("K %s %d %llu %08x\n", ev->plugin_id, (int)ev->kind, (unsigned long long)ev->generation, (unsigned)crc);
}

int main(int argc, char **argv)
{
    hrm_options o = HRM_OPTIONS_INIT;
    hrm_enable_options may_be_missing = HRM_ENABLE_OPTIONS_INIT;
    hrm_manager *m = NULL;
    char line[8192];
    if (argc != 5)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    o.quiet_ms = atoi(argv[1]);
    o.max_delay_ms = atoi(argv[2]);
    o.poll_interval_ms = atoi(argv[3]);
    o.flags = (uint32_t)atoi(argv[4]);
    may_be_missing.flags = HRM_ENABLE_ALLOW_MISSING;
    if (hrm_manager_create(&o, &m, NULL) < 0 || hrm_set_event_callback(m, on_event, NULL, NULL) < 0)
        return 3;
    printf("R 0\n");
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *end = strchr(line, '\n'), *path;
        if (end != NULL)
            *end = 0;
        if (line[0] == 'E' && (path = strchr(line + 2, ' ')) != NULL) {
            *path++ = 0;
            printf("R %d\n", (int)hrm_enable_hot_reload_ex(m, line + 2, path, &may_be_missing, NULL));
        } else if (line[0] == 'D') {
            printf("R %d\n", (int)hrm_disable_hot_reload(m, line + 2) - 1); /* it was enabled */
        } else if (line[0] == 'F' && (path = strchr(line + 2, ' ')) != NULL) {
            *path++ = 0;
            printf("R %d\n", (int)hrm_enable_folder(m, line + 2, path, NULL, NULL));
        } else if (line[0] == 'X') {
            printf("R %d\n", (int)hrm_disable_folder(m, line + 2) - 1); /* it was enabled */
        } else if (line[0] == 'G') {
            printf("R %d\n", (int)hrm_set_global_hot_reload_enabled(m, line[2] == '1'));
        } else {
            printf("R -1000\n");
        }
    }
    return hrm_manager_destroy(m) == HRM_OK ? 0 : 4;
}
