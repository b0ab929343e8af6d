// SPDX-License-Identifier: MIT
// Stands for QtForge's header of this name in the tests.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <QtCore/QPluginLoader>

#include <qtplugin/core/plugin_interface.hpp>

namespace qtplugin {

class IPluginLoader {
public:
    virtual ~IPluginLoader() = default;
    virtual expected<std::shared_ptr<IPlugin>, PluginError> load(const std::filesystem::path& file_path) = 0;
    virtual expected<void, PluginError> unload(std::string_view plugin_id) = 0;
};

class QtPluginLoader : public IPluginLoader {
public:
    expected<std::shared_ptr<IPlugin>, PluginError> load(const std::filesystem::path& file_path) override;
    expected<void, PluginError> unload(std::string_view plugin_id) override;

private:
    std::map<std::string, std::unique_ptr<QPluginLoader>, std::less<>> m_loaders;
};

}  // namespace qtplugin
