// SPDX-License-Identifier: MIT
// Stands for QtForge's header of this name in the tests.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <QtCore/QObject>
#include <QtCore/QString>

#include <qtplugin/utils/error_handling.hpp>

namespace qtplugin {

class IPluginHotReloadManager {
public:
    virtual ~IPluginHotReloadManager() = default;
    virtual qtplugin::expected<void, PluginError> enable_hot_reload(const std::string& plugin_id,
                                                                    const std::filesystem::path& file_path) = 0;
    virtual void disable_hot_reload(const std::string& plugin_id) = 0;
    virtual bool is_hot_reload_enabled(const std::string& plugin_id) const = 0;
    virtual void set_reload_callback(std::function<void(const std::string&)> callback) = 0;
    virtual std::vector<std::string> get_hot_reload_plugins() const = 0;
    virtual void clear() = 0;
    virtual void set_global_hot_reload_enabled(bool enabled) = 0;
    virtual bool is_global_hot_reload_enabled() const = 0;
};

/** Watches nothing: it remembers what is enabled. */
class PluginHotReloadManager : public QObject, public IPluginHotReloadManager {
    Q_OBJECT

public:
    explicit PluginHotReloadManager(QObject* parent = nullptr);
    ~PluginHotReloadManager() override;
    static std::shared_ptr<PluginHotReloadManager> create();

    qtplugin::expected<void, PluginError> enable_hot_reload(const std::string& plugin_id,
                                                            const std::filesystem::path& file_path) override;
    void disable_hot_reload(const std::string& plugin_id) override;
    bool is_hot_reload_enabled(const std::string& plugin_id) const override;
    void set_reload_callback(std::function<void(const std::string&)> callback) override;
    std::vector<std::string> get_hot_reload_plugins() const override;
    void clear() override;
    void set_global_hot_reload_enabled(bool enabled) override;
    bool is_global_hot_reload_enabled() const override;

Q_SIGNALS:
    void plugin_file_changed(const QString& plugin_id, const QString& file_path);
    void hot_reload_enabled(const QString& plugin_id);
    void hot_reload_disabled(const QString& plugin_id);

private:
    std::vector<std::string> m_ids;
    std::function<void(const std::string&)> m_callback;
    bool m_global = true;
    char m_padding[64] = "stand-in";
};

}  // namespace qtplugin
