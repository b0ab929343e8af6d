// SPDX-License-Identifier: MIT
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
#include <QTimer>
#include <QVBoxLayout>

#include <chrono>

using hotreload::EventKind;

static double ms(hotreload::Event::Time from, hotreload::Event::Time to)
{
    return std::chrono::duration<double, std::milli>(to - from).count();
}

static hotreload::Options options()
{
    hotreload::Options options;
    options.safe.emplace();       // what is delivered is a private snapshot, so that a build may overwrite the file
    options.safe->image = true;  // of a complete plugin for this machine
    return options;
}

static QLabel* heading(const QString& text)
{
    auto* const label = new QLabel(text);
    QFont bold = label->font();
    bold.setBold(true);
    label->setFont(bold);
    return label;
}

Picture::Picture(const std::vector<std::unique_ptr<Layer>>& layers, QWidget* parent) : QWidget(parent), m_layers(layers)
{
    setMinimumSize(380, 300);
    m_since.start();
    auto* const frames = new QTimer(this);
    connect(frames, &QTimer::timeout, this, QOverload<>::of(&QWidget::update));
    frames->start(33);
}

void Picture::freeze(double seconds)
{
    m_frozen = seconds;
    update();
}

void Picture::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    for (const auto& layer : m_layers) {
        if (layer->look() == nullptr)
            continue;
        painter.save();
        layer->look()->paint(painter, rect(), m_frozen < 0 ? double(m_since.elapsed()) / 1000 : m_frozen);
        painter.restore();
    }
}

Window::Window(QWidget* parent)
    : QMainWindow(parent),
      m_hot_reload(options()),
      m_picture(new Picture(m_layers)),
      m_table(new QTableWidget(0, Columns)),
      m_timeline(new Timeline),
      m_log(new QPlainTextEdit),
      m_stats(new QLabel),
      m_pause(new QCheckBox(tr("&Pause hot reload")))
{
    setWindowTitle(tr("Plugin hot reload: two plugins paint a picture and are exchanged while it is shown"));
    resize(1280, 820);
    m_since.start();

    m_log->setReadOnly(true);
    m_log->setMaximumBlockCount(2000);
    m_log->setFrameShape(QFrame::NoFrame);
    QFont fixed = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    fixed.setPointSizeF(font().pointSizeF() * 0.85);
    m_log->setFont(fixed);
    m_log->setLineWrapMode(QPlainTextEdit::NoWrap);
    m_log->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);

    auto* const left = new QSplitter(Qt::Vertical);
    left->addWidget(m_picture);
    left->addWidget(m_log);
    left->setSizes({570, 190});
    left->setStretchFactor(0, 1);
    auto* const all = new QSplitter;
    all->addWidget(left);
    all->addWidget(side());
    all->setSizes({700, 560});
    all->setStretchFactor(0, 1);

    auto* const title = heading(windowTitle());
    QFont big = title->font();
    big.setPointSizeF(big.pointSizeF() * 1.25);
    title->setFont(big);
    auto* const central = new QWidget;
    auto* const layout = new QVBoxLayout(central);
    layout->addWidget(title);
    layout->addWidget(all, 1);
    setCentralWidget(central);

    auto* const often = new QTimer(this);
    connect(often, &QTimer::timeout, this, &Window::look_at_stats);
    often->start(25);

    connect(&m_workshop, &Workshop::said, this, &Window::log);
    connect(&m_workshop, &Workshop::started, this, [this](const QString& name) {
        m_changing = name;
        state(name, tr("being built"), colours::busy);
    });
    connect(&m_workshop, &Workshop::finished, this, [this](const QString& name, bool good) {
        if (!good)
            state(name, tr("build failed, version kept"), colours::bad);
        else if (m_pause->isChecked())
            state(name, tr("complete, waits for the end of the pause"), colours::careful);
    });
    connect(&m_hot_reload, &qtplugin::PluginHotReloadManager::hot_reload_event, this, &Window::happened);
}

