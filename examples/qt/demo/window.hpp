// The window: the picture that the plugins paint, how they are doing, and a log.
#pragma once

#include <QElapsedTimer>
#include <QMainWindow>
#include <QWidget>

#include <memory>
#include <vector>

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include "../loader.hpp"
#include "look.hpp"
#include "workshop.hpp"

class QCheckBox;
class QLabel;
class QPlainTextEdit;
class QTableWidget;

/** A plugin, and what there is to say of it. */
struct Layer {
    Layer(QString name, const QString& path) : name(std::move(name)), loader(path) {}
    QString name;
    Loader<Look> loader;
    quint64 generation = 0;  // of the file; the first to be told is 1
    quint64 failures = 0;
};

class Picture : public QWidget {
public:
    explicit Picture(const std::vector<std::unique_ptr<Layer>>& layers, QWidget* parent = nullptr);

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    const std::vector<std::unique_ptr<Layer>>& m_layers;
    QElapsedTimer m_since;
};

class Window : public QMainWindow {
    Q_OBJECT

public:
    explicit Window(QWidget* parent = nullptr);

    /** Watches and loads; false if that fails. */
    bool add(const QString& name, const QString& path);
    const Layer& layer(const QString& name) const;
    Workshop& workshop() { return m_workshop; }
    void set_paused(bool paused);
    void log(const QString& line);

Q_SIGNALS:
    /** A plugin was loaded, or refused to be. */
    void reloaded(const QString& name);

private:
    enum Column { Name, State, Generation, LastChange, Latency, Columns };

    void pause(bool paused);
    void happened(const hotreload::Event& event);
    void reload(const std::string& plugin_id);
    Layer& at(const QString& name, int* row) const;
    void cell(int row, Column column, const QString& text, const QColor& colour = {});

    std::vector<std::unique_ptr<Layer>> m_layers;
    qtplugin::PluginHotReloadManager m_hot_reload;
    hotreload::Event::Time m_resumed;
    Workshop m_workshop;
    QTableWidget* m_table;
    QPlainTextEdit* m_log;
    QLabel* m_stats;
    QCheckBox* m_pause;
};
