// SPDX-License-Identifier: MIT
/**
 * @file c_strings.hpp
 * @brief Strings on their way to and from the C library. For the headers beside; programs need not include it.
 *
 * Everything here may be called on any thread.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <hot_reload_manager.h>

#include <qtplugin/hotreload/error.hpp>

namespace hotreload {
namespace detail {

/** The beginning of a string for a message, with the bytes that cannot be shown as \xNN. */
inline std::string shown(const std::string& s)
{
    constexpr std::size_t most = 200;
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (const char c : s) {
        if (out.size() >= most)
            return out + "...";
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f)
            out += c;
        else
            out += {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
    }
    return out;
}

/** A path as the C library takes it: UTF-8 on Windows, elsewhere the bytes that the kernel has. */
inline std::string bytes_of(const std::filesystem::path& path)
{
#if defined(_WIN32)
    const auto utf8 = path.u8string();  // of char8_t since C++20
    return std::string(utf8.begin(), utf8.end());
#else
    return path.native();
#endif
}

inline std::filesystem::path path_of(const char* bytes)
{
#if defined(_WIN32)
    return std::filesystem::u8path(bytes);
#else
    return bytes;
#endif
}

inline bool has_nul(const std::string& s) noexcept { return s.find('\0') != std::string::npos; }

/**
 * The one check of every string that goes to the C library, which would end it at its first NUL byte and take it for
 * something else: the error that names @p what and @p value, or nothing if it may go.
 */
inline std::optional<Error> nul_in(
    const char* what, const std::string& value, const std::string& plugin_id = {},
    ErrorCode code = ErrorCode::InvalidParameters)
{
    if (!has_nul(value))
        return std::nullopt;
    const std::string of = plugin_id.empty() ? std::string() : "plugin \"" + shown(plugin_id) + "\": ";
    return Error(
        code, of + "the " + what + " \"" + shown(value) + "\" contains a NUL byte; remove it", plugin_id);
}

/** An exception's what(), which may be null. */
inline const char* what_of(const std::exception& e) noexcept
{
    const char* const what = e.what();
    return what != nullptr ? what : "an exception whose what() is null";
}

/** Writes why a version is rejected into the C library's buffer: NUL bytes as \x00, no character cut in half. */
inline void write_reason(std::string_view why, char* reason, std::size_t room) noexcept
{
    constexpr std::string_view nul = "\\x00";
    std::size_t used = 0;
    std::size_t whole = 0;  // up to here it ends with a character
    for (const char c : why) {
        if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80U)  // it begins one
            whole = used;
        const std::string_view bytes = c == '\0' ? nul : std::string_view(&c, 1);
        if (used + bytes.size() >= room) {
            used = whole;
            break;
        }
        used += bytes.copy(reason + used, bytes.size());
    }
    reason[used] = '\0';
}

/**
 * Runs a validator, and answers the C library: whatever goes wrong in it is a rejection. An exception's what() becomes
 * the reason.
 */
template <class Validate>
std::int32_t verdict_of(Validate&& validate, char* reason, std::size_t room) noexcept
{
    try {
        const std::optional<std::string> why = validate();
        if (!why)
            return HRM_ACCEPT;
        write_reason(*why, reason, room);
    } catch (const std::exception& e) {
        write_reason(what_of(e), reason, room);
    } catch (...) {
        write_reason("it threw something that is no std::exception", reason, room);
    }
    return HRM_REJECT;
}

}  // namespace detail
}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
