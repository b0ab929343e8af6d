#include "window.hpp"

#include <QCheckBox>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QScrollBar>
#include <QSplitter>
#include <QTableWidget>
#include <QTime>
#include <QTimer>
#include <QVBoxLayout>

#include <chrono>

static double ms(hotreload::Event::Time from, hotreload::Event::Time to)
{
    return std::chrono::duration<double, std::milli>(to - from).count();
}

Picture::Picture(const std::vector<std::unique_ptr<Layer>>& layers, QWidget* parent) : QWidget(parent), m_layers(layers)
{
    setMinimumSize(380, 300);
    m_since.start();
    auto* const frames = new QTimer(this);
    connect(frames, &QTimer::timeout, this, QOverload<>::of(&QWidget::update));
    frames->start(33);
}

void Picture::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    for (const auto& layer : m_layers) {
        if (layer->loader.plugin() == nullptr)
            continue;
        painter.save();
        layer->loader.plugin()->paint(painter, rect(), double(m_since.elapsed()) / 1000);
        painter.restore();
    }
}

Window::Window(QWidget* parent)
    : QMainWindow(parent),
      m_table(new QTableWidget(0, Columns)),
      m_log(new QPlainTextEdit),
      m_stats(new QLabel),
      m_pause(new QCheckBox(tr("&Pause hot reload")))
{
    setWindowTitle(tr("Plugin hot reload"));
    resize(1140, 720);

    m_table->setHorizontalHeaderLabels({tr("Plugin"), tr("State"), tr("Generation"), tr("Last change"), tr("Latency")});
    m_table->horizontalHeaderItem(Latency)->setToolTip(tr("From when the file was whole to when the host was told"));
    m_table->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_table->setSelectionMode(QAbstractItemView::NoSelection);
    m_table->verticalHeader()->hide();
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_table->horizontalHeader()->setSectionResizeMode(State, QHeaderView::Stretch);
    m_table->setMaximumHeight(100);
    m_log->setReadOnly(true);
    m_log->setMaximumBlockCount(2000);
    m_log->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_log->setLineWrapMode(QPlainTextEdit::NoWrap);

    auto* const buttons = new QHBoxLayout;
    for (const char* name : {"sky", "flower"}) {
        auto* const button = new QPushButton(tr("Edit and rebuild %1.cpp").arg(QLatin1String(name)));
        connect(button, &QPushButton::clicked, this, [this, name] { m_workshop.rebuild(QLatin1String(name)); });
        buttons->addWidget(button);
    }
    auto* const misspell = new QPushButton(tr("Break flower.cpp"));
    connect(misspell, &QPushButton::clicked, this, [this] { m_workshop.misspell(QStringLiteral("flower")); });
    buttons->addWidget(misspell);
    buttons->addStretch();
    buttons->addWidget(m_pause);
    connect(m_pause, &QCheckBox::toggled, this, &Window::pause);

    auto* const side = new QWidget;
    auto* const layout = new QVBoxLayout(side);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_table);
    layout->addWidget(m_stats);
    layout->addStretch();
    layout->addLayout(buttons);
    auto* const top = new QSplitter;
    top->addWidget(new Picture(m_layers));
    top->addWidget(side);
    top->setSizes({540, 600});
    auto* const all = new QSplitter(Qt::Vertical);
    all->addWidget(top);
    all->addWidget(m_log);
    all->setSizes({380, 320});
    setCentralWidget(all);

    auto* const second = new QTimer(this);
    connect(second, &QTimer::timeout, this, [this] {
        const hotreload::Stats stats = m_hot_reload.stats();
        m_stats->setText(tr("%1 directories watched, %2 polled; %3 files settling, %4 being written; %5 changes told")
                             .arg(stats.watched_directories)
                             .arg(stats.polled_directories)
                             .arg(stats.settling)
                             .arg(stats.being_written)
                             .arg(stats.deliveries));
    });
    second->start(200);

    connect(&m_workshop, &Workshop::said, this, &Window::log);
    connect(&m_workshop, &Workshop::started, this, [this](const QString& name) {
        int row = 0;
        (void)at(name, &row);
        cell(row, State, tr("being built"), QColor(0xc77700));
    });
    connect(&m_workshop, &Workshop::finished, this, [this](const QString& name, bool good) {
        int row = 0;
        (void)at(name, &row);
        if (!good)
            cell(row, State, tr("the build failed, kept as it is"), QColor(0xc62828));
        else if (m_pause->isChecked())
            cell(row, State, tr("built, paused"), QColor(0xc77700));
    });
    connect(&m_hot_reload, &qtplugin::PluginHotReloadManager::hot_reload_event, this, &Window::happened);
    m_hot_reload.set_reload_callback([this](const std::string& plugin_id) { reload(plugin_id); });
}

