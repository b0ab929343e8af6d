#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include <map>
#include <mutex>
#include <tuple>

#include <QtCore/QFile>
#include <QtCore/QMetaObject>
#include <QtCore/QThread>

#include <hot_reload_manager.h>

#include <qtplugin/hotreload.hpp>

#include "guarded.hpp"

namespace hotreload {
namespace detail {

Q_LOGGING_CATEGORY(qt_log, "qtplugin.hotreload")

}  // namespace detail

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

}  // namespace hotreload

namespace qtplugin {
inline namespace hotreload_1 {

using hotreload::detail::guarded;
using hotreload::detail::printable;
using hotreload::detail::qt_log;

namespace {

using Callback = std::function<void(const std::string&)>;

QString path_of(const hotreload::Event& event)
{
#if defined(_WIN32)
    return QString::fromStdWString(event.path.native());
#else
    return QFile::decodeName(event.path.c_str());
#endif
}

}  // namespace

/**
 * What the C library's callbacks know of the object. It is shared with the library, which may still call while the
 * object is being destroyed, and with delivery, whose callbacks may delete the object.
 */
class PluginHotReloadManager::Private {
public:
    struct Link {
        std::mutex mutex;
        PluginHotReloadManager* object = nullptr;  // null once it is being destroyed
        hrm_manager* manager = nullptr;            // a key: harmless after its destruction
        std::shared_ptr<const Callback> callback;
        bool posted = false;       // a turn is in the event queue
        bool dispatching = false;  // a turn is under way

        /**
         * Which of hot_reload_enabled and hot_reload_disabled was emitted last for a plugin. They take turns. The library's
         * events have the order, in which they are emitted; calls on the object's thread emit theirs at once, ahead of
         * the event. Plugins that are not enabled, with no event to come, have no entry.
         */
        struct Announced {
            bool enabled = false;
            std::size_t ahead = 0;  // emitted, with the event to come
        };
        std::map<std::string, Announced> announced;
    };
    using LinkPtr = std::shared_ptr<Link>;

    Private(PluginHotReloadManager* object, const hotreload::Options& options);
    ~Private();

    /**
     * Announces what a call on this thread has done: emits hot_reload_enabled or _disabled now if this is the object's
     * thread; else the library's event does. A slot may delete the object.
     */
    static void announce(const LinkPtr& link, const std::string& plugin_id, bool enabled);

    // Destroyed last: its destruction waits for a running callback.
    hotreload::expected<hotreload::Manager> manager;
    const LinkPtr link = std::make_shared<Link>();

private:
    static void post(const LinkPtr& link);
    static void turn(const LinkPtr& link);
    static void deliver(const LinkPtr& link, const hotreload::Event& event);
    static void announce_event(const LinkPtr& link, const std::string& plugin_id, bool enabled);
    template <class Signal, class Arguments>
    static void emit_signal(const LinkPtr& link, Signal signal, const char* name, const std::string& plugin_id,
                            Arguments&& arguments);
    static void emit_announcement(const LinkPtr& link, const std::string& plugin_id, bool enabled);
};

PluginHotReloadManager::Private::Private(PluginHotReloadManager* object, const hotreload::Options& options)
    : manager(hotreload::Manager::create(options, hotreload::Delivery::manual))
{
    link->object = object;
    if (manager) {
        link->manager = manager->native_handle();
        const auto done = manager->set_event_callback([l = link](const hotreload::Event& event) { deliver(l, event); })
                              .and_then([this] { return manager->set_wakeup_callback([l = link] { post(l); }); });
        if (!done)
            manager = unexpected(done.error());
    }
    if (!manager)
        qCWarning(qt_log, "cannot create the hot reload manager: %s", manager.error().message().c_str());
}

PluginHotReloadManager::Private::~Private()
{
    std::shared_ptr<const Callback> former;  // destroyed without the lock: its captures may call us
    const std::lock_guard<std::mutex> lock(link->mutex);
    link->object = nullptr;
    former.swap(link->callback);
}

/** Puts a turn into the event queue of the object's thread. Called on any thread. */
void PluginHotReloadManager::Private::post(const LinkPtr& link)
{
    // The lock keeps the object alive meanwhile; nothing runs under it but posting.
    const std::lock_guard<std::mutex> lock(link->mutex);
    if (link->object == nullptr || link->posted)
        return;
    link->posted = true;
    QMetaObject::invokeMethod(link->object, [link] { turn(link); }, Qt::QueuedConnection);
}

/** Delivers one event. Runs on the object's thread. */
void PluginHotReloadManager::Private::turn(const LinkPtr& link)
{
    hrm_manager* manager = nullptr;
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        link->posted = false;
        // Inside a nested event loop, or on the thread the object was moved to meanwhile: the turn that is under way
        // delivers something, and so is followed by another.
        if (link->dispatching || link->manager == nullptr)
            return;
        manager = link->manager;
        link->dispatching = true;
    }
    const std::int32_t delivered = hrm_dispatch(manager, 1, 0, nullptr);
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        link->dispatching = false;
    }
    if (delivered > 0)
        post(link);
}

