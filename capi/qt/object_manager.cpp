// SPDX-License-Identifier: MIT
#include "object_manager.hpp"

#include <utility>

#include <QtCore/QFile>
#include <QtCore/QMetaObject>
#include <QtCore/QThread>

#include "guarded.hpp"
#include "printable.hpp"

namespace hotreload {

// error.hpp does not include the C header; here both are at hand.
static_assert(error_code_of(HRM_OK) == ErrorCode::Success);
static_assert(error_code_of(HRM_ERR_FILE_NOT_FOUND) == ErrorCode::FileNotFound);
static_assert(error_code_of(HRM_ERR_INVALID_PATH) == ErrorCode::InvalidPath);
static_assert(error_code_of(HRM_ERR_ALREADY_EXISTS) == ErrorCode::AlreadyExists);
static_assert(error_code_of(HRM_ERR_PERMISSION_DENIED) == ErrorCode::PermissionDenied);
static_assert(error_code_of(HRM_ERR_INVALID_ARGUMENT) == ErrorCode::InvalidParameters);
static_assert(error_code_of(HRM_ERR_INVALID_HANDLE) == ErrorCode::InvalidState);
static_assert(error_code_of(HRM_ERR_BUFFER_TOO_SMALL) == ErrorCode::SystemError);
static_assert(error_code_of(HRM_ERR_NOT_SUPPORTED) == ErrorCode::NotSupported);
static_assert(error_code_of(HRM_ERR_FORKED) == ErrorCode::InvalidState);
static_assert(error_code_of(HRM_ERR_PANIC) == ErrorCode::InvalidState);
static_assert(error_code_of(HRM_ERR_IO) == ErrorCode::SystemError);
static_assert(error_code_of(HRM_ERR_NO_MEMORY) == ErrorCode::ResourceUnavailable);

namespace detail {

Q_LOGGING_CATEGORY(qt_log, "qtplugin.hotreload", QtInfoMsg)  // debug messages are many: who wants them asks for them

namespace {

QString path_of(const Event& event)
{
#if defined(_WIN32)
    return QString::fromStdWString(event.path.native());
#else
    return QFile::decodeName(event.path.c_str());
#endif
}

}  // namespace

ObjectManager::ObjectManager(QObject* object, const Options& options, Emitters emitters)
    : ObjectManager(object, Manager::create(options, Delivery::manual), std::move(emitters))
{
}

ObjectManager::ObjectManager(QObject* object, expected<Manager> manager, Emitters emitters) : m_manager(std::move(manager))
{
    m_link->object = object;
    m_link->emitters = std::move(emitters);
    if (m_manager) {
        m_link->manager = m_manager->native_handle();
        const auto done = m_manager->set_event_callback([l = m_link](const Event& event) { deliver(l, event); })
                              .and_then([this] { return m_manager->set_wakeup_callback([l = m_link] { post(l); }); });
        if (!done)
            m_manager = unexpected(done.error());
    }
    if (m_manager && qt_log().isDebugEnabled())
        static_cast<void>(set_log_level(LogLevel::debug));  // a manager that was just made takes it
    if (!m_manager)
        qCWarning(qt_log, "cannot create the hot reload manager: %s", m_manager.error().message().c_str());
}

ObjectManager::~ObjectManager()
{
    std::shared_ptr<const Callback> former;  // destroyed without the lock: its captures may call us
    const std::lock_guard<std::mutex> lock(m_link->mutex);
    m_link->object = nullptr;
    former.swap(m_link->callback);
}

/** Puts a turn into the event queue of the object's thread. Called on any thread. */
void ObjectManager::post(const LinkPtr& link)
{
    // The lock keeps the object alive meanwhile; nothing runs under it but posting.
    const std::lock_guard<std::mutex> lock(link->mutex);
    if (link->object == nullptr || link->posted)
        return;
    link->posted = true;
    QMetaObject::invokeMethod(link->object, [link] { turn(link); }, Qt::QueuedConnection);
}

/** Delivers one event. Runs on the object's thread. */
void ObjectManager::turn(const LinkPtr& link)
{
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        link->posted = false;
    }
    // Inside a nested event loop, or on the thread the object was moved to meanwhile: the turn that is under way
    // delivers something, and so is followed by another.
    const std::int32_t delivered = dispatch_one(link, 0);
    if (delivered > 0)
        post(link);
    if (delivered == 0)
        settle(link);
}

/** Returns how many events were delivered; less than 0 where that is under way already. */
std::int32_t ObjectManager::dispatch_one(const LinkPtr& link, int timeout_ms)
{
    hrm_manager* manager = nullptr;
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        if (link->dispatching || link->manager == nullptr)
            return -1;
        manager = link->manager;
        link->dispatching = true;
    }
    const std::int32_t delivered = hrm_dispatch(manager, 1, timeout_ms, nullptr);
    const std::lock_guard<std::mutex> lock(link->mutex);
    link->dispatching = false;
    return delivered;
}

