// ProductionHotReload of the reference, with what it leaves to a comment: a plugin is replaced only by a version that
// was validated, and stays if that does not start.
#pragma once

#include <QDebug>
#include <QFile>
#include <QTemporaryDir>

#include <memory>
#include <string>

#include <qtplugin/core/plugin_manager.hpp>
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>
#include <qtplugin/security/security_manager.hpp>

class ProductionHotReload {
public:
    ProductionHotReload(std::shared_ptr<qtplugin::PluginManager> plugins,
                        std::shared_ptr<qtplugin::SecurityManager> security)
        : m_plugins(std::move(plugins)), m_security(std::move(security))
    {
    }

    bool setup_production_reload()
    {
        m_hot_reload = qtplugin::PluginHotReloadManager::create();
        m_hot_reload->set_reload_callback(
            [this](const std::string& plugin_id) { handle_validated_reload(plugin_id); });
        return m_hot_reload->is_valid();
    }

    /** Loads the plugin, if it is valid, and keeps it up to date. */
    bool add(const std::string& plugin_id, const std::filesystem::path& file)
    {
        // Watched before it is loaded: a change in between is not missed.
        if (const auto result = m_hot_reload->enable_hot_reload(plugin_id, file); !result) {
            qWarning() << result.error().message();
            return false;
        }
        m_files[plugin_id] = file;
        handle_validated_reload(plugin_id);
        return m_plugins->get_plugin(plugin_id) != nullptr;
    }

private:
    void handle_validated_reload(const std::string& plugin_id)
    {
        // What is validated is what is loaded: a copy that nobody else can reach, not the file, which may change
        // between the two.
        const QString candidate = m_candidates.filePath(QStringLiteral("%1-candidate.so").arg(++m_candidate));
        const QString file = QFile::decodeName(m_files[plugin_id].c_str());
        if (!QFile::copy(file, candidate)) {
            qWarning() << "Cannot copy" << file << "- skipping reload:" << QString::fromStdString(plugin_id);
            return;
        }
        const std::filesystem::path path = QFile::encodeName(candidate).toStdString();

        const auto validation_result = m_security->validate_plugin(path);
        if (!validation_result)
            qWarning() << "Plugin validation failed, skipping reload:" << validation_result.error().message();
        else if (!validation_result.value().is_valid)
            qWarning() << "Plugin validation failed, skipping reload:" << QString::fromStdString(plugin_id)
                       << validation_result.value().problems;
        else
            perform_safe_reload(plugin_id, path);
        QFile::remove(candidate);
    }

    void perform_safe_reload(const std::string& plugin_id, const std::filesystem::path& candidate)
    {
        // Whoever calls the present version meanwhile goes on doing so; it is unloaded when the last has returned.
        const std::shared_ptr<qtplugin::IPlugin> present = m_plugins->get_plugin(plugin_id);
        const QByteArray state = present ? present->save_state() : QByteArray();
        // The new version starts beside the present one, which stays if that fails.
        const auto restore = [&](qtplugin::IPlugin& fresh) { return !present || fresh.restore_state(state); };
        if (const auto result = m_plugins->load_plugin(plugin_id, candidate, restore); !result) {
            qWarning() << "Rolled back:" << result.error().message();
            return;
        }
        qInfo() << "Plugin reloaded:" << QString::fromStdString(plugin_id);
    }

    std::shared_ptr<qtplugin::PluginManager> m_plugins;
    std::shared_ptr<qtplugin::SecurityManager> m_security;
    std::shared_ptr<qtplugin::PluginHotReloadManager> m_hot_reload;
    std::map<std::string, std::filesystem::path> m_files;
    QTemporaryDir m_candidates;
    int m_candidate = 0;
};
