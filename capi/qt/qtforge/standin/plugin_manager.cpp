// SPDX-License-Identifier: MIT
// Stands for QtForge's files of its core in the tests.
#include <qtplugin/core/plugin_manager.hpp>

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

namespace qtplugin {

class IMessageBus {
public:
    virtual ~IMessageBus() = default;
};

void MessageBusDeleter::operator()(IMessageBus* bus) const { delete bus; }
void PluginHotReloadManagerDeleter::operator()(IPluginHotReloadManager* manager) const { delete manager; }

expected<std::shared_ptr<IPlugin>, PluginError> QtPluginLoader::load(const std::filesystem::path& file_path)
{
    using Loaded = std::shared_ptr<IPlugin>;
    auto loader = std::make_unique<QPluginLoader>(QString::fromStdString(file_path.string()));
    auto* const plugin = qobject_cast<IPlugin*>(loader->instance());
    if (plugin == nullptr)
        return make_error<Loaded>(PluginErrorCode::LoadFailed, loader->errorString().toStdString());
    if (const auto begun = plugin->initialize(); !begun)
        return make_error<Loaded>(begun.error().code, begun.error().message);
    m_loaders[std::string(plugin->id())] = std::move(loader);
    return Loaded(plugin, [](IPlugin*) {});
}

expected<void, PluginError> QtPluginLoader::unload(std::string_view plugin_id)
{
    const auto at = m_loaders.find(plugin_id);
    if (at == m_loaders.end())
        return make_error<void>(PluginErrorCode::StateError, "not loaded: " + std::string(plugin_id));
    at->second->unload();
    m_loaders.erase(at);
    return make_success();
}

PluginManager::PluginManager(std::unique_ptr<IPluginLoader> loader, std::unique_ptr<IMessageBus, MessageBusDeleter> bus,
                             std::unique_ptr<IPluginHotReloadManager, PluginHotReloadManagerDeleter> hot_reload)
    : m_hot_reload(std::move(hot_reload)), m_loader(std::move(loader)), m_bus(std::move(bus))
{
    if (m_loader == nullptr)
        m_loader = std::make_unique<QtPluginLoader>();
    if (m_hot_reload == nullptr)
        m_hot_reload.reset(new PluginHotReloadManager);
}

PluginManager::~PluginManager()
{
    while (!m_plugins.empty())
        (void)unload_plugin(std::string(m_plugins.begin()->first));
}

expected<std::string, PluginError> PluginManager::load_plugin(const std::filesystem::path& file_path)
{
    const auto loaded = m_loader->load(file_path);
    if (!loaded)
        return make_error<std::string>(loaded.error().code, loaded.error().message);
    const std::string id(loaded.value()->id());
    m_plugins[id] = loaded.value();
    return id;
}

expected<void, PluginError> PluginManager::unload_plugin(std::string_view plugin_id)
{
    const auto at = m_plugins.find(plugin_id);
    if (at == m_plugins.end())
        return make_error<void>(PluginErrorCode::StateError, "not loaded: " + std::string(plugin_id));
    at->second->shutdown();
    m_plugins.erase(at);
    return m_loader->unload(plugin_id);
}

}  // namespace qtplugin