/** Nothing waits: events of what was announced that did not come never will. Runs on the object's thread. */
void ObjectManager::settle(const LinkPtr& link)
{
    std::set<std::string> unsettled;
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        unsettled.swap(link->unsettled);
    }
    for (const std::string& plugin_id : unsettled) {
        const bool is_enabled = hrm_is_hot_reload_enabled(link->manager, plugin_id.c_str()) == 1;
        {
            const std::lock_guard<std::mutex> lock(link->mutex);
            const auto found = link->announced.find(plugin_id);
            if (found == link->announced.end() || found->second.ahead == 0)
                continue;
            const bool announced = found->second.enabled;
            if (announced && is_enabled)
                link->unsettled.insert(plugin_id);  // another thread enabled it again just now
            else
                link->announced.erase(found);
            if (!announced || is_enabled)
                continue;
        }
        emit_announcement(link, plugin_id, false);
    }
}

/** The one place from which the object emits: @p emit calls one of the emitters. */
void ObjectManager::emit_signal(const LinkPtr& link, const char* name, const std::string& plugin_id,
                                const std::function<void()>& emit)
{
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        if (link->object == nullptr)
            return;
    }
    guarded(name, plugin_id.c_str(), emit);
}

void ObjectManager::emit_announcement(const LinkPtr& link, const std::string& plugin_id, bool enabled)
{
    emit_signal(link, enabled ? "a slot of hot_reload_enabled" : "a slot of hot_reload_disabled", plugin_id, [&] {
        (enabled ? link->emitters.enabled : link->emitters.disabled)(QString::fromStdString(plugin_id));
    });
}

/**
 * Announces what a call on this thread has done: emits hot_reload_enabled or _disabled now if this is the object's
 * thread; else the library's event does. A slot may delete the object.
 */
void ObjectManager::announce(const LinkPtr& link, const std::string& plugin_id, bool enabled)
{
    bool between = false;
    const QThread* const here = QThread::currentThread();  // allocates at a thread's first call
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        if (link->object == nullptr || link->object->thread() != here)
            return;
        Link::Announced& announced = link->announced[plugin_id];
        // Another thread did the opposite before, whose event is still to come.
        between = announced.enabled == enabled;
        const unsigned to_enabled = announced.heard() ? 2 : 1;  // the events up to that of the last enabling
        if (enabled)
            announced.ahead = to_enabled;
        else
            announced.ahead = (between ? to_enabled : announced.ahead) + 1;
        announced.enabled = enabled;
        link->unsettled.insert(plugin_id);
    }
    if (between)
        emit_announcement(link, plugin_id, !enabled);
    emit_announcement(link, plugin_id, enabled);
}

/** The library's event of what announce() may have announced already. */
void ObjectManager::announce_event(const LinkPtr& link, const std::string& plugin_id, bool enabled)
{
    const bool is_enabled = hrm_is_hot_reload_enabled(link->manager, plugin_id.c_str()) == 1;
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        Link::Announced& announced = link->announced[plugin_id];
        bool skip = announced.ahead > 0;
        if (skip)
            --announced.ahead;
        if (skip && enabled && !announced.enabled && is_enabled) {
            // Another thread enabled the plugin, and the library has dropped the pair that was announced.
            skip = false;
            announced.ahead = 0;
        }
        if (!skip)
            announced.enabled = enabled;
        if (!announced.enabled && announced.ahead == 0)
            link->announced.erase(plugin_id);
        if (skip)
            return;
    }
    emit_announcement(link, plugin_id, enabled);
}

void ObjectManager::deliver(const LinkPtr& link, const Event& event)
{
    using Kind = EventKind;
    if (event.kind == Kind::enabled || event.kind == Kind::disabled) {
        announce_event(link, event.plugin_id, event.kind == Kind::enabled);
        return;
    }
    if (event.kind == Kind::health)
        guarded("logging an event", event.plugin_id.c_str(), [&] {
            qCInfo(qt_log, "%s: %s", printable(path_of(event).toUtf8().constData()).data(), event.message.c_str());
        });
    // A slot may delete the object, or disable the plugin.
    const auto goes_on = [&] {
        {
            const std::lock_guard<std::mutex> lock(link->mutex);
            if (link->object == nullptr)
                return false;
        }
        return hrm_is_hot_reload_enabled(link->manager, event.plugin_id.c_str()) == 1;
    };
    if (event.kind == Kind::discovered) {
        announce_event(link, event.plugin_id, true);
        if (!goes_on())
            return;
    }
    if (link->emitters.event)
        emit_signal(link, "a slot of hot_reload_event", event.plugin_id, [&] { link->emitters.event(event); });
    if (event.kind == Kind::discovered && link->emitters.discovered && goes_on())
        emit_signal(link, "a slot of plugin_discovered", event.plugin_id, [&] {
            link->emitters.discovered(QString::fromStdString(event.plugin_id), path_of(event),
                                      QString::fromStdString(event.folder_id));
        });
    if (event.kind != Kind::file_changed || !goes_on())
        return;
    emit_signal(link, "a slot of plugin_file_changed", event.plugin_id,
                [&] { link->emitters.changed(QString::fromStdString(event.plugin_id), path_of(event)); });
    if (!goes_on())
        return;
    std::shared_ptr<const Callback> callback;
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        callback = link->callback;
    }
    if (callback != nullptr)
        guarded("the reload callback", event.plugin_id.c_str(), [&] { (*callback)(event.plugin_id); });
}

