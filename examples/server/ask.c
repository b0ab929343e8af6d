/* SPDX-License-Identifier: MIT */
/* ask PORT: prints what the server says; it is asked again while nobody listens, for 20 s. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const struct timespec pause = {0, 10000000};
    struct sockaddr_in at;
    int tries, s;
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 0));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (tries = 0; tries < 2000; tries++) {
        char text[300];
        ssize_t n = -1;
        s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(s, (struct sockaddr *)&at, sizeof at) == 0)
            n = read(s, text, sizeof text - 1);
        close(s);
        if (n > 0) {
            text[n] = 0;
            fputs(text, stdout);
            return 0;
        }
        nanosleep(&pause, NULL);
    }
    fprintf(stderr, "nobody answers\n");
    return 1;
}
