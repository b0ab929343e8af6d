// SPDX-License-Identifier: MIT
// What a plugin of the two examples of the reference is to its host.
#pragma once

#include <QtPlugin>

#include <qtplugin/monitoring/plugin_host.hpp>

namespace qtplugin {

/** Beside what every reloadable plugin has: initialize(), shutdown(), save_state(), restore_state(). */
class IPlugin : public IReloadable {
public:
    virtual int answer() = 0;
};

}  // namespace qtplugin

#define QtPluginExample_iid "org.qtforge.hotreload.example.IPlugin/1.0"
Q_DECLARE_INTERFACE(qtplugin::IPlugin, QtPluginExample_iid)
