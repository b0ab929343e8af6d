#include <qtplugin/security/security_manager.hpp>

#include <QCryptographicHash>
#include <QFile>
#include <QFileInfo>
#include <QJsonObject>
#include <QPluginLoader>

#include <unistd.h>

namespace qtplugin {

static unexpected<PluginError> unreadable(const QFile& file)
{
    return make_unexpected(
        PluginError(file.exists() ? PluginErrorCode::PermissionDenied : PluginErrorCode::FileNotFound,
                    QStringLiteral("\"%1\": %2").arg(file.fileName(), file.errorString()).toStdString()));
}

std::shared_ptr<SecurityManager> SecurityManager::create(const QString& interface_id)
{
    return std::shared_ptr<SecurityManager>(new SecurityManager(interface_id));
}

expected<void, PluginError> SecurityManager::set_allow_list(const std::filesystem::path& path)
{
    QFile file(QFile::decodeName(path.c_str()));
    if (!file.open(QIODevice::ReadOnly))
        return unreadable(file);
    m_listed_only = true;
    m_allowed.clear();
    while (!file.atEnd()) {
        const QByteArray digest = QByteArray::fromHex(file.readLine().left(64));
        if (digest.size() == QCryptographicHash::hashLength(QCryptographicHash::Sha256))
            m_allowed.insert(digest);
    }
    return {};
}

expected<ValidationResult, PluginError> SecurityManager::validate_plugin(const std::filesystem::path& path) const
{
    QFile file(QFile::decodeName(path.c_str()));
    QCryptographicHash hash(QCryptographicHash::Sha256);
    if (!file.open(QIODevice::ReadOnly) || !hash.addData(&file))
        return unreadable(file);
    ValidationResult result;
    if (m_listed_only && !m_allowed.contains(hash.result()))
        result.problems += QStringLiteral("its SHA-256 %1 is not on the list").arg(QString::fromLatin1(hash.result().toHex()));
    const QFileInfo info(file);
    if (info.ownerId() != geteuid() && info.ownerId() != 0)
        result.problems += QStringLiteral("it belongs to another user");
    if ((info.permissions() & (QFile::WriteGroup | QFile::WriteOther)) != 0)
        result.problems += QStringLiteral("others may write it");
    // Read from the file, not by loading it.
    const QString iid = QPluginLoader(file.fileName()).metaData().value(QStringLiteral("IID")).toString();
    if (iid != m_interface_id)
        result.problems += QStringLiteral("it implements \"%1\", not \"%2\"").arg(iid, m_interface_id);
    result.is_valid = result.problems.isEmpty();
    return result;
}

}  // namespace qtplugin
