// SPDX-License-Identifier: MIT
#include "timeline.hpp"

#include <QFontMetrics>
#include <QPainter>

#include <algorithm>

QString shown_ms(double ms)
{
    if (ms >= 10000)
        return QStringLiteral("%1 s").arg(ms / 1000, 0, 'f', 1);
    return QStringLiteral("%1 ms").arg(ms, 0, 'f', ms < 1000 && ms > 0 ? 1 : 0);
}

Timeline::Timeline(QWidget* parent) : QWidget(parent) { setMinimumSize(440, 240); }

void Timeline::add(Version version)
{
    m_versions.push_front(std::move(version));
    if (m_versions.size() > 50)
        m_versions.pop_back();
    update();
}

void Timeline::conclude(const QString& plugin, const QString& outcome, const QColor& colour)
{
    const auto version = std::find_if(m_versions.begin(), m_versions.end(),
                                      [&](const Version& v) { return v.plugin == plugin; });
    if (version == m_versions.end())
        return;
    version->outcome = outcome;
    version->colour = colour;
    update();
}

void Timeline::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.fillRect(rect(), colours::surface);
    QFont bold = font(), small = font();
    bold.setBold(true);
    small.setPointSizeF(font().pointSizeF() * 0.85);
    const int text = QFontMetrics(bold).height(), tiny = QFontMetrics(small).height();
    const int margin = 12, dot = 5, row = text + 3 * dot + 2 * tiny + 16;
    int top = 6;
    for (const Version& version : m_versions) {
        if (top + row > height())
            break;  // no half rows
        const QRect title(margin, top + 4, width() - 2 * margin, text);
        painter.setFont(bold);
        painter.setPen(colours::text);
        painter.drawText(title, Qt::AlignLeft | Qt::AlignVCenter,
                         version.number.isEmpty() ? version.plugin
                                                  : tr("%1, version %2").arg(version.plugin, version.number));
        painter.setPen(version.colour);
        painter.drawText(title, Qt::AlignRight | Qt::AlignVCenter, version.outcome);

        const int y = title.bottom() + 2 * dot, step = (width() - 2 * margin) / 4;
        painter.setFont(small);
        for (std::size_t i = 0; i < version.steps.size(); ++i) {
            const bool last = i + 1 == version.steps.size();
            const QPoint at(margin + dot + int(i) * step, y);
            painter.setPen(QPen(colours::line, 2));
            if (!last)
                painter.drawLine(at, at + QPoint(step, 0));
            painter.setPen(Qt::NoPen);
            painter.setBrush(last ? version.colour : colours::busy);
            painter.drawEllipse(at, dot, dot);
            const QRect label(margin, y + dot + 3, step - 4, tiny);
            painter.setPen(colours::text);
            painter.drawText(label.translated(int(i) * step, 0), Qt::AlignLeft, version.steps[i].name);
            painter.setPen(colours::faint);
            painter.drawText(label.translated(int(i) * step, tiny), Qt::AlignLeft,
                             (i == 0 ? QString() : QStringLiteral("+")) + shown_ms(version.steps[i].ms));
        }
        if (version.steps.empty()) {
            const QRect reason(margin, y - dot, width() - 2 * margin, 2 * tiny);
            painter.setPen(colours::faint);
            painter.drawText(reason, Qt::AlignLeft | Qt::TextWordWrap, version.reason);
            top -= 2 * dot + 3;
        }
        top += row;
        painter.setPen(colours::line);
        painter.drawLine(margin, top, width() - margin, top);
    }
    if (m_versions.empty()) {
        painter.setPen(colours::faint);
        painter.drawText(rect(), Qt::AlignCenter, tr("Nothing has changed yet."));
    }
}
