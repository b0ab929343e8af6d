// SPDX-License-Identifier: MIT
// What the tests of hotreload.hpp share.
#pragma once

#include <qtplugin/hotreload.hpp>

#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

extern "C" {
#include "../tests/support.h"
}

using namespace hotreload;
using namespace std::chrono_literals;

constexpr auto patience = std::chrono::milliseconds(PATIENCE);

inline Options quick()
{
    Options o;
    o.quiet = std::chrono::milliseconds(QUIET);
    return o;
}

inline bool becomes(const std::function<bool()>& holds)
{
    return wait_until([](void* f) { return int((*static_cast<const std::function<bool()>*>(f))()); },
                      const_cast<std::function<bool()>*>(&holds), PATIENCE) != 0;
}

/** A watched file in a fresh directory. */
struct Plugin {
    explicit Plugin(Manager& m) { CHECK(m.enable_hot_reload("p", path).has_value()); }
    const char* path = put(in(scratch(), "plugin.so"));

    static const char* put(const char* path)
    {
        write_version(path, 0);
        return path;
    }
};

/** Pumps m until holds; what an exception leaves pending is pumped by the next call. */
inline bool pumped(Manager& m, const std::function<bool()>& holds)
{
    for (const auto end = std::chrono::steady_clock::now() + patience; !holds();)
        if (std::chrono::steady_clock::now() > end || !m.dispatch(1, 100ms))
            return false;
    return true;
}

/** Checks that @p text contains @p part. Unlike CHECK_HAS it keeps temporaries. */
inline void check_has(const std::string& text, const std::string& part) { CHECK_HAS(text.c_str(), part.c_str()); }

/** Whether @p result is an error of this code whose message contains @p names. */
inline bool rejected(const expected<void>& result, ErrorCode code, const std::string& names)
{
    if (result)
        return false;
    check_has(result.error().message(), names);
    return result.error().code() == code;
}
