// SPDX-License-Identifier: MIT
// hotreload::Manager::enable_folder(): what C++ adds to the C library.
#include "host.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

namespace {

/** What a manager has delivered. */
class Log {
public:
    explicit Log(Manager& m)
    {
        CHECK(m.set_event_callback([this](const Event& e) {
                   const std::lock_guard<std::mutex> lock(m_mutex);
                   m_events.push_back(e);
               }).has_value());
    }
    std::vector<Event> of(EventKind kind, const std::string& id) const
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        std::vector<Event> some;
        std::copy_if(m_events.begin(), m_events.end(), std::back_inserter(some),
                     [&](const Event& e) { return e.kind == kind && e.plugin_id == id; });
        return some;
    }
    bool has(EventKind kind, const std::string& id) const
    {
        return becomes([&] { return !of(kind, id).empty(); });
    }

private:
    mutable std::mutex m_mutex;
    std::vector<Event> m_events;
};

void a_folder_finds_and_loses_plugins()
{
    Manager m(quick());
    const Log log(m);
    const std::filesystem::path dir = scratch();
    std::filesystem::create_directories(dir / "fx");
    FolderOptions o;
    o.include = {"**/*.so"};
    o.exclude = {"**/test_*"};
    o.deliver_present = true;
    write_version((dir / "one.so").c_str(), 1);
    CHECK(m.enable_folder("plugins", dir, o).has_value());
    CHECK(m.is_hot_reload_enabled("plugins/one.so"));
    CHECK(m.get_folders() == std::vector<std::string>{"plugins"});
    write_version((dir / "fx" / "test_two.so").c_str(), 1);
    write_version((dir / "fx" / "two.so").c_str(), 1);
    CHECK(log.has(EventKind::file_changed, "plugins/one.so"));
    CHECK(log.has(EventKind::file_changed, "plugins/fx/two.so"));
    const auto found = log.of(EventKind::discovered, "plugins/fx/two.so");
    CHECK(found.size() == 1 && found[0].folder_id == "plugins" && found[0].generation == 1 && found[0].path == dir / "fx" / "two.so");
    std::filesystem::remove_all(dir / "fx");
    CHECK(log.has(EventKind::disabled, "plugins/fx/two.so"));
    CHECK(log.has(EventKind::file_removed, "plugins/fx/two.so"));
    CHECK(m.disable_folder("plugins") && !m.disable_folder("plugins"));
    CHECK(m.get_folders().empty() && m.get_hot_reload_plugins().empty());
}

void a_function_gives_ids()
{
    Manager m(quick());
    const Log log(m);
    const std::filesystem::path dir = scratch();
    const auto alive = std::make_shared<int>(0);
    std::atomic<int> thrown{0};
    m.set_exception_handler([&](const std::string&, std::exception_ptr) { ++thrown; });
    FolderOptions o;
    o.id = [alive](const std::string& path) -> std::optional<std::string> {
        if (path == "throws")
            throw std::runtime_error("no");
        if (path == "long")
            return std::string(256, 'x');
        if (path == "none")
            return std::nullopt;
        return "id of " + path;
    };
    for (const char* name : {"throws", "long", "none", "plugin"})
        write_version((dir / name).c_str(), 1);
    CHECK(m.enable_folder("plugins", dir, o).has_value());
    o.id = nullptr;
    CHECK(m.get_hot_reload_plugins() == std::vector<std::string>{"id of plugin"});
    CHECK_INT(thrown.load(), 1);
    CHECK(becomes([&] { return !log.of(EventKind::health, "").empty(); }));
    const auto health = log.of(EventKind::health, "");
    CHECK(!health.empty() && health[0].health == Health::folder_skipped && health[0].path == dir / "long" &&
          health[0].folder_id == "plugins");
    CHECK_INT(alive.use_count(), 2);
    CHECK(m.disable_folder("plugins"));
    CHECK_INT(alive.use_count(), 1);
}

void a_folder_is_paused()
{
    Manager m(quick());
    const Log log(m);
    const std::filesystem::path dir = scratch();
    FolderOptions o;
    o.paused = true;
    o.short_ids = true;
    CHECK(m.enable_folder("plugins", dir, o).has_value() && m.is_folder_paused("plugins"));
    write_version((dir / "one.so").c_str(), 1);
    CHECK(becomes([&] { return m.stats().pending == 1; }));
    CHECK(log.of(EventKind::discovered, "one").empty());
    CHECK(m.set_folder_paused("plugins", false).has_value() && !m.is_folder_paused("plugins"));
    CHECK(log.has(EventKind::file_changed, "one"));
    CHECK(rejected(m.set_folder_paused("none", true), ErrorCode::InvalidParameters, "\"none\""));
}

void bad_input()
{
    Manager m(quick());
    const std::filesystem::path dir = scratch();
    CHECK(rejected(m.enable_folder("f", dir / "missing"), ErrorCode::FileNotFound, "missing"));
    CHECK(rejected(m.enable_folder("f", ""), ErrorCode::InvalidPath, "empty"));
    CHECK(rejected(m.enable_folder("", dir), ErrorCode::InvalidParameters, "empty"));
    const std::string nul("a\0b", 3);
    CHECK(rejected(m.enable_folder(nul, dir), ErrorCode::InvalidParameters, "a\\x00b"));
    CHECK(rejected(m.enable_folder("f", nul), ErrorCode::InvalidPath, "a\\x00b"));
    FolderOptions o;
    o.include = {"*.so", nul};
    CHECK(rejected(m.enable_folder("f", dir, o), ErrorCode::InvalidParameters, "include"));
    o.include = {"{"};
    CHECK(rejected(m.enable_folder("f", dir, o), ErrorCode::InvalidParameters, "malformed"));
    o.include = {};
    o.pause_marker = nul;
    CHECK(rejected(m.enable_folder("f", dir, o), ErrorCode::InvalidParameters, "pause_marker"));
    o.pause_marker.clear();
    o.safe.emplace();
    o.safe->plugin_name = "one";
    CHECK(rejected(m.enable_folder("f", dir, o), ErrorCode::InvalidParameters, "plugin_name"));
    CHECK(!m.disable_folder(nul) && !m.is_folder_paused(nul));
    CHECK(rejected(m.set_folder_paused(nul, true), ErrorCode::InvalidParameters, "a\\x00b"));
    const Manager moved = std::move(m);
    CHECK(rejected(m.enable_folder("f", dir), ErrorCode::InvalidState, "NULL"));
    CHECK(m.get_folders().empty());
}

}  // namespace

int main()
{
    RUN(a_folder_finds_and_loses_plugins);
    RUN(a_function_gives_ids);
    RUN(a_folder_is_paused);
    RUN(bad_input);
    DONE();
}
