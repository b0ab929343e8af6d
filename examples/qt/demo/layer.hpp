// SPDX-License-Identifier: MIT
// A plugin that paints one layer of the picture, and what there is to say of it.
#pragma once

#include <QPluginLoader>

#include <memory>

#include "look.hpp"

class Layer {
public:
    explicit Layer(QString name) : name(std::move(name)) {}
    ~Layer()
    {
        if (m_loader)
            m_loader->unload();
    }
    Q_DISABLE_COPY(Layer)

    /** Loads a version from its snapshot, which nobody overwrites. The former version stays if that fails. */
    bool load(const QString& snapshot, QString* error)
    {
        auto loader = std::make_unique<QPluginLoader>(snapshot);
        auto* const look = qobject_cast<Look*>(loader->instance());
        if (look == nullptr) {
            *error = loader->isLoaded() ? QStringLiteral("it has no interface \"Look\"") : loader->errorString();
            loader->unload();
            return false;
        }
        if (m_loader)
            m_loader->unload();
        m_loader = std::move(loader);
        m_look = look;
        return true;
    }

    /** Null before the first load(). */
    const Look* look() const { return m_look; }

    const QString name;
    int loads = 0, rejections = 0, rollbacks = 0;

private:
    std::unique_ptr<QPluginLoader> m_loader;
    Look* m_look = nullptr;
};
