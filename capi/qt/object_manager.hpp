// SPDX-License-Identifier: MIT
// What the Qt classes are made of: a manager whose signals and callback run on the thread of a QObject.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <optional>
#include <string>
#include <vector>

#include <QtCore/QObject>
#include <QtCore/QString>

#include <hot_reload_manager.h>

#include <qtplugin/hotreload.hpp>

namespace hotreload {
namespace detail {

/** How the object emits its signals. Each is called on the object's thread, while the object lives. */
struct Emitters {
    std::function<void(const Event&)> event;  // may be empty
    std::function<void(const QString& plugin_id, const QString& file_path)> changed;
    std::function<void(const QString& plugin_id)> enabled;
    std::function<void(const QString& plugin_id)> disabled;
    std::function<void(const QString& plugin_id, const QString& file_path, const QString& folder_id)> discovered;  // may be empty
};

/** The three signals of the reference, which every one of the classes has. */
template <class Object>
Emitters emitters_of(Object* object)
{
    Emitters emitters;
    emitters.changed = [object](const QString& id, const QString& path) { Q_EMIT object->plugin_file_changed(id, path); };
    emitters.enabled = [object](const QString& id) { Q_EMIT object->hot_reload_enabled(id); };
    emitters.disabled = [object](const QString& id) { Q_EMIT object->hot_reload_disabled(id); };
    return emitters;
}

/** A member of the object, which is the last that is constructed. Its functions are those of the reference. */
class ObjectManager {
public:
    ObjectManager(QObject* object, const Options& options, Emitters emitters);
    /** @p manager has Delivery::manual. */
    ObjectManager(QObject* object, expected<Manager> manager, Emitters emitters);
    ~ObjectManager();
    ObjectManager(const ObjectManager&) = delete;
    ObjectManager& operator=(const ObjectManager&) = delete;

    bool is_valid() const noexcept { return m_manager.has_value(); }
    Stats stats() const { return m_manager ? m_manager->stats() : Stats(); }
    expected<void> enable_hot_reload(const std::string& plugin_id, const std::filesystem::path& file_path,
                                     const EnableOptions& options);
    expected<void> set_validator(Manager::Validator validator);
    expected<void> report_reload(const std::string& plugin_id, std::uint64_t generation, Outcome outcome,
                                 const std::string& message);
    expected<void> set_plugin_paused(const std::string& plugin_id, bool paused);
    bool is_plugin_paused(const std::string& plugin_id) const { return m_manager && m_manager->is_plugin_paused(plugin_id); }
    expected<void> check_now(const std::optional<std::string>& plugin_id);
    expected<PluginStatus> plugin_status(const std::string& plugin_id) const;
    expected<std::vector<PastDecision>> plugin_decisions(const std::string& plugin_id) const;
    expected<std::string> explain(const std::string& plugin_id) const;
    expected<std::string> metrics() const;
    expected<void> enable_folder(const std::string& folder_id, const std::filesystem::path& directory,
                                 const FolderOptions& options);
    bool disable_folder(const std::string& folder_id) { return m_manager && m_manager->disable_folder(folder_id); }
    std::vector<std::string> get_folders() const
    {
        return m_manager ? m_manager->get_folders() : std::vector<std::string>();
    }
    expected<void> set_folder_paused(const std::string& folder_id, bool paused);
    bool is_folder_paused(const std::string& folder_id) const { return m_manager && m_manager->is_folder_paused(folder_id); }
    expected<void> set_log_level(std::optional<LogLevel> level);
    void disable_hot_reload(const std::string& plugin_id);
    /** Emits hot_reload_enabled or _disabled, which the object's host has brought about in another way. */
    void announce(const std::string& plugin_id, bool enabled) { announce(LinkPtr(m_link), plugin_id, enabled); }
    /**
     * Waits for something to be delivered, and delivers it, on the object's thread. It may delete the object.
     * @returns false where something is being delivered already: it would wait for itself
     */
    bool dispatch_one(int timeout_ms) { return dispatch_one(LinkPtr(m_link), timeout_ms) >= 0; }
    bool is_hot_reload_enabled(const std::string& plugin_id) const
    {
        return m_manager && m_manager->is_hot_reload_enabled(plugin_id);
    }
    void set_reload_callback(std::function<void(const std::string&)> callback);
    std::vector<std::string> get_hot_reload_plugins() const
    {
        return m_manager ? m_manager->get_hot_reload_plugins() : std::vector<std::string>();
    }
    void clear();
    void set_global_hot_reload_enabled(bool enabled)
    {
        if (m_manager)
            m_manager->set_global_hot_reload_enabled(enabled);
    }
    bool is_global_hot_reload_enabled() const { return m_manager && m_manager->is_global_hot_reload_enabled(); }

private:
    using Callback = std::function<void(const std::string&)>;

    /**
     * What the C library's callbacks know of the object. It is shared with the library, which may still call while the
     * object is being destroyed, and with delivery, whose callbacks may delete the object.
     */
    struct Link {
        std::mutex mutex;
        QObject* object = nullptr;     // null once it is being destroyed
        hrm_manager* manager = nullptr;  // a key: harmless after its destruction
        Emitters emitters;
        std::shared_ptr<const Callback> callback;
        bool posted = false;       // a turn is in the event queue
        bool dispatching = false;  // a turn is under way

        /**
         * Which of hot_reload_enabled and hot_reload_disabled was emitted last for a plugin. They take turns, and so do the
         * library's events. Calls on the object's thread emit at once, ahead of the event, which is then skipped.
         *
         * Not every event comes: the library drops a pair of enabled and disabled that both wait, when the plugin is enabled
         * again or too many such pairs wait. So before an enabling that waits at most one event of its plugin waits: the
         * disabled of an enabling whose event was delivered. What is left of a dropped pair is settled when nothing waits.
         */
        struct Announced {
            bool enabled = false;
            unsigned ahead = 0;  // the next events to be skipped, at most 3

            /** Whether the last event was enabled. */
            bool heard() const { return enabled == (ahead % 2 == 0); }
        };
        std::map<std::string, Announced> announced;
        std::set<std::string> unsettled;  // announced ahead, since something waited last
    };
    using LinkPtr = std::shared_ptr<Link>;

    static void announce(const LinkPtr& link, const std::string& plugin_id, bool enabled);
    static void post(const LinkPtr& link);
    static void turn(const LinkPtr& link);
    static std::int32_t dispatch_one(const LinkPtr& link, int timeout_ms);
    static void settle(const LinkPtr& link);
    static void deliver(const LinkPtr& link, const Event& event);
    static void announce_event(const LinkPtr& link, const std::string& plugin_id, bool enabled);
    static void emit_signal(const LinkPtr& link, const char* name, const std::string& plugin_id,
                            const std::function<void()>& emit);
    static void emit_announcement(const LinkPtr& link, const std::string& plugin_id, bool enabled);

    // Destroyed last: its destruction waits for a running callback.
    expected<Manager> m_manager;
    const LinkPtr m_link = std::make_shared<Link>();
};

}  // namespace detail
}  // namespace hotreload
