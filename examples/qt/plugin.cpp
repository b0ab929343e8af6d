// SPDX-License-Identifier: MIT
// The plugin: ANSWER comes from the build, so that two builds answer differently.
#include <QObject>

#include "answer.hpp"

class Plugin : public QObject, public Answer {
    Q_OBJECT
    Q_PLUGIN_METADATA(IID Answer_iid)
    Q_INTERFACES(Answer)

public:
    int answer() const override { return ANSWER; }
};

#include "plugin.moc"
