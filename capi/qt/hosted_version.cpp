// SPDX-License-Identifier: MIT
#include "hosted_version.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <QtCore/QEvent>
#include <QtCore/QFile>
#include <QtCore/QThread>

#if defined(Q_OS_UNIX)
#include <dlfcn.h>
#endif

#include <qtplugin/hotreload/c_strings.hpp>

namespace qtplugin {
inline namespace hotreload_1 {

namespace {

/** Runs code of a plugin, or of the host about a plugin, which returns whether it succeeded. */
template <class Code>
Answer answer_of(Code&& code)
{
    try {
        if (code())
            return {};
        return {HRM_STEP_FAILED, QStringLiteral("it returned false")};
    } catch (const std::exception& e) {
        return {HRM_STEP_FAILED, QString::fromLocal8Bit(hotreload::detail::what_of(e))};
    } catch (...) {
        return {HRM_STEP_FAILED, QStringLiteral("it threw something that is no std::exception")};
    }
}

bool is_still_mapped(const QString& file)
{
#if defined(Q_OS_UNIX)
    void* const library = dlopen(QFile::encodeName(file).constData(), RTLD_LAZY | RTLD_NOLOAD);
    if (library != nullptr)
        dlclose(library);
    return library != nullptr;
#else
    Q_UNUSED(file)
    return false;
#endif
}

}  // namespace

HostedVersion::HostedVersion(HostStatePtr host, const hrm_step& step, QLibrary::LoadHints hints, QObject* parent)
    : QObject(parent), m_host(std::move(host)), m_functions(static_cast<const HostState::Functions*>(step.plugin_data)),
      m_plugin_id(step.plugin_id), m_loader(QFile::decodeName(step.path), this)
{
    m_loader.setLoadHints(hints);
    const std::lock_guard<std::mutex> lock(m_host->mutex);
    m_host->versions.push_back(this);
}

HostedVersion::~HostedVersion()
{
    {
        const std::lock_guard<std::mutex> lock(m_host->mutex);
        auto& all = m_host->versions;
        all.erase(std::remove(all.begin(), all.end(), this), all.end());
    }
    adopt_root();
    if (m_initialised)
        static_cast<void>(shut_down());
    if (m_root != nullptr)
        m_loader.unload();
}

// ------------------------------------------------------------------- steps --

Answer HostedVersion::perform(const hrm_step& step, std::uint32_t& hooks)
{
    {
        const std::lock_guard<std::mutex> lock(m_host->mutex);
        m_busy = true;
    }
    adopt_root();
    Answer answer;
    switch (step.kind) {
    case HRM_STEP_LOAD:
        answer = load(hooks);
        break;
    case HRM_STEP_INIT:
        answer = initialize(step);
        break;
    case HRM_STEP_SAVE:
        answer = answer_of([this] { return m_state = m_hooks->save_state(), true; });
        break;
    case HRM_STEP_RESTORE:
        answer = answer_of([&] { return m_hooks->restore_state(static_cast<HostedVersion*>(step.from)->m_state); });
        break;
    case HRM_STEP_PREPARE:
        answer = answer_of([this] { return m_functions->prepare(*m_root), true; });
        break;
    case HRM_STEP_EXIT:
        answer = is_kept() ? Answer{HRM_STEP_NOT_NOW, QStringLiteral("the host's thread still has it")} : shut_down();
        break;
    case HRM_STEP_UNLOAD:
        answer = is_kept() ? Answer{HRM_STEP_NOT_NOW, QStringLiteral("the host's thread still has it")} : unload();
        break;
    default:
        break;
    }
    bool ends = false;
    {
        const std::lock_guard<std::mutex> lock(m_host->mutex);
        m_busy = false;
        ends = m_host->host == nullptr && m_users == 0 && !std::exchange(m_ends, true);
    }
    if (ends)  // the plugin has deleted the host
        end(this);
    return answer;
}

Answer HostedVersion::load(std::uint32_t& hooks)
{
    // A root object's constructor may throw.
    Answer answer = answer_of([this] { return m_root = m_loader.instance(), true; });
    if (answer.code == HRM_STEP_DONE && m_root == nullptr)
        answer = {HRM_STEP_FAILED, m_loader.errorString()};
    if (answer.code != HRM_STEP_DONE) {
        m_loader.unload();
        return answer;
    }
    m_hooks = qobject_cast<IReloadable*>(m_root);
    hooks = m_hooks == nullptr ? 0U : HRM_HOOK_INIT | HRM_HOOK_EXIT;
    hooks |= m_hooks != nullptr && m_hooks->has_state() ? HRM_HOOK_SAVE | HRM_HOOK_RESTORE : 0U;
    hooks |= m_functions->connect ? HRM_HOOK_INIT : 0U;
    hooks |= m_functions->prepare ? HRM_HOOK_PREPARE : 0U;
    return answer;
}

Answer HostedVersion::initialize(const hrm_step& step)
{
    Answer answer;
    if (m_functions->connect) {
        std::vector<QObject*> needs;
        for (std::uint64_t i = 0; i < step.needs_count; ++i)
            needs.push_back(static_cast<HostedVersion*>(step.needs[i])->m_root);
        answer = answer_of([&] { return m_functions->connect(*m_root, needs), true; });
    }
    if (answer.code == HRM_STEP_DONE && m_hooks != nullptr)
        answer = answer_of([this] { return m_hooks->initialize(); });
    m_initialised = answer.code == HRM_STEP_DONE && m_hooks != nullptr;
    return answer;
}

Answer HostedVersion::shut_down()
{
    m_initialised = false;
    return m_hooks == nullptr ? Answer() : answer_of([this] { return m_hooks->shutdown(), true; });
}

Answer HostedVersion::unload()
{
    const QString file = m_loader.fileName();
    m_root = nullptr;
    m_hooks = nullptr;
    m_loader.unload();
    if ((m_loader.loadHints() & QLibrary::PreventUnloadHint) != 0)
        return {HRM_STEP_KEPT, QStringLiteral("Qt never unloads a library with QLibrary::PreventUnloadHint, see set_load_hints()")};
    if (!is_loaded_again(file) && is_still_mapped(file))
        return {HRM_STEP_KEPT, QStringLiteral("the system keeps it: it has unique symbols (compile with -fno-gnu-unique), is "
                                              "marked NODELETE, or is in use elsewhere")};
    return {};
}

/** Whether the host has gone back to this generation meanwhile: both loaders share one image and one root object. */
bool HostedVersion::is_loaded_again(const QString& file) const
{
    const std::lock_guard<std::mutex> lock(m_host->mutex);
    return std::any_of(m_host->versions.begin(), m_host->versions.end(),
                       [&](const HostedVersion* v) { return v->m_root != nullptr && v->m_loader.fileName() == file; });
}

// --------------------------------------------------------------------- use --

std::shared_ptr<QObject> HostedVersion::use(const hrm_plugin_version* pin)
{
    {
        const std::lock_guard<std::mutex> lock(m_host->mutex);
        ++m_users;
        m_kept += pin == nullptr ? 1 : 0;
    }
    return std::shared_ptr<QObject>(m_root, [this, pin](QObject*) { let_go(pin); });
}

void HostedVersion::let_go(const hrm_plugin_version* pin)
{
    bool ends = false;
    {
        const HostStatePtr host = m_host;
        const std::lock_guard<std::mutex> lock(host->mutex);
        --m_users;
        m_kept -= pin == nullptr ? 1 : 0;
        ends = host->host == nullptr && m_users == 0 && !m_busy && !std::exchange(m_ends, true);
    }
    hrm_plugin_release(pin);
    if (ends)
        end(this);
}

bool HostedVersion::is_kept() const
{
    const std::lock_guard<std::mutex> lock(m_host->mutex);
    return m_kept > 0;
}

bool HostedVersion::any_unused(HostState& host, const std::string& plugin_id)
{
    const std::lock_guard<std::mutex> lock(host.mutex);
    return std::any_of(host.versions.begin(), host.versions.end(), [&](const HostedVersion* v) {
        return v->m_plugin_id == plugin_id && v->m_users == 0 && !v->m_busy && !v->m_forgotten;
    });
}

// --------------------------------------------------------------------- end --

void HostedVersion::end_all(const HostStatePtr& host)
{
    std::vector<HostedVersion*> ending;
    {
        const std::lock_guard<std::mutex> lock(host->mutex);
        for (HostedVersion* const v : host->versions)
            if (v->m_users == 0 && !v->m_busy && !std::exchange(v->m_ends, true))
                ending.push_back(v);
            else
                v->setParent(nullptr);
    }
    // What needs another one was loaded after that.
    std::for_each(ending.rbegin(), ending.rend(), [](HostedVersion* v) { delete v; });
}

/** After the host's end, on the thread where the last one let go of it. */
void HostedVersion::end(HostedVersion* version)
{
    const bool alone = version->thread() == nullptr;  // its thread has ended
    if (alone || version->thread() == QThread::currentThread())
        delete version;
    else
        version->deleteLater();
}

void HostedVersion::forget(HostState& host, HostedVersion* version)
{
    const std::lock_guard<std::mutex> lock(host.mutex);
    if (host.host == nullptr)
        return;  // it has ended, or ends with the last that has it
    version->m_forgotten = true;
    version->deleteLater();
}

// ------------------------------------------------------------------ threads --

void HostedVersion::adopt_root()
{
    if (m_moving && m_root != nullptr && m_root->thread() == nullptr)
        m_root->moveToThread(QThread::currentThread());
    m_moving = false;
}

bool HostedVersion::event(QEvent* event)
{
    if (event->type() == QEvent::ThreadChange && m_root != nullptr && !m_root->isWidgetType() &&
        m_root->parent() == nullptr && m_root->thread() == QThread::currentThread()) {
        m_moving = true;
        m_root->moveToThread(nullptr);
        QMetaObject::invokeMethod(this, [this] { adopt_root(); }, Qt::QueuedConnection);
    }
    return QObject::event(event);
}

}  // namespace hotreload_1
}  // namespace qtplugin
