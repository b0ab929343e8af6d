/* SPDX-License-Identifier: MIT */
/*
 * A plugin that owns a port, has a thread, and uses another plugin. -DVERSION=2 makes another version,
 * -DCANNOT_START one whose init fails.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct listener_needs listener_needs;

static int listening = -1;
static pthread_t thread;

static void *answer_all(void *none)
{
    int client;
    while ((client = accept(listening, NULL, NULL)) >= 0 || errno == EINTR) {
        char identity[100], text[300];
        int n;
        if (client < 0)
            continue;
        listener_needs.identity(identity, sizeof identity);
        n = snprintf(text, sizeof text, "listener %d, %s, %s\n", VERSION, listener_needs.greet(), identity);
        if (send(client, text, (size_t)n, MSG_NOSIGNAL) < 0)
            perror("send");
        close(client);
    }
    return none;
}

int plugin_init(void);
int plugin_init(void)
{
    struct sockaddr_in at;
    const int yes = 1;
#if defined(CANNOT_START)
    return EADDRNOTAVAIL;
#endif
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_port = htons((unsigned short)listener_needs.port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (listening < 0 || bind(listening, (struct sockaddr *)&at, sizeof at) != 0 || listen(listening, 10) != 0) {
        const int why = errno;
        close(listening);
        return why;
    }
    return pthread_create(&thread, NULL, answer_all, NULL);
}

/* Whatever it has begun ends here: nobody else knows of it, and it is unloaded next. */
void plugin_exit(void);
void plugin_exit(void)
{
    shutdown(listening, SHUT_RDWR); /* ends accept */
    pthread_join(thread, NULL);
    close(listening);
}
