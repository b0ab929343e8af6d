#include <qtplugin/monitoring/plugin_host.hpp>

#include <exception>
#include <map>
#include <mutex>

#include <QtCore/QFile>
#include <QtCore/QPluginLoader>
#include <QtCore/QThread>

namespace qtplugin {

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
        return QStringLiteral("its %1 threw: %2").arg(QLatin1String(what), QString::fromLocal8Bit(e.what()));
    } catch (...) {
        return QStringLiteral("its %1 threw something that is no std::exception").arg(QLatin1String(what));
    }
    return QStringLiteral("its %1 returned false").arg(QLatin1String(what));
}

/** A loaded generation. It lives, and is unloaded, on the host's thread. */
class Version : public QObject {
public:
    Version(const QString& file, std::uint64_t number) : generation(number), m_loader(file) {}
    ~Version() override
    {
        if (used && m_hooks != nullptr)
            failure_of("shutdown()", [this] { return m_hooks->shutdown(), true; });
        m_loader.unload();
    }
    Q_DISABLE_COPY(Version)

    /** For std::shared_ptr, whose last owner may be on any thread. */
    static void release(Version* version)
    {
        if (version->thread() == QThread::currentThread())
            delete version;
        else
            version->deleteLater();
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

private:
    QPluginLoader m_loader;
    IReloadable* m_hooks = nullptr;
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
    Private(PluginHost* host, const hotreload::Options& options) : q(host), manager(with_safe_reload(options)) {}

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
    PluginHotReloadManager manager;

private:
    QString exchange(const hotreload::Event& event);
};

/** Why the event's generation does not become the present one; empty if it does. */
QString PluginHost::Private::exchange(const hotreload::Event& event)
{
    const std::shared_ptr<Version> fresh(new Version(path_of(event.snapshot_path), event.generation),
                                         &Version::release);
    std::shared_ptr<Version> former = find(event.plugin_id);
    QString why = fresh->load();
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
    const QString id = QString::fromStdString(event.plugin_id);
    if (event.kind == hotreload::EventKind::rejected) {
        Q_EMIT q->plugin_failed(id, QString::fromStdString(event.message));
        return;
    }
    const auto former = find(event.plugin_id);
    const bool back = event.kind == hotreload::EventKind::rollback && event.generation != 0 &&
                      (!former || former->generation != event.generation);
    if (event.kind != hotreload::EventKind::file_changed && !back)
        return;
    const QString why = exchange(event);
    (void)manager.report_reload(event.plugin_id, event.generation,
                                why.isEmpty() ? hotreload::Outcome::ok : hotreload::Outcome::failed,
                                why.toStdString());
    if (why.isEmpty())
        Q_EMIT q->plugin_loaded(id, event.generation);
    else
        Q_EMIT q->plugin_failed(id, why);
}

PluginHost::PluginHost(QObject* parent) : PluginHost(hotreload::Options(), parent) {}

PluginHost::PluginHost(const hotreload::Options& options, QObject* parent)
    : QObject(parent), d(std::make_unique<Private>(this, options))
{
    connect(&d->manager, &PluginHotReloadManager::hot_reload_event, this,
            [this](const hotreload::Event& event) { d->on_event(event); });
}

PluginHost::~PluginHost() { d->manager.clear(); }

PluginHotReloadManager& PluginHost::manager() noexcept { return d->manager; }

expected<void, PluginError> PluginHost::open(const std::string& plugin_id, const std::filesystem::path& file,
                                             hotreload::EnableOptions options)
{
    options.deliver_present = true;
    return d->manager.enable_hot_reload(plugin_id, file, options);
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

}  // namespace qtplugin
