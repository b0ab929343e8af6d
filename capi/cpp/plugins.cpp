// SPDX-License-Identifier: MIT
// hotreload::PluginHost: what C++ adds to hot_reload_plugin.h.
#include "host.hpp"

#include <qtplugin/hotreload/plugin_host.hpp>

#include <cstdlib>
#include <fstream>

namespace {

using OpenPlugin = hotreload::Plugin;  // host.hpp has another one

const char* dir = nullptr;

/** Compiles a version of the plugin and puts it into place. */
std::string build(int version, const std::string& more = {})
{
    const std::string at = dir;
    std::ofstream(at + "/p.c") << "static int calls;\nint version(void) { return " << version
                               << "; }\nint work(void) { return ++calls; }\n"
                               << "unsigned long plugin_save_state(void *to, unsigned long room)\n"
                                  "{ if (room >= sizeof calls) *(int *)to = calls; return sizeof calls; }\n"
                                  "int plugin_restore_state(const void *from, unsigned long size)\n"
                                  "{ calls = *(const int *)from; return size != sizeof calls; }\n"
                               << more << "\n";
    const char* cc = std::getenv("CC");
    const std::string command = std::string(cc != nullptr ? cc : "cc") + " -shared -fPIC -w " + at + "/p.c -o " + at +
                                "/new.so && mv " + at + "/new.so " + at + "/p.so";
    if (std::system(command.c_str()) != 0)
        std::abort();
    return at + "/p.so";
}

PluginOptions two_symbols()
{
    PluginOptions o;
    o.symbols = {"version", "work"};
    return o;
}

int call(const OpenPlugin& p, std::size_t index)
{
    const PluginVersion v = p.acquire();
    return v ? v.function<int()>(index)() : -1;
}

/** The outcomes of a host. */
struct Heard {
    std::mutex mutex;
    std::vector<PluginOutcome> all;

