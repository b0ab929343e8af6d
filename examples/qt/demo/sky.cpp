// SPDX-License-Identifier: MIT
// The background. Edit it while the demo runs, or let the demo do so.
#include "look.hpp"

#include <QObject>
#include <QPainterPath>

#include <cmath>

static const char* const colours[] = {"#1d2b53", "#29366f"};  // top and bottom
static const int hills = 2;

class Sky : public QObject, public Look {
    Q_OBJECT
    Q_PLUGIN_METADATA(IID Look_iid)
    Q_INTERFACES(Look)

public:
    void paint(QPainter& painter, const QRectF& area, double seconds) const override
    {
        QLinearGradient sky(area.topLeft(), area.bottomLeft());
        sky.setColorAt(0, QColor(colours[0]));
        sky.setColorAt(1, QColor(colours[1]));
        painter.fillRect(area, sky);
        for (int hill = 0; hill < hills; ++hill) {
            QPainterPath path(area.bottomLeft());
            const double base = area.bottom() - area.height() * (0.30 - 0.09 * hill);
            for (double x = area.left(); x < area.right() + 4; x += 4)
                path.lineTo(x, base + 24 * std::sin(x / (90.0 - 15 * hill) + hill * 2 + seconds * 0.3));
            path.lineTo(area.bottomRight());
            painter.fillPath(path, QColor(colours[0]).lighter(120 + 25 * hill));
        }
    }
};

#include "sky.moc"
