#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include <exception>
#include <mutex>
#include <optional>

#include <QtCore/QByteArray>
#include <QtCore/QFile>
#include <QtCore/QLoggingCategory>
#include <QtCore/QMetaObject>
#include <QtCore/QPointer>
#include <QtCore/QThread>

#include <hot_reload_manager.h>

Q_LOGGING_CATEGORY(hotReloadLog, "qtplugin.hotreload")

namespace qtplugin {

// error_handling.hpp does not include the C header; here both are at hand.
static_assert(plugin_error_code(HRM_OK) == PluginErrorCode::Success);
static_assert(plugin_error_code(HRM_ERR_FILE_NOT_FOUND) == PluginErrorCode::FileNotFound);
static_assert(plugin_error_code(HRM_ERR_INVALID_PATH) == PluginErrorCode::InvalidPath);
static_assert(plugin_error_code(HRM_ERR_ALREADY_EXISTS) == PluginErrorCode::AlreadyExists);
static_assert(plugin_error_code(HRM_ERR_PERMISSION_DENIED) == PluginErrorCode::PermissionDenied);
static_assert(plugin_error_code(HRM_ERR_INVALID_ARGUMENT) == PluginErrorCode::InvalidParameters);
static_assert(plugin_error_code(HRM_ERR_INVALID_HANDLE) == PluginErrorCode::InvalidState);
static_assert(plugin_error_code(HRM_ERR_BUFFER_TOO_SMALL) == PluginErrorCode::SystemError);
static_assert(plugin_error_code(HRM_ERR_NOT_SUPPORTED) == PluginErrorCode::NotSupported);
static_assert(plugin_error_code(HRM_ERR_FORKED) == PluginErrorCode::InvalidState);
static_assert(plugin_error_code(HRM_ERR_PANIC) == PluginErrorCode::InvalidState);
static_assert(plugin_error_code(HRM_ERR_IO) == PluginErrorCode::SystemError);
static_assert(plugin_error_code(HRM_ERR_NO_MEMORY) == PluginErrorCode::ResourceUnavailable);

namespace {

using Callback = std::function<void(const std::string&)>;

/** Runs user code; an exception must not reach the C library. */
template <class F>
void guarded(const char* what, const std::string& plugin_id, F&& f)
{
    try {
        f();
    } catch (const std::exception& e) {
        qCWarning(hotReloadLog, "%s for plugin \"%s\" threw: %s", what, plugin_id.c_str(), e.what());
    } catch (...) {
        qCWarning(hotReloadLog, "%s for plugin \"%s\" threw something that is no std::exception", what,
                  plugin_id.c_str());
    }
}

/** A string with the bytes that cannot be shown as \xNN. */
std::string shown(const std::string& s)
{
    std::string out;
    for (const unsigned char c : s) {
        static const char digits[] = "0123456789abcdef";
        if (c >= 0x20 && c < 0x7f)
            out += static_cast<char>(c);
        else
            out += {'\\', 'x', digits[c >> 4], digits[c & 15]};
    }
    return out;
}

std::string bytes_of(const std::filesystem::path& path)
{
#if defined(_WIN32)
    return path.u8string();
#else
    return path.native();
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
        hrm_manager* manager = nullptr;
        std::shared_ptr<const Callback> callback;
        bool posted = false;      // a turn is in the event queue
        bool dispatching = false; // a turn is under way
        bool missed = false;      // another turn came up inside it
    };
    using LinkPtr = std::shared_ptr<Link>;

    explicit Private(PluginHotReloadManager* object);
    ~Private();

    bool valid() const noexcept { return link->manager != nullptr; }

    /** Emits @p signal now if this is the object's thread, else through its event loop. */
    template <class Signal>
    static void announce(PluginHotReloadManager* q, Signal signal, const std::string& plugin_id);

    LinkPtr link = std::make_shared<Link>();
    std::optional<PluginError> failure;

private:
    static void post(const LinkPtr& link);
    static void turn(const LinkPtr& link);
    static void deliver(const LinkPtr& link, const std::string& plugin_id, const QString& path);

