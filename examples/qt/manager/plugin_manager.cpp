// SPDX-License-Identifier: MIT
#include <qtplugin/core/plugin_manager.hpp>

#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QPluginLoader>

namespace qtplugin {

struct PluginManager::Version {
    explicit Version(const QString& file) : loader(file) {}
    ~Version()
    {
        if (plugin != nullptr)
            plugin->shutdown();
        loader.unload();
        QFile::remove(loader.fileName());
    }
    Q_DISABLE_COPY(Version)

    QPluginLoader loader;
    IPlugin* plugin = nullptr;
};

static unexpected<PluginError> failure(PluginErrorCode code, const QString& message, const std::string& plugin_id)
{
    return make_unexpected(PluginError(code, message.toStdString(), plugin_id));
}

std::shared_ptr<PluginManager> PluginManager::create() { return std::shared_ptr<PluginManager>(new PluginManager); }

PluginManager::~PluginManager() = default;

expected<void, PluginError> PluginManager::load_plugin(const std::string& plugin_id)
{
    const QString id = QString::fromStdString(plugin_id);
    const QStringList paths = QCoreApplication::libraryPaths();
    for (const QString& path : paths) {
        const QStringList names = {id + QStringLiteral(".*"), QStringLiteral("lib%1.*").arg(id)};
        const QFileInfoList files = QDir(path).entryInfoList(names, QDir::Files, QDir::Name);
        for (const QFileInfo& file : files)
            if (QLibrary::isLibrary(file.fileName())) {
                auto fresh = load(plugin_id, file.filePath());
                if (!fresh)
                    return make_unexpected(fresh.error());
                const std::lock_guard<std::mutex> lock(m_mutex);
                m_plugins[plugin_id].swap(*fresh);
                return {};  // and the former version goes, outside the lock, unless somebody still uses it
            }
    }
    return failure(PluginErrorCode::FileNotFound,
                   QStringLiteral("no plugin \"%1\" in %2").arg(id, paths.join(QLatin1Char(':'))), plugin_id);
}

expected<std::shared_ptr<PluginManager::Version>, PluginError> PluginManager::load(const std::string& plugin_id,
                                                                                   const QString& file)
{
    const QString copy =
        m_copies.filePath(QStringLiteral("%1-%2").arg(++m_version).arg(QFileInfo(file).fileName()));
    if (!QFile::copy(file, copy))
        return failure(PluginErrorCode::FileNotFound, QStringLiteral("cannot copy \"%1\"").arg(file), plugin_id);
    auto version = std::make_shared<Version>(copy);
    auto* const plugin = qobject_cast<IPlugin*>(version->loader.instance());
    if (plugin == nullptr)
        return failure(PluginErrorCode::SystemError, version->loader.errorString(), plugin_id);
    if (!plugin->initialize())
        return failure(PluginErrorCode::InvalidState, QStringLiteral("\"%1\" does not initialize").arg(file),
                       plugin_id);
    version->plugin = plugin;
    return version;
}

expected<void, PluginError> PluginManager::unload_plugin(const std::string& plugin_id)
{
    std::shared_ptr<Version> former;  // goes outside the lock
    const std::lock_guard<std::mutex> lock(m_mutex);
    const auto at = m_plugins.find(plugin_id);
    if (at != m_plugins.end()) {
        former.swap(at->second);
        m_plugins.erase(at);
    }
    return {};
}

std::shared_ptr<IPlugin> PluginManager::get_plugin(const std::string& plugin_id) const
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    const auto at = m_plugins.find(plugin_id);
    return at == m_plugins.end() ? nullptr : std::shared_ptr<IPlugin>(at->second, at->second->plugin);
}

}  // namespace qtplugin
