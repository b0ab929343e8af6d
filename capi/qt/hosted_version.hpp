// SPDX-License-Identifier: MIT
// A version of a Qt plugin, and what the steps of a PluginHost know of their host.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <QtCore/QByteArray>
#include <QtCore/QPluginLoader>

#include <hot_reload_plugin.h>

#include <qtplugin/monitoring/plugin_host.hpp>

namespace qtplugin {
inline namespace hotreload_1 {

class HostedVersion;

/** What a host and its versions share. It outlives the host until the library knows none of its versions any more. */
struct HostState {
    /** What open() was given of a plugin. */
    struct Functions {
        std::string plugin_id;
        std::function<void(QObject&, const std::vector<QObject*>&)> connect;
        std::function<void(QObject&)> prepare;
    };
    using Check = std::function<std::optional<std::string>(const std::vector<hotreload::Candidate>&)>;

    std::mutex mutex;
    PluginHost* host = nullptr;  // null once it is being destroyed
    std::map<std::string, hrm_plugin*> open;
    std::vector<HostedVersion*> versions;  // in the order of their loading
    std::list<Functions> functions;        // their addresses stay
    std::list<Check> checks;
    // A lacking symbol is to show when a version is loaded, not when it is first called.
    QLibrary::LoadHints hints = QLibrary::ResolveAllSymbolsHint | QLibrary::PreventUnloadHint;

    /** On the host's thread. */
    bool is_alive()
    {
        const std::lock_guard<std::mutex> lock(mutex);
        return host != nullptr;
    }
};
using HostStatePtr = std::shared_ptr<HostState>;

/** The answer to a step: HRM_STEP_*, and why. */
struct Answer {
    std::int32_t code = HRM_STEP_DONE;
    QString why;
};

/**
 * A loaded generation. It lives on the host's thread: as a child of the host it goes to another thread with it. When the
 * host ends, it ends too, unless somebody has it.
 */
class HostedVersion : public QObject {
public:
    HostedVersion(HostStatePtr host, const hrm_step& step, QLibrary::LoadHints hints, QObject* parent);
    ~HostedVersion() override;
    Q_DISABLE_COPY(HostedVersion)

    /** Performs a step. On the host's thread. */
    Answer perform(const hrm_step& step, std::uint32_t& hooks);

    /**
     * Its root object, which stays as long as somebody has it.
     * @param pin  of this version, which it releases in the end; null: the host's thread has it, which is no call
     */
    std::shared_ptr<QObject> use(const hrm_plugin_version* pin);

    /** The host has ended, and so does what nobody has. Called with all of them, on the host's thread. */
    static void end_all(const HostStatePtr& host);
    /** The library knows a version no more. On any thread. */
    static void forget(HostState& host, HostedVersion* version);
    /** Whether a version of a plugin is left that nobody has. */
    static bool any_unused(HostState& host, const std::string& plugin_id);

    /** Has the plugin on this thread after the host came here: a thread may only take what has none. */
    void adopt_root();
    QObject* root() const { return m_root; }

protected:
    /** The host goes to another thread; not said is to which. The plugin, which is nobody's child, goes along. */
    bool event(QEvent* event) override;

private:
    Answer load(std::uint32_t& hooks);
    Answer initialize(const hrm_step& step);
    Answer unload();
    Answer shut_down();
    void let_go(const hrm_plugin_version* pin);
    bool is_kept() const;
    bool is_loaded_again(const QString& file) const;
    static void end(HostedVersion* version);

    const HostStatePtr m_host;
    const HostState::Functions* const m_functions;
    const std::string m_plugin_id;
    QPluginLoader m_loader;
    QObject* m_root = nullptr;
    IReloadable* m_hooks = nullptr;
    QByteArray m_state;  // that it has saved
    bool m_initialised = false;
    bool m_moving = false;  // the root is on its way from one thread to another
    // Behind the host's mutex:
    int m_users = 0, m_kept = 0;  // kept: of these, those of the host's thread
    bool m_busy = false;          // a step runs
    bool m_forgotten = false, m_ends = false;
};

}  // namespace hotreload_1
}  // namespace qtplugin
