// SPDX-License-Identifier: MIT
// The production example of the reference: a plugin is exchanged while other threads use it, and no version that is
// unsigned, broken, crashing or failing can stop it.
//
//     production [--strict] [--exit-first] PLUGIN PUBLIC-KEY
//
// PUBLIC-KEY is minisign's (minisign -G); PLUGIN.minisig is the signature (minisign -S -m PLUGIN). With --strict a file
// that somebody else could exchange is refused too. With --exit-first the old version is shut down before the new one is
// initialised, as a plugin needs it that owns a port; requests wait meanwhile. Prints every outcome. The line "roll back" on the standard input says
// that the present version is bad after all. Ends with its input, and prints how many requests were answered and failed.
#include <QCommandLineParser>
#include <QCoreApplication>
#include <QFile>
#include <QSocketNotifier>

#include <atomic>
#include <cstdio>
#include <list>
#include <thread>

#include <unistd.h>

#include "production_hot_reload.hpp"

/** Requests without pause. What is got stays loaded until it is let go of. */
class Load {
public:
    explicit Load(const qtplugin::PluginHost& plugins) : m_thread([this, &plugins] { run(plugins); }) {}
    ~Load() { end(); }
    Q_DISABLE_COPY(Load)

    void end()
    {
        m_stop = true;
        if (m_thread.joinable())
            m_thread.join();
    }

    long long answered = 0, failed = 0;

private:
    void run(const qtplugin::PluginHost& plugins)
    {
        while (!m_stop) {
            const auto plugin = plugins.get<qtplugin::IPlugin>("plugin");
            ++(plugin && plugin->answer() > 0 ? answered : failed);
        }
    }

    std::atomic<bool> m_stop{false};
    std::thread m_thread;
};

/** To the standard output, at once. */
template <class... Args>
static void say(const char* format, Args... args)
{
    std::printf(format, args...);
    std::fflush(stdout);
}

/** What became of a version. */
static void tell(const hotreload::PluginOutcome& outcome)
{
    using hotreload::Verdict;
    if (outcome.verdict == Verdict::done)
        say("generation %llu answers\n", static_cast<unsigned long long>(outcome.generation));
    else if (outcome.verdict == Verdict::failed || outcome.verdict == Verdict::rejected)
        say("%s, generation %llu still answers: %s\n", outcome.verdict == Verdict::failed ? "failed" : "refused",
            static_cast<unsigned long long>(outcome.active), outcome.reason.c_str());
    else if (outcome.verdict != Verdict::noted)  // what stays in memory
        say("%s\n", outcome.message.c_str());    // waits, is tried again, and the like
}

static int run(const QString& plugin, const QString& key, bool strict, bool exit_first)
{
    hotreload::SafeOptions safe;
    safe.image = true;
    safe.strict_modes = strict;
    safe.symbols = {"qt_plugin_instance"};  // it is a Qt plugin
    safe.public_keys = {key.toStdString()};
    qtplugin::ReloadOptions reload;
    if (exit_first)
        reload.mode = hotreload::ReloadMode::exit_first;
    ProductionHotReload production(qtplugin::SecurityManager::create(QStringLiteral(QtPluginExample_iid)));
    const auto ready = production.setup_production_reload(safe).and_then(
        [&] { return production.add("plugin", QFile::encodeName(plugin).toStdString(), reload); });
    if (!ready) {
        qWarning().noquote() << ready.error().message();
        return 1;
    }
    qtplugin::PluginHost& plugins = production.plugins();
    std::list<Load> loads;
    QObject::connect(&plugins, &qtplugin::PluginHost::plugin_outcome, &tell);
    QObject::connect(&plugins, &qtplugin::PluginHost::plugin_loaded, [&] {
        while (loads.size() < 2)
            loads.emplace_back(plugins);
    });

    QSocketNotifier input(STDIN_FILENO, QSocketNotifier::Read);
    QObject::connect(&input, &QSocketNotifier::activated, qApp, [&] {
        char line[256];
        const auto got = read(STDIN_FILENO, line, sizeof line);
        if (got <= 0)
            QCoreApplication::quit();
        else if (QByteArray(line, int(got)).contains("roll back"))
            (void)production.roll_back("plugin", "the operator says so");
    });
    QCoreApplication::exec();

    long long answered = 0, failed = 0;
    for (Load& load : loads) {
        load.end();
        answered += load.answered;
        failed += load.failed;
    }
    if (const auto present = plugins.get<qtplugin::IPlugin>("plugin"))
        say("%lld requests answered, %lld failed; the plugin has counted %lld\n", answered, failed,
            present->save_state().toLongLong());
    return failed == 0 && answered > 0 ? 0 : 1;
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    QCommandLineParser parser;
    parser.addOptions({{QStringLiteral("strict"), QStringLiteral("refuse a file that others could exchange")},
                       {QStringLiteral("exit-first"), QStringLiteral("shut the old version down before the new one begins")},
                       {QStringLiteral("canary"), QStringLiteral("try a plugin"), QStringLiteral("file")}});
    parser.addPositionalArgument(QStringLiteral("plugin"), QStringLiteral("the plugin"));
    parser.addPositionalArgument(QStringLiteral("public-key"), QStringLiteral("whose signature it must have"));
    parser.addHelpOption();
    parser.process(app);
    if (parser.isSet(QStringLiteral("canary")))
        return qtplugin::SecurityManager::run_canary(parser.value(QStringLiteral("canary")));
    const QStringList args = parser.positionalArguments();
    if (args.size() != 2)
        parser.showHelp(2);
    return run(args.at(0), args.at(1), parser.isSet(QStringLiteral("strict")), parser.isSet(QStringLiteral("exit-first")));
}
