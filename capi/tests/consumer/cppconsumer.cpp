// SPDX-License-Identifier: MIT
// The same in C++ without Qt.
#include <qtplugin/hotreload.hpp>

#include <cstdio>
#include <fstream>

static void put(const char* text)
{
    std::ofstream("cppplugin.conf.new") << text;
    std::filesystem::rename("cppplugin.conf.new", "cppplugin.conf");
}

int main()
{
    bool told = false;
    put("one");
    hotreload::Manager manager(hotreload::Options{}, hotreload::Delivery::manual);
    const auto set = manager.set_reload_callback([&told](const std::string& id) { told = id == "plugin"; });
    const auto ready = set.and_then([&] { return manager.enable_hot_reload("plugin", "cppplugin.conf"); });
    if (!ready) {
        std::fprintf(stderr, "%s\n", ready.error().message().c_str());
        return 1;
    }
    put("another");
    const auto delivered = manager.dispatch(1, std::chrono::seconds(20));
    return delivered.has_value() && *delivered == 1 && told ? 0 : 1;
}
