// SPDX-License-Identifier: MIT
// One who tells a story of core/reload/testdata to a PluginHost: what the host does, and what is said of it.
#pragma once

#include <QDeadlineTimer>
#include <QTemporaryDir>
#include <QThread>
#include <QtTest>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <list>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include <qtplugin/monitoring/plugin_host.hpp>

#include "storyplugin.hpp"
#include "tales.hpp"

constexpr int patience = 20000;  // ms; far beyond what any step takes

/** What the steps of a story's plugins do, and all that is said. Any thread may use it. */
class Stage {
public:
    struct Script {
        QString id, step, why;
        int generation = 0;
        bool always = false;
    };

    explicit Stage(const QString& root) : dir(root) { all(this, true); }
    ~Stage() { all(this, false); }
    Q_DISABLE_COPY(Stage)

    /** Which one a version that was loaded from @p path belongs to. */
    static Stage& of(const QString& path) { return *all(nullptr, false, path); }

    void say(const QString& line)
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        m_said.append(line);
        m_changed.notify_all();
    }
    /** Waits until a line is said, and takes it away. */
    bool hear(const QString& line)
    {
        return wait([&] { return m_said.removeOne(line); });
    }
    QStringList said() const
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        return m_said;
    }
    void delivered(const QString& id, int generation)
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        m_delivered[id] = generation;
        m_changed.notify_all();
    }
    bool await_delivery(const QString& id, int generation)
    {
        return wait([&] { return m_delivered[id] >= generation; });
    }
    /** A step is performed, as the story wants it. */
    void step(const QString& id, int generation, const QString& step, const QString& with = {})
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        const QString name = QStringLiteral("%1 %2 %3").arg(step, id).arg(generation);
        m_said.append(name + with);
        const auto script = std::find_if(scripts.begin(), scripts.end(), [&](const Script& s) {
            return s.id == id && s.generation == generation && s.step == step;
        });
        const QString why = script == scripts.end() ? QString() : script->why;
        if (script != scripts.end() && !script->always)
            scripts.erase(script);
        if (!why.isEmpty())
            m_said.append(QStringLiteral("  %1: %2").arg(name, why));
        m_changed.notify_all();
        if (!why.isEmpty())
            throw std::runtime_error(why.toStdString());
    }
    /** Sees to the stage while nobody else does. */
    template <class Change>
    auto with(Change&& change)
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        return change();
    }

    const QString dir;
    // By with() alone:
    std::list<Script> scripts;
    QStringList states, rejects;        // ids: that have a state; whose next version is rejected
    QString fits;                       // why not; empty: they do
    std::map<QString, QString> needed;  // by path: with whom a version is to be initialised

private:
    template <class Condition>
    bool wait(Condition&& holds)
    {
        std::unique_lock<std::mutex> lock(m_mutex);
        return m_changed.wait_for(lock, std::chrono::milliseconds(patience), holds);
    }
    /** Enters or leaves the list of all, or finds one. */
    static Stage* all(Stage* one, bool enters, const QString& path = {})
    {
        static std::mutex mutex;
        static std::list<Stage*> stages;
        const std::lock_guard<std::mutex> lock(mutex);
        if (one != nullptr && enters)
            stages.push_back(one);
        else if (one != nullptr)
            stages.remove(one);
        for (Stage* const stage : stages)
            if (!path.isEmpty() && path.startsWith(stage->dir))
                return stage;
        return nullptr;
    }

    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    QStringList m_said;  // and not yet expected
    std::map<QString, int> m_delivered;
};

/** The id and the generation of a version are written behind its library. */
struct Stamp {
    QString id;
    int generation = 0;

    static Stamp of(const QString& path)
    {
        QFile file(path);
        if (!file.open(QIODevice::ReadOnly) || !file.seek(file.size() - 100))
            qFatal("cannot read %s", qPrintable(path));
        const QByteArray tail = file.readAll();
        const QList<QByteArray> parts = tail.mid(tail.lastIndexOf("@STORY ")).split(' ');
        return {QString::fromLatin1(parts.at(1)), parts.at(2).toInt()};
    }
};

/** A caller on a thread of its own, which keeps what it gets until its call is to end. */
class Caller {
public:
    Caller(const qtplugin::PluginHost& host, const std::string& id)
        : m_thread([this, &host, id] {
              const auto object = host.instance(id);
              m_got.set_value(object ? Stamp::of(object->objectName()).generation : 0);
              if (!m_gives_up)
                  m_end.get_future().wait();
          })
    {
    }
    ~Caller()
    {
        end();
        m_thread.join();
    }
    Q_DISABLE_COPY(Caller)

    /** Waits for what it gets; -1 if it is made to wait. */
    int got(int ms) { return m_future.wait_for(std::chrono::milliseconds(ms)) == std::future_status::ready ? m_future.get() : -1; }
    /** It does not keep what it will get. */
    void give_up() { m_gives_up = true; }
    void end()
    {
        if (!std::exchange(m_ended, true))
            m_end.set_value();
    }

private:
    std::promise<int> m_got;
    std::promise<void> m_end;
    std::shared_future<int> m_future = m_got.get_future().share();
    std::atomic<bool> m_gives_up{false};
    bool m_ended = false;
    std::thread m_thread;
};
