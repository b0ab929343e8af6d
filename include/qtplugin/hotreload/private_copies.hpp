// SPDX-License-Identifier: MIT
/**
 * @file private_copies.hpp
 * @brief Copies of plugin files, each under a name that was never loaded before.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <system_error>

#include <qtplugin/hotreload/c_strings.hpp>
#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/hotreload/expected.hpp>

namespace hotreload {

/**
 * Makes private copies in a directory of its own, which it removes when it is destroyed.
 *
 * A copy has the file's own name, in a directory with a number.
 *
 * @threadsafety Any thread.
 * @since 1.0.0
 * @sa qtforge::CopyingLoader
 */
class PrivateCopies {
public:
    /** Makes no directory yet: the first copy does. */
    PrivateCopies() = default;
    /** Not copyable. */
    PrivateCopies(const PrivateCopies&) = delete;
    /** Not copyable. */
    PrivateCopies& operator=(const PrivateCopies&) = delete;
    /** Removes every copy. On Windows those that are still loaded stay. */
    ~PrivateCopies()
    {
        std::error_code ignored;
        if (!m_directory.empty())
            std::filesystem::remove_all(m_directory, ignored);
    }

    /**
     * Copies a file. Of each file the two newest copies are kept: what was loaded from the former one may still run.
     *
     * @param file  the file
     * @returns the path of the copy, or an error: FileNotFound, PermissionDenied, SystemError, InvalidState (the file
     * changed while it was copied)
     */
    expected<std::filesystem::path> make(const std::filesystem::path& file)
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        std::error_code error;
        if (m_directory.empty() && !make_directory(error))
            return failure("cannot make a directory for copies in", std::filesystem::temp_directory_path(error), error);
        const std::filesystem::path directory = m_directory / std::to_string(++m_number);
        const std::filesystem::path copy = directory / file.filename();
        std::filesystem::create_directory(directory, error);
        Stamp before, after;
        if (!error && stamp(file, before, error) && std::filesystem::copy_file(file, copy, error) &&
            stamp(file, after, error) && before == after && stamp(copy, after, error) && after.size == before.size) {
            auto& copies = m_copies[file];
            copies.push_back(directory);
            for (; copies.size() > 2; copies.pop_front()) {
                std::error_code ignored;
                std::filesystem::remove_all(copies.front(), ignored);
            }
            return copy;
        }
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
        if (!error)
            return unexpected(Error(ErrorCode::InvalidState,
                                    "\"" + detail::shown(detail::bytes_of(file)) +
                                        "\" changed while it was copied; load it when its change is delivered"));
        return failure("cannot copy", file, error);
    }

private:
    struct Stamp {
        std::uintmax_t size = 0;
        std::filesystem::file_time_type time;
        bool operator==(const Stamp& other) const { return size == other.size && time == other.time; }
    };

    static bool stamp(const std::filesystem::path& file, Stamp& stamp, std::error_code& error)
    {
        stamp.size = std::filesystem::file_size(file, error);
        if (!error)
            stamp.time = std::filesystem::last_write_time(file, error);
        return !error;
    }

    /** A new directory that only this user can enter. */
    bool make_directory(std::error_code& error)
    {
        const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
        std::random_device random;
        for (int attempt = 0; !error && attempt < 100; ++attempt) {
            const std::uint64_t number = (std::uint64_t(random()) << 32U) | random();
            const std::filesystem::path directory = parent / ("hotreload-copies-" + std::to_string(number));
            if (!std::filesystem::create_directory(directory, error))
                continue;  // there already, or an error
            std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
            if (!error)
                m_directory = directory;
            return !error;
        }
        if (!error)
            error = std::make_error_code(std::errc::file_exists);
        return false;
    }

    static unexpected<Error> failure(const char* what, const std::filesystem::path& file, const std::error_code& error)
    {
        ErrorCode code = ErrorCode::SystemError;
        if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
            code = ErrorCode::FileNotFound;
        else if (error == std::errc::permission_denied || error == std::errc::operation_not_permitted)
            code = ErrorCode::PermissionDenied;
        return unexpected(Error(code,
                                std::string(what) + " \"" + detail::shown(detail::bytes_of(file)) +
                                    "\": " + error.message(),
                                {}, error.value()));
    }

    std::mutex m_mutex;
    std::filesystem::path m_directory;
    std::uint64_t m_number = 0;
    std::map<std::filesystem::path, std::deque<std::filesystem::path>> m_copies;
};

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