    // For the C library; user_data is a LinkPtr of its own.
    static void HRM_CALL on_wakeup(void* user_data) { post(*static_cast<LinkPtr*>(user_data)); }
    static void HRM_CALL on_event(const hrm_event* event, void* user_data);
    static void HRM_CALL on_destroy(void* user_data) { delete static_cast<LinkPtr*>(user_data); }
};

PluginHotReloadManager::Private::Private(PluginHotReloadManager* object)
{
    link->object = object;
    hrm_options options = HRM_OPTIONS_INIT;
    options.dispatch_mode = HRM_DISPATCH_MANUAL;
    hrm_error error = HRM_ERROR_INIT;
    std::int32_t code = HRM_OK;
    if (hrm_version_number() / 1000000 != HRM_VERSION_MAJOR) {
        failure.emplace(PluginErrorCode::NotSupported, std::string("libhotreload ") + hrm_version_string() +
                                                           " was loaded, but this program was built for " +
                                                           HRM_VERSION_STRING);
        return;
    }
    code = hrm_manager_create(&options, &link->manager, &error);
    if (code >= 0)
        code = hrm_set_event_callback(link->manager, &on_event, new LinkPtr(link), &on_destroy);
    if (code >= 0)
        code = hrm_set_wakeup_callback(link->manager, &on_wakeup, new LinkPtr(link), &on_destroy);
    if (code < 0) {
        hrm_manager_destroy(link->manager);
        link->manager = nullptr;
        failure.emplace(plugin_error_code(code), error.code < 0 ? error.message : hrm_strerror(code), std::string(),
                        error.os_error);
        qCWarning(hotReloadLog, "cannot create the hot reload manager: %s", failure->message().c_str());
    }
}

PluginHotReloadManager::Private::~Private()
{
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        link->object = nullptr;
        link->callback.reset();
    }
    hrm_manager_destroy(link->manager);  // accepts null
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
        if (link->dispatching)
            link->missed = true;
        else
            manager = link->manager;
        if (manager == nullptr)
            return;
        link->dispatching = true;
    }
    const std::int32_t delivered = hrm_dispatch(manager, 1, 0, nullptr);
    bool more = delivered > 0;
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        link->dispatching = false;
        more = more || link->missed;
        link->missed = false;
    }
    if (more)
        post(link);
}

void HRM_CALL PluginHotReloadManager::Private::on_event(const hrm_event* event, void* user_data)
{
    // hot_reload_enabled and _disabled come from the methods themselves, at once.
    if (event->kind == HRM_EVENT_HEALTH) {
        qCInfo(hotReloadLog, "%s: %s", event->path, event->message);
        return;
    }
    if (event->kind != HRM_EVENT_FILE_CHANGED)
        return;
    const LinkPtr link = *static_cast<LinkPtr*>(user_data);
    try {
        deliver(link, event->plugin_id, QFile::decodeName(event->path));
    } catch (...) {  // out of memory
        qCWarning(hotReloadLog, "a change could not be delivered");
    }
}

void PluginHotReloadManager::Private::deliver(const LinkPtr& link, const std::string& plugin_id, const QString& path)
{
    const auto object = [&link] {
        const std::lock_guard<std::mutex> lock(link->mutex);
        return link->object;
    };
    PluginHotReloadManager* const q = object();
    if (q == nullptr)
        return;
    guarded("a slot of plugin_file_changed", plugin_id,
            [&] { Q_EMIT q->plugin_file_changed(QString::fromStdString(plugin_id), path); });
    if (object() == nullptr || hrm_is_hot_reload_enabled(link->manager, plugin_id.c_str()) != 1)
        return;  // a slot has deleted the object, or disabled the plugin
    std::shared_ptr<const Callback> callback;
    {
        const std::lock_guard<std::mutex> lock(link->mutex);
        callback = link->callback;
    }
    if (callback != nullptr)
        guarded("the reload callback", plugin_id, [&] { (*callback)(plugin_id); });
}

template <class Signal>
void PluginHotReloadManager::Private::announce(PluginHotReloadManager* q, Signal signal, const std::string& plugin_id)
{
    const QString id = QString::fromStdString(plugin_id);
    if (QThread::currentThread() == q->thread())
        Q_EMIT(q->*signal)(id);
    else
        QMetaObject::invokeMethod(q, [q, signal, id] { Q_EMIT(q->*signal)(id); }, Qt::QueuedConnection);
}