QWidget* Window::side()
{
    m_table->setHorizontalHeaderLabels({tr("Plugin"), tr("State"), tr("Version"), tr("Latency")});
    m_table->horizontalHeaderItem(Latency)->setToolTip(tr("From when the file was complete to its delivery"));
    m_table->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_table->setSelectionMode(QAbstractItemView::NoSelection);
    m_table->setFocusPolicy(Qt::NoFocus);
    m_table->setFrameShape(QFrame::NoFrame);
    m_table->setShowGrid(false);
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setDefaultSectionSize(34);
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_table->horizontalHeader()->setSectionResizeMode(State, QHeaderView::Stretch);
    m_table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    m_table->setFixedHeight(2 * 34 + m_table->horizontalHeader()->sizeHint().height() + 6);
    m_stats->setForegroundRole(QPalette::PlaceholderText);

    auto* const buttons = new QHBoxLayout;
    for (const char* name : {"sky", "flower"}) {
        auto* const button = new QPushButton(tr("Edit and rebuild %1").arg(QLatin1String(name)));
        connect(button, &QPushButton::clicked, this, [this, name] { m_workshop.rebuild(QLatin1String(name)); });
        buttons->addWidget(button);
    }
    auto* const misspell = new QPushButton(tr("Break flower"));
    connect(misspell, &QPushButton::clicked, this, [this] { m_workshop.misspell(QStringLiteral("flower")); });
    buttons->addWidget(misspell);
    buttons->addStretch();
    connect(m_pause, &QCheckBox::toggled, this, &Window::pause);

    auto* const side = new QWidget;
    auto* const layout = new QVBoxLayout(side);
    layout->setContentsMargins(6, 0, 0, 0);
    layout->addWidget(m_table);
    layout->addWidget(m_stats);
    layout->addSpacing(6);
    layout->addWidget(heading(tr("What happened to each version, and after how long")));
    layout->addWidget(m_timeline, 1);
    layout->addLayout(buttons);
    layout->addWidget(m_pause);
    return side;
}

bool Window::add(const QString& name, const QString& path)
{
    m_layers.push_back(std::make_unique<Layer>(name));
    const int row = m_table->rowCount();
    m_table->insertRow(row);
    cell(row, Name, name);
    state(name, tr("watching"), colours::faint);
    hotreload::EnableOptions enable;
    enable.deliver_present = true;
    const auto result = m_hot_reload.enable_hot_reload_ex(name.toStdString(), path.toStdString(), enable);
    log(result ? tr("%1: watching %2").arg(name, path) : QString::fromStdString(result.error().message()));
    return bool(result);
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
    log(paused ? tr("paused: changes are remembered") : tr("resumed: what changed meanwhile is delivered once"));
}

void Window::look_at_stats()
{
    const hotreload::Stats stats = m_hot_reload.stats();
    m_stats->setText(tr("Directories watched: %1   delivered: %2   rejected: %3   rolled back: %4")
                         .arg(stats.watched_directories)
                         .arg(stats.deliveries)
                         .arg(stats.rejected)
                         .arg(stats.rollbacks));
    // These pass quickly. Only one plugin is built at a time, so it is clear whose they are.
    if (m_changing.isEmpty() || m_pause->isChecked())
        return;
    if (stats.being_written > 0)
        state(m_changing, tr("being written"), colours::busy);
    else if (stats.validating > 0)
        state(m_changing, tr("complete, validating"), colours::busy);
    else if (stats.settling > 0)
        state(m_changing, tr("written, quiet period"), colours::busy);
}

