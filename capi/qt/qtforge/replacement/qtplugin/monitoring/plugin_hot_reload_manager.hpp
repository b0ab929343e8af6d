// SPDX-License-Identifier: MIT
/**
 * @file plugin_hot_reload_manager.hpp
 * @brief QtForge's hot reload manager, made of libhotreload. For QtForge's own build, in the place of its file of this name.
 *
 * Everything else, expected and PluginError above all, is QtForge's. docs/qtforge.md says how to build with it.
 *
 * @since 1.0
 */
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <QtCore/QObject>
#include <QtCore/QString>

#include <qtplugin/utils/error_handling.hpp>  // QtForge's

#include <qtplugin/hotreload/qt_requirements.hpp>
#include <qtplugin/hotreload/types.hpp>

namespace qtplugin {

/** Interface of hot reload managers. */
class IPluginHotReloadManager {
public:
    virtual ~IPluginHotReloadManager() = default;
    /**
     * Starts to watch a plugin's file. The present version counts as known.
     *
     * Errors: FileNotFound, AlreadyExists, PermissionDenied, InvalidParameters (a bad id; a path that is empty, too long,
     * has a NUL byte or is no regular file), ResourceUnavailable, SystemError, InvalidState.
     */
    virtual qtplugin::expected<void, PluginError> enable_hot_reload(const std::string& plugin_id,
                                                                    const std::filesystem::path& file_path) = 0;
    /** Ends the watching of @p plugin_id and drops what is pending for it; an unknown id is ignored. */
    virtual void disable_hot_reload(const std::string& plugin_id) = 0;
    virtual bool is_hot_reload_enabled(const std::string& plugin_id) const = 0;
    /** Sets the function that is called when a plugin needs reloading; an empty one removes it. */
    virtual void set_reload_callback(std::function<void(const std::string&)> callback) = 0;
    /** The enabled ids, in the order of enabling. */
    virtual std::vector<std::string> get_hot_reload_plugins() const = 0;
    /** Disables every plugin. */
    virtual void clear() = 0;
    /** Pauses or resumes delivery; after resuming, each plugin that changed meanwhile is delivered once. */
    virtual void set_global_hot_reload_enabled(bool enabled) = 0;
    virtual bool is_global_hot_reload_enabled() const = 0;
};

/**
 * @brief Delivers each complete change of a plugin's file exactly once.
 *
 * Delivers on this object's thread(), from its event loop: first by plugin_file_changed, then by the reload callback. All
 * functions are thread-safe; in slots and in the callback every function may be called, and the object may be deleted.
 */
class HOTRELOAD_QT_EXPORT PluginHotReloadManager : public QObject, public IPluginHotReloadManager {
    Q_OBJECT
    Q_DISABLE_COPY(PluginHotReloadManager)

public:
    /** Does not fail: why the manager could not be made is the error of every enable_hot_reload(). */
    explicit PluginHotReloadManager(QObject* parent = nullptr);
    explicit PluginHotReloadManager(const hotreload::Options& options, QObject* parent = nullptr);
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
    class Private;
    std::unique_ptr<Private> d;
};

}  // namespace qtplugin
