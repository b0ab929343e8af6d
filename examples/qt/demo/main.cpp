// SPDX-License-Identifier: MIT
// The desktop demo: a window whose picture is painted by two plugins, which are rebuilt in front of the user.
//
//     demo_gui [--tour] [--screenshot FILE] [--quit]
//
// --tour goes through what can happen to a plugin; with --quit the program ends after it, with status 1 if a step did
// not happen.
#include <QApplication>
#include <QCommandLineParser>
#include <QDir>
#include <QFile>
#include <QFontDatabase>
#include <QPalette>
#include <QTimer>

#include <functional>
#include <vector>

#include "window.hpp"

namespace {

struct Step {
    const char* what;
    std::function<void()> act;
    std::function<bool()> done;
};

/** Takes the steps one after the other, each when the former has happened. */
class Tour : public QObject {
public:
    Tour(Window& window, int pause_ms, std::function<void(bool)> ended)
        : m_window(window), m_pause_ms(pause_ms), m_ended(std::move(ended))
    {
        m_limit.setSingleShot(true);
        m_limit.setInterval(120000);
        connect(&m_limit, &QTimer::timeout, this, [this] { end(false); });
        connect(&m_look, &QTimer::timeout, this, [this] {
            if (m_at->done())
                next();
        });
    }

    void start(std::vector<Step> steps)
    {
        m_steps = std::move(steps);
        m_at = m_steps.begin();
        begin();
    }

private:
    void begin()
    {
        m_window.log(QStringLiteral("--- %1").arg(QLatin1String(m_at->what)));
        m_limit.start();
        m_at->act();
        m_look.start(20);
    }
    void next()
    {
        m_look.stop();
        m_limit.stop();
        if (++m_at == m_steps.end())
            end(true);
        else
            QTimer::singleShot(m_pause_ms, this, [this] { begin(); });
    }
    void end(bool good)
    {
        m_look.stop();
        if (good) {
            const QDir project(QStringLiteral(PROJECT_DIRECTORY));
            m_window.log(QStringLiteral("--- your turn: press a button, or edit"));
            m_window.log(project.relativeFilePath(QStringLiteral(SOURCE_DIRECTORY "/flower.cpp")));
        } else {
            m_window.log(QStringLiteral("--- this did not happen: %1").arg(QLatin1String(m_at->what)));
        }
        m_ended(good);
    }

    Window& m_window;
    int m_pause_ms;
    std::function<void(bool)> m_ended;
    std::vector<Step> m_steps;
    std::vector<Step>::iterator m_at;
    QTimer m_limit, m_look;
};

std::vector<Step> steps(Window& w, const QString& flower_file)
{
    const auto sky = QStringLiteral("sky"), flower = QStringLiteral("flower");
    const auto loads = [&w](const QString& name, int n) {
        return [&w, name, n] { return w.layer(name).loads == n && !w.workshop().busy(); };
    };
    return {
        {"both are loaded", [] {}, [=] { return loads(sky, 1)() && loads(flower, 1)(); }},
        {"the sky is edited and rebuilt", [&w, sky] { w.workshop().rebuild(sky); }, loads(sky, 2)},
        {"the flower is edited and rebuilt", [&w, flower] { w.workshop().rebuild(flower); }, loads(flower, 2)},
        {"a build that fails changes nothing", [&w, flower] { w.workshop().misspell(flower); },
         [&w, flower] { return !w.workshop().busy(); }},
        {"the file is overwritten in place, while it is loaded, with what is no plugin",
         [flower_file] {
             QFile file(flower_file);
             if (file.open(QIODevice::WriteOnly))
                 file.write("no plugin");
         },
         [&w, flower] { return w.layer(flower).rejections == 1; }},
        {"paused; the flower is mended and rebuilt meanwhile",
         [&w, flower] {
             w.set_paused(true);
             w.workshop().rebuild(flower);
         },
         [&w] { return !w.workshop().busy(); }},
        {"resumed", [&w] { w.set_paused(false); }, loads(flower, 3)},
        {"a complete plugin that cannot be used is rolled back",
         [&w, flower] { w.workshop().forget_interface(flower); },
         [&w, flower] { return w.layer(flower).rollbacks == 1 && !w.workshop().busy(); }},
        {"the flower is mended", [&w, flower] { w.workshop().rebuild(flower); }, loads(flower, 4)},
    };
}

/** Dark text on light surfaces, also where the desktop is dark. */
QPalette light()
{
    QPalette palette;
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
        palette.setColor(role, colours::text);
    for (const auto role : {QPalette::Window, QPalette::Button})
        palette.setColor(role, colours::window);
    palette.setColor(QPalette::Base, colours::surface);
    palette.setColor(QPalette::PlaceholderText, colours::faint);
    return palette;
}

}  // namespace

int main(int argc, char** argv)
{
    QApplication app(argc, argv);
    QApplication::setStyle(QStringLiteral("Fusion"));
    QApplication::setPalette(light());
    QFont font = QApplication::font();
    font.setPointSizeF(qMax(font.pointSizeF(), 10.5));
    QApplication::setFont(font);
    if (QFontDatabase().families().isEmpty())
        qWarning("there are no fonts: install some (Debian and Ubuntu: fonts-dejavu-core), or text will be boxes");
    QCommandLineParser parser;
    parser.addHelpOption();
    parser.addOptions({{QStringLiteral("tour"), QStringLiteral("Go through what can happen to a plugin.")},
                       {QStringLiteral("screenshot"), QStringLiteral("Save a picture of the window after the tour."),
                        QStringLiteral("file")},
                       {QStringLiteral("quit"), QStringLiteral("End after the tour.")}});
    parser.process(app);

    Window window;
    const QString flower = QStringLiteral(PLUGIN_DIRECTORY "/flower.so");
    if (!window.add(QStringLiteral("sky"), QStringLiteral(PLUGIN_DIRECTORY "/sky.so")) ||
        !window.add(QStringLiteral("flower"), flower)) {
        qWarning("the plugins are not in %s", PLUGIN_DIRECTORY);
        return 1;
    }
    window.show();

    const bool quit = parser.isSet(QStringLiteral("quit"));
    Tour tour(window, quit ? 0 : 1500, [&](bool good) {
        // After the next frame, which shows what has been reloaded.
        QTimer::singleShot(200, &app, [&, good] {
            const QString file = parser.value(QStringLiteral("screenshot"));
            if (!file.isEmpty())
                window.picture().freeze(3);  // the same picture each time
            const bool saved = file.isEmpty() || window.grab().save(file);
            if (quit)
                QCoreApplication::exit(good && saved ? 0 : 1);
        });
    });
    if (parser.isSet(QStringLiteral("tour")))
        QTimer::singleShot(quit ? 0 : 1000, &app, [&] { tour.start(steps(window, flower)); });
    return QApplication::exec();
}
