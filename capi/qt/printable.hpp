// SPDX-License-Identifier: MIT
// What the Qt classes show of others' text: what a plugin throws, what the loader says, names of files.
#pragma once

#include <array>

#include <hot_reload_manager.h>

namespace hotreload {
namespace detail {

/** A line as long as those of the C library's messages. */
using Line = std::array<char, 1001>;

/** @p text as one printable line (see hrm_printable); on any thread. */
inline Line printable(const char* text) noexcept
{
    Line line{};
    hrm_printable(text, line.data(), line.size());
    return line;
}

}  // namespace detail
}  // namespace hotreload
