// SPDX-License-Identifier: MIT
// Stands for QtForge's file of this name in the tests.
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include <algorithm>

namespace qtplugin {

PluginHotReloadManager::PluginHotReloadManager(QObject* parent) : QObject(parent) {}
PluginHotReloadManager::~PluginHotReloadManager() = default;

std::shared_ptr<PluginHotReloadManager> PluginHotReloadManager::create()
{
    return std::make_shared<PluginHotReloadManager>();
}

expected<void, PluginError> PluginHotReloadManager::enable_hot_reload(const std::string& plugin_id,
                                                                      const std::filesystem::path& file_path)
{
    if (!std::filesystem::exists(file_path))
        return make_error<void>(PluginErrorCode::FileNotFound, "stand-in: no file for " + plugin_id);
    m_ids.push_back(plugin_id);
    Q_EMIT hot_reload_enabled(QString::fromStdString(plugin_id));
    return make_success();
}

void PluginHotReloadManager::disable_hot_reload(const std::string& plugin_id)
{
    m_ids.erase(std::remove(m_ids.begin(), m_ids.end(), plugin_id), m_ids.end());
    Q_EMIT hot_reload_disabled(QString::fromStdString(plugin_id));
}

bool PluginHotReloadManager::is_hot_reload_enabled(const std::string& plugin_id) const
{
    return std::find(m_ids.begin(), m_ids.end(), plugin_id) != m_ids.end();
}

void PluginHotReloadManager::set_reload_callback(std::function<void(const std::string&)> callback)
{
    m_callback = std::move(callback);
}

std::vector<std::string> PluginHotReloadManager::get_hot_reload_plugins() const { return m_ids; }
void PluginHotReloadManager::clear() { m_ids.clear(); }
void PluginHotReloadManager::set_global_hot_reload_enabled(bool enabled) { m_global = enabled; }
bool PluginHotReloadManager::is_global_hot_reload_enabled() const { return m_global; }

}  // namespace qtplugin
