// SPDX-License-Identifier: MIT
// A manager in a Boost.Asio io_context: reloads on the thread that runs it.
//
// The descriptor is readable while there is something to deliver; Asio polls it, the library reads it. On Windows, which
// has no such descriptor, Manager::set_wakeup_callback() with asio::post() does the same.
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <qtplugin/hotreload.hpp>

#include "loop.h"

namespace asio = boost::asio;

class HotReload {
public:
    HotReload(asio::io_context& context, char** argv) : m_descriptor(context), m_argv(argv)
    {
        m_manager
            .set_reload_callback([this](const std::string& plugin_id) {
                if (told(plugin_id.c_str(), m_argv) != 0)
                    m_done = true;
            })
            .and_then([&] { return m_manager.enable_hot_reload("plugin", argv[1]); })
            .value();  // throws what went wrong
        m_descriptor.assign(m_manager.event_fd().value());
        wait();
    }
    // The descriptor is the manager's: Asio must not close it.
    ~HotReload() { m_descriptor.release(); }
    HotReload(const HotReload&) = delete;
    HotReload& operator=(const HotReload&) = delete;

private:
    void wait()
    {
        m_descriptor.async_wait(asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& error) {
            if (error)
                return;
            (void)m_manager.dispatch();  // an exception of a callback leaves io_context::run()
            if (!m_done)
                wait();
        });
    }

    hotreload::Manager m_manager{{}, hotreload::Delivery::manual};
    asio::posix::stream_descriptor m_descriptor;
    char** m_argv;
    bool m_done = false;
};

int main(int argc, char** argv)
{
    if (argc != 3)
        return usage();
    try {
        asio::io_context context;
        const HotReload hot_reload(context, argv);
        watching();
        context.run();
    } catch (const std::exception& e) {  // hotreload::Exception, with the library's message
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    return 0;
}
