// SPDX-License-Identifier: MIT
// A manager in a loop of the program's own, here on epoll: reloads on the thread that runs it.
//
// The descriptor is readable while there is something to deliver; epoll polls it, the library reads it.
#include <qtplugin/hotreload.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include "loop.h"

int main(int argc, char** argv)
{
    if (argc != 3)
        return usage();
    bool done = false;
    hotreload::Manager manager({}, hotreload::Delivery::manual);
    const auto ready = manager.set_reload_callback([&](const std::string& plugin_id) { done = told(plugin_id.c_str(), argv) != 0; })
                           .and_then([&] { return manager.enable_hot_reload("plugin", argv[1]); });
    if (!ready) {
        std::fprintf(stderr, "%s\n", ready.error().message().c_str());
        return 1;
    }

    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event = {};
    event.events = EPOLLIN;  // level-triggered
    event.data.fd = manager.event_fd().value();
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event) != 0)
        return 1;
    watching();
    while (!done) {
        epoll_event which = {};
        if (epoll_wait(epoll, &which, 1, -1) == 1 && which.data.fd == event.data.fd && !manager.dispatch())
            break;
    }
    close(epoll);
    return done ? 0 : 1;
}
