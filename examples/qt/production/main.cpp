// The production example of the reference: a plugin is replaced while another thread uses it, and only by a version
// that was validated and starts.
//
//     production PLUGIN ALLOW-LIST
//
// ALLOW-LIST has the SHA-256 of each version that may be loaded, as sha256sum(1) prints it; a line on the standard input
// makes the program read it again. Ends with the standard input.
#include <QCoreApplication>
#include <QFileInfo>
#include <QSocketNotifier>

#include <atomic>
#include <thread>

#include <unistd.h>

#include "production_hot_reload.hpp"

/** A thread that never stops calling the plugin. */
class Load {
public:
    explicit Load(const qtplugin::PluginManager& plugins)
        : m_thread([this, &plugins] {
              int last = 0;
              while (!m_stop) {
                  const auto plugin = plugins.get_plugin("plugin");
                  const int answer = plugin ? plugin->answer() : 0;
                  ++(answer > 0 ? m_calls : m_failed);
                  if (answer != last)
                      qInfo("answers %d", last = answer);
              }
          })
    {
    }
    ~Load()
    {
        m_stop = true;
        m_thread.join();
        qInfo("%s calls, %lld failed", m_calls > 0 ? "many" : "no", m_failed);
    }
    Q_DISABLE_COPY(Load)

private:
    std::atomic<bool> m_stop{false};
    long long m_calls = 0, m_failed = 0;
    std::thread m_thread;
};

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    const QStringList args = app.arguments();
    if (args.size() != 3) {
        qWarning("usage: production PLUGIN ALLOW-LIST");
        return 2;
    }
    const auto plugins = qtplugin::PluginManager::create();
    const auto security = qtplugin::SecurityManager::create(QStringLiteral(QtPluginExample_iid));
    const auto read_list = [&] {
        const auto result = security->set_allow_list(args.at(2).toStdString());
        if (!result)
            qWarning() << result.error().message();
        return result.has_value();
    };
    ProductionHotReload production(plugins, security);
    if (!read_list() || !production.setup_production_reload() || !production.add("plugin", args.at(1).toStdString()))
        return 1;

    QSocketNotifier input(STDIN_FILENO, QSocketNotifier::Read);
    QObject::connect(&input, &QSocketNotifier::activated, &app, [&] {
        char line[256];
        if (read(STDIN_FILENO, line, sizeof line) <= 0)
            QCoreApplication::quit();
        else if (read_list())
            qInfo("list read");
    });
    const Load load(*plugins);
    return app.exec();
}
