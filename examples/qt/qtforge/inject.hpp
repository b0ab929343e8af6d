// SPDX-License-Identifier: MIT
// Makes a PluginManager of QtForge's with this library's parts in it.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include <qtplugin/core/plugin_manager.hpp>  // QtForge's
#include <qtplugin/hotreload/qtforge.hpp>

/**
 * One argument of PluginManager's constructor. It takes one std::unique_ptr for each of its components, and how many they
 * are depends on QtForge's version: the loader and the hot reload manager get ours, every other one gets null, which stands
 * for QtForge's own.
 */
template <class Loader>
struct Component {
    std::unique_ptr<Loader>& loader;
    std::unique_ptr<hotreload::qtforge::HotReloadManager>& hot_reload;

    template <class Interface, class Deleter>
    operator std::unique_ptr<Interface, Deleter>() const
    {
        if constexpr (std::is_same_v<Interface, qtplugin::IPluginHotReloadManager>)
            return std::unique_ptr<Interface, Deleter>(hot_reload.release());
        else if constexpr (std::is_base_of_v<Interface, Loader>)
            return std::unique_ptr<Interface, Deleter>(loader.release());
        else
            return nullptr;
    }
};

template <class Part, std::size_t>
using Each = Part;

template <class Part, std::size_t... Index>
std::unique_ptr<qtplugin::PluginManager> make_with(const Part& part, std::index_sequence<Index...>)
{
    using qtplugin::PluginManager;
    if constexpr (std::is_constructible_v<PluginManager, Each<const Part&, Index>...>)
        return std::make_unique<PluginManager>(Each<const Part&, Index>(part)...);
    else
        return make_with(part, std::make_index_sequence<sizeof...(Index) - 1>());
}

/** A PluginManager that owns both. */
template <class Loader>
std::unique_ptr<qtplugin::PluginManager> make_plugin_manager(
    std::unique_ptr<Loader> loader, std::unique_ptr<hotreload::qtforge::HotReloadManager> hot_reload)
{
    const Component<Loader> part{loader, hot_reload};
    return make_with(part, std::make_index_sequence<16>());
}