PluginHotReloadManager::PluginHotReloadManager(QObject* parent) : QObject(parent), d(std::make_unique<Private>(this)) {}

PluginHotReloadManager::~PluginHotReloadManager() = default;

std::shared_ptr<PluginHotReloadManager> PluginHotReloadManager::create()
{
    return std::make_shared<PluginHotReloadManager>();
}

bool PluginHotReloadManager::is_valid() const noexcept { return d->valid(); }

expected<void, PluginError> PluginHotReloadManager::enable_hot_reload(const std::string& plugin_id,
                                                                      const std::filesystem::path& file_path)
{
    if (!d->valid())
        return make_unexpected(*d->failure);
    // A C string would end at the NUL, and name something else.
    if (plugin_id.find('\0') != std::string::npos)
        return make_unexpected(PluginError(PluginErrorCode::InvalidParameters,
                                           "the plugin id \"" + shown(plugin_id) + "\" contains a NUL byte"));
    const std::string path = bytes_of(file_path);
    if (path.find('\0') != std::string::npos)
        return make_unexpected(PluginError(PluginErrorCode::InvalidPath,
                                           "plugin \"" + plugin_id + "\": the path \"" + shown(path) +
                                               "\" contains a NUL byte",
                                           plugin_id));
    hrm_error error = HRM_ERROR_INIT;
    const std::int32_t code = hrm_enable_hot_reload(d->link->manager, plugin_id.c_str(), path.c_str(), &error);
    if (code < 0)
        return make_unexpected(PluginError(plugin_error_code(code), error.message, plugin_id, error.os_error));
    Private::announce(this, &PluginHotReloadManager::hot_reload_enabled, plugin_id);
    return {};
}

void PluginHotReloadManager::disable_hot_reload(const std::string& plugin_id)
{
    if (plugin_id.find('\0') == std::string::npos && hrm_disable_hot_reload(d->link->manager, plugin_id.c_str()) == 1)
        Private::announce(this, &PluginHotReloadManager::hot_reload_disabled, plugin_id);
}

bool PluginHotReloadManager::is_hot_reload_enabled(const std::string& plugin_id) const
{
    return plugin_id.find('\0') == std::string::npos &&
           hrm_is_hot_reload_enabled(d->link->manager, plugin_id.c_str()) == 1;
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
    std::vector<std::string> ids;
    std::string buffer;
    std::size_t size = 0;
    std::int32_t count = hrm_get_hot_reload_plugins(d->link->manager, nullptr, &size);
    // Another thread may enable more in between.
    while (count >= 0) {
        buffer.resize(size + 1);
        size = buffer.size();
        count = hrm_get_hot_reload_plugins(d->link->manager, &buffer[0], &size);
        if (count != HRM_ERR_BUFFER_TOO_SMALL)
            break;
        count = 0;
    }
    for (const char* at = buffer.data(); count > 0; --count) {
        ids.emplace_back(at);
        at += ids.back().size() + 1;
    }
    return ids;
}

void PluginHotReloadManager::clear()
{
    // One by one, so that each signal stands for a plugin that this call disabled, whatever other threads do.
    std::vector<std::string> disabled;
    for (std::string& id : get_hot_reload_plugins())
        if (hrm_disable_hot_reload(d->link->manager, id.c_str()) == 1)
            disabled.push_back(std::move(id));
    const QPointer<PluginHotReloadManager> alive(this);
    for (const std::string& id : disabled) {
        if (alive.isNull())
            return;  // a slot has deleted it
        Private::announce(this, &PluginHotReloadManager::hot_reload_disabled, id);
    }
}

void PluginHotReloadManager::set_global_hot_reload_enabled(bool enabled)
{
    hrm_set_global_hot_reload_enabled(d->link->manager, enabled ? 1 : 0);
}

bool PluginHotReloadManager::is_global_hot_reload_enabled() const
{
    return hrm_is_global_hot_reload_enabled(d->link->manager) == 1;
}

}  // namespace qtplugin
