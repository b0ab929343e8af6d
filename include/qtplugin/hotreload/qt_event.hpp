// SPDX-License-Identifier: MIT
/**
 * @file qt_event.hpp
 * @brief hotreload::Event as a type of Qt's. For the headers beside; programs need not include it.
 */
#pragma once

#include <qtplugin/hotreload/qt_requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <QtCore/QMetaType>

#include <qtplugin/hotreload/types.hpp>

Q_DECLARE_METATYPE(hotreload::Event)

#endif  // HOTRELOAD_REQUIREMENTS_MET
