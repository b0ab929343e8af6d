// SPDX-License-Identifier: MIT
// DevelopmentEnvironment as the reference has it, to the letter. It presupposes `using namespace qtplugin`.
#pragma once

namespace qtplugin {}
using namespace qtplugin;

// clang-format off
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>
#include <qtplugin/core/plugin_manager.hpp>

class DevelopmentEnvironment {
private:
    std::shared_ptr<PluginManager> m_plugin_manager;
    std::shared_ptr<PluginHotReloadManager> m_hot_reload;

public:
    bool initialize() {
        m_plugin_manager = PluginManager::create();
        m_hot_reload = PluginHotReloadManager::create();

        // Set up automatic reload handling
        m_hot_reload->set_reload_callback([this](const std::string& plugin_id) {
            handle_plugin_reload(plugin_id);
        });

        // Connect to signals for logging
        connect(m_hot_reload.get(), &PluginHotReloadManager::plugin_file_changed,
                this, &DevelopmentEnvironment::on_plugin_file_changed);

        return true;
    }

    bool enable_development_mode(const QString& plugin_id, const QString& plugin_path) {
        // Enable hot reload for development
        auto result = m_hot_reload->enable_hot_reload(
            plugin_id.toStdString(),
            plugin_path.toStdString()
        );

        if (result) {
            qDebug() << "Development mode enabled for" << plugin_id;
            return true;
        } else {
            qDebug() << "Failed to enable development mode:" << result.error().message();
            return false;
        }
    }

private:
    void handle_plugin_reload(const std::string& plugin_id) {
        qDebug() << "Reloading plugin:" << QString::fromStdString(plugin_id);

        // Unload current plugin
        auto unload_result = m_plugin_manager->unload_plugin(plugin_id);
        if (!unload_result) {
            qWarning() << "Failed to unload plugin:" << unload_result.error().message();
            return;
        }

        // Small delay to ensure file operations complete
        QThread::msleep(100);

        // Reload plugin
        auto load_result = m_plugin_manager->load_plugin(plugin_id);
        if (load_result) {
            qDebug() << "Plugin reloaded successfully:" << QString::fromStdString(plugin_id);
        } else {
            qWarning() << "Failed to reload plugin:" << load_result.error().message();
        }
    }

private slots:
    void on_plugin_file_changed(const QString& plugin_id, const QString& file_path) {
        qDebug() << "Plugin file changed:" << plugin_id << "at" << file_path;
        // Additional logging or notification logic
    }
};
