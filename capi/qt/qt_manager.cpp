// SPDX-License-Identifier: MIT
#include <qtplugin/hotreload/qt_manager.hpp>

#include "object_manager.hpp"

namespace hotreload {

class QtManager::Private {
public:
    Private(QtManager* object, const Options& options) : manager(object, options, emitters(object)) {}

    detail::ObjectManager manager;

private:
    static detail::Emitters emitters(QtManager* object)
    {
        auto emitters = detail::emitters_of(object);
        emitters.event = [object](const Event& event) { Q_EMIT object->hot_reload_event(event); };
        emitters.discovered = [object](const QString& id, const QString& path, const QString& folder) {
            Q_EMIT object->plugin_discovered(id, path, folder);
        };
        return emitters;
    }
};

QtManager::QtManager(QObject* parent) : QtManager(Options(), parent) {}

QtManager::QtManager(const Options& options, QObject* parent)
    : QObject(parent), d(std::make_unique<Private>(this, options))
{
    // For queued connections that name the signal as a string.
    qRegisterMetaType<hotreload::Event>("hotreload::Event");
}

QtManager::~QtManager() = default;

bool QtManager::is_valid() const noexcept { return d->manager.is_valid(); }

Stats QtManager::stats() const { return d->manager.stats(); }

expected<void> QtManager::enable_hot_reload(const std::string& plugin_id,
    const std::filesystem::path& file_path, const EnableOptions& options)
{
    return d->manager.enable_hot_reload(plugin_id, file_path, options);
}

expected<void> QtManager::set_validator(
    std::function<std::optional<std::string>(const Candidate&)> validator)
{
    return d->manager.set_validator(std::move(validator));
}

expected<void> QtManager::report_reload(const std::string& plugin_id, std::uint64_t generation,
    Outcome outcome, const std::string& message)
{
    return d->manager.report_reload(plugin_id, generation, outcome, message);
}

void QtManager::disable_hot_reload(const std::string& plugin_id) { d->manager.disable_hot_reload(plugin_id); }

bool QtManager::is_hot_reload_enabled(const std::string& plugin_id) const
{
    return d->manager.is_hot_reload_enabled(plugin_id);
}

void QtManager::set_reload_callback(std::function<void(const std::string&)> callback)
{
    d->manager.set_reload_callback(std::move(callback));
}

std::vector<std::string> QtManager::get_hot_reload_plugins() const { return d->manager.get_hot_reload_plugins(); }

void QtManager::clear() { d->manager.clear(); }

void QtManager::set_global_hot_reload_enabled(bool enabled) { d->manager.set_global_hot_reload_enabled(enabled); }

bool QtManager::is_global_hot_reload_enabled() const { return d->manager.is_global_hot_reload_enabled(); }

expected<void> QtManager::set_plugin_paused(const std::string& plugin_id, bool paused)
{
    return d->manager.set_plugin_paused(plugin_id, paused);
}

bool QtManager::is_plugin_paused(const std::string& plugin_id) const { return d->manager.is_plugin_paused(plugin_id); }

expected<void> QtManager::check_now(const std::optional<std::string>& plugin_id) { return d->manager.check_now(plugin_id); }

expected<PluginStatus> QtManager::plugin_status(const std::string& plugin_id) const { return d->manager.plugin_status(plugin_id); }

expected<std::vector<PastDecision>> QtManager::plugin_decisions(const std::string& plugin_id) const { return d->manager.plugin_decisions(plugin_id); }

expected<std::string> QtManager::explain(const std::string& plugin_id) const { return d->manager.explain(plugin_id); }

expected<void> QtManager::enable_folder(const std::string& folder_id, const std::filesystem::path& directory,
    const FolderOptions& options)
{
    return d->manager.enable_folder(folder_id, directory, options);
}

bool QtManager::disable_folder(const std::string& folder_id) { return d->manager.disable_folder(folder_id); }

std::vector<std::string> QtManager::get_folders() const { return d->manager.get_folders(); }

expected<void> QtManager::set_folder_paused(const std::string& folder_id, bool paused)
{
    return d->manager.set_folder_paused(folder_id, paused);
}

bool QtManager::is_folder_paused(const std::string& folder_id) const { return d->manager.is_folder_paused(folder_id); }

expected<std::string> QtManager::metrics() const { return d->manager.metrics(); }

expected<void> QtManager::set_log_level(std::optional<LogLevel> level) { return d->manager.set_log_level(level); }

}  // namespace hotreload
