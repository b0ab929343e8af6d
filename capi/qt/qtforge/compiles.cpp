// SPDX-License-Identifier: MIT
// The adapter, compiled against the QtForge that HOTRELOAD_QTFORGE_DIR names.
#include <qtplugin/hotreload/qtforge.hpp>

#if __has_include(<qtplugin/core/plugin_loader.hpp>)
#include <qtplugin/core/plugin_loader.hpp>

template class hotreload::qtforge::CopyingLoader<qtplugin::QtPluginLoader>;
#endif

std::unique_ptr<qtplugin::IPluginHotReloadManager> make_manager();
std::unique_ptr<qtplugin::IPluginHotReloadManager> make_manager()
{
    return std::make_unique<hotreload::qtforge::HotReloadManager>();
}
