// SPDX-License-Identifier: MIT
// The window: the picture that the plugins paint, how they are doing, what happened to each version, and a log.
#pragma once

#include <QElapsedTimer>
#include <QMainWindow>
#include <QWidget>

#include <memory>
#include <vector>

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include "layer.hpp"
#include "timeline.hpp"
#include "workshop.hpp"

class QCheckBox;
class QLabel;
class QPlainTextEdit;
class QTableWidget;

class Picture : public QWidget {
public:
    explicit Picture(const std::vector<std::unique_ptr<Layer>>& layers, QWidget* parent = nullptr);
    /** Shows this moment from now on. */
    void freeze(double seconds);

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    const std::vector<std::unique_ptr<Layer>>& m_layers;
    QElapsedTimer m_since;
    double m_frozen = -1;
};

class Window : public QMainWindow {
    Q_OBJECT

public:
    explicit Window(QWidget* parent = nullptr);

    /** Watches the file of a plugin; its present version is the first that is loaded. False if that fails. */
    bool add(const QString& name, const QString& path);
    const Layer& layer(const QString& name) const;
    Workshop& workshop() { return m_workshop; }
    Picture& picture() { return *m_picture; }
    void set_paused(bool paused);
    void log(const QString& line);

private:
    enum Column { Name, State, Number, Latency, Columns };

    QWidget* side();
    void pause(bool paused);
    void happened(const hotreload::Event& event);
    void reload(const hotreload::Event& event);
    void look_at_stats();
    void mend(const QString& name);
    Layer& at(const QString& name, int* row) const;
    void cell(int row, Column column, const QString& text, const QColor& colour = colours::text);
    void state(const QString& name, const QString& text, const QColor& colour);

    std::vector<std::unique_ptr<Layer>> m_layers;
    qtplugin::PluginHotReloadManager m_hot_reload;
    hotreload::Event::Time m_resumed;
    Workshop m_workshop;
    QElapsedTimer m_since;
    QString m_changing;  // the plugin whose file the build changes
    Picture* m_picture;
    QTableWidget* m_table;
    Timeline* m_timeline;
    QPlainTextEdit* m_log;
    QLabel* m_stats;
    QCheckBox* m_pause;
};
