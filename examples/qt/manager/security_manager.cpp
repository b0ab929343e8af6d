// SPDX-License-Identifier: MIT
#include <qtplugin/security/security_manager.hpp>

#include <QCoreApplication>
#include <QFile>
#include <QJsonObject>
#include <QPluginLoader>
#include <QProcess>

#include <cstdio>

#include <qtplugin/core/plugin.hpp>

namespace qtplugin {

static ValidationResult verdict(const QString& problem)
{
    ValidationResult result;
    result.is_valid = problem.isEmpty();
    if (!result.is_valid)
        result.problems += problem;
    return result;
}

std::shared_ptr<SecurityManager> SecurityManager::create(const QString& interface_id)
{
    return std::shared_ptr<SecurityManager>(new SecurityManager(interface_id));
}

expected<ValidationResult, PluginError> SecurityManager::validate_plugin(const std::filesystem::path& path) const
{
    QFile file(QFile::decodeName(path.c_str()));
    if (!file.open(QIODevice::ReadOnly))
        return make_unexpected(
            PluginError(file.exists() ? PluginErrorCode::PermissionDenied : PluginErrorCode::FileNotFound,
                        QStringLiteral("\"%1\": %2").arg(file.fileName(), file.errorString()).toStdString()));
    // Read from the file, not by loading it.
    const QString iid = QPluginLoader(file.fileName()).metaData().value(QStringLiteral("IID")).toString();
    if (iid != m_interface_id)
        return verdict(QStringLiteral("it implements \"%1\", not \"%2\"").arg(iid, m_interface_id));
    return verdict({});
}

expected<ValidationResult, PluginError> SecurityManager::try_plugin(const std::filesystem::path& path,
                                                                    std::chrono::milliseconds timeout) const
{
    QProcess canary;
    canary.setProcessChannelMode(QProcess::MergedChannels);
    canary.start(QCoreApplication::applicationFilePath(),
                 {QStringLiteral("--canary"), QFile::decodeName(path.c_str())}, QIODevice::ReadOnly);
    if (!canary.waitForStarted())
        return make_unexpected(PluginError(PluginErrorCode::SystemError,
                                           "cannot start the canary: " + canary.errorString().toStdString()));
    if (!canary.waitForFinished(int(timeout.count()))) {
        canary.kill();
        canary.waitForFinished();
        return verdict(QStringLiteral("in a child process it did not start within %1 ms").arg(timeout.count()));
    }
    if (canary.exitStatus() != QProcess::NormalExit)
        return verdict(QStringLiteral("in a child process it crashed"));
    if (canary.exitCode() != 0)
        return verdict(QStringLiteral("in a child process: ") +
                       QString::fromLocal8Bit(canary.readAll()).trimmed().section(QLatin1Char('\n'), -1));
    return verdict({});
}

int SecurityManager::run_canary(const QString& file)
{
    QPluginLoader loader(file);
    loader.setLoadHints(QLibrary::ResolveAllSymbolsHint | QLibrary::PreventUnloadHint);  // a lacking symbol shows now
    auto* const plugin = qobject_cast<IPlugin*>(loader.instance());
    if (plugin == nullptr) {
        std::fprintf(stderr, "%s\n", qPrintable(loader.errorString()));
        return 1;
    }
    if (!plugin->initialize()) {
        std::fprintf(stderr, "its initialize() returned false\n");
        return 1;
    }
    plugin->shutdown();
    loader.unload();
    return 0;
}

}  // namespace qtplugin
