// SPDX-License-Identifier: MIT
// The one place through which the Qt classes run code of their users: slots, by emitting signals, and callbacks.
#pragma once

#include <exception>
#include <utility>

#include <QtCore/QLoggingCategory>

#include <qtplugin/hotreload/c_strings.hpp>

#include "printable.hpp"

namespace hotreload {
namespace detail {

Q_DECLARE_LOGGING_CATEGORY(qt_log)

/**
 * Runs @p f, which emits a signal or calls a callback, named by @p what, for a plugin. What it throws is caught and
 * logged; it may come of the conversion of arguments too. Does not touch the object that emits after @p f: a slot may
 * have deleted it.
 */
template <class F>
void guarded(const char* what, const char* plugin_id, F&& f) noexcept
{
    const auto log = [&](const char* why) noexcept {
        try {
            qCWarning(qt_log, "%s for plugin \"%s\" threw%s%s", what, printable(plugin_id).data(),
                      why != nullptr ? ": " : " something that is no std::exception",
                      printable(why != nullptr ? why : "").data());
        } catch (...) {  // the host's message handler, or out of memory
        }
    };
    try {
        std::forward<F>(f)();
    } catch (const std::exception& e) {
        log(what_of(e));
    } catch (...) {
        log(nullptr);
    }
}

}  // namespace detail
}  // namespace hotreload
