// SPDX-License-Identifier: MIT
// Where the plugins are rebuilt: edits a source and runs the build tool, as somebody at an editor would.
#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QProcess>
#include <QStringList>

class Workshop : public QObject {
    Q_OBJECT

public:
    explicit Workshop(QObject* parent = nullptr);
    ~Workshop() override;

    /** Gives the plugin its next look, and builds it. Ignored while a build runs. */
    void rebuild(const QString& plugin);
    /** Makes an error in the plugin's source, and tries to build it. */
    void misspell(const QString& plugin);
    /** Builds the plugin without the interface that the window asks for: complete, but it cannot be used. */
    void forget_interface(const QString& plugin);
    /** The line with paths as they are relative to the project and its build directory. */
    static QString relative(QString line);
    bool busy() const { return m_build.state() != QProcess::NotRunning; }

Q_SIGNALS:
    void said(const QString& line);
    void started(const QString& plugin);
    void finished(const QString& plugin, bool good);

private:
    enum class Mistake { None, Spelling, Interface };
    bool edit(const QString& plugin, Mistake mistake);
    void build(const QString& plugin);

    QProcess m_build;
    QElapsedTimer m_since;
    QString m_plugin;
    int m_look = 0;
};
