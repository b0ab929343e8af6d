// SPDX-License-Identifier: MIT
// A plugin of the two examples of the reference. VERSION comes from the build; the other macros are the ways in which one
// can be broken. A version goes on counting where the former one stopped.
#include <QObject>

#include <atomic>
#include <cstdlib>

#include <qtplugin/core/plugin.hpp>

#if defined(OTHER_INTERFACE)
#define PLUGIN_IID "org.qtforge.hotreload.example.Other/1.0"
#else
#define PLUGIN_IID QtPluginExample_iid
#endif

#if defined(UNRESOLVED)
int missing_dependency();
#endif

class Versioned : public QObject, public qtplugin::IPlugin {
    Q_OBJECT
#if !defined(WITHOUT_ENTRY)
    Q_PLUGIN_METADATA(IID PLUGIN_IID)
#endif
    Q_INTERFACES(qtplugin::IPlugin:qtplugin::IReloadable)

public:
    bool initialize() override
    {
        qInfo("version %d starts", VERSION);
#if defined(INIT_CRASHES)
        std::abort();
#elif defined(INIT_HANGS)
        for (std::atomic<bool> hangs{true}; hangs;) {
        }
#elif defined(INIT_FAILS)
        return false;
#endif
        return m_running = true;
    }
    void shutdown() override
    {
        m_running = false;
        qInfo("version %d stops after %lld answers", VERSION, m_answers.load());
    }
    int answer() override
    {
        ++m_answers;
#if defined(UNRESOLVED)
        return missing_dependency();
#endif
        return m_running ? VERSION : 0;
    }
    QByteArray save_state() const override { return QByteArray::number(m_answers); }
    bool restore_state(const QByteArray& state) override
    {
        bool good = false;
        m_answers = state.toLongLong(&good);
#if defined(RESTORE_FAILS)
        good = false;
#endif
        return good;
    }

private:
    std::atomic<long long> m_answers{0};  // answer() is called on any thread
    std::atomic<bool> m_running{false};   // between initialize() and shutdown(): what it answers at another time is no answer
};

#include "versioned.moc"
