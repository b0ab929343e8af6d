// What Manager says when it cannot: exceptions, messages, and strings that C would cut short.
#include "host.hpp"

namespace {

Options bad()
{
    Options o;
    o.poll_interval = -5ms;
    return o;
}

void the_constructor_and_value_throw_the_reason()
{
    const std::string message = Manager::create(bad()).error().message();
    check_has(message, "-5 ms");
    std::vector<std::string> caught;
    try {
        const Manager m(bad());
    } catch (const std::exception& e) {
        caught.emplace_back(e.what());
    }
    try {
        (void)Manager::create(bad()).value();
    } catch (const Exception& e) {
        CHECK(e.error() == ErrorCode::InvalidParameters);
        caught.emplace_back(e.what());
    }
    Manager m;
    try {
        m.enable_hot_reload("p", "/no/such/plugin.so").value();
    } catch (const Exception& e) {
        CHECK(e.error() == ErrorCode::FileNotFound && e.error().plugin_id() == "p");
        check_has(e.what(), "/no/such/plugin.so");
        const Exception copy(e);
        CHECK_STR(copy.what(), e.what());
        caught.emplace_back(message);
    }
    CHECK((caught == std::vector<std::string>(3, message)));
}

// An E without a message, or whose message is a temporary, has the general one.
void what_needs_no_message()
{
    const qtplugin::expected<int, int> number = qtplugin::unexpected(7);
    struct Temporary {
        std::string message() const { return "gone by then"; }
    };
    const qtplugin::expected<int, Temporary> temporary = qtplugin::unexpected(Temporary());
    int thrown = 0;
    try {
        (void)number.value();
    } catch (const qtplugin::bad_expected_access<int>& e) {
        thrown += e.error();
        check_has(e.what(), "there is an error");
    }
    try {
        (void)temporary.value();
    } catch (const std::exception& e) {
        ++thrown;
        check_has(e.what(), "there is an error");
    }
    CHECK_INT(thrown, 8);
}

void a_message_is_a_string_wherever_one_is_wanted()
{
    const expected<void> result = Manager().enable_hot_reload("p", "/no/such/plugin.so");
    const bool ok = result.has_value();
    const std::string either = ok ? std::string() : result.error().message();
    const std::string other = !ok ? result.error().message() : std::string();
    const std::string literal = ok ? "fine" : result.error().message();
    const std::string& reference = result.error().message();
    CHECK(either == reference && other == reference && literal == reference && !reference.empty());
}

/** "before", a NUL, "after": what C would take for "before". */
std::string cut(const std::string& before) { return before + std::string("\0after", 6); }

bool names(const std::optional<Error>& error, const char* what, ErrorCode code = ErrorCode::InvalidParameters)
{
    CHECK(error.has_value());
    if (!error)
        return false;
    check_has(error->message(), what);
    check_has(error->message(), "\\x00after");
    check_has(error->message(), "NUL");
    return error->code() == code;
}
template <class T>
std::optional<Error> error_of(const expected<T>& result)
{
    return result ? std::nullopt : std::make_optional(result.error());
}

void no_string_is_cut_at_a_nul_byte()
{
    Manager m(quick());
    const Plugin p(m);
    CHECK(names(error_of(m.enable_hot_reload(cut("p"), p.path)), "plugin id"));
    CHECK(names(error_of(m.enable_hot_reload("q", cut(p.path))), "path", ErrorCode::InvalidPath));
    CHECK(names(error_of(m.report_reload(cut("p"), 1, Outcome::ok)), "plugin id"));
    CHECK(names(error_of(m.report_reload("p", 1, Outcome::failed, cut("why"))), "message"));
    CHECK(!m.disable_hot_reload(cut("p")) && !m.is_hot_reload_enabled(cut("p")) && m.is_hot_reload_enabled("p"));
    Options o;
    o.snapshot_dir = cut("/tmp/snapshots");
    CHECK(names(error_of(Manager::create(o)), "snapshot_dir"));

    const std::string s = cut("s");
    const struct {
        const char* name;
        std::function<void(SafeOptions&)> set;
    } fields[] = {
        {"files", [&](SafeOptions& x) { x.files = {"good", s}; }},
        {"symbols", [&](SafeOptions& x) { x.symbols = std::vector<std::string>{"good", s}; }},
        {"allow_list", [&](SafeOptions& x) { x.allow_list = s; }},
        {"public_keys", [&](SafeOptions& x) { x.public_keys = std::vector<std::string>{s}; }},
        {"signature", [&](SafeOptions& x) { x.signature = s; }},
    };
    for (const auto& field : fields) {
        EnableOptions mine;
        field.set(mine.safe.emplace());
        CHECK(names(error_of(m.enable_hot_reload("q", p.path, mine)), field.name));
        CHECK(error_of(m.enable_hot_reload("q", p.path, mine))->plugin_id() == "q");
        Options all;
        field.set(all.safe.emplace());
        CHECK(names(error_of(Manager::create(all)), field.name));
    }
    CHECK((m.get_hot_reload_plugins() == std::vector<std::string>{"p"}));
    // A message stays short, whatever it quotes.
    CHECK(m.report_reload(cut(std::string(1 << 20, 'x')), 1, Outcome::ok).error().message().size() < 1000);
}

}  // namespace

int main()
{
    RUN(the_constructor_and_value_throw_the_reason);
    RUN(what_needs_no_message);
    RUN(a_message_is_a_string_wherever_one_is_wanted);
    RUN(no_string_is_cut_at_a_nul_byte);
    DONE();
}
