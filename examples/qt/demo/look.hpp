// SPDX-License-Identifier: MIT
// What the demo and its plugins agree on: a plugin paints one layer of the picture.
#pragma once

#include <QPainter>
#include <QRectF>
#include <QtPlugin>

class Look {
public:
    virtual ~Look() = default;
    /** @p seconds: since the program started, for what moves. */
    virtual void paint(QPainter& painter, const QRectF& area, double seconds) const = 0;
};

#define Look_iid "org.qtforge.hotreload.demo.Look/1.0"
Q_DECLARE_INTERFACE(Look, Look_iid)
