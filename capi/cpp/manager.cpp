// SPDX-License-Identifier: MIT
// hotreload::Manager: what C++ adds to the C library.
#include "host.hpp"

#include <algorithm>

namespace {

void tells_once_on_the_library_thread()
{
    std::atomic<int> reloads{0}, changes{0};
    std::atomic<std::uint64_t> generation{0};
    std::thread::id on;
    Manager m(quick());
    CHECK(m.set_event_callback([&](const Event& e) {
               if (e.kind != EventKind::file_changed)
                   return;
               CHECK(e.plugin_id == "p" && e.path.filename() == "plugin.so" && e.first_seen <= e.decided);
               CHECK(std::chrono::system_clock::now() - e.decided < patience);
               generation = e.generation;
               ++changes;
           }).has_value());
    CHECK(m.set_reload_callback([&](const std::string& id) {
               CHECK(id == "p");
               on = std::this_thread::get_id();
               ++reloads;
           }).has_value());
    const Plugin p(m);
    for (int i = 1; i <= 3; ++i) {
        replace_version(p.path, i);
        CHECK(becomes([&] { return reloads == i; }));
        CHECK_INT(changes.load(), i);
        CHECK_INT(generation.load(), i);
    }
    CHECK(on != std::this_thread::get_id());
    CHECK(!m.dispatch() && m.dispatch().error() == ErrorCode::NotSupported);
    CHECK(!m.event_fd());
    CHECK_INT(m.stats().deliveries, 3);
    CHECK_INT(m.stats().plugins, 1);
    CHECK(m.stats().last_delivery > Event::Time());
}

void names_who_holds_a_file_open()
{
    Options options = quick();
    options.held_after = std::chrono::milliseconds(4 * QUIET);
    options.deliver_held = true;
    std::atomic<int> changes{0}, named{0};
    const std::string who = "process " + std::to_string(getpid()) + " (";
    Manager m(options);
    CHECK(m.set_event_callback([&](const Event& e) {
               changes += e.kind == EventKind::file_changed ? 1 : 0;
               named += e.health == Health::held_open && e.message.find(who) != std::string::npos ? 1 : 0;
           }).has_value());
    const Plugin p(m);
    const int fd = open(p.path, O_WRONLY | O_CLOEXEC | O_APPEND);
    CHECK_INT(write(fd, "\n", 1), 1);
    CHECK(becomes([&] { return changes == 1 && named == 1; }));
    CHECK_INT(m.stats().held_open, 1);
    CHECK_INT(m.stats().writers_unknown, 0);
    close(fd);
    CHECK(becomes([&] { return m.stats().held_open == 0; }));
    options.held_after = held_never;
    const auto impossible = Manager::create(options);
    CHECK(!impossible && impossible.error() == ErrorCode::InvalidParameters);
    check_has(impossible.error().message(), "held_after");
}

void tells_the_thread_that_dispatches()
{
    int reloads = 0;
    std::atomic<int> woken{0};
    Manager m(quick(), Delivery::manual);
    CHECK(m.set_reload_callback([&](const std::string&) { ++reloads; }).has_value());
    CHECK(m.set_wakeup_callback([&] { ++woken; }).has_value());
    const Plugin p(m);
    CHECK(m.dispatch().value() <= 1);  // that it was enabled
    const int fd = m.event_fd().value();
    pollfd poll_fd = {fd, POLLIN, 0};
    CHECK_INT(poll(&poll_fd, 1, 0), 0);
    replace_version(p.path, 1);
    CHECK_INT(poll(&poll_fd, 1, PATIENCE), 1);
    CHECK(becomes([&] { return woken > 0; }));
    CHECK_INT(reloads, 0);
    CHECK_INT(m.dispatch().value(), 1);
    CHECK_INT(reloads, 1);
    CHECK_INT(m.dispatch(0, 0ms).value(), 0);
    CHECK_INT(poll(&poll_fd, 1, 0), 0);
}

void bad_input()
{
    Manager m;
    const std::filesystem::path dir = scratch();
    CHECK(rejected(m.enable_hot_reload("x", dir / "missing"), ErrorCode::FileNotFound, "missing"));
    CHECK(rejected(m.enable_hot_reload("x", dir), ErrorCode::InvalidPath, "directory"));
    CHECK(rejected(m.enable_hot_reload("x", ""), ErrorCode::InvalidPath, "empty"));
    CHECK(rejected(m.enable_hot_reload("x", std::string(5000, 'l')), ErrorCode::InvalidPath, "5000"));
    CHECK(rejected(m.enable_hot_reload("x", std::string("nul\0byte", 8)), ErrorCode::InvalidPath, "nul\\x00byte"));
    CHECK(rejected(m.enable_hot_reload("", "x"), ErrorCode::InvalidParameters, "empty"));
    CHECK(rejected(m.enable_hot_reload(std::string("a\0b", 3), "x"), ErrorCode::InvalidParameters, "a\\x00b"));
    CHECK(rejected(m.enable_hot_reload("\xff", "x"), ErrorCode::InvalidParameters, "xff"));
    EnableOptions never;
    never.quiet = std::chrono::hours(24 * 365 * 100);
    CHECK(rejected(m.enable_hot_reload("x", "x", never), ErrorCode::InvalidParameters, "out of range"));
    const Plugin p(m);
    CHECK(rejected(m.enable_hot_reload("p", dir / "missing"), ErrorCode::AlreadyExists, "\"p\""));
    CHECK(!m.is_hot_reload_enabled(std::string("p\0q", 3)) && !m.disable_hot_reload(std::string("p\0q", 3)));

    Options bad;
    bad.poll_interval = -5ms;
    const auto result = Manager::create(bad);
    CHECK(!result);
    check_has(result.error().message(), "-5");
    bool thrown = false;
    try {
        const Manager made(bad);
    } catch (const bad_expected_access<Error>& e) {
        thrown = e.error() == ErrorCode::InvalidParameters;
    }
    CHECK(thrown);

    Options unsafe;
    unsafe.safety_check = -2ms;
    check_has(Manager::create(unsafe).error().message(), "safety_check of -2 ms");
    for (const auto allowed : {no_safety_check, 0ms, 86400000ms}) {
        unsafe.safety_check = allowed;
        const Manager safe(unsafe);
        const Stats s = safe.stats();
        CHECK_INT(s.unreliable + s.safety_checks + s.missed + s.watched_files + s.polled_files, 0);
    }
}

void lists_disables_and_pauses()
{
    Manager m(quick(), Delivery::manual);
    int reloads = 0;
    CHECK(m.set_reload_callback([&](const std::string&) { ++reloads; }).has_value());
    const Plugin p(m);
    for (const char* id : {"z", "a"})
        CHECK(m.enable_hot_reload(id, p.path).has_value());
    CHECK((m.get_hot_reload_plugins() == std::vector<std::string>{"p", "z", "a"}));
    CHECK(m.disable_hot_reload("z") && !m.disable_hot_reload("z") && m.is_hot_reload_enabled("a"));
    m.set_global_hot_reload_enabled(false);
    CHECK(!m.is_global_hot_reload_enabled());
    replace_version(p.path, 1);
    // Heard of, or found at the first look if the directory was not watched yet.
    CHECK(becomes([&] { return m.stats().notifications > 0 || m.stats().settling > 0 || m.stats().pending > 0; }));
    m.set_global_hot_reload_enabled(true);
    CHECK(pumped(m, [&] { return reloads == 2; }));
    CHECK_INT(m.clear(), 2);
    CHECK(m.get_hot_reload_plugins().empty());
}

void pauses_one_plugin_and_checks_now()
{
    Options polling = quick();
    polling.force_polling = true;
    polling.poll_interval = std::chrono::hours(24);
    Manager m(polling, Delivery::manual);
    std::vector<std::string> reloads;
    CHECK(m.set_reload_callback([&](const std::string& id) { reloads.push_back(id); }).has_value());
    const Plugin p(m);
    EnableOptions paused;
    paused.paused = true;
    CHECK(m.enable_hot_reload("q", p.path, paused).has_value());
    CHECK(m.is_plugin_paused("q") && !m.is_plugin_paused("p") && !m.is_plugin_paused("nobody"));
    replace_version(p.path, 1);
    CHECK(m.check_now().has_value());
    CHECK(pumped(m, [&] { return !reloads.empty(); }));
    CHECK((reloads == std::vector<std::string>{"p"}));
    CHECK(m.set_plugin_paused("q", false).has_value() && !m.is_plugin_paused("q"));
    CHECK(pumped(m, [&] { return reloads.size() == 2; }));
    CHECK(reloads.back() == "q");
    CHECK(m.set_plugin_paused("p", true).has_value());
    replace_version(p.path, 2);
    CHECK(m.check_now("p").has_value());
    CHECK(pumped(m, [&] { return reloads.size() == 3; }));
    CHECK(reloads.back() == "q");
    CHECK(rejected(m.set_plugin_paused("no\nbody", true), ErrorCode::InvalidParameters, "\"no\\x0abody\" is not enabled"));
    CHECK(rejected(m.check_now("nobody"), ErrorCode::InvalidParameters, "\"nobody\" is not enabled"));
    CHECK(rejected(m.check_now(std::string("p\0q", 3)), ErrorCode::InvalidParameters, "p\\x00q"));
    CHECK(rejected(m.set_plugin_paused(std::string("p\0q", 3), true), ErrorCode::InvalidParameters, "p\\x00q"));
    const Manager moved = std::move(m);
    CHECK(rejected(m.check_now(), ErrorCode::InvalidState, ""));
}

void says_what_a_plugin_is_doing_and_why()
{
    Manager m(quick(), Delivery::manual);
    std::atomic<int> lines{0}, complete{0};
    CHECK(m.set_log_callback(LogLevel::info, [&](const LogRecord& r) {
               CHECK(r.level == LogLevel::info && r.plugin_id == "p" && r.time > Event::Time());
               complete += r.message == "complete: a new version is complete";
               ++lines;
           }).has_value());
    const Plugin p(m);
    PluginStatus s = m.plugin_status("p").value();
    CHECK(s.generation == 0 && s.last_delivery == Event::Time() && !s.last_outcome);
    CHECK(m.set_plugin_paused("p", true).has_value());
    replace_version(p.path, 1);
    CHECK(becomes([&] { return m.plugin_status("p").value().state == PluginState::ready; }));
    s = m.plugin_status("p").value();
    CHECK(s.paused && s.last_decision == Decision::complete && s.last_check >= s.last_notification);
    CHECK(s.watching == Watching::notified && s.since > Event::Time() && s.writer_pid == 0);
    check_has(m.explain("p").value(), "held back:         the plugin is paused\n");
    const auto decisions = m.plugin_decisions("p").value();
    CHECK(decisions.size() >= 2 && decisions[0].decision == Decision::paused && decisions[0].reason == "paused");
    CHECK(decisions.back().decision == Decision::complete && decisions.back().time == s.last_decision_at);
    CHECK(m.plugin_decisions("nobody").error() == ErrorCode::InvalidParameters);
    CHECK(m.plugin_decisions(std::string("p\0q", 3)).error() == ErrorCode::InvalidParameters);
    CHECK(becomes([&] { return complete == 1; }));
    CHECK(m.set_log_callback(LogLevel::info, {}).has_value());
    const int before = lines;
    CHECK(m.set_plugin_paused("p", false).has_value());
    CHECK_INT(lines.load(), before);
    CHECK(m.plugin_status("nobody").error() == ErrorCode::InvalidParameters);
    check_has(m.explain("nobody").error().message(), "\"nobody\" is not enabled");
    CHECK(m.explain(std::string("p\0q", 3)).error() == ErrorCode::InvalidParameters);
    CHECK(m.plugin_status(std::string("p\0q", 3)).error() == ErrorCode::InvalidParameters);
    CHECK(!m.set_log_callback(static_cast<LogLevel>(7), [](const LogRecord&) {}));
}

void waits_for_a_build()
{
    std::atomic<int> changes{0}, overdue{0};
    Options options = quick();
    options.marker_after = std::chrono::milliseconds(20);
    const std::string marker = in(scratch(), ".building");
    std::fclose(std::fopen(marker.c_str(), "w"));
    Manager m(options);
    CHECK(m.set_event_callback([&](const Event& e) {
               changes += e.kind == EventKind::file_changed ? 1 : 0;
               overdue += e.health == Health::pause_marker && e.path == marker ? 1 : 0;
           }).has_value());
    EnableOptions with;
    with.pause_marker = marker;
    const char* const path = Plugin::put(in(scratch(), "plugin.so"));
    CHECK(m.enable_hot_reload("p", path, with).has_value());
    replace_version(path, 1);
    CHECK(becomes([&] { return overdue == 1 && m.plugin_status("p").value().state == PluginState::ready; }));
    CHECK(m.plugin_status("p").value().marked_since > Event::Time());
    CHECK_INT(changes.load(), 0);
    CHECK_INT(unlink(marker.c_str()), 0);
    CHECK(becomes([&] { return changes == 1; }));
    CHECK(m.plugin_status("p").value().marked_since == Event::Time());
    with.pause_marker = std::string("a\0b", 3);
    CHECK(rejected(m.enable_hot_reload("q", path, with), ErrorCode::InvalidParameters, "pause_marker"));
}

void has_metrics()
{
    Manager m(quick(), Delivery::manual);
    const Plugin p(m);
    const std::string text = m.metrics().value();
    check_has(text, "\nhotreload_plugins 1\n");
    check_has(text, "\nhotreload_plugin_generation{plugin=\"p\"} 0\n");
    CHECK(text.size() > 6 && text.substr(text.size() - 6) == "# EOF\n");
    const Manager moved = std::move(m);
    CHECK(m.metrics().error() == ErrorCode::InvalidState);
    CHECK(moved.metrics().has_value());
}

void waits_for_a_missing_file()
{
    Manager m(quick(), Delivery::manual);
    int reloads = 0;
    CHECK(m.set_reload_callback([&](const std::string&) { ++reloads; }).has_value());
    const char* path = in(scratch(), "later.so");
    EnableOptions missing;
    missing.allow_missing = true;
    CHECK(m.enable_hot_reload("later", path, missing).has_value());
    write_version(path, 1);
    CHECK(pumped(m, [&] { return reloads == 1; }));
}

void callbacks_live_exactly_as_long_as_needed()
{
    const auto token = std::make_shared<int>();
    {
        Manager m(quick());
        CHECK(m.set_reload_callback([token](const std::string&) {}).has_value());
        CHECK(m.set_event_callback([token](const Event&) {}).has_value());
        CHECK_INT(token.use_count(), 3);
        CHECK(m.set_reload_callback([](const std::string&) {}).has_value());
        CHECK(m.set_event_callback({}).has_value());
        CHECK(becomes([&] { return token.use_count() == 1; }));
        CHECK(m.set_reload_callback([token](const std::string&) {}).has_value());
        // Refused in this mode: deleted all the same.
        CHECK(!m.set_wakeup_callback([token] {}));
    }
    CHECK(becomes([&] { return token.use_count() == 1; }));
}

void moves()
{
    int reloads = 0;
    Manager first(quick(), Delivery::manual);
    CHECK(first.set_reload_callback([&](const std::string&) { ++reloads; }).has_value());
    const Plugin p(first);
    Manager second(std::move(first));
    Manager third(quick(), Delivery::manual);
    third = std::move(second);
    for (Manager* gone : {&first, &second}) {
        CHECK(gone->native_handle() == nullptr);
        CHECK(rejected(gone->enable_hot_reload("x", p.path), ErrorCode::InvalidState, ""));
        CHECK(gone->dispatch().error() == ErrorCode::InvalidState);
        CHECK(gone->get_hot_reload_plugins().empty() && gone->clear() == 0 && !gone->is_global_hot_reload_enabled());
        gone->set_exception_handler({});
    }
    replace_version(p.path, 1);
    CHECK(pumped(third, [&] { return reloads == 1; }));
}

void destroyed_inside_its_callback()
{
    for (const Delivery delivery : {Delivery::thread, Delivery::manual}) {
        std::atomic<int> reloads{0};
        std::optional<Manager> m;
        m.emplace(quick(), delivery);
        CHECK(m->set_reload_callback([&](const std::string&) {
                   m.reset();
                   ++reloads;
               }).has_value());
        const Plugin p(*m);
        CHECK(m->enable_hot_reload("q", p.path).has_value());
        replace_version(p.path, 1);
        if (delivery == Delivery::thread)
            CHECK(becomes([&] { return reloads > 0; }));
        for (const auto end = std::chrono::steady_clock::now() + patience;
             delivery == Delivery::manual && m && std::chrono::steady_clock::now() < end;)
            (void)m->dispatch(0, 100ms);
        CHECK_INT(reloads.load(), 1);
        CHECK(!m);
    }
}

void an_exception_leaves_dispatch_and_the_rest_pending()
{
    Manager m(quick(), Delivery::manual);
    std::vector<std::string> told;
    CHECK(m.set_event_callback([&](const Event& e) {
               if (e.kind == EventKind::file_changed)
                   throw std::runtime_error("event " + e.plugin_id);
           }).has_value());
    CHECK(m.set_reload_callback([&](const std::string& id) {
               told.push_back(id);
               throw std::runtime_error("reload " + id);
           }).has_value());
    const Plugin p(m);
    CHECK(m.enable_hot_reload("q", p.path).has_value());
    replace_version(p.path, 1);
    std::vector<std::string> thrown;
    CHECK(becomes([&] {
        try {
            (void)m.dispatch();
        } catch (const std::runtime_error& e) {
            thrown.emplace_back(e.what());
            CHECK_INT(told.size(), thrown.size());
        }
        return thrown.size() == 2;
    }));
    // The first of the two that each event throws, and none of them again; which is complete first is not said.
    std::sort(thrown.begin(), thrown.end());
    CHECK((thrown == std::vector<std::string>{"event p", "event q"}));
    CHECK_INT(m.dispatch().value(), 0);
}

void an_exception_on_the_library_thread_goes_to_the_handler()
{
    Manager m(quick());
    std::atomic<int> handled{0}, reloads{0};
    CHECK(m.set_reload_callback([&](const std::string&) {
               ++reloads;
               throw 7;
           }).has_value());
    const Plugin p(m);
    replace_version(p.path, 1);  // nobody to tell
    CHECK(becomes([&] { return reloads == 1; }));
    // A pause waits for the callback, whose exception is then nobody's.
    m.set_global_hot_reload_enabled(false);
    m.set_global_hot_reload_enabled(true);
    m.set_exception_handler([&](const std::string& id, const std::exception_ptr& exception) {
        try {
            std::rethrow_exception(exception);
        } catch (int value) {
            CHECK(value == 7 && id == "p");
            ++handled;
        }
        throw std::runtime_error("from the handler");
    });
    for (int i = 2; i <= 3; ++i) {
        replace_version(p.path, i);
        CHECK(becomes([&] { return handled == i - 1; }));
    }
    CHECK_INT(reloads.load(), 3);
}

void safe_reload()
{
    Manager m(quick(), Delivery::manual);
    std::vector<Event> events;
    CHECK(m.set_event_callback([&](const Event& e) {
               if (e.kind != EventKind::enabled)
                   events.push_back(e);
           }).has_value());
    std::atomic<int> mode{0};
    CHECK(m.set_validator([&](const Candidate& c) -> std::optional<std::string> {
               CHECK(c.plugin_id == "p" && c.snapshot_path.filename() == "plugin.so" && c.snapshot_sha256.size() == 64);
               if (mode == 1)
                   return std::string(1000, 'n');  // more than there is room for
               if (mode == 2)
                   throw std::runtime_error("thrown");
               return std::nullopt;
           }).has_value());
    const char* path = in(scratch(), "plugin.so");
    write_version(path, 1);
    EnableOptions o;
    o.deliver_present = true;
    o.safe.emplace();
    o.safe->retries = -2;
    CHECK(rejected(m.enable_hot_reload("p", path, o), ErrorCode::InvalidParameters, "-2"));
    o.safe->retries = 0;
    CHECK(m.enable_hot_reload("p", path, o).has_value());
    const auto next = [&](EventKind kind) {
        events.clear();
        CHECK(pumped(m, [&] { return !events.empty(); }));
        CHECK(!events.empty() && events[0].kind == kind);
        return events.empty() ? Event() : events[0];
    };
    const Event first = next(EventKind::file_changed);
    CHECK_INT(read_version(first.snapshot_path.c_str()), 1);
    CHECK(m.report_reload("p", 1, Outcome::ok).has_value());
    mode = 1;
    replace_version(path, 2);
    CHECK(next(EventKind::rejected).message == std::string(511, 'n'));
    mode = 2;
    replace_version(path, 3);
    CHECK(next(EventKind::rejected).message == "thrown");
    mode = 0;
    replace_version(path, 4);
    const Event second = next(EventKind::file_changed);
    CHECK_INT(second.generation, 2);
    CHECK(m.report_reload("p", 2, Outcome::failed, "no").has_value());
    const Event back = next(EventKind::rollback);
    CHECK(back.snapshot_path == first.snapshot_path && back.generation == 1);
    CHECK(m.report_reload("p", 7, Outcome::ok).error() == ErrorCode::InvalidParameters);
    CHECK_INT(m.stats().rollbacks, 1);
    CHECK_INT(m.stats().rejected, 2);
}

void a_validator_in_time()
{
    Manager m(quick(), Delivery::manual);
    std::vector<Event> events;
    CHECK(m.set_event_callback([&](const Event& e) {
               if (e.kind == EventKind::file_changed || e.kind == EventKind::rejected)
                   events.push_back(e);
           }).has_value());
    std::atomic<int> gate{0};
    CHECK(m.set_validator([&](const Candidate&) -> std::optional<std::string> {
               CHECK(becomes([&] { return gate == 1; }));
               return "too late to count";
           }).has_value());
    const char* path = in(scratch(), "plugin.so");
    write_version(path, 1);
    EnableOptions o;
    o.deliver_present = true;
    o.safe.emplace();
    o.safe->validator_timeout = 50ms;
    CHECK(m.enable_hot_reload("p", path, o).has_value());
    CHECK(pumped(m, [&] { return events.size() == 1; }));
    CHECK(!events.empty() && events[0].message == "the validator gave no verdict within 50ms");
    gate = 1;
    CHECK(m.disable_hot_reload("p"));  // waits for it
    gate = 0;
    events.clear();
    o.safe->accept_on_timeout = true;
    CHECK(m.enable_hot_reload("p", path, o).has_value());
    CHECK(pumped(m, [&] { return events.size() == 1; }));
    CHECK(!events.empty() && events[0].kind == EventKind::file_changed && events[0].generation == 1);
    gate = 1;
}

}  // namespace

int main()
{
    RUN(tells_once_on_the_library_thread);
    RUN(names_who_holds_a_file_open);
    RUN(tells_the_thread_that_dispatches);
    RUN(bad_input);
    RUN(lists_disables_and_pauses);
    RUN(pauses_one_plugin_and_checks_now);
    RUN(says_what_a_plugin_is_doing_and_why);
    RUN(waits_for_a_build);
    RUN(has_metrics);
    RUN(waits_for_a_missing_file);
    RUN(callbacks_live_exactly_as_long_as_needed);
    RUN(moves);
    RUN(destroyed_inside_its_callback);
    RUN(an_exception_leaves_dispatch_and_the_rest_pending);
    RUN(an_exception_on_the_library_thread_goes_to_the_handler);
    RUN(safe_reload);
    RUN(a_validator_in_time);
    DONE();
}
