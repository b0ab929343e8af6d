// SPDX-License-Identifier: MIT
// The version of a Qt plugin that is in use.
//
// It is loaded from a private copy of the file: the loader hands out the old image for a path that is still loaded, and a
// build that overwrites a mapped library crashes its host.
#pragma once

#include <QFile>
#include <QFileInfo>
#include <QPluginLoader>
#include <QTemporaryDir>

#include <memory>

template <class Interface>
class Loader {
public:
    explicit Loader(QString path) : m_path(std::move(path)) {}
    ~Loader()
    {
        if (m_loader)
            m_loader->unload();
    }
    Q_DISABLE_COPY(Loader)

    /** Loads the file's present version; the former one stays if that fails. */
    bool load(QString* error)
    {
        const QString copy = m_copies.filePath(QStringLiteral("%1-%2").arg(++m_version).arg(QFileInfo(m_path).fileName()));
        if (!QFile::copy(m_path, copy)) {
            *error = QStringLiteral("cannot copy %1").arg(m_path);
            return false;
        }
        auto loader = std::make_unique<QPluginLoader>(copy);
        auto* const fresh = qobject_cast<Interface*>(loader->instance());
        if (fresh == nullptr) {
            *error = loader->errorString();
            QFile::remove(copy);
            return false;
        }
        if (m_loader) {
            m_loader->unload();
            QFile::remove(m_loader->fileName());
        }
        m_loader.swap(loader);
        m_plugin = fresh;
        return true;
    }

    const QString& path() const { return m_path; }
    /** Null before the first load(). */
    Interface* plugin() const { return m_plugin; }

private:
    QString m_path;
    QTemporaryDir m_copies;
    int m_version = 0;
    std::unique_ptr<QPluginLoader> m_loader;
    Interface* m_plugin = nullptr;
};
