// SPDX-License-Identifier: MIT
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include "manager_private.hpp"

namespace qtplugin {
inline namespace hotreload_1 {

PluginHotReloadManager::PluginHotReloadManager(QObject* parent) : PluginHotReloadManager(hotreload::Options(), parent) {}

PluginHotReloadManager::PluginHotReloadManager(const hotreload::Options& options, QObject* parent)
    : QObject(parent), d(std::make_unique<Private>(this, options))
{
    // For queued connections that name the signal as a string.
    qRegisterMetaType<hotreload::Event>("hotreload::Event");
}

static hotreload::expected<hotreload::Manager> manager_of(hrm_manager* of_host, const hotreload::Error& failure)
{
    if (of_host == nullptr)
        return hotreload::unexpected(failure);
    return hotreload::Manager::of_host(of_host, hotreload::Delivery::manual);
}

PluginHotReloadManager::PluginHotReloadManager(hrm_manager* of_host, const hotreload::Error& failure, QObject* parent)
    : QObject(parent), d(std::make_unique<Private>(this, manager_of(of_host, failure)))
{
    qRegisterMetaType<hotreload::Event>("hotreload::Event");
}

IPluginHotReloadManager::~IPluginHotReloadManager() = default;  // here, so that its vtable is in this library alone

PluginHotReloadManager::~PluginHotReloadManager() = default;

std::shared_ptr<PluginHotReloadManager> PluginHotReloadManager::create() { return std::make_shared<PluginHotReloadManager>(); }

expected<void, PluginError> PluginHotReloadManager::enable_hot_reload(const std::string& plugin_id, const std::filesystem::path& file_path)
{
    return enable_hot_reload_ex(plugin_id, file_path, {});
}

bool PluginHotReloadManager::is_valid() const noexcept { return d->manager.is_valid(); }

hotreload::Stats PluginHotReloadManager::stats() const { return d->manager.stats(); }

expected<void, PluginError> PluginHotReloadManager::enable_hot_reload_ex(const std::string& plugin_id,
    const std::filesystem::path& file_path, const hotreload::EnableOptions& options)
{
    return d->manager.enable_hot_reload(plugin_id, file_path, options);
}

expected<void, PluginError> PluginHotReloadManager::set_validator(
    std::function<std::optional<std::string>(const hotreload::Candidate&)> validator)
{
    return d->manager.set_validator(std::move(validator));
}

expected<void, PluginError> PluginHotReloadManager::report_reload(const std::string& plugin_id, std::uint64_t generation,
    hotreload::Outcome outcome, const std::string& message)
{
    return d->manager.report_reload(plugin_id, generation, outcome, message);
}

void PluginHotReloadManager::disable_hot_reload(const std::string& plugin_id) { d->manager.disable_hot_reload(plugin_id); }

bool PluginHotReloadManager::is_hot_reload_enabled(const std::string& plugin_id) const
{
    return d->manager.is_hot_reload_enabled(plugin_id);
}

void PluginHotReloadManager::set_reload_callback(std::function<void(const std::string&)> callback)
{
    d->manager.set_reload_callback(std::move(callback));
}

std::vector<std::string> PluginHotReloadManager::get_hot_reload_plugins() const { return d->manager.get_hot_reload_plugins(); }

void PluginHotReloadManager::clear() { d->manager.clear(); }

void PluginHotReloadManager::set_global_hot_reload_enabled(bool enabled) { d->manager.set_global_hot_reload_enabled(enabled); }

bool PluginHotReloadManager::is_global_hot_reload_enabled() const { return d->manager.is_global_hot_reload_enabled(); }

expected<void, PluginError> PluginHotReloadManager::set_plugin_paused(const std::string& plugin_id, bool paused)
{
    return d->manager.set_plugin_paused(plugin_id, paused);
}

bool PluginHotReloadManager::is_plugin_paused(const std::string& plugin_id) const { return d->manager.is_plugin_paused(plugin_id); }

expected<void, PluginError> PluginHotReloadManager::check_now(const std::optional<std::string>& plugin_id) { return d->manager.check_now(plugin_id); }

expected<hotreload::PluginStatus, PluginError> PluginHotReloadManager::plugin_status(const std::string& plugin_id) const { return d->manager.plugin_status(plugin_id); }

expected<std::vector<hotreload::PastDecision>, PluginError> PluginHotReloadManager::plugin_decisions(const std::string& plugin_id) const { return d->manager.plugin_decisions(plugin_id); }

expected<std::string, PluginError> PluginHotReloadManager::explain(const std::string& plugin_id) const { return d->manager.explain(plugin_id); }

expected<void, PluginError> PluginHotReloadManager::enable_folder(const std::string& folder_id, const std::filesystem::path& directory,
    const hotreload::FolderOptions& options)
{
    return d->manager.enable_folder(folder_id, directory, options);
}

bool PluginHotReloadManager::disable_folder(const std::string& folder_id) { return d->manager.disable_folder(folder_id); }

std::vector<std::string> PluginHotReloadManager::get_folders() const { return d->manager.get_folders(); }

expected<void, PluginError> PluginHotReloadManager::set_folder_paused(const std::string& folder_id, bool paused)
{
    return d->manager.set_folder_paused(folder_id, paused);
}

bool PluginHotReloadManager::is_folder_paused(const std::string& folder_id) const { return d->manager.is_folder_paused(folder_id); }

expected<std::string, PluginError> PluginHotReloadManager::metrics() const { return d->manager.metrics(); }

expected<void, PluginError> PluginHotReloadManager::set_log_level(std::optional<hotreload::LogLevel> level) { return d->manager.set_log_level(level); }

}  // namespace hotreload_1
}  // namespace qtplugin