expected<void> ObjectManager::enable_hot_reload(const std::string& plugin_id, const std::filesystem::path& file_path,
                                                const EnableOptions& options)
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    auto result = m_manager->enable_hot_reload(plugin_id, file_path, options);
    if (result)
        announce(LinkPtr(m_link), plugin_id, true);
    return result;
}

expected<void> ObjectManager::set_validator(Manager::Validator validator)
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return m_manager->set_validator(std::move(validator));
}

expected<void> ObjectManager::report_reload(const std::string& plugin_id, std::uint64_t generation, Outcome outcome,
                                            const std::string& message)
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return m_manager->report_reload(plugin_id, generation, outcome, message);
}

expected<void> ObjectManager::set_plugin_paused(const std::string& plugin_id, bool paused)
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return m_manager->set_plugin_paused(plugin_id, paused);
}

expected<void> ObjectManager::check_now(const std::optional<std::string>& plugin_id)
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return plugin_id ? m_manager->check_now(*plugin_id) : m_manager->check_now();
}

expected<PluginStatus> ObjectManager::plugin_status(const std::string& plugin_id) const
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return m_manager->plugin_status(plugin_id);
}

expected<std::vector<PastDecision>> ObjectManager::plugin_decisions(const std::string& plugin_id) const
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return m_manager->plugin_decisions(plugin_id);
}

expected<std::string> ObjectManager::explain(const std::string& plugin_id) const
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return m_manager->explain(plugin_id);
}

expected<std::string> ObjectManager::metrics() const
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return m_manager->metrics();
}

expected<void> ObjectManager::enable_folder(const std::string& folder_id, const std::filesystem::path& directory,
                                            const FolderOptions& options)
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    if (!options.id)
        return m_manager->enable_folder(folder_id, directory, options);
    FolderOptions logging = options;
    logging.id = [id = options.id](const std::string& path) {
        std::optional<std::string> name;
        guarded("the id function of a folder", path.c_str(), [&] { name = id(path); });
        return name;
    };
    return m_manager->enable_folder(folder_id, directory, logging);
}

expected<void> ObjectManager::set_folder_paused(const std::string& folder_id, bool paused)
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return m_manager->set_folder_paused(folder_id, paused);
}

/** Runs on a thread of the library. */
static void log_line(const LogRecord& record)
{
    const char* const between = record.plugin_id.empty() ? "" : ": ";
    switch (record.level) {
    case LogLevel::error:
        qCCritical(qt_log, "%s%s%s", record.plugin_id.c_str(), between, record.message.c_str());
        break;
    case LogLevel::warning:
        qCWarning(qt_log, "%s%s%s", record.plugin_id.c_str(), between, record.message.c_str());
        break;
    case LogLevel::info:
        qCInfo(qt_log, "%s%s%s", record.plugin_id.c_str(), between, record.message.c_str());
        break;
    default:
        qCDebug(qt_log, "%s%s%s", record.plugin_id.c_str(), between, record.message.c_str());
    }
}

expected<void> ObjectManager::set_log_level(std::optional<LogLevel> level)
{
    if (!m_manager)
        return make_unexpected(m_manager.error());
    return m_manager->set_log_callback(level.value_or(LogLevel::error), level ? Manager::LogCallback(log_line) : nullptr);
}

void ObjectManager::disable_hot_reload(const std::string& plugin_id)
{
    if (m_manager && m_manager->disable_hot_reload(plugin_id))
        announce(LinkPtr(m_link), plugin_id, false);
}

void ObjectManager::set_reload_callback(std::function<void(const std::string&)> callback)
{
    auto shared = callback ? std::make_shared<const Callback>(std::move(callback)) : nullptr;
    // The former one is destroyed after the lock is released: its captures may call us.
    const std::lock_guard<std::mutex> lock(m_link->mutex);
    m_link->callback.swap(shared);
}

void ObjectManager::clear()
{
    // One by one, so that each signal stands for a plugin that this call disabled, whatever other threads do.
    std::vector<std::string> disabled;
    for (std::string& id : get_hot_reload_plugins())
        if (m_manager->disable_hot_reload(id))
            disabled.push_back(std::move(id));
    for (const std::string& folder : get_folders())
        m_manager->disable_folder(folder);  // what it has found since is announced by its event
    const LinkPtr link = m_link;  // a slot may delete this
    for (const std::string& id : disabled)
        announce(link, id, false);
}

}  // namespace detail
}  // namespace hotreload
