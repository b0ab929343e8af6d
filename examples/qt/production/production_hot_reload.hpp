// SPDX-License-Identifier: MIT
// ProductionHotReload of the reference, with what it leaves to a comment: a plugin is replaced only by a version that
// was validated and starts, and what does not hold is rolled back.
//
// The library does most of it (docs/safe-reload.md): what is validated is a private snapshot of the file, and this
// snapshot is what qtplugin::PluginHost loads.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <qtplugin/core/plugin.hpp>
#include <qtplugin/monitoring/plugin_host.hpp>
#include <qtplugin/security/security_manager.hpp>

class ProductionHotReload {
public:
    explicit ProductionHotReload(std::shared_ptr<qtplugin::SecurityManager> security) : m_security(std::move(security))
    {
    }

    /** @p safe: what the library itself is to check of every version. */
    qtplugin::expected<void, qtplugin::PluginError> setup_production_reload(const hotreload::SafeOptions& safe)
    {
        hotreload::Options options;
        options.safe = safe;
        m_plugins = std::make_unique<qtplugin::PluginHost>(options);
        // Set up validation before reload: it runs on a thread of the library that is there for it alone.
        return m_plugins->manager().set_validator(
            [security = m_security](const hotreload::Candidate& candidate) { return validate(*security, candidate); });
    }

    /** For its signals, and for the plugins. After setup_production_reload(). */
    qtplugin::PluginHost& plugins() const { return *m_plugins; }

    /**
     * Loads the plugin, if it is valid, and keeps it up to date, in the order that @p reload says. The host saves the state,
     * exchanges the versions and undoes that when a step fails; the outcome comes as a signal of plugins().
     */
    qtplugin::expected<void, qtplugin::PluginError> add(const std::string& plugin_id, const std::filesystem::path& file,
                                                        const qtplugin::ReloadOptions& reload = {})
    {
        return m_plugins->open(plugin_id, file, {}, reload);
    }

    /** The present version started, and turns out bad all the same. */
    qtplugin::expected<void, qtplugin::PluginError> roll_back(const std::string& plugin_id, const std::string& why)
    {
        return m_plugins->fail(plugin_id, why);
    }

private:
    /** Why the candidate is refused, if it is. */
    static std::optional<std::string> validate(const qtplugin::SecurityManager& security,
                                               const hotreload::Candidate& candidate)
    {
        auto result = security.validate_plugin(candidate.snapshot_path);
        if (result && result.value().is_valid)
            result = security.try_plugin(candidate.snapshot_path, std::chrono::seconds(5));
        if (!result)
            return result.error().message();
        if (!result.value().is_valid)
            return result.value().problems.join(QStringLiteral("; ")).toStdString();
        return std::nullopt;
    }

    std::shared_ptr<qtplugin::SecurityManager> m_security;
    std::unique_ptr<qtplugin::PluginHost> m_plugins;
};