    PluginHost::OutcomeCallback callback()
    {
        return [this](const PluginOutcome& o) {
            const std::lock_guard<std::mutex> lock(mutex);
            if (o.verdict != Verdict::noted)
                all.push_back(o);
        };
    }
    bool has(std::size_t n)
    {
        return becomes([&] {
            const std::lock_guard<std::mutex> lock(mutex);
            return all.size() >= n;
        });
    }
};

void versions_are_exchanged()
{
    dir = scratch();
    Heard heard;
    PluginHost host(heard.callback(), quick());
    const OpenPlugin p = host.open("p", build(1), two_symbols()).value();
    CHECK(heard.has(1));
    CHECK_INT(call(p, 0), 1);
    CHECK_INT(call(p, 1), 1);
    build(2);
    CHECK(heard.has(2));
    CHECK_INT(call(p, 0), 2);
    CHECK_INT(call(p, 1), 2);  // the state went along
    build(3, "int plugin_init(void) { return 9; }");
    CHECK(heard.has(3));
    CHECK(heard.all[2].verdict == Verdict::failed && heard.all[2].active == 2 && heard.all[2].generation == 3);
    check_has(heard.all[2].message, "init: it returned 9");
    CHECK(p.fail(2, "it answers nonsense").has_value());
    CHECK(heard.has(4));
    CHECK_INT(call(p, 0), 1);
    CHECK(rejected(p.fail(77), ErrorCode::InvalidParameters, "generation 77"));
    CHECK(rejected(p.take_without_state(), ErrorCode::InvalidParameters, "no version waits"));
    CHECK(host.find("p").native_handle() == p.native_handle() && host.find("q").native_handle() == nullptr);
    check_has(host.metrics().value(), "\nhotreload_plugin_last_reload_successful{plugin=\"p\"} 0\n");
    CHECK(!host.open("p", dir + std::string("/p.so")) && !host.open("q", "/nowhere"));
    CHECK(host.open("q", std::string("a\0b", 3)).error().code() == ErrorCode::InvalidPath);
    PluginVersion pinned = p.try_acquire();
    CHECK(pinned && pinned.generation() == 1 && pinned.symbol(2) == nullptr && !pinned.path().empty());
    PluginVersion moved = std::move(pinned);
    CHECK(!pinned && moved.function<int()>(0)() == 1);
    CHECK(rejected(p.close(std::chrono::milliseconds(20)), ErrorCode::SystemError, "is in use"));
    CHECK(!p.acquire());
    moved = PluginVersion();
    CHECK(host.shut_down(patience).has_value());
    CHECK(!host.open("p", dir + std::string("/p.so")));
}

void data_of_each_version()
{
    dir = scratch();
    Heard heard;
    std::weak_ptr<int> first;
    {
        PluginHost host(heard.callback(), quick());
        PluginOptions o = two_symbols();
        o.prepare = [&first](const FreshVersion& v) -> std::shared_ptr<void> {
            if (v.function<int()>(0)() == 3)
                throw std::runtime_error("no instance of 3");
            if (v.function<int()>(0)() == 4)
                throw 4;
            auto made = std::make_shared<int>(10 * v.function<int()>(0)());
            if (v.generation() == 1)
                first = made;
            return made;
        };
        const OpenPlugin p = host.open("p", build(1), o).value();
        CHECK_INT(*p.acquire().data<int>(), 10);
        CHECK(!first.expired());
        build(2);
        CHECK(heard.has(2));
        CHECK_INT(*p.acquire().data<int>(), 20);
        CHECK(becomes([&] { return first.expired(); }));
        build(3);
        CHECK(heard.has(3));
        check_has(heard.all[2].message, "prepare: no instance of 3");
        build(4);
        CHECK(heard.has(4));
        check_has(heard.all[3].message, "prepare: it threw something that is no std::exception");
        CHECK_INT(*p.acquire().data<int>(), 20);
    }
    CHECK(!PluginVersion().data<int>());
}

void a_validator_that_throws_rejects()
{
    dir = scratch();
    PluginHost host({}, quick());
    PluginOptions o = two_symbols();
    o.validator = [](const Candidate& c) -> std::optional<std::string> {
        throw std::runtime_error(c.plugin_id + " is not wanted");
    };
    const auto result = host.open("p", build(1), o);
    CHECK(!result);
    check_has(result.error().message(), "p is not wanted");
    o.validator = nullptr;
    CHECK(host.open("p", build(1), o).has_value());
}

void manual_hosts_dispatch()
{
    dir = scratch();
    Heard heard;
    PluginHost host(heard.callback(), quick(), Delivery::manual);
    const OpenPlugin p = host.open("p", build(1), two_symbols()).value();
    build(2);
    for (const auto end = std::chrono::steady_clock::now() + patience; call(p, 0) != 2;)
        if (std::chrono::steady_clock::now() > end || !host.dispatch(0, 100ms))
            break;
    CHECK_INT(call(p, 0), 2);
    PluginHost other = std::move(host);
    CHECK(!host.metrics() && other.metrics());
    CHECK(!host.dispatch() && other.find("p").native_handle() == p.native_handle());
}

// The manager is the host's: it outlives the object that was given it.
void the_manager_of_a_host()
{
    dir = scratch();
    Heard heard;
    PluginHost host(heard.callback(), quick(), Delivery::manual);
    const OpenPlugin p = host.open("p", build(1), two_symbols()).value();
    {
        Manager manager = Manager::of_host(hrm_host_manager(host.native_handle()), Delivery::manual);
        Manager moved = std::move(manager);
        CHECK_INT(moved.stats().plugins, 1);
        CHECK(moved.set_plugin_paused("p", true).has_value() && moved.is_plugin_paused("p"));
        manager = std::move(moved);
        CHECK(manager.set_plugin_paused("p", false).has_value());
    }
    build(2);
    for (const auto end = std::chrono::steady_clock::now() + patience; call(p, 0) != 2;)
        if (std::chrono::steady_clock::now() > end || !host.dispatch(0, 100ms))
            break;
    CHECK_INT(call(p, 0), 2);
}

void a_host_that_its_callback_destroys()
{
    dir = scratch();
    std::unique_ptr<PluginHost> host;
    std::atomic<bool> gone{false};
    std::atomic<bool> ready{false};
    host = std::make_unique<PluginHost>(
        [&](const PluginOutcome&) {
            while (!ready)
                std::this_thread::yield();
            host.reset();
            gone = true;
            throw std::runtime_error("dropped");
        },
        quick());
    PluginOptions o = two_symbols();
    o.wait = false;
    CHECK(host->open("p", build(1), o).has_value());
    ready = true;
    CHECK(becomes([&] { return gone.load(); }));
}

void plugins_that_fit_together()
{
    dir = scratch();
    PluginHost host({}, quick());
    const std::string file = build(1);
    const std::vector<OpenPlugin> both = {host.open("a", file, two_symbols()).value(), host.open("b", file, two_symbols()).value()};
    const auto versions = OpenPlugin::acquire_all(both);
    CHECK_INT(versions.size(), 2);
    CHECK(OpenPlugin::acquire_all({both[0], OpenPlugin()}).empty());
}

bool is_mapped(const std::filesystem::path& file)
{
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.find(file.string()) != std::string::npos)
            return true;
    return false;
}

/** Exchanges a version that its image says to keep. Returns whether it is unloaded. @p notes  what was said meanwhile */
bool unloaded(std::optional<bool> keep_loaded, std::vector<std::string>& notes)
{
    dir = scratch();
    std::mutex mutex;
    std::filesystem::path first;
    {
        PluginHost host(
            [&](const PluginOutcome& o) {
                const std::lock_guard<std::mutex> lock(mutex);
                if (o.verdict == Verdict::noted)
                    notes.push_back(o.message);
            },
            quick());
        PluginOptions o = two_symbols();
        o.keep_loaded = keep_loaded;
        const OpenPlugin p =
            host.open("p", build(1, "int on_exit(void (*)(int, void *), void *); int never(void) { return on_exit(0, 0); }"), o).value();
        first = p.acquire().path();
        CHECK(is_mapped(first));
        build(2);
        CHECK(becomes([&] { return call(p, 0) == 2; }));
        CHECK(host.shut_down(patience).has_value());
    }
    return !is_mapped(first);
}

void what_is_unloaded()
{
    std::vector<std::string> notes;
    CHECK(!unloaded(std::nullopt, notes));
    CHECK_INT(notes.size(), 1);
    check_has(notes.at(0), "generation 1 stays in memory: the end of the process may call it (on_exit)");
    notes.clear();
    CHECK(unloaded(false, notes));
    CHECK(!unloaded(true, notes));
    CHECK(notes.empty());
}

}  // namespace

int main()
{
    RUN(versions_are_exchanged);
    RUN(data_of_each_version);
    RUN(a_validator_that_throws_rejects);
    RUN(manual_hosts_dispatch);
    RUN(the_manager_of_a_host);
    RUN(a_host_that_its_callback_destroys);
    RUN(plugins_that_fit_together);
    RUN(what_is_unloaded);
    DONE();
}
