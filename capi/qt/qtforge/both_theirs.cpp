// SPDX-License-Identifier: MIT
// The part of a program that uses QtForge, for which the stand-in stands.
#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include "both.hpp"

using namespace qtplugin;

static_assert(sizeof(expected<void, PluginError>) > 96, "the stand-in's layouts are others");

std::string use_theirs(const std::string& file)
{
    const auto manager = PluginHotReloadManager::create();
    if (manager->enable_hot_reload("gone", file + ".gone"))
        return "theirs: a file that does not exist was accepted";
    const auto failed = manager->enable_hot_reload("gone", file + ".gone");
    if (failed.error().message != "stand-in: no file for gone" || failed.error().code != PluginErrorCode::FileNotFound)
        return "theirs: the error is another one";
    const expected<std::string, PluginError> text = make_error<std::string>(PluginErrorCode::InvalidFormat, "theirs");
    if (text || text.error().message != "theirs")
        return "theirs: an expected<std::string, PluginError>";
    int enabled = 0;
    QObject::connect(manager.get(), &PluginHotReloadManager::hot_reload_enabled, [&] { ++enabled; });
    if (!manager->enable_hot_reload("theirs", file) || enabled != 1)
        return "theirs: a file was not accepted";
    IPluginHotReloadManager& interface = *manager;
    if (interface.get_hot_reload_plugins() != std::vector<std::string>{"theirs"})
        return "theirs: the list of plugins";
    return dynamic_cast<PluginHotReloadManager*>(&interface) == nullptr ? "theirs: dynamic_cast" : "";
}
