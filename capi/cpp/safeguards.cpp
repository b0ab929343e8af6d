// SPDX-License-Identifier: MIT
// Safe reload: that no safeguard is lost on its way to the library, and that nothing which goes wrong around a validator
// lets a version through.
#include "host.hpp"

#include <new>

namespace {

constexpr const char* key = "RWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR";

using detail::SafeArguments;

// A field that is not named is NULL or 0 in C, where the manager's then holds.
void what_is_not_named_is_not_named_in_c()
{
    const SafeArguments none{std::optional<SafeOptions>()};
    CHECK(none.get() == nullptr);
    const SafeArguments empty{SafeOptions()};
    const hrm_safe_options* const c = empty.get();
    CHECK(c != nullptr && c->flags == 0 && c->files == nullptr && c->symbols == nullptr && c->allow_list == nullptr);
    CHECK(c->public_keys == nullptr && c->signature == nullptr && c->validator_timeout_ms == 0);
    CHECK(c->report_timeout_ms == 0 && c->retries == 0 && c->retry_delay_ms == 0 && c->keep_generations == 0 && c->max_size == 0);
    CHECK(c->plugin_name == nullptr && c->min_version == nullptr && c->version_dir == nullptr && c->manifest == nullptr);
    CHECK(!empty.error());
}

void what_is_named_is_named_in_c()
{
    SafeOptions o;
    o.files = {"a", "b"};
    o.image = true;
    o.strict_modes = false;
    o.accept_on_timeout = true;
    o.symbols = std::vector<std::string>{"s"};
    o.allow_list = "list";
    o.public_keys = std::vector<std::string>{key};
    o.signature = "sig";
    o.validator_timeout = 1ms;
    o.report_timeout = 2ms;
    o.retries = 3;
    o.retry_delay = 4ms;
    o.keep_generations = 5;
    o.max_size = 6000000000;
    o.list_names = true;
    o.no_unique = true;
    o.rising_version = false;
    o.manifest = "manifest";
    o.plugin_name = "name";
    o.min_version = "1.2";
    o.version_dir = "versions";
    const SafeArguments named{o};
    const hrm_safe_options& c = *named.get();
    CHECK(!named.error());
    CHECK_INT(c.flags, HRM_SAFE_IMAGE | HRM_SAFE_NO_STRICT_MODES | HRM_SAFE_ACCEPT_ON_TIMEOUT | HRM_SAFE_LIST_NAMES | HRM_SAFE_ANY_VERSION |
                           HRM_SAFE_NO_UNIQUE);
    CHECK_STR(c.manifest, "manifest");
    CHECK_STR(c.plugin_name, "name");
    CHECK_STR(c.min_version, "1.2");
    CHECK_STR(c.version_dir, "versions");
    CHECK_STR(c.files[0], "a");
    CHECK_STR(c.files[1], "b");
    CHECK(c.files[2] == nullptr);
    CHECK_STR(c.symbols[0], "s");
    CHECK_STR(c.allow_list, "list");
    CHECK_STR(c.public_keys[0], key);
    CHECK_STR(c.signature, "sig");
    CHECK_INT(c.validator_timeout_ms, 1);
    CHECK_INT(c.report_timeout_ms, 2);
    CHECK_INT(c.retries, 3);
    CHECK_INT(c.retry_delay_ms, 4);
    CHECK_INT(c.keep_generations, 5);
    CHECK(c.max_size == 6000000000);

    SafeOptions none;
    none.image = false;
    none.strict_modes = true;
    none.accept_on_timeout = false;
    none.list_names = false;
    none.no_unique = false;
    none.rising_version = true;
    none.validator_timeout = 0ms;
    none.report_timeout = 0ms;
    none.retries = 0;
    none.keep_generations = 0;
    none.max_size = 0;
    const SafeArguments exempt{none};
    const hrm_safe_options& e = *exempt.get();
    CHECK_INT(e.flags, HRM_SAFE_NO_IMAGE | HRM_SAFE_STRICT_MODES | HRM_SAFE_REJECT_ON_TIMEOUT | HRM_SAFE_NO_LIST_NAMES | HRM_SAFE_RISING_VERSION |
                           HRM_SAFE_ALLOW_UNIQUE);
    CHECK_INT(e.validator_timeout_ms, HRM_SAFE_NONE);
    CHECK_INT(e.report_timeout_ms, HRM_SAFE_NONE);
    CHECK_INT(e.retries, HRM_SAFE_NONE);
    CHECK_INT(e.keep_generations, HRM_KEEP_NONE);
    CHECK(e.max_size == HRM_SAFE_NONE);
}

struct Field {
    const char* name;
    std::function<void(SafeOptions&)> set;
};

void named_but_empty_is_an_error()
{
    const std::vector<std::string> no_strings, empty_string{""};
    const Field fields[] = {
        {"symbols", [&](SafeOptions& o) { o.symbols = no_strings; }},
        {"symbols", [&](SafeOptions& o) { o.symbols = empty_string; }},
        {"public_keys", [&](SafeOptions& o) { o.public_keys = no_strings; }},
        {"public_keys", [&](SafeOptions& o) { o.public_keys = empty_string; }},
        {"allow_list", [&](SafeOptions& o) { o.allow_list = ""; }},
        {"retry_delay", [&](SafeOptions& o) { o.retry_delay = 0ms; }},
        {"version_dir", [&](SafeOptions& o) { o.version_dir = ""; }},
        {"min_version", [&](SafeOptions& o) { o.min_version = ""; }},
    };
    const char* path = Plugin::put(in(scratch(), "plugin.so"));
    Manager m(quick());
    for (const Field& field : fields) {
        Options all;
        field.set(all.safe.emplace());
        const auto created = Manager::create(all);
        CHECK(!created && created.error() == ErrorCode::InvalidParameters);
        if (!created)
            check_has(created.error().message(), field.name);
        EnableOptions mine;
        field.set(mine.safe.emplace());
        CHECK(rejected(m.enable_hot_reload("p", path, mine), ErrorCode::InvalidParameters, field.name));
    }
    // These belong to one plugin; a list of no files is no safeguard.
    EnableOptions mine;
    mine.safe.emplace().signature = "";
    CHECK(rejected(m.enable_hot_reload("p", path, mine), ErrorCode::InvalidParameters, "signature"));
    mine.safe.emplace().manifest = "";
    CHECK(rejected(m.enable_hot_reload("p", path, mine), ErrorCode::InvalidParameters, "manifest"));
    mine.safe.emplace().plugin_name = "";
    CHECK(rejected(m.enable_hot_reload("p", path, mine), ErrorCode::InvalidParameters, "plugin_name"));
    mine.safe.emplace().files.emplace({std::filesystem::path()});
    CHECK(rejected(m.enable_hot_reload("p", path, mine), ErrorCode::InvalidParameters, "files"));
    mine.safe.emplace().files.emplace();
    CHECK(m.enable_hot_reload("p", path, mine).has_value());
    Options nowhere;
    nowhere.snapshot_dir = "";
    CHECK(!Manager::create(nowhere));
    check_has(Manager::create(nowhere).error().message(), "snapshot_dir");
}

/** What becomes of a file with the safeguards of a manager and of its plugin. */
Event outcome(const SafeOptions& managers, const std::optional<SafeOptions>& plugins, const char* path)
{
    Options all = quick();
    all.safe = managers;
    Manager m(all, Delivery::manual);
    std::vector<Event> events;
    CHECK(m.set_event_callback([&](const Event& e) {
               if (e.kind == EventKind::file_changed || e.kind == EventKind::rejected)
                   events.push_back(e);
           }).has_value());
    CHECK(m.set_validator([](const Candidate&) -> std::optional<std::string> {
               return "the validator's own";
           }).has_value());
    EnableOptions mine;
    mine.deliver_present = true;
    mine.safe = plugins;
    CHECK(m.enable_hot_reload("p", path, mine).has_value());
    CHECK(pumped(m, [&] { return !events.empty(); }));
    CHECK(!events.empty() && events[0].kind == EventKind::rejected);
    return events.empty() ? Event() : events[0];
}

// A plugin that names something else keeps each of the manager's safeguards; one that names the field has its own.
void a_managers_safeguard_holds_unless_the_plugin_names_it()
{
    const std::string dir = scratch();
    const char* path = Plugin::put(in(dir.c_str(), "plugin.so"));
    const std::string list = dir + "/sums";
    write_bytes(list.c_str(), "", 0);
    CHECK(chmod(path, 0666) == 0);
    const std::string others = dir + "/others";
    write_bytes(others.c_str(), "", 0);

    const struct {
        Field field;
        const char* why;
        std::function<void(SafeOptions&)> own;
        const char* own_why;
    } cases[] = {
        {{"image", [](SafeOptions& o) { o.image = true; }}, "ELF", [](SafeOptions& o) { o.image = false; },
         "the validator's own"},
        {{"strict_modes", [](SafeOptions& o) { o.strict_modes = true; }}, "writable",
         [](SafeOptions& o) { o.strict_modes = false; }, "the validator's own"},
        {{"symbols", [](SafeOptions& o) { o.symbols = std::vector<std::string>{"plugin_init"}; }}, "",
         [](SafeOptions& o) { o.symbols = std::vector<std::string>{"mine"}; }, ""},
        {{"allow_list", [&](SafeOptions& o) { o.allow_list = list; }}, "/sums",
         [&](SafeOptions& o) { o.allow_list = others; }, "/others"},
        {{"public_keys", [](SafeOptions& o) { o.public_keys = std::vector<std::string>{key}; }}, "minisig",
         [](SafeOptions& o) { o.signature = "elsewhere.sig"; }, "elsewhere.sig"},
    };
    for (const auto& c : cases) {
        SafeOptions managers;
        c.field.set(managers);
        SafeOptions something;
        something.keep_generations = 2;
        for (const std::optional<SafeOptions>& plugins : {std::optional<SafeOptions>(), std::optional(something)}) {
            const Event e = outcome(managers, plugins, path);
            check_has(e.message, c.why);
            CHECK(e.message != "the validator's own");
        }
        SafeOptions own;
        c.own(own);
        check_has(outcome(managers, own, path).message, c.own_why);
    }
}

// The same of those that do not reject by themselves.
void a_managers_times_and_numbers_hold_unless_the_plugin_names_them()
{
    Options all = quick();
    all.safe.emplace();
    all.safe->validator_timeout = 50ms;
    all.safe->accept_on_timeout = true;
    all.safe->report_timeout = 50ms;
    all.safe->retries = 1;
    all.safe->retry_delay = 1ms;
    Manager m(all, Delivery::manual);
    std::vector<Event> events;
    int unreported = 0;
    CHECK(m.set_event_callback([&](const Event& e) {
               if (e.kind == EventKind::file_changed || e.kind == EventKind::rejected)
                   events.push_back(e);
               unreported += e.health == Health::no_report ? 1 : 0;
           }).has_value());
    std::atomic<bool> goes_on{false};
    CHECK(m.set_validator([&](const Candidate&) -> std::optional<std::string> {
               CHECK(becomes([&] { return goes_on.load(); }));
               return std::nullopt;
           }).has_value());
    const char* path = Plugin::put(in(scratch(), "plugin.so"));
    EnableOptions mine;
    mine.deliver_present = true;
    mine.safe.emplace().keep_generations = 2;
    CHECK(m.enable_hot_reload("p", path, mine).has_value());
    CHECK(pumped(m, [&] { return events.size() == 1 && unreported == 1; }));
    CHECK(!events.empty() && events[0].kind == EventKind::file_changed);  // in time, and accepted all the same
    goes_on = true;
    CHECK(m.report_reload("p", 1, Outcome::failed).has_value());
    CHECK(pumped(m, [&] { return events.size() == 2; }));  // once more
    CHECK(m.disable_hot_reload("p"));

    goes_on = false;
    events.clear();
    mine.safe->accept_on_timeout = false;
    CHECK(m.enable_hot_reload("p", path, mine).has_value());
    CHECK(pumped(m, [&] { return events.size() == 1; }));
    CHECK(!events.empty() && events[0].kind == EventKind::rejected);
    goes_on = true;
    CHECK(m.disable_hot_reload("p"));

    // None of them, by its own word: waited for, not missed, and not once more.
    events.clear();
    unreported = 0;
    mine.safe->validator_timeout = 0ms;
    mine.safe->report_timeout = 0ms;
    mine.safe->retries = 0;
    goes_on = false;
    CHECK(m.enable_hot_reload("p", path, mine).has_value());
    CHECK(becomes([&] { return m.stats().validating == 1; }));
    goes_on = true;
    CHECK(pumped(m, [&] { return events.size() == 1; }));
    CHECK(!events.empty() && events[0].kind == EventKind::file_changed);
    CHECK(m.report_reload("p", 1, Outcome::failed).has_value());
    replace_version(path, 2);  // the next that is delivered
    CHECK(pumped(m, [&] { return events.size() == 2; }));
    CHECK(events.size() == 2 && events[1].snapshot_sha256 != events[0].snapshot_sha256);
    CHECK_INT(unreported, 0);
}

// What the signer says reaches the validator and the event; the signature is that of capi/tests/statements.c.
void the_trusted_comment_arrives()
{
    Manager m(quick(), Delivery::manual);
    std::vector<Event> events;
    std::string asked;
    CHECK(m.set_event_callback([&](const Event& e) {
               if (e.kind == EventKind::file_changed || e.kind == EventKind::rejected)
                   events.push_back(e);
           }).has_value());
    CHECK(m.set_validator([&](const Candidate& c) -> std::optional<std::string> {
               asked = c.trusted_comment;
               return std::nullopt;
           }).has_value());
    const char* path = in(scratch(), "plugin.so");
    write_bytes(path, "plugin v2\n", 10);
    const std::string signature =
        "untrusted comment: signature from minisign secret key\n"
        "RUQBAAAAAAAAAONPYHtQM7p5Ovw5olHnPVEpsUsPr3Fkt7lnbpKWfhQQ1OVwngqO70G6yTzzFUJGdkZxeTSUUHLwTLQ6QVjrfgA=\n"
        "trusted comment: plugin:greeter\tversion:2\n"
        "7EvITwGx5olT+0gr4OLOvKWvOjR84lZCS6ljIUIvrvXZGdsDydg0KKaSlmDxIuOKrp8u4mB7YfD6AGm6pN7gCw==\n";
    write_bytes((path + std::string(".minisig")).c_str(), signature.data(), signature.size());
    EnableOptions mine;
    mine.deliver_present = true;
    mine.safe.emplace().public_keys = {"RWQBAAAAAAAAAItOU+f232FbfyjeucMszgp0NXsURuBdSA7AAG0xLO34"};
    mine.safe->plugin_name = "greeter";
    mine.safe->rising_version = true;
    CHECK(m.enable_hot_reload("p", path, mine).has_value());
    CHECK(pumped(m, [&] { return events.size() == 1; }));
    CHECK(m.disable_hot_reload("p"));
    mine.safe->plugin_name = "painter";
    CHECK(m.enable_hot_reload("p", path, mine).has_value());
    CHECK(pumped(m, [&] { return events.size() == 2; }));
    for (const Event& e : events)
        CHECK_STR(e.trusted_comment.c_str(), "plugin:greeter version:2");
    CHECK_STR(asked.c_str(), "plugin:greeter version:2");
    CHECK(events[0].kind == EventKind::file_changed && events[1].kind == EventKind::rejected);
    check_has(events[1].message, "is for plugin \"greeter\", not for \"painter\"");
}

struct Silent : std::exception {
    const char* what() const noexcept override { return nullptr; }
};
struct Plain {};

// Each goes wrong in another way, and none lets a version through.
void whatever_goes_wrong_in_a_validator_is_a_rejection()
{
    using Answer = std::optional<std::string>;
    const struct {
        std::function<Answer()> validate;
        std::string why;
    } ways[] = {
        {[]() -> Answer { throw std::runtime_error("thrown"); }, "thrown"},
        {[]() -> Answer { throw std::runtime_error(""); }, ""},
        {[]() -> Answer { throw Silent(); }, "what() is null"},
        {[]() -> Answer { throw std::bad_alloc(); }, "bad_alloc"},
        {[]() -> Answer { return std::string(std::string().max_size() + 1, 'x'); }, ""},
        {[]() -> Answer { throw 7; }, "no std::exception"},
        {[]() -> Answer { throw Plain(); }, "no std::exception"},
        {[]() -> Answer { throw "text"; }, "no std::exception"},
        {[]() -> Answer { throw static_cast<const char*>(nullptr); }, "no std::exception"},
        {[]() -> Answer { throw std::make_unique<int>(); }, "no std::exception"},
        {[]() -> Answer { return std::function<Answer()>()(); }, "bad_function_call"},
        {[]() -> Answer { return ""; }, ""},
        {[]() -> Answer { return std::string("before\0after", 12); }, "before\\x00after"},
        {[]() -> Answer { return "\xff\xfe not UTF-8"; }, " not UTF-8"},
        {[]() -> Answer { return std::string(510, 'n') + "\xc3\xa4"; }, std::string(510, 'n')},
        {[]() -> Answer { return std::string(1 << 24, 'n'); }, std::string(511, 'n')},
    };
    for (const auto& way : ways) {
        Options all = quick();
        all.safe.emplace();
        Manager m(all, Delivery::manual);
        std::vector<Event> events;
        CHECK(m.set_event_callback([&](const Event& e) {
                   if (e.kind == EventKind::file_changed || e.kind == EventKind::rejected)
                       events.push_back(e);
               }).has_value());
        CHECK(m.set_validator([&](const Candidate&) { return way.validate(); }).has_value());
        EnableOptions mine;
        mine.deliver_present = true;
        CHECK(m.enable_hot_reload("p", Plugin::put(in(scratch(), "plugin.so")), mine).has_value());
        CHECK(pumped(m, [&] { return !events.empty(); }));
        CHECK(!events.empty() && events[0].kind == EventKind::rejected);
        if (!events.empty())
            check_has(events[0].message, way.why);
        CHECK_INT(m.stats().deliveries, 0);
    }
}

void a_reason_never_ends_inside_a_character()
{
    const std::string text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" "z";
    const std::size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (std::size_t room = 1; room <= 12; ++room) {
        std::string buffer(room + 1, '#');
        detail::write_reason(text, &buffer[0], room);
        CHECK(buffer.c_str() == text.substr(0, ends[room - 1]));
        CHECK(buffer[room] == '#');  // what lies beyond is not touched
    }
    char escaped[6];
    detail::write_reason(std::string("ab\0c", 4), escaped, sizeof escaped);
    CHECK_STR(escaped, "ab");  // an escape is not cut in half either
}

}  // namespace

int main()
{
    RUN(what_is_not_named_is_not_named_in_c);
    RUN(what_is_named_is_named_in_c);
    RUN(named_but_empty_is_an_error);
    RUN(a_managers_safeguard_holds_unless_the_plugin_names_it);
    RUN(a_managers_times_and_numbers_hold_unless_the_plugin_names_them);
    RUN(the_trusted_comment_arrives);
    RUN(whatever_goes_wrong_in_a_validator_is_a_rejection);
    RUN(a_reason_never_ends_inside_a_character);
    DONE();
}
