// SPDX-License-Identifier: MIT
// The plugin of tst_host. VERSION and the BAD_* macros come from the build.
// clazy:excludeall=qproperty-without-notify
#include <QObject>

#include <atomic>
#include <stdexcept>

#include <qtplugin/monitoring/plugin_host.hpp>

#if defined(UNRESOLVED)
int missing_dependency();
#endif

class Reloadable : public QObject, public qtplugin::IReloadable {
    Q_OBJECT
    Q_PLUGIN_METADATA(IID "org.qtforge.hotreload.test")
    Q_INTERFACES(qtplugin::IReloadable)
    Q_PROPERTY(int version READ version CONSTANT)
    Q_PROPERTY(int calls READ calls)
    Q_PROPERTY(int starts MEMBER m_starts)
    Q_PROPERTY(bool running READ running)

public:
    int version() const { return VERSION; }
    int calls()
    {
#if defined(UNRESOLVED)
        return missing_dependency();
#endif
        return ++m_calls;
    }

    bool running() const { return m_running; }

    bool initialize() override
    {
        ++m_starts;
        m_running = true;
#if defined(BAD_THROWS)
        throw std::runtime_error("no database");
#elif defined(BAD_TEXT)
        throw std::runtime_error("no\x1b[2J\xe2\x80\xae\ndatabase");
#elif defined(BAD_INIT)
        return false;
#else
        return true;
#endif
    }
    void shutdown() override
    {
        m_running = false;
#if defined(BAD_END)
        throw std::runtime_error("it is not over");
#endif
        qInfo("version %d leaves", VERSION);
    }
    QByteArray save_state() const override
    {
#if defined(BAD_END)
        throw std::runtime_error("the state is lost");
#endif
        return QByteArray::number(m_calls);
    }
    bool restore_state(const QByteArray& state) override
    {
        m_calls = state.toInt();
#if defined(BAD_STATE)
        return false;
#else
        return true;
#endif
    }

private:
    int m_calls = 0, m_starts = 0;
    std::atomic<bool> m_running{false};
};

#include "reloadable.moc"
