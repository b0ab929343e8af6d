// SPDX-License-Identifier: MIT
/**
 * @file expected.hpp
 * @brief hotreload::expected under the names of the reference.
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <qtplugin/hotreload/expected.hpp>

/** These headers, and not QtForge's of the same names, were found. */
#define HOTRELOAD_NAMES_OF_THE_REFERENCE 1

namespace qtplugin {
inline namespace hotreload_1 {

using hotreload::bad_expected_access;
using hotreload::expected;
using hotreload::make_unexpected;
using hotreload::unexpected;

}  // namespace hotreload_1
}  // namespace qtplugin

#endif  // HOTRELOAD_REQUIREMENTS_MET
