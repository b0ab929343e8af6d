/**
 * @file qt_manager.hpp
 * @brief hotreload::QtManager: hotreload::Manager on the thread of a QObject, with signals.
 *
 * qtplugin::PluginHotReloadManager is the class of the reference. This one has no name of qtplugin:: in it; it is what the
 * adapter for QtForge (qtforge.hpp) is made of.
 */
#pragma once

#include <qtplugin/hotreload/qt_requirements.hpp>
#if defined(HOTRELOAD_REQUIREMENTS_MET)

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <QtCore/QObject>
#include <QtCore/QString>

#include <qtplugin/hotreload/error.hpp>
#include <qtplugin/hotreload/expected.hpp>
#include <qtplugin/hotreload/qt_event.hpp>
#include <qtplugin/hotreload/types.hpp>

namespace hotreload {

/**
 * @brief A manager that delivers on its thread(), from its event loop.
 *
 * Delivery, signals, threads and errors are those of qtplugin::PluginHotReloadManager, whose functions are called the same.
 *
 * @since 1.0
 */
class HOTRELOAD_QT_EXPORT QtManager : public QObject {
    Q_OBJECT
    Q_DISABLE_COPY(QtManager)

public:
    /** Does not fail: why the manager could not be made is the error of every enable_hot_reload(). */
    explicit QtManager(QObject* parent = nullptr);
    explicit QtManager(const Options& options, QObject* parent = nullptr);
    ~QtManager() override;

    /** Whether the manager could be made. */
    bool is_valid() const noexcept;
    Stats stats() const;

    expected<void> enable_hot_reload(const std::string& plugin_id, const std::filesystem::path& file_path,
                                     const EnableOptions& options = {});
    expected<void> set_validator(std::function<std::optional<std::string>(const Candidate&)> validator);
    expected<void> report_reload(const std::string& plugin_id, std::uint64_t generation, Outcome outcome,
                                 const std::string& message = {});
    void disable_hot_reload(const std::string& plugin_id);
    bool is_hot_reload_enabled(const std::string& plugin_id) const;
    void set_reload_callback(std::function<void(const std::string&)> callback);
    std::vector<std::string> get_hot_reload_plugins() const;
    void clear();
    void set_global_hot_reload_enabled(bool enabled);
    bool is_global_hot_reload_enabled() const;

Q_SIGNALS:
    void plugin_file_changed(const QString& plugin_id, const QString& file_path);
    void hot_reload_enabled(const QString& plugin_id);
    void hot_reload_disabled(const QString& plugin_id);
    void hot_reload_event(const hotreload::Event& event);

private:
    class Private;
    std::unique_ptr<Private> d;
};

}  // namespace hotreload

#endif  // HOTRELOAD_REQUIREMENTS_MET
