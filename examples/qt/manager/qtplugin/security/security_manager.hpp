// A small security manager, as the production example of the reference presupposes it.
#pragma once

#include <QByteArray>
#include <QSet>
#include <QString>
#include <QStringList>

#include <filesystem>
#include <memory>

#include <qtplugin/utils/error_handling.hpp>
#include <qtplugin/utils/expected.hpp>

namespace qtplugin {

struct ValidationResult {
    bool is_valid = false;
    QStringList problems;  ///< why it is not
};

/** Says whether a plugin file may be loaded, without running any of its code. */
class SecurityManager {
public:
    /** @p interface_id: what a plugin must say that it implements. */
    static std::shared_ptr<SecurityManager> create(const QString& interface_id);

    /** From now on only files whose SHA-256 is listed, in the form of sha256sum(1), are valid. */
    expected<void, PluginError> set_allow_list(const std::filesystem::path& file);

    /** An error if the file cannot be read. */
    expected<ValidationResult, PluginError> validate_plugin(const std::filesystem::path& file) const;

private:
    explicit SecurityManager(QString interface_id) : m_interface_id(std::move(interface_id)) {}

    QString m_interface_id;
    bool m_listed_only = false;
    QSet<QByteArray> m_allowed;
};

}  // namespace qtplugin
