// SPDX-License-Identifier: MIT
// The production example of the reference, to the letter, with what it leaves out before it: that it compiles, and that
// it sets up. (The development example is used as it stands by development/, the Quick Start by the tests of the class.)
#include <QCoreApplication>

#include <qtplugin/core/plugin_manager.hpp>
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>
#include <qtplugin/security/security_manager.hpp>

using namespace qtplugin;

static std::filesystem::path get_plugin_path(const std::string& plugin_id) { return plugin_id; }

// ---- begin
class ProductionHotReload {
private:
    std::shared_ptr<PluginHotReloadManager> m_hot_reload;
    std::shared_ptr<SecurityManager> m_security;

public:
    bool setup_production_reload() {
        m_hot_reload = PluginHotReloadManager::create();

        // Set up validated reload callback
        m_hot_reload->set_reload_callback([this](const std::string& plugin_id) {
            handle_validated_reload(plugin_id);
        });

        return true;
    }

private:
    void handle_validated_reload(const std::string& plugin_id) {
        // Validate plugin before reloading
        auto plugin_path = get_plugin_path(plugin_id);

        // Security validation
        auto validation_result = m_security->validate_plugin(plugin_path);
        if (!validation_result || !validation_result.value().is_valid) {
            qWarning() << "Plugin validation failed, skipping reload:"
                       << QString::fromStdString(plugin_id);
            return;
        }

        // Proceed with reload
        perform_safe_reload(plugin_id);
    }

    void perform_safe_reload(const std::string& plugin_id) {
        // Implementation of safe reload with rollback capability
        // Save current state, attempt reload, rollback on failure
    }
};
// ---- end

/** The callback that the reference shows beside set_reload_callback(). */
class Callback {
public:
    Callback()
    {
        // ---- begin
hot_reload->set_reload_callback([this](const std::string& plugin_id) {
    // Custom reload logic
    auto plugin = plugin_manager->get_plugin(plugin_id);
    if (plugin) {
        plugin_manager->unload_plugin(plugin_id);
        plugin_manager->load_plugin(plugin_id);
    }
});
        // ---- end
    }

    std::shared_ptr<PluginHotReloadManager> hot_reload = PluginHotReloadManager::create();
    std::shared_ptr<PluginManager> plugin_manager = PluginManager::create();
};

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    const Callback callback;
    ProductionHotReload production;
    return production.setup_production_reload() && callback.hot_reload->is_valid() ? 0 : 1;
}
