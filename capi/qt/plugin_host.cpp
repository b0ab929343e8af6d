// SPDX-License-Identifier: MIT
// PluginHost is an hrm_host whose steps are HostedVersion's. Which step comes when is the library's.
#include <qtplugin/monitoring/plugin_host.hpp>

#include <deque>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QThread>

#include "guarded.hpp"
#include "hosted_version.hpp"
#include "manager_private.hpp"
#include "plugin_arguments.hpp"
#include "printable.hpp"

namespace qtplugin {
inline namespace hotreload_1 {

using hotreload::detail::guarded;
using hotreload::detail::printable;
using hotreload::detail::qt_log;

namespace {

/** How long the end of versions is waited for; nothing of it takes time, unless a plugin does. */
constexpr int end_timeout_ms = 10000;

hotreload::Options with_safe_reload(hotreload::Options options)
{
    if (!options.safe)
        options.safe.emplace();
    return options;
}

const HostStatePtr& state_of(void* user_data) { return *static_cast<HostStatePtr*>(user_data); }

/** The host, if steps can be performed here; null after its end, and where it was moved away meanwhile. */
PluginHost* host_here(HostState& state)
{
    const std::lock_guard<std::mutex> lock(state.mutex);
    return state.host != nullptr && state.host->thread() == QThread::currentThread() ? state.host : nullptr;
}

/** As hrm_step_fn. */
std::int32_t HRM_CALL perform(const hrm_step* step, hrm_step_result* result, void* user_data) noexcept
{
    try {
        const HostStatePtr state = state_of(user_data);
        auto* version = static_cast<HostedVersion*>(step->data);
        if (step->kind == HRM_STEP_FORGET) {
            if (version != nullptr)
                HostedVersion::forget(*state, version);
            return HRM_STEP_DONE;
        }
        if (step->kind == HRM_STEP_ACTIVATE)  // comes on a thread of the library; there is nothing to do
            return HRM_STEP_DONE;
        PluginHost* const host = host_here(*state);
        if (host == nullptr) {
            const std::lock_guard<std::mutex> lock(state->mutex);
            if (state->host != nullptr) {
                hotreload::detail::write_reason("the host is moved to another thread", result->reason, result->reason_size);
                return HRM_STEP_NOT_NOW;
            }
            return HRM_STEP_DONE;  // its versions ended with it
        }
        if (version == nullptr)
            result->data = version = new HostedVersion(state, *step, state->hints, host);
        const Answer answer = version->perform(*step, result->hooks);
        hotreload::detail::write_reason(answer.why.toStdString(), result->reason, result->reason_size);
        return answer.code;
    } catch (const std::exception& e) {  // out of memory
        hotreload::detail::write_reason(hotreload::detail::what_of(e), result->reason, result->reason_size);
        return HRM_STEP_NOT_NOW;
    }
}

/** As hrm_check_fn. */
std::int32_t HRM_CALL ask(const char* set_id, const hrm_candidate* candidates, size_t count, char* reason, size_t room,
                          void* user_data) noexcept
{
    Q_UNUSED(set_id)
    return hotreload::detail::verdict_of(
        [&] {
            std::vector<hotreload::Candidate> all;
            for (size_t i = 0; i < count; ++i)
                all.push_back(hotreload::detail::candidate_of(candidates[i]));
            return (*static_cast<const HostState::Check*>(user_data))(all);
        },
        reason, room);
}

}  // namespace

class PluginHost::Private {
public:
    Private(PluginHost* host, const hotreload::Options& options)
        : q(host), handle(create(options)), m_manager(hrm_host_manager(handle), failure, host)
    {
        state->host = host;
    }
    Q_DISABLE_COPY(Private)

    /** 0 where none is open. */
    hrm_plugin* find(const std::string& plugin_id) const
    {
        {
            const std::lock_guard<std::mutex> lock(state->mutex);
            const auto at = state->open.find(plugin_id);
            if (at != state->open.end())
                return at->second;
            if (state->host == nullptr)
                return nullptr;
        }
        // open() is just storing it, perhaps.
        return hotreload::detail::has_nul(plugin_id) ? nullptr : hrm_host_find(handle, plugin_id.c_str());
    }

    expected<void, PluginError> open(const std::vector<PluginOpening>& plugins, const std::optional<PluginSet>& set);
    hotreload::detail::ObjectManager& manager() { return m_manager.d->manager; }

    PluginHost* const q;
    const HostStatePtr state = std::make_shared<HostState>();

private:
    hrm_host* create(const hotreload::Options& options);
    expected<void, PluginError> open_in_library(const std::vector<PluginOpening>& plugins, const std::optional<PluginSet>& set);
    static void HRM_CALL hear(const hrm_plugin_outcome* o, void* user_data) noexcept;

    hotreload::Error failure{hotreload::ErrorCode::Success, {}};

public:
    hrm_host* const handle;  // null if there is none
    /** The host's child, so as to go to another thread with it. */
    PluginHotReloadManager m_manager;
};

/** Makes the library's host; null if that fails. */
hrm_host* PluginHost::Private::create(const hotreload::Options& options)
{
    const hotreload::detail::ManagerArguments arguments(with_safe_reload(options), hotreload::Delivery::manual);
    if (const auto error = hotreload::detail::other_major())
        failure = *error;
    else if (arguments.error())
        failure = *arguments.error();
    if (failure.code() != hotreload::ErrorCode::Success)
        return nullptr;
    hrm_host_options o = HRM_HOST_OPTIONS_INIT;
    o.manager = arguments.get();
    o.outcome = &Private::hear;
    o.step = &perform;
    o.user_data = new HostStatePtr(state);  // deleted by destroy, also if creating fails
    o.destroy = [](void* shared) { delete static_cast<HostStatePtr*>(shared); };
    hrm_error error = hotreload::detail::no_error();
    hrm_host* made = nullptr;
    const std::int32_t code = hrm_host_create(&o, &made, &error);
    if (code < 0)
        failure = hotreload::detail::error_of(code, error);
    return made;
}

/** The one place from which the host emits: a slot may delete it, or move it to another thread. */
template <class Emit>
static void emit_signal(const HostStatePtr& state, const char* name, const std::string& plugin_id, Emit emit)
{
    if (PluginHost* const host = host_here(*state)) {
        guarded(name, plugin_id.c_str(), [&] { emit(host); });
        return;
    }
    const std::lock_guard<std::mutex> lock(state->mutex);
    if (state->host == nullptr)
        return;
    // An earlier slot has moved it.
    QMetaObject::invokeMethod(state->host, [=, host = state->host] {
        guarded(name, plugin_id.c_str(), [&] { emit(host); });
    }, Qt::QueuedConnection);
}

/** As hrm_plugin_outcome_fn. */
void HRM_CALL PluginHost::Private::hear(const hrm_plugin_outcome* o, void* user_data) noexcept
{
    guarded("the host", o->plugin_id, [&] {
        const HostStatePtr state = state_of(user_data);
        const hotreload::PluginOutcome outcome = hotreload::detail::outcome_of(*o);
        const QString id = QString::fromStdString(outcome.plugin_id);
        const QString why = QString::fromUtf8(o->message).mid(id.size() + 2);  // behind "ID: "
        const auto emit = [&](const char* name, auto signal) { emit_signal(state, name, outcome.plugin_id, signal); };
        emit("a slot of plugin_outcome", [outcome](PluginHost* host) { Q_EMIT host->plugin_outcome(outcome); });
        switch (outcome.verdict) {
        case hotreload::Verdict::done:
        case hotreload::Verdict::restarted:
        case hotreload::Verdict::recovered:
            emit("a slot of plugin_loaded", [id, generation = quint64(outcome.generation)](PluginHost* host) {
                Q_EMIT host->plugin_loaded(id, generation);
            });
            break;
        case hotreload::Verdict::failed:
        case hotreload::Verdict::rejected:
        case hotreload::Verdict::waiting:
            emit("a slot of plugin_failed", [id, why](PluginHost* host) { Q_EMIT host->plugin_failed(id, why); });
            break;
        default:
            break;
        }
        if (!outcome.down.empty())
            emit("a slot of plugin_stopped", [id, why](PluginHost* host) { Q_EMIT host->plugin_stopped(id, why); });
    });
}

expected<void, PluginError> PluginHost::Private::open(const std::vector<PluginOpening>& plugins, const std::optional<PluginSet>& set)
{
    if (handle == nullptr)
        return hotreload::make_unexpected(failure);
    const HostStatePtr alive = state;
    auto result = open_in_library(plugins, set);
    for (const PluginOpening& opening : plugins)
        if (result && alive->is_alive())  // a slot may delete the host
            manager().announce(opening.plugin_id, true);
    return result;
}

expected<void, PluginError> PluginHost::Private::open_in_library(const std::vector<PluginOpening>& plugins,
                                                                 const std::optional<PluginSet>& set)
{
    std::deque<PluginArguments> arguments;
    std::vector<hrm_plugin_opening> all;
    HostState::Check* check = nullptr;
    {
        const std::lock_guard<std::mutex> lock(state->mutex);
        for (const PluginOpening& opening : plugins) {
            state->functions.push_back({opening.plugin_id, opening.reload.connect, opening.reload.prepare});
            arguments.emplace_back(opening, &state->functions.back());
        }
        if (set && set->check) {
            state->checks.push_back(set->check);
            check = &state->checks.back();
        }
    }
    for (const PluginArguments& one : arguments) {
        if (one.error())
            return hotreload::make_unexpected(*one.error());
        all.push_back(one.get());
    }
    hrm_set_options s = HRM_SET_OPTIONS_INIT;
    if (set) {
        if (auto error = hotreload::detail::nul_in("set id", set->id))
            return hotreload::make_unexpected(*error);
        s.id = set->id.c_str();
        s.wait_ms = hotreload::detail::ms(set->wait);
        s.check = check != nullptr ? &ask : nullptr;
        s.user_data = check;
    }
    hrm_error error = hotreload::detail::no_error();
    const std::int32_t code = hrm_host_open_all(handle, all.data(), all.size(), set ? &s : nullptr, &error);
    if (code < 0)
        return hotreload::make_unexpected(
            hotreload::detail::error_of(code, error, plugins.size() == 1 ? plugins.front().plugin_id : std::string()));
    for (std::size_t i = 0; i < plugins.size(); ++i)
        if (plugins[i].options.paused)
            hrm_set_plugin_paused(hrm_host_manager(handle), all[i].plugin_id, 1);
    const std::lock_guard<std::mutex> lock(state->mutex);
    for (std::size_t i = 0; i < plugins.size(); ++i)
        state->open[plugins[i].plugin_id] = all[i].plugin;
    return {};
}

PluginHost::PluginHost(QObject* parent) : PluginHost(hotreload::Options(), parent) {}

PluginHost::PluginHost(const hotreload::Options& options, QObject* parent)
    : QObject(parent), d(std::make_unique<Private>(this, options))
{
    qRegisterMetaType<hotreload::PluginOutcome>("hotreload::PluginOutcome");  // as PluginHotReloadManager its event
}

PluginHost::~PluginHost()
{
    d->m_manager.clear();
    {
        const std::lock_guard<std::mutex> lock(d->state->mutex);
        d->state->host = nullptr;
        d->state->open.clear();
    }
    HostedVersion::end_all(d->state);
    bool all = false;
    std::list<HostState::Functions> functions;  // what they captured ends on this thread
    {
        const std::lock_guard<std::mutex> lock(d->state->mutex);
        all = d->state->versions.empty();
        if (all)
            functions.swap(d->state->functions);
    }
    hrm_host_destroy(d->handle, all ? end_timeout_ms : 0, nullptr);
}

PluginHotReloadManager& PluginHost::manager() noexcept { return d->m_manager; }

void PluginHost::set_load_hints(QLibrary::LoadHints hints)
{
    const std::lock_guard<std::mutex> lock(d->state->mutex);
    d->state->hints = hints;
}

expected<void, PluginError> PluginHost::open(const std::string& plugin_id, const std::filesystem::path& file,
                                             hotreload::EnableOptions options, ReloadOptions reload)
{
    return d->open({{plugin_id, file, std::move(options), std::move(reload)}}, std::nullopt);
}

expected<void, PluginError> PluginHost::open_all(std::vector<PluginOpening> plugins, std::optional<PluginSet> set)
{
    return d->open(plugins, set);
}

void PluginHost::close(const std::string& plugin_id)
{
    hrm_error error = hotreload::detail::no_error();
    if (d->find(plugin_id) == nullptr)
        return;
    if (hrm_host_close_plugin(d->handle, plugin_id.c_str(), 0, &error) < 0) {
        qCWarning(qt_log, "plugin \"%s\" is not closed: %s", printable(plugin_id.c_str()).data(), error.message);
        return;
    }
    const HostStatePtr state = d->state;  // a slot may delete the host
    {
        const std::lock_guard<std::mutex> lock(state->mutex);
        state->open.erase(plugin_id);
    }
    d->manager().announce(plugin_id, false);
    // The steps of its end run here. On another thread, and inside a step or slot, they come from the event loop.
    for (const QDeadlineTimer deadline(end_timeout_ms); host_here(*state) != nullptr && HostedVersion::any_unused(*state, plugin_id);)
        if (deadline.hasExpired() || !d->manager().dispatch_one(1))
            return;
}

std::shared_ptr<QObject> PluginHost::instance(const std::string& plugin_id) const
{
    hrm_plugin* const plugin = d->find(plugin_id);
    const bool here = thread() == QThread::currentThread();
    // Here callers are held only inside of steps, which this thread must go on with.
    const hrm_plugin_version* const pin = here ? hrm_plugin_try_acquire(plugin) : hrm_plugin_acquire(plugin);
    if (pin == nullptr)
        return nullptr;
    auto* const version = static_cast<HostedVersion*>(hrm_plugin_data(pin));
    auto object = version->use(here ? nullptr : pin);
    if (here)
        hrm_plugin_release(pin);
    return object;
}

std::uint64_t PluginHost::generation(const std::string& plugin_id) const
{
    hrm_plugin_condition condition = HRM_PLUGIN_CONDITION_INIT;
    return hrm_plugin_state(d->find(plugin_id), &condition, nullptr) == HRM_OK ? condition.active : 0;
}

expected<void, PluginError> PluginHost::fail(const std::string& plugin_id, const std::string& message)
{
    return d->m_manager.report_reload(plugin_id, generation(plugin_id), hotreload::Outcome::failed, message);
}

expected<void, PluginError> PluginHost::take_without_state(const std::string& plugin_id)
{
    hrm_plugin* const plugin = d->find(plugin_id);
    hrm_error error = hotreload::detail::no_error();
    if (plugin == nullptr)
        return hotreload::make_unexpected(hotreload::Error(hotreload::ErrorCode::InvalidParameters,
                                                           "plugin \"" + hotreload::detail::shown(plugin_id) + "\" is not open", plugin_id));
    const std::int32_t code = hrm_plugin_take_without_state(plugin, &error);
    if (code < 0)
        return hotreload::make_unexpected(hotreload::detail::error_of(code, error, plugin_id));
    return {};
}

}  // namespace hotreload_1
}  // namespace qtplugin