bool Window::add(const QString& name, const QString& path)
{
    QString error;
    m_layers.push_back(std::make_unique<Layer>(name, path));
    const int row = m_table->rowCount();
    m_table->insertRow(row);
    cell(row, Name, name);
    cell(row, State, tr("loaded"), QColor(0x2e7d32));
    cell(row, Generation, QStringLiteral("0"));
    // Watched before it is loaded: a change in between is not missed.
    if (const auto result = m_hot_reload.enable_hot_reload(name.toStdString(), path.toStdString()); !result) {
        log(QString::fromStdString(result.error().message()));
        return false;
    }
    if (!m_layers.back()->loader.load(&error)) {
        log(error);
        return false;
    }
    log(tr("%1: watching %2").arg(name, path));
    return true;
}

const Layer& Window::layer(const QString& name) const { return at(name, nullptr); }

Layer& Window::at(const QString& name, int* row) const
{
    std::size_t i = 0;
    while (m_layers.at(i)->name != name)
        ++i;
    if (row != nullptr)
        *row = int(i);
    return *m_layers[i];
}

void Window::set_paused(bool paused) { m_pause->setChecked(paused); }

void Window::pause(bool paused)
{
    if (!paused)
        m_resumed = std::chrono::system_clock::now();
    m_hot_reload.set_global_hot_reload_enabled(!paused);
    log(paused ? tr("paused: changes are remembered") : tr("resumed: what changed meanwhile is told once"));
}

void Window::happened(const hotreload::Event& event)
{
    const QString name = QString::fromStdString(event.plugin_id);
    if (event.kind != hotreload::EventKind::file_changed) {
        log(tr("%1: %2").arg(name.isEmpty() ? tr("hot reload") : name,
                             event.kind == hotreload::EventKind::file_removed ? tr("the file is gone")
                                                                              : QString::fromStdString(event.message)));
        return;
    }
    int row = 0;
    at(name, &row).generation = event.generation;
    const double told = ms(event.decided, std::chrono::system_clock::now());
    cell(row, Generation, QString::number(event.generation));
    cell(row, LastChange, QTime::currentTime().toString(QStringLiteral("HH:mm:ss.zzz")));
    cell(row, Latency, event.decided < m_resumed ? tr("was paused") : tr("%1 ms").arg(told, 0, 'f', 2));
    log(tr("%1: generation %2 was whole %3 ms after the first sign of it, told %4 ms later")
            .arg(name)
            .arg(event.generation)
            .arg(ms(event.first_seen, event.decided), 0, 'f', 0)
            .arg(told, 0, 'f', 2));
}

void Window::reload(const std::string& plugin_id)
{
    const QString name = QString::fromStdString(plugin_id);
    int row = 0;
    Layer& layer = at(name, &row);
    QElapsedTimer since;
    since.start();
    QString error;
    if (layer.loader.load(&error)) {
        log(tr("%1: reloaded in %2 ms").arg(name).arg(double(since.nsecsElapsed()) / 1e6, 0, 'f', 1));
        cell(row, State, tr("reloaded"), QColor(0x2e7d32));
    } else {
        ++layer.failures;
        log(tr("%1: kept as it is: %2").arg(name, error));
        cell(row, State, tr("generation %1 is no plugin, kept as it is").arg(layer.generation), QColor(0xc62828));
    }
    Q_EMIT reloaded(name);
}

void Window::log(const QString& line)
{
    constexpr int most = 140;  // compilers' command lines are longer
    m_log->appendPlainText(QTime::currentTime().toString(QStringLiteral("HH:mm:ss.zzz  ")) +
                           (line.size() > most ? line.left(most) + QStringLiteral(" …") : line));
    m_log->verticalScrollBar()->setValue(m_log->verticalScrollBar()->maximum());
}

void Window::cell(int row, Column column, const QString& text, const QColor& colour)
{
    auto* const item = new QTableWidgetItem(text);
    if (colour.isValid())
        item->setForeground(colour);
    m_table->setItem(row, column, item);
}
