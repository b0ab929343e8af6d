// SPDX-License-Identifier: MIT
// The part of a program that uses libhotreload's Qt class and hotreload.hpp.
#include <qtplugin/hotreload.hpp>
#include <qtplugin/monitoring/plugin_host.hpp>
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include <QtCore/QCoreApplication>
#include <QtCore/QElapsedTimer>
#include <QtCore/QFile>

#include "both.hpp"

using namespace qtplugin;

static std::string use_manager(const std::string& file)
{
    hotreload::Manager manager;
    const auto failed = manager.enable_hot_reload("gone", file + ".gone");
    if (failed || failed.error().message().find(".gone") == std::string::npos)
        return "hotreload::Manager: no error for a file that does not exist";
    try {
        failed.value();
        return "hotreload::Manager: value() of an error did not throw";
    } catch (const hotreload::Exception& e) {
        if (e.error().code() != hotreload::ErrorCode::FileNotFound)
            return "hotreload::Manager: the exception has another code";
    }
    return manager.enable_hot_reload("ours", file) ? "" : "hotreload::Manager: a file was not accepted";
}

std::string use_ours(const std::string& file)
{
    std::string wrong = use_manager(file);
    const auto manager = PluginHotReloadManager::create();
    const expected<void, PluginError> failed = manager->enable_hot_reload("gone", file + ".gone");
    if (failed || failed.error().code() != PluginErrorCode::FileNotFound || failed.error().message().empty())
        wrong += "ours: no error for a file that does not exist";
    const expected<std::string, PluginError> text = make_error<std::string>(PluginErrorCode::InvalidPath, "ours");
    if (text || text.error().message != "ours")
        wrong += "ours: an expected<std::string, PluginError>";
    int enabled = 0;
    int changes = 0;
    QObject::connect(manager.get(), &PluginHotReloadManager::hot_reload_enabled, [&] { ++enabled; });
    manager->set_reload_callback([&](const std::string& id) { changes += id == "ours" ? 1 : 1000; });
    if (!manager->enable_hot_reload("ours", file) || enabled != 1)
        wrong += "ours: a file was not accepted";
    IPluginHotReloadManager& interface = *manager;
    if (interface.get_hot_reload_plugins() != std::vector<std::string>{"ours"} ||
        dynamic_cast<PluginHotReloadManager*>(&interface) == nullptr)
        wrong += "ours: the interface";
    QFile f(QString::fromStdString(file));
    if (!f.open(QIODevice::WriteOnly) || f.write("version 2") < 0)
        wrong += "the test's own file";
    f.close();
    QElapsedTimer since;
    for (since.start(); changes == 0 && since.elapsed() < 20000;)
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents, 100);
    if (changes != 1)
        wrong += "ours: the change was delivered " + std::to_string(changes) + " times";
    PluginHost host;
    if (!host.open("ours", file))
        wrong += "ours: PluginHost does not open the file";
    host.close("ours");
    return wrong;
}
