// SPDX-License-Identifier: MIT
// A plugin of the stand-in's, in the version that the build gives it.
#include <QtCore/QObject>

#include <qtplugin/core/plugin_interface.hpp>

class Plugin : public QObject, public qtplugin::IPlugin {
    Q_OBJECT
    Q_PLUGIN_METADATA(IID "stand-in.IPlugin/1.0")
    Q_INTERFACES(qtplugin::IPlugin)

public:
    std::string_view id() const noexcept override { return "example"; }
    qtplugin::expected<void, qtplugin::PluginError> initialize() override
    {
        qInfo("version %d starts", VERSION);
        return qtplugin::make_success();
    }
    void shutdown() noexcept override { qInfo("version %d stops", VERSION); }
};

#include "plugin.moc"
