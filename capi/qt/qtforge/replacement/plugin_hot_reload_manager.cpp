// SPDX-License-Identifier: MIT
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include <qtplugin/hotreload/qtforge_errors.hpp>

#include "object_manager.hpp"

namespace qtplugin {

class PluginHotReloadManager::Private {
public:
    Private(PluginHotReloadManager* object, const hotreload::Options& options)
        : manager(object, options, hotreload::detail::emitters_of(object))
    {
    }

    hotreload::detail::ObjectManager manager;
};

PluginHotReloadManager::PluginHotReloadManager(QObject* parent) : PluginHotReloadManager(hotreload::Options(), parent)
{
}

PluginHotReloadManager::PluginHotReloadManager(const hotreload::Options& options, QObject* parent)
    : QObject(parent), d(std::make_unique<Private>(this, options))
{
}

PluginHotReloadManager::~PluginHotReloadManager() = default;

std::shared_ptr<PluginHotReloadManager> PluginHotReloadManager::create()
{
    return std::make_shared<PluginHotReloadManager>();
}

expected<void, PluginError> PluginHotReloadManager::enable_hot_reload(const std::string& plugin_id,
                                                                      const std::filesystem::path& file_path)
{
    return hotreload::qtforge::result_of(d->manager.enable_hot_reload(plugin_id, file_path, {}));
}

void PluginHotReloadManager::disable_hot_reload(const std::string& plugin_id)
{
    d->manager.disable_hot_reload(plugin_id);
}

bool PluginHotReloadManager::is_hot_reload_enabled(const std::string& plugin_id) const
{
    return d->manager.is_hot_reload_enabled(plugin_id);
}

void PluginHotReloadManager::set_reload_callback(std::function<void(const std::string&)> callback)
{
    d->manager.set_reload_callback(std::move(callback));
}

std::vector<std::string> PluginHotReloadManager::get_hot_reload_plugins() const
{
    return d->manager.get_hot_reload_plugins();
}

void PluginHotReloadManager::clear() { d->manager.clear(); }

void PluginHotReloadManager::set_global_hot_reload_enabled(bool enabled)
{
    d->manager.set_global_hot_reload_enabled(enabled);
}

bool PluginHotReloadManager::is_global_hot_reload_enabled() const { return d->manager.is_global_hot_reload_enabled(); }

}  // namespace qtplugin