/** The one place from which the object emits. @p arguments makes them, as a tuple. */
template <class Signal, class Arguments>
void PluginHotReloadManager::Private::emit_signal(const LinkPtr& link, Signal signal, const char* name,
                                                  const std::string& plugin_id, Arguments&& arguments)
{
    PluginHotReloadManager* q = nullptr;
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        q = link->object;
    }
    if (q == nullptr)
        return;
    guarded(name, plugin_id.c_str(), [&] {
        std::apply([&](const auto&... values) { Q_EMIT(q->*signal)(values...); }, arguments());
    });
}

void PluginHotReloadManager::Private::emit_announcement(const LinkPtr& link, const std::string& plugin_id, bool enabled)
{
    emit_signal(link,
                enabled ? &PluginHotReloadManager::hot_reload_enabled : &PluginHotReloadManager::hot_reload_disabled,
                enabled ? "a slot of hot_reload_enabled" : "a slot of hot_reload_disabled", plugin_id,
                [&] { return std::make_tuple(QString::fromStdString(plugin_id)); });
}

void PluginHotReloadManager::Private::announce(const LinkPtr& link, const std::string& plugin_id, bool enabled)
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
        announced.enabled = enabled;
        announced.ahead += between ? 2 : 1;
    }
    if (between)
        emit_announcement(link, plugin_id, !enabled);
    emit_announcement(link, plugin_id, enabled);
}

/** The library's event of what announce() may have announced already. */
void PluginHotReloadManager::Private::announce_event(const LinkPtr& link, const std::string& plugin_id, bool enabled)
{
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        Link::Announced& announced = link->announced[plugin_id];
        const bool ahead = announced.ahead > 0;
        if (ahead)
            --announced.ahead;
        else
            announced.enabled = enabled;
        if (!announced.enabled && announced.ahead == 0)
            link->announced.erase(plugin_id);
        if (ahead)
            return;
    }
    emit_announcement(link, plugin_id, enabled);
}

