// SPDX-License-Identifier: MIT
// What happened to each version of a plugin's file, the newest first: from the first notification to the reload.
#pragma once

#include <QColor>
#include <QString>
#include <QWidget>

#include <deque>
#include <vector>

namespace colours {
// Dark on light, whatever the desktop's own colours are: each has a contrast of at least 4.5 to 1 on white.
const QColor text(0x1f2328), faint(0x57606a), line(0xd0d7de), surface(0xffffff), window(0xf3f4f6);
const QColor good(0x1a7f37), bad(0xc62828), busy(0x1f5fbf), careful(0x8a5a00);
}  // namespace colours

struct Version {
    struct Step {
        QString name;
        double ms;  // since the first step
    };
    QString plugin;
    QString number;  // empty if it was never delivered
    QString outcome;
    QColor colour;
    std::vector<Step> steps;
    QString reason;  // shown where there are no steps
};

class Timeline : public QWidget {
public:
    explicit Timeline(QWidget* parent = nullptr);
    void add(Version version);
    /** The outcome of the newest version of a plugin, known later. */
    void conclude(const QString& plugin, const QString& outcome, const QColor& colour);

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    std::deque<Version> m_versions;
};

/** A duration as people read it. */
QString shown_ms(double ms);
