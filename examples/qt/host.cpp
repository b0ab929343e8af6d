// A smallest honest Qt host: reloads a Qt plugin when its file changes.
//
//     host PLUGIN [RELOADS]
//
// prints "old answer -> new answer" for each reload and ends after RELOADS of them (default: never).
//
// It loads a private copy of the file: the loader hands out the old image for a path that is still loaded, and a build
// that overwrites a mapped library crashes its host.
#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QPluginLoader>
#include <QTemporaryDir>
#include <QTextStream>

#include <memory>

#include <qtplugin/monitoring/plugin_hot_reload_manager.hpp>

#include "answer.hpp"

class Host {
public:
    explicit Host(QString path) : m_path(std::move(path)) {}
    ~Host()
    {
        if (m_loader)
            m_loader->unload();
    }

    /** Loads the file's present version; the former one stays if that fails. */
    bool load(QString* error)
    {
        const QString copy = m_copies.filePath(QStringLiteral("%1-%2").arg(++m_version).arg(QFileInfo(m_path).fileName()));
        if (!QFile::copy(m_path, copy)) {
            *error = QStringLiteral("cannot copy %1").arg(m_path);
            return false;
        }
        auto loader = std::make_unique<QPluginLoader>(copy);
        auto* const fresh = qobject_cast<Answer*>(loader->instance());
        if (fresh == nullptr) {
            *error = loader->errorString();
            QFile::remove(copy);
            return false;
        }
        if (m_loader)
            m_loader->unload();
        m_loader.swap(loader);
        m_plugin = fresh;
        return true;
    }

    int answer() const { return m_plugin->answer(); }

private:
    QString m_path;
    QTemporaryDir m_copies;
    int m_version = 0;
    std::unique_ptr<QPluginLoader> m_loader;
    Answer* m_plugin = nullptr;
};

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    QTextStream out(stdout), err(stderr);
    const QStringList args = app.arguments();
    if (args.size() < 2 || args.size() > 3) {
        err << "usage: host PLUGIN [RELOADS]\n";
        return 2;
    }
    int left = args.size() == 3 ? args.at(2).toInt() : -1;
    QString error;
    Host host(args.at(1));
    if (!host.load(&error)) {
        err << error << '\n';
        return 1;
    }
    out << "plugin answers " << host.answer() << Qt::endl;

    const auto hot_reload = qtplugin::PluginHotReloadManager::create();
    hot_reload->set_reload_callback([&](const std::string& plugin_id) {
        const int before = host.answer();
        if (!host.load(&error)) {
            out << "kept " << before << ", the new version fails: " << error << Qt::endl;
            return;
        }
        out << QString::fromStdString(plugin_id) << ": " << before << " -> " << host.answer() << Qt::endl;
        if (--left == 0)
            QCoreApplication::quit();
    });
    if (const auto result = hot_reload->enable_hot_reload("plugin", args.at(1).toStdString()); !result) {
        err << QString::fromStdString(result.error().message()) << '\n';
        return 1;
    }
    out << "watching" << Qt::endl;
    return app.exec();
}
