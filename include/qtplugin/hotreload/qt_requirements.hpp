// SPDX-License-Identifier: MIT
/**
 * @file qt_requirements.hpp
 * @brief What the Qt headers need of the compiler and of Qt. Included by each of them; programs need not include it.
 *
 * @since 1.0
 */
#pragma once

#include <qtplugin/hotreload/requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <QtCore/QtGlobal>

// The major version of Qt that the library was built with; the headers of an installed or built library have it. The names
// of Qt 5's and Qt 6's types are the same, and their layouts differ.
#if defined(__has_include)
#if __has_include(<qtplugin/hotreload/built_with.hpp>)
#include <qtplugin/hotreload/built_with.hpp>
#endif
#endif
#if defined(HOTRELOAD_BUILT_WITH_QT) && !defined(Q_MOC_RUN)
#if HOTRELOAD_BUILT_WITH_QT == 6 && QT_VERSION_MAJOR != 6
#error "This libhotreload was built with Qt 6, and this program uses another major version: use Qt 6, or a libhotreload that is built with -DHOTRELOAD_QT=5."
#undef HOTRELOAD_REQUIREMENTS_MET
#elif HOTRELOAD_BUILT_WITH_QT == 5 && QT_VERSION_MAJOR != 5
#error "This libhotreload was built with Qt 5, and this program uses another major version: use Qt 5, or a libhotreload that is built with -DHOTRELOAD_QT=6."
#undef HOTRELOAD_REQUIREMENTS_MET
#endif
#endif

#if defined(HOTRELOAD_QT_STATIC)
#define HOTRELOAD_QT_EXPORT
#elif defined(HOTRELOAD_QT_BUILDING)
#define HOTRELOAD_QT_EXPORT Q_DECL_EXPORT
#else
#define HOTRELOAD_QT_EXPORT Q_DECL_IMPORT
#endif
// For an interface that plugins implement without linking with this library: one type for all of the process, compiled into
// each of them.
#if defined(Q_OS_WIN)
#define HOTRELOAD_QT_INTERFACE
#else
#define HOTRELOAD_QT_INTERFACE Q_DECL_EXPORT
#endif

#endif  // HOTRELOAD_REQUIREMENTS_MET
