// SPDX-License-Identifier: MIT
// What a PluginHotReloadManager is made of, for itself and for PluginHost.
#pragma once

#include <utility>

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include "object_manager.hpp"

namespace qtplugin {
inline namespace hotreload_1 {

class PluginHotReloadManager::Private {
public:
    Private(PluginHotReloadManager* object, const hotreload::Options& options) : manager(object, options, emitters(object)) {}
    Private(PluginHotReloadManager* object, hotreload::expected<hotreload::Manager> of_host)
        : manager(object, std::move(of_host), emitters(object))
    {
    }

    hotreload::detail::ObjectManager manager;

private:
    static hotreload::detail::Emitters emitters(PluginHotReloadManager* object)
    {
        auto emitters = hotreload::detail::emitters_of(object);
        emitters.event = [object](const hotreload::Event& event) { Q_EMIT object->hot_reload_event(event); };
        emitters.discovered = [object](const QString& id, const QString& path, const QString& folder) {
            Q_EMIT object->plugin_discovered(id, path, folder);
        };
        return emitters;
    }
};

}  // namespace hotreload_1
}  // namespace qtplugin
