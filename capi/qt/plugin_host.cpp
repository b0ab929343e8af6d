// SPDX-License-Identifier: MIT
#include <qtplugin/monitoring/plugin_host.hpp>

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <vector>

#include <QtCore/QEvent>
#include <QtCore/QFile>
#include <QtCore/QPluginLoader>
#include <QtCore/QThread>

#include "guarded.hpp"
#include "printable.hpp"

namespace qtplugin {
inline namespace hotreload_1 {

using hotreload::detail::guarded;
using hotreload::detail::printable;

namespace {

QString path_of(const std::filesystem::path& path)
{
#if defined(_WIN32)
    return QString::fromStdWString(path.native());
#else
    return QFile::decodeName(path.c_str());
#endif
}

/** Why @p step of a plugin fails; empty if it does not. */
template <class Step>
QString failure_of(const char* what, Step&& step)
{
    try {
        if (step())
            return {};
    } catch (const std::exception& e) {
        return QStringLiteral("its %1 threw: %2").arg(QLatin1String(what), QString::fromLocal8Bit(hotreload::detail::what_of(e)));
    } catch (...) {
        return QStringLiteral("its %1 threw something that is no std::exception").arg(QLatin1String(what));
    }
    return QStringLiteral("its %1 returned false").arg(QLatin1String(what));
}

class Version;

/** What is loaded, by its file: two loaders of one file would share an image and a root object. */
struct Loaded {
    struct Entry {
        std::weak_ptr<Version> version;
        Version* leaving = nullptr;  // another thread had it last; the event loop is to delete it
    };
    std::mutex mutex;
    std::condition_variable left;
    std::map<QString, Entry> versions;
};

/**
 * A loaded generation. It lives, and is unloaded, on the host's thread: as a child of the host it goes to another thread
 * with it, though not with the host's end.
 */
class Version : public QObject {
public:
    static std::shared_ptr<Version> create(const std::shared_ptr<Loaded>& all, const QString& file,
                                           std::uint64_t number, QLibrary::LoadHints hints, QObject* host)
    {
        std::shared_ptr<Version> version(new Version(all, file, number, hints, host), &Version::release);
        const std::lock_guard<std::mutex> lock(all->mutex);
        all->versions[file].version = version;
        return version;
    }
    ~Version() override
    {
        {
            const std::lock_guard<std::mutex> lock(m_all->mutex);
            m_all->versions.erase(m_file);
        }
        adopt_root();
        if (used && m_hooks != nullptr)
            failure_of("shutdown()", [this] { return m_hooks->shutdown(), true; });
        m_loader.unload();
    }
    Q_DISABLE_COPY(Version)

    /** The one that is loaded from @p file already, if any. */
    static std::shared_ptr<Version> find(Loaded& all, const QString& file)
    {
        std::unique_lock<std::mutex> lock(all.mutex);
        const auto at = all.versions.find(file);
        if (at == all.versions.end())
            return nullptr;
        if (auto version = at->second.version.lock())
            return version;
        // Its last user, on another thread, is just handing it over to our event loop, which it then must not wait for.
        all.left.wait(lock, [&] { return at->second.leaving != nullptr; });
        Version* const leaving = at->second.leaving;
        lock.unlock();
        delete leaving;
        return nullptr;
    }

    /** The host ends: who has a version still may keep it, which then is nobody's child. */
    static void release_from_host(Loaded& all)
    {
        std::vector<std::shared_ptr<Version>> kept;  // let go of after the lock
        std::vector<std::unique_ptr<Version>> leaving;
        std::unique_lock<std::mutex> lock(all.mutex);
        for (auto& item : all.versions) {
            Loaded::Entry& entry = item.second;
            if (auto version = entry.version.lock()) {
                version->setParent(nullptr);
                kept.push_back(std::move(version));
            } else {
                all.left.wait(lock, [&] { return entry.leaving != nullptr; });  // as above
                leaving.emplace_back(entry.leaving);
            }
        }
        lock.unlock();
    }

    /** Has the plugin on this thread after the host came here: a thread may only take what has none. */
    void adopt_root()
    {
        if (m_moving && root != nullptr && root->thread() == nullptr)
            root->moveToThread(QThread::currentThread());
        m_moving = false;
    }

    /** Why it cannot be used; empty if it can. */
    QString load()
    {
        root = m_loader.instance();
        if (root == nullptr)
            return m_loader.errorString();
        m_hooks = qobject_cast<IReloadable*>(root);
        return m_hooks == nullptr ? QString() : failure_of("initialize()", [this] { return m_hooks->initialize(); });
    }

    /** Why it cannot go on from @p former; empty if it can. */
    QString take_over(const Version& former)
    {
        if (m_hooks == nullptr || former.m_hooks == nullptr)
            return {};
        QByteArray state;
        const QString why = failure_of("former version's save_state()",
                                       [&] { return state = former.m_hooks->save_state(), true; });
        return why.isEmpty() ? failure_of("restore_state()", [&] { return m_hooks->restore_state(state); }) : why;
    }

    const std::uint64_t generation;
    QObject* root = nullptr;
    bool used = false;

    /** The host goes to another thread; not said is to which. The plugin, which is nobody's child, goes along. */
    bool event(QEvent* event) override
    {
        if (event->type() == QEvent::ThreadChange && root != nullptr && !root->isWidgetType() &&
            root->parent() == nullptr && root->thread() == QThread::currentThread()) {
            m_moving = true;
            root->moveToThread(nullptr);
            QMetaObject::invokeMethod(this, [this] { adopt_root(); }, Qt::QueuedConnection);
        }
        return QObject::event(event);
    }

private:
    Version(std::shared_ptr<Loaded> all, const QString& file, std::uint64_t number, QLibrary::LoadHints hints,
            QObject* host)
        : QObject(host), generation(number), m_all(std::move(all)), m_file(file), m_loader(file, this)
    {
        m_loader.setLoadHints(hints);
    }

    /** For std::shared_ptr, whose last owner may be on any thread. */
    static void release(Version* version)
    {
        const bool ended = version->thread() == nullptr && version->parent() == nullptr;  // the host, and its thread
        if (ended || version->thread() == QThread::currentThread()) {
            delete version;
            return;
        }
        const std::shared_ptr<Loaded> all = version->m_all;
        const std::lock_guard<std::mutex> lock(all->mutex);
        version->deleteLater();
        all->versions[version->m_file].leaving = version;
        all->left.notify_all();
    }

    const std::shared_ptr<Loaded> m_all;
    const QString m_file;
    QPluginLoader m_loader;
    IReloadable* m_hooks = nullptr;
    bool m_moving = false;  // root is on its way from one thread to another
};

hotreload::Options with_safe_reload(hotreload::Options options)
{
    if (!options.safe)
        options.safe.emplace();
    return options;
}

}  // namespace

class PluginHost::Private {
public:
    /** The manager is the host's child, so as to go to another thread with it. */
    Private(PluginHost* host, const hotreload::Options& options) : q(host), manager(with_safe_reload(options), host) {}
    ~Private() { Version::release_from_host(*loaded); }
    Q_DISABLE_COPY(Private)

    void on_event(const hotreload::Event& event);

    std::shared_ptr<Version> find(const std::string& plugin_id) const
    {
        const std::lock_guard<std::mutex> lock(mutex);
        const auto at = present.find(plugin_id);
        return at == present.end() ? nullptr : at->second;
    }

    PluginHost* const q;
    mutable std::mutex mutex;
    std::map<std::string, std::shared_ptr<Version>> present;
    // A lacking symbol is to show when a version is loaded, not when it is first called.
    QLibrary::LoadHints hints = QLibrary::ResolveAllSymbolsHint | QLibrary::PreventUnloadHint;
    PluginHotReloadManager manager;

private:
    const std::shared_ptr<Loaded> loaded = std::make_shared<Loaded>();

    QString exchange(const hotreload::Event& event);
    /** The one place from which the host emits. Last in whatever calls it: a slot may delete the host. */
    template <class Signal, class Argument>
    void emit_signal(Signal signal, const char* name, const std::string& plugin_id, const Argument& argument) const
    {
        guarded(name, plugin_id.c_str(),
                [&, host = q] { Q_EMIT(host->*signal)(QString::fromStdString(plugin_id), argument); });
    }
    void failed(const std::string& plugin_id, const QString& why) const
    {
        emit_signal(&PluginHost::plugin_failed, "a slot of plugin_failed", plugin_id, why);
    }
};

/** Why the event's generation does not become the present one; empty if it does. */
QString PluginHost::Private::exchange(const hotreload::Event& event)
{
    const QString file = path_of(event.snapshot_path);
    std::shared_ptr<Version> former = find(event.plugin_id);
    // On the way back, somebody may still have the version.
    std::shared_ptr<Version> fresh = Version::find(*loaded, file);
    for (const auto& version : {former, fresh})
        if (version)
            version->adopt_root();
    QString why;
    if (!fresh) {
        fresh = Version::create(loaded, file, event.generation, hints, q);
        why = fresh->load();
    }
    if (why.isEmpty() && former)
        why = fresh->take_over(*former);
    if (!why.isEmpty())
        return why;
    fresh->used = true;
    const std::lock_guard<std::mutex> lock(mutex);
    present[event.plugin_id] = fresh;
    return {};  // former goes after the lock, unless somebody still has it
}

void PluginHost::Private::on_event(const hotreload::Event& event)
{
    if (event.kind == hotreload::EventKind::rejected) {
        failed(event.plugin_id, QString::fromStdString(event.message));
        return;
    }
    const auto former = find(event.plugin_id);
    const bool back = event.kind == hotreload::EventKind::rollback && event.generation != 0 &&
                      (!former || former->generation != event.generation);
    if (event.kind != hotreload::EventKind::file_changed && !back)
        return;
    // Names from the file are in it, or what the plugin says.
    const QString why = QString::fromUtf8(printable(exchange(event).toUtf8().constData()).data());
    (void)manager.report_reload(event.plugin_id, event.generation,
                                why.isEmpty() ? hotreload::Outcome::ok : hotreload::Outcome::failed,
                                why.toStdString());
    if (why.isEmpty())
        emit_signal(&PluginHost::plugin_loaded, "a slot of plugin_loaded", event.plugin_id, quint64(event.generation));
    else
        failed(event.plugin_id, why);
}

PluginHost::PluginHost(QObject* parent) : PluginHost(hotreload::Options(), parent) {}

PluginHost::PluginHost(const hotreload::Options& options, QObject* parent)
    : QObject(parent), d(std::make_unique<Private>(this, options))
{
    connect(&d->manager, &PluginHotReloadManager::hot_reload_event, this,
            [this](const hotreload::Event& event) {
                // Queued, if the host was moved in an earlier slot.
                guarded("the host", event.plugin_id.c_str(), [&] { d->on_event(event); });
            });
}

PluginHost::~PluginHost()
{
    d->manager.clear();
    std::map<std::string, std::shared_ptr<Version>> present;  // goes after the lock: a plugin may ask the host
    const std::lock_guard<std::mutex> lock(d->mutex);
    present.swap(d->present);
}

PluginHotReloadManager& PluginHost::manager() noexcept { return d->manager; }

void PluginHost::set_load_hints(QLibrary::LoadHints hints) { d->hints = hints; }

expected<void, PluginError> PluginHost::open(const std::string& plugin_id, const std::filesystem::path& file,
                                             hotreload::EnableOptions options)
{
    options.deliver_present = true;
    return d->manager.enable_hot_reload_ex(plugin_id, file, options);
}

void PluginHost::close(const std::string& plugin_id)
{
    d->manager.disable_hot_reload(plugin_id);
    std::shared_ptr<Version> former;  // goes after the lock
    const std::lock_guard<std::mutex> lock(d->mutex);
    const auto at = d->present.find(plugin_id);
    if (at != d->present.end()) {
        former.swap(at->second);
        d->present.erase(at);
    }
}

std::shared_ptr<QObject> PluginHost::instance(const std::string& plugin_id) const
{
    const auto version = d->find(plugin_id);
    return version ? std::shared_ptr<QObject>(version, version->root) : nullptr;
}

std::uint64_t PluginHost::generation(const std::string& plugin_id) const
{
    const auto version = d->find(plugin_id);
    return version ? version->generation : 0;
}

expected<void, PluginError> PluginHost::fail(const std::string& plugin_id, const std::string& message)
{
    return d->manager.report_reload(plugin_id, generation(plugin_id), hotreload::Outcome::failed, message);
}

}  // namespace hotreload_1
}  // namespace qtplugin
