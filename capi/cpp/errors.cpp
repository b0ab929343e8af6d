// SPDX-License-Identifier: MIT
// What Manager says when it cannot: exceptions, messages, and strings that C would cut short.
#include "host.hpp"

#include <set>
#include <sstream>
#include <string_view>

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
    const expected<int, int> number = unexpected(7);
    struct Temporary {
        std::string message() const { return "gone by then"; }
    };
    const expected<int, Temporary> temporary = unexpected(Temporary());
    int thrown = 0;
    try {
        (void)number.value();
    } catch (const bad_expected_access<int>& e) {
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

const char* kind_of(const Error& error)
{
    switch (error.code) {  // without parentheses, as with them
    case ErrorCode::FileNotFound: return "gone";
    case ErrorCode::AlreadyExists: return "there";
    default: break;
    }
    switch (error.code()) {
    case ErrorCode::InvalidPath: return "bad";
    default: return "other";
    }
}

std::string takes_a_string(const std::string& s) { return s; }

// error.message() and error.code() are the reference's, error.message and error.code QtForge 3.2's.
void errors_are_read_with_and_without_parentheses()
{
    const expected<void> result = Manager().enable_hot_reload("p", "/no/such/plugin.so");
    const Error& e = result.error();
    CHECK(e.message == e.message() && e.message() == e.message && !(e.message != e.message()));
    CHECK(e.message != "" && "" != e.message && e.message > std::string() && !e.message.empty());
    CHECK("why: " + e.message == "why: " + e.message() && e.message + "." == e.message() + ".");
    CHECK(std::string("why: ") + e.message + '.' == "why: " + e.message() + '.');
    std::string text = "why: ";
    text += e.message;
    text.append(e.message);
    CHECK(text == "why: " + e.message() + e.message());
    const std::string copied = e.message;
    const std::string_view view = e.message;
    auto same = e.message;
    same += "!";
    CHECK(copied == view && same == copied + "!" && takes_a_string(e.message) == copied);
    CHECK(e.message.find("/no/such") != std::string::npos && e.message.size() == std::string(e.message.c_str()).size());
    const bool ok = result.has_value();
    const std::string either = ok ? std::string() : e.message;
    const std::string other = !ok ? e.message : std::string();
    const std::string literal = ok ? "fine" : e.message;
    CHECK(either == copied && other == copied && literal == copied);
    std::ostringstream out;
    out << e.message << '|' << e.message();
    CHECK(out.str() == copied + "|" + copied);

    CHECK(e.code == ErrorCode::FileNotFound && ErrorCode::FileNotFound == e.code && e.code != ErrorCode::InvalidPath);
    CHECK(e.code() == ErrorCode::FileNotFound && e.code() == e.code && e.code == e.code && !(e.code != e.code()));
    CHECK(static_cast<int>(e.code) == 100 && int(e.code()) == 100 && static_cast<long>(e.code) == 100L);
    const ErrorCode code = e.code;
    CHECK(code == ErrorCode::FileNotFound && (std::set<ErrorCode>{e.code}.count(e.code) == 1));
    CHECK_STR(kind_of(e), "gone");
    CHECK_STR(kind_of(Error(ErrorCode::AlreadyExists, "")), "there");
    CHECK_STR(kind_of(Error(ErrorCode::InvalidPath, "")), "bad");
    // A copy has its own; what is moved from it is not copied.
    Error copy = e;
    copy.message = "another";
    copy.code = ErrorCode::SystemError;
    CHECK(copy == ErrorCode::SystemError && copy.message() == "another" && e.message == copied);
    std::string moved = std::move(copy).message;
    CHECK(moved == "another");
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
    RUN(errors_are_read_with_and_without_parentheses);
    RUN(no_string_is_cut_at_a_nul_byte);
    DONE();
}