void PluginHotReloadManager::Private::deliver(const LinkPtr& link, const hotreload::Event& event)
{
    using Kind = hotreload::EventKind;
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
    emit_signal(link, &PluginHotReloadManager::hot_reload_event, "a slot of hot_reload_event", event.plugin_id,
                [&] { return std::tie(event); });
    if (event.kind != Kind::file_changed || !goes_on())
        return;
    emit_signal(link, &PluginHotReloadManager::plugin_file_changed, "a slot of plugin_file_changed", event.plugin_id,
                [&] { return std::make_tuple(QString::fromStdString(event.plugin_id), path_of(event)); });
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

PluginHotReloadManager::PluginHotReloadManager(QObject* parent) : PluginHotReloadManager(hotreload::Options(), parent)
{
}

PluginHotReloadManager::PluginHotReloadManager(const hotreload::Options& options, QObject* parent)
    : QObject(parent), d(std::make_unique<Private>(this, options))
{
    // For queued connections that name the signal as a string.
    qRegisterMetaType<hotreload::Event>("hotreload::Event");
}

PluginHotReloadManager::~PluginHotReloadManager() = default;

std::shared_ptr<PluginHotReloadManager> PluginHotReloadManager::create()
{
    return std::make_shared<PluginHotReloadManager>();
}

bool PluginHotReloadManager::is_valid() const noexcept { return d->manager.has_value(); }

hotreload::Stats PluginHotReloadManager::stats() const { return d->manager ? d->manager->stats() : hotreload::Stats(); }

expected<void, PluginError> PluginHotReloadManager::enable_hot_reload(const std::string& plugin_id,
                                                                      const std::filesystem::path& file_path)
{
    return enable_hot_reload_ex(plugin_id, file_path, {});
}

expected<void, PluginError> PluginHotReloadManager::enable_hot_reload_ex(const std::string& plugin_id,
                                                                         const std::filesystem::path& file_path,
                                                                         const hotreload::EnableOptions& options)
{
    if (!d->manager)
        return make_unexpected(d->manager.error());
    auto result = d->manager->enable_hot_reload(plugin_id, file_path, options);
    if (result)
        Private::announce(Private::LinkPtr(d->link), plugin_id, true);
    return result;
}

expected<void, PluginError> PluginHotReloadManager::set_validator(
    std::function<std::optional<std::string>(const hotreload::Candidate&)> validator)
{
    if (!d->manager)
        return make_unexpected(d->manager.error());
    return d->manager->set_validator(std::move(validator));
}

expected<void, PluginError> PluginHotReloadManager::report_reload(const std::string& plugin_id,
                                                                  std::uint64_t generation, hotreload::Outcome outcome,
                                                                  const std::string& message)
{
    if (!d->manager)
        return make_unexpected(d->manager.error());
    return d->manager->report_reload(plugin_id, generation, outcome, message);
}

void PluginHotReloadManager::disable_hot_reload(const std::string& plugin_id)
{
    if (d->manager && d->manager->disable_hot_reload(plugin_id))
        Private::announce(Private::LinkPtr(d->link), plugin_id, false);
}

bool PluginHotReloadManager::is_hot_reload_enabled(const std::string& plugin_id) const
{
    return d->manager && d->manager->is_hot_reload_enabled(plugin_id);
}

void PluginHotReloadManager::set_reload_callback(std::function<void(const std::string&)> callback)
{
    auto shared = callback ? std::make_shared<const Callback>(std::move(callback)) : nullptr;
    // The former one is destroyed after the lock is released: its captures may call us.
    const std::lock_guard<std::mutex> lock(d->link->mutex);
    d->link->callback.swap(shared);
}

std::vector<std::string> PluginHotReloadManager::get_hot_reload_plugins() const
{
    return d->manager ? d->manager->get_hot_reload_plugins() : std::vector<std::string>();
}

void PluginHotReloadManager::clear()
{
    // One by one, so that each signal stands for a plugin that this call disabled, whatever other threads do.
    std::vector<std::string> disabled;
    for (std::string& id : get_hot_reload_plugins())
        if (d->manager->disable_hot_reload(id))
            disabled.push_back(std::move(id));
    const Private::LinkPtr link = d->link;  // a slot may delete this
    for (const std::string& id : disabled)
        Private::announce(link, id, false);
}

void PluginHotReloadManager::set_global_hot_reload_enabled(bool enabled)
{
    if (d->manager)
        d->manager->set_global_hot_reload_enabled(enabled);
}

bool PluginHotReloadManager::is_global_hot_reload_enabled() const
{
    return d->manager && d->manager->is_global_hot_reload_enabled();
}

}  // namespace hotreload_1
}  // namespace qtplugin
