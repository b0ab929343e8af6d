// SPDX-License-Identifier: MIT
// The foreground. Edit it while the demo runs, or let the demo do so.
#include "look.hpp"

#include <QObject>

static const char* const colours[] = {"#ff77a8", "#ffec27"};  // petals and heart
static const int petals = 5;
static const double speed = 20;  // degrees a second

class Flower : public QObject, public Look {
    Q_OBJECT
    Q_PLUGIN_METADATA(IID Look_iid)
    Q_INTERFACES(Look)

public:
    void paint(QPainter& painter, const QRectF& area, double seconds) const override
    {
        const double size = qMin(area.width(), area.height()) * 0.3;
        painter.setRenderHint(QPainter::Antialiasing);
        painter.translate(area.center());
        painter.setPen(Qt::NoPen);
        painter.rotate(seconds * speed);
        painter.setBrush(QColor(colours[0]));
        for (int petal = 0; petal < petals; ++petal) {
            painter.drawEllipse(QRectF(size * 0.2, -size * 0.22, size * 0.9, size * 0.44));
            painter.rotate(360.0 / petals);
        }
        painter.setBrush(QColor(colours[1]));
        painter.drawEllipse(QPointF(), size * 0.33, size * 0.33);
    }
};

#include "flower.moc"