void Window::happened(const hotreload::Event& event)
{
    const QString name = QString::fromStdString(event.plugin_id);
    const QString message = QString::fromStdString(event.message);
    if (event.kind == EventKind::file_changed) {
        reload(event);
    } else if (event.kind == EventKind::rejected) {
        Layer& layer = at(name, nullptr);
        layer.rejections += layer.look() == nullptr ? 0 : 1;
        state(name, tr("rejected, version kept"), colours::bad);
        m_timeline->add({name, {}, tr("rejected"), colours::bad, {}, message});
        log(tr("%1: rejected: %2").arg(name, message));
        if (layer.look() == nullptr)
            mend(name);
    } else if (event.kind == EventKind::rollback && at(name, nullptr).look() == nullptr) {
        mend(name);
    } else if (event.kind == EventKind::rollback) {
        ++at(name, nullptr).rollbacks;
        state(name, tr("rolled back to version %1").arg(event.generation), colours::careful);
        m_timeline->conclude(name, tr("rolled back to version %1").arg(event.generation), colours::careful);
        log(tr("%1: rolled back to version %2").arg(name).arg(event.generation));
    } else {
        log(tr("%1: %2").arg(name.isEmpty() ? tr("hot reload") : name,
                             event.kind == EventKind::file_removed ? tr("the file was removed") : message));
    }
}

/** Builds a plugin whose first version cannot be used: an earlier run was ended in the middle of its tour. */
void Window::mend(const QString& name)
{
    state(name, tr("cannot be used, to be rebuilt"), colours::bad);
    if (m_workshop.busy())
        QTimer::singleShot(100, this, [this, name] { mend(name); });
    else
        m_workshop.rebuild(name);
}

void Window::reload(const hotreload::Event& event)
{
    const QString name = QString::fromStdString(event.plugin_id);
    const QString number = QString::number(event.generation);
    int row = 0;
    Layer& layer = at(name, &row);
    const auto delivered = std::chrono::system_clock::now();
    const bool was_paused = event.decided < m_resumed;
    const QString snapshot = QString::fromStdString(event.snapshot_path.string());
    QString error;
    const bool good = layer.load(snapshot, &error);
    const auto loaded = std::chrono::system_clock::now();
    m_changing.clear();
    m_timeline->add({name,
                     number,
                     good ? layer.loads == 0 ? tr("loaded") : tr("reloaded") : tr("failed"),
                     good ? colours::good : colours::bad,
                     {{tr("first notification"), 0},
                      {tr("complete"), ms(event.first_seen, event.decided)},
                      {was_paused ? tr("delivered (paused)") : tr("delivered"), ms(event.first_seen, delivered)},
                      {good ? tr("running") : tr("failed"), ms(event.first_seen, loaded)}},
                     {}});
    cell(row, Latency, was_paused ? tr("was paused") : shown_ms(ms(event.decided, delivered)));
    if (good) {
        log(tr("%1: version %2 is running after %3").arg(name, number, shown_ms(ms(event.first_seen, loaded))));
        cell(row, Number, number);
        state(name, layer.loads == 0 ? tr("loaded") : tr("reloaded"), colours::good);
        ++layer.loads;
    } else {
        log(tr("%1: version %2 failed: %3").arg(name, number, error.replace(snapshot, tr("its snapshot"))));
    }
    // A rollback event follows a failure.
    const auto reported = m_hot_reload.report_reload(
        event.plugin_id, event.generation, good ? hotreload::Outcome::ok : hotreload::Outcome::failed, error.toStdString());
    if (!reported)
        log(QString::fromStdString(reported.error().message()));
}

void Window::log(const QString& line)
{
    constexpr int most = 140;  // compilers' command lines are longer
    const QString text = Workshop::relative(line);
    m_log->appendPlainText(QStringLiteral("%1 s  ").arg(double(m_since.elapsed()) / 1000, 6, 'f', 2) +
                           (text.size() > most ? text.left(most) + QStringLiteral(" …") : text));
    m_log->verticalScrollBar()->setValue(m_log->verticalScrollBar()->maximum());
}

void Window::cell(int row, Column column, const QString& text, const QColor& colour)
{
    auto* const item = new QTableWidgetItem(text);
    item->setForeground(colour);
    m_table->setItem(row, column, item);
}

void Window::state(const QString& name, const QString& text, const QColor& colour)
{
    int row = 0;
    (void)at(name, &row);
    cell(row, State, QStringLiteral("● ") + text, colour);
    QFont bold = m_table->font();
    bold.setBold(true);
    m_table->item(row, State)->setFont(bold);
}
