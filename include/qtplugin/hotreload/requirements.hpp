// SPDX-License-Identifier: MIT
/**
 * @file requirements.hpp
 * @brief What the C++ headers need of the compiler. Included by each of them; programs need not include it.
 *
 * Defines HOTRELOAD_REQUIREMENTS_MET, or says in one sentence what to change; the headers then declare nothing.
 *
 * @since 1.0
 */
#pragma once

#if defined(Q_MOC_RUN)
#define HOTRELOAD_REQUIREMENTS_MET 1
#elif !(__cplusplus >= 201703L || (defined(_MSVC_LANG) && _MSVC_LANG >= 201703L))
#error "libhotreload's C++ headers need C++17: compile with -std=c++17 (MSVC: /std:c++17; CMake: target_compile_features(<target> PRIVATE cxx_std_17)), or use the C header hot_reload_manager.h."
#elif !defined(__cpp_exceptions) && !defined(__EXCEPTIONS) && !defined(_CPPUNWIND)
#error "libhotreload's C++ headers need exceptions: compile without -fno-exceptions (MSVC: with /EHsc), or use the C header hot_reload_manager.h."
#else
#define HOTRELOAD_REQUIREMENTS_MET 1
#endif
