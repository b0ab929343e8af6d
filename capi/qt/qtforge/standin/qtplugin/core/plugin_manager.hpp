// SPDX-License-Identifier: MIT
// Stands for QtForge's header of this name in the tests.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <qtplugin/core/plugin_loader.hpp>

namespace qtplugin {

class IPluginHotReloadManager;
class IMessageBus;

struct PluginHotReloadManagerDeleter {
    void operator()(IPluginHotReloadManager* manager) const;
};

struct MessageBusDeleter {
    void operator()(IMessageBus* bus) const;
};

class PluginManager {
public:
    explicit PluginManager(std::unique_ptr<IPluginLoader> loader = nullptr,
                           std::unique_ptr<IMessageBus, MessageBusDeleter> bus = nullptr,
                           std::unique_ptr<IPluginHotReloadManager, PluginHotReloadManagerDeleter> hot_reload = nullptr);
    ~PluginManager();

    /** The id of the plugin. */
    expected<std::string, PluginError> load_plugin(const std::filesystem::path& file_path);
    expected<void, PluginError> unload_plugin(std::string_view plugin_id);

private:
    std::unique_ptr<IPluginHotReloadManager, PluginHotReloadManagerDeleter> m_hot_reload;
    std::unique_ptr<IPluginLoader> m_loader;
    std::unique_ptr<IMessageBus, MessageBusDeleter> m_bus;
    std::map<std::string, std::shared_ptr<IPlugin>, std::less<>> m_plugins;
};

}  // namespace qtplugin
