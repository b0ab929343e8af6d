// SPDX-License-Identifier: MIT
// Stands for QtForge's header of this name in the tests.
#pragma once

#include <string_view>

#include <QtCore/QtPlugin>

#include <qtplugin/utils/error_handling.hpp>

namespace qtplugin {

class IPlugin {
public:
    virtual ~IPlugin() = default;
    virtual std::string_view id() const noexcept = 0;
    virtual expected<void, PluginError> initialize() = 0;
    virtual void shutdown() noexcept = 0;
};

}  // namespace qtplugin

Q_DECLARE_INTERFACE(qtplugin::IPlugin, "stand-in.IPlugin/1.0")
