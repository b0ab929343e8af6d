// SPDX-License-Identifier: MIT
/**
 * @file callbacks.hpp
 * @brief Callbacks that the C library owns, and what becomes of their exceptions. For the headers beside it; programs need not include it.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <hot_reload_manager.h>

namespace hotreload {
namespace detail {

using ExceptionHandler = std::function<void(const std::string& plugin_id, std::exception_ptr)>;

/** What the callbacks of a manager share; they may outlive it by the rest of a call. */
struct Shared {
    std::mutex mutex;
    std::shared_ptr<const ExceptionHandler> handler;
    bool rethrow = false;  // dispatch() does
    std::vector<std::pair<std::thread::id, std::exception_ptr>> thrown;

    /** Takes an exception, which must not reach the C library. */
    void failed(const char* plugin_id, const std::exception_ptr& exception) noexcept
    {
        try {
            std::unique_lock<std::mutex> lock(mutex);
            const auto h = handler;
            if (h == nullptr) {
                if (rethrow)
                    thrown.emplace_back(std::this_thread::get_id(), exception);
                return;
            }
            lock.unlock();
            (*h)(plugin_id, exception);
        } catch (...) {  // the handler's own, or out of memory
        }
    }

    /** The first of what callbacks on this thread have thrown since the last call; null if there is none. */
    std::exception_ptr take()
    {
        const std::lock_guard<std::mutex> lock(mutex);
        std::exception_ptr first;
        for (auto at = thrown.begin(); at != thrown.end();) {
            if (at->first == std::this_thread::get_id()) {
                if (first == nullptr)
                    first = at->second;
                at = thrown.erase(at);
            } else {
                ++at;
            }
        }
        return first;
    }
};

/** A callback, owned by the C library, which deletes it after the last call. */
template <class F>
struct Slot {
    F function;
    std::shared_ptr<Shared> shared;

    static void HRM_CALL destroy(void* slot) { delete static_cast<Slot*>(slot); }
    /** Runs @p run, which calls the function, conversions included; an exception must not reach the C library. */
    template <class Run>
    void guarded(const char* plugin_id, Run&& run) noexcept
    {
        try {
            run(function);
        } catch (...) {
            shared->failed(plugin_id, std::current_exception());
        }
    }
};

}  // namespace detail
}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
