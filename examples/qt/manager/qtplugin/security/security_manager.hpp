// SPDX-License-Identifier: MIT
// A small security manager, as the production example of the reference presupposes it.
//
// It says what only the host can know of its plugins. Whose file it is, who signed it and whether it is whole is the
// business of the library's safe reload (hotreload::SafeOptions).
#pragma once

#include <QString>
#include <QStringList>

#include <chrono>
#include <filesystem>
#include <memory>

#include <qtplugin/utils/error_handling.hpp>
#include <qtplugin/utils/expected.hpp>

namespace qtplugin {

struct ValidationResult {
    bool is_valid = false;
    QStringList problems;  ///< why it is not
};

/** Says whether a plugin file may be loaded. May be used on any thread. */
class SecurityManager {
public:
    /** @p interface_id: what a plugin must say that it implements. */
    static std::shared_ptr<SecurityManager> create(const QString& interface_id);

    /** Without running any of its code. An error if the file cannot be read. */
    expected<ValidationResult, PluginError> validate_plugin(const std::filesystem::path& file) const;

    /**
     * Loads and initializes it in a process of its own first, the canary: this program, started anew with the
     * arguments "--canary FILE", which is to return run_canary().
     */
    expected<ValidationResult, PluginError> try_plugin(const std::filesystem::path& file,
                                                       std::chrono::milliseconds timeout) const;
    /** The canary's exit status: 0 if the plugin starts; else what is wrong is on the standard error output. */
    static int run_canary(const QString& file);

private:
    explicit SecurityManager(QString interface_id) : m_interface_id(std::move(interface_id)) {}

    QString m_interface_id;
};

}  // namespace qtplugin
