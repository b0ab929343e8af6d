// SPDX-License-Identifier: MIT
// Tells the stories of core/testdata/stories, whose README explains the commands; the tests of the core, of C and of
// Python tell the same. Several are told at a time, each with a manager of its own in a thread of its own.
#include "host.hpp"

#include <QThread>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

namespace {

struct Line {
    int number = 0;
    std::string text;
    Words words;
};

struct Story {
    std::string file;
    std::vector<Line> lines;
};

std::vector<Story> stories()
{
    std::vector<Story> found;
    QDir dir(QStringLiteral(STORIES));
    for (const QString& name : dir.entryList({QStringLiteral("*.txt")}, QDir::Files, QDir::Name)) {
        QFile file(dir.filePath(name));
        if (!file.open(QIODevice::ReadOnly))
            qFatal("cannot read %s", qPrintable(name));
        int number = 0;
        for (const QByteArray& bytes : file.readAll().split('\n')) {
            Line line;
            line.number = ++number;
            line.text = bytes.left(bytes.indexOf('#') < 0 ? bytes.size() : bytes.indexOf('#')).simplified().toStdString();
            for (const QByteArray& word : QByteArray::fromStdString(line.text).split(' '))
                line.words.push_back(word.toStdString());
            if (line.words[0] == "story")
                found.push_back({name.toStdString(), {}});
            if (!line.text.empty())
                found.back().lines.push_back(line);
        }
    }
    return found;
}

void expect(bool ok, const std::string& otherwise)
{
    if (!ok)
        throw std::runtime_error(otherwise);
}

class Teller {
public:
    /** What went wrong; empty if nothing did. */
    std::string tell(const Story& story)
    {
        std::string where;
        try {
            for (auto line = story.lines.begin() + 1; line != story.lines.end(); ++line) {
                where = story.file + ":" + std::to_string(line->number) + ": " + line->text + ": ";
                Words args(line->words.begin() + 1, line->words.end());
                if (!on_files(line->words[0], args) && !on_host(line->words[0], args))
                    expect(false, "no such command");
            }
            where = story.file + ":" + std::to_string(story.lines[0].number) + ": at the end: ";
            if (!paused)
                nothing();
        } catch (const std::exception& error) {
            return where + error.what();
        }
        return {};
    }

private:
    fs::path at(const std::string& path) const { return fs::path(dir.path().toStdString()) / path; }

    static void put(std::ofstream& file, const std::string& text)
    {
        file << text << std::flush;
        expect(file.good(), "cannot write");
    }
    void write(const std::string& path, const std::string& text) const
    {
        std::ofstream file(at(path), std::ios::trunc);
        put(file, text);
    }
    void replace(const std::string& path, const std::string& text) const
    {
        write(path + ".new", text);
        fs::rename(at(path + ".new"), at(path));
    }
    static std::string content(const fs::path& path)
    {
        std::ifstream file(path);
        return file ? std::string(std::istreambuf_iterator<char>(file), {}) : "(unreadable)";
    }
    std::ofstream& open(const std::string& path)
    {
        expect(held.count(path) != 0, path + " is not open");
        return held[path];
    }

    bool on_files(const std::string& command, const Words& a)
    {
        if (command == "write") {
            write(a.at(0), a.at(1));
        } else if (command == "replace") {
            replace(a.at(0), a.at(1));
        } else if (command == "open") {
            held[a.at(0)].open(at(a.at(0)), std::ios::trunc);
            expect(held[a.at(0)].is_open(), "cannot open");
        } else if (command == "put") {
            put(open(a.at(0)), a.at(1));
        } else if (command == "close") {
            open(a.at(0)).close();
            held.erase(a.at(0));
        } else if (command == "read") {
            content(at(a.at(0)));
        } else if (command == "touch") {
            fs::last_write_time(at(a.at(0)), fs::file_time_type::clock::now());
        } else if (command == "chmod") {
            fs::permissions(at(a.at(0)), fs::perms(std::stoi(a.at(1), nullptr, 8)));
        } else if (command == "mkdir") {
            fs::create_directory(at(a.at(0)));
        } else if (command == "rename") {
            fs::rename(at(a.at(0)), at(a.at(1)));
        } else if (command == "remove") {
            expect(fs::remove_all(at(a.at(0))) > 0, "there is nothing");
        } else if (command == "hardlink") {
            fs::create_hard_link(at(a.at(0)), at(a.at(1) + ".new"));
            fs::rename(at(a.at(1) + ".new"), at(a.at(1)));
        } else if (command == "link") {
            fs::create_symlink(a.at(0), at(a.at(1) + ".new"));
            fs::rename(at(a.at(1) + ".new"), at(a.at(1)));
        } else if (command == "churn") {
            const QDeadlineTimer deadline(bound);
            for (int i = 0; heard.empty(); ++i) {
                expect(!deadline.hasExpired(), "nothing is delivered");
                replace(a.at(0), a.at(1) + std::to_string(i));
                (void)QTest::qWaitFor([this] { return !heard.empty(); }, 3);
            }
            replace(a.at(0), a.at(1));
        } else {
            return false;
        }
        return true;
    }

    bool on_host(const std::string& command, const Words& a)
    {
        if (command == "needs") {
            // this system has it
        } else if (command == "manager") {
            configure(a);
        } else if (command == "enable") {
            enable(a);
        } else if (command == "enable-fails") {
            const auto result = started().enable_hot_reload(a.at(0), at(a.at(1)));
            const std::map<std::string, PluginErrorCode> codes{{"not-found", PluginErrorCode::FileNotFound},
                                                               {"invalid-path", PluginErrorCode::InvalidPath},
                                                               {"exists", PluginErrorCode::AlreadyExists}};
            expect(!result && result.error() == codes.at(a.at(2)), result ? "it succeeds" : result.error().message());
        } else if (command == "disable") {
            expect(started().is_hot_reload_enabled(a.at(0)), "it was not enabled");
            started().disable_hot_reload(a.at(0));
        } else if (command == "pause" || command == "resume") {
            paused = command == "pause";
            started().set_global_hot_reload_enabled(!paused);
        } else if (command == "deliver") {
            next(a);
        } else if (command == "finally") {
            await([&] { return !heard.empty() && heard.back() == a.at(0); });
            heard.clear();
        } else if (command == "removed") {
            next({"-" + a.at(0)});
        } else if (command == "nothing") {
            nothing();
        } else if (command == "being-written") {
            await([&] { return started().stats().being_written == std::stoull(a.at(0)); });
        } else if (command == "waiting") {
            await([&] { return started().stats().pending == std::stoull(a.at(0)); });
            expect(heard.empty(), all_heard());
        } else {
            return false;
        }
        return true;
    }

    static std::chrono::milliseconds number(const std::string& word, const std::string& name)
    {
        expect(word.rfind(name, 0) == 0, "no such option: " + word);
        return std::chrono::milliseconds(std::stoi(word.substr(name.size())));
    }
    void configure(const Words& words)
    {
        for (const std::string& word : words) {
            if (word == "quiet=none")
                options.quiet = hotreload::no_quiet;
            else if (word == "polling")
                options.force_polling = true;
            else if (word == "compare-content")
                options.ignore_unchanged_content = true;
            else
                options.max_delay = number(word, "max-delay=");
        }
    }

    /** The manager; its marker is enabled. */
    PluginHotReloadManager& started()
    {
        if (!manager) {
            manager = std::make_unique<PluginHotReloadManager>(options);
            QObject::connect(manager.get(), &PluginHotReloadManager::hot_reload_event, [this](const hotreload::Event& event) {
                if (event.kind == hotreload::EventKind::file_removed)
                    heard.push_back("-" + event.plugin_id);
            });
            QObject::connect(manager.get(), &PluginHotReloadManager::plugin_file_changed,
                             [this](const QString& id, const QString& path) {
                                 heard.push_back(id.toStdString() + "=" + content(path.toStdString()));
                             });
            replace("marker", "0");
            const auto result = manager->enable_hot_reload("marker", at("marker"));
            expect(result.has_value(), "cannot enable the marker");
        }
        return *manager;
    }
    void enable(const Words& a)
    {
        hotreload::EnableOptions own;
        for (auto option = a.begin() + 2; option < a.end(); ++option) {
            if (*option == "missing")
                own.allow_missing = true;
            else
                own.quiet = number(*option, "quiet=");
        }
        const auto result = started().enable_hot_reload_ex(a.at(0), at(a.at(1)), own);
        expect(result.has_value(), result ? "" : result.error().message());
        nothing();  // then it is watched
    }

    std::string all_heard() const
    {
        std::string all = "delivered:";
        for (const std::string& what : heard)
            all += " " + what;
        return all;
    }
    template <class Condition>
    void await(Condition holds)
    {
        started();
        expect(QTest::qWaitFor(holds, bound), "not within " + std::to_string(bound) + " ms; " + all_heard());
    }
    void next(Words wanted)
    {
        await([&] { return heard.size() >= wanted.size(); });
        const auto end = heard.begin() + std::ptrdiff_t(wanted.size());
        std::sort(wanted.begin(), wanted.end());
        Words got(heard.begin(), end);
        std::sort(got.begin(), got.end());
        expect(got == wanted, all_heard());
        heard.erase(heard.begin(), end);
    }
    /** The marker is delivered next. While other files settle, it is changed again. */
    void nothing()
    {
        started();
        const QDeadlineTimer deadline(bound);
        for (;;) {
            const std::string text = std::to_string(++markers);
            replace("marker", text);
            next({"marker=" + text});
            const hotreload::Stats stats = manager->stats();
            if (stats.settling == stats.being_written)
                return;
            expect(!deadline.hasExpired(), "files settle for ever");
        }
    }

    static hotreload::Options quick()
    {
        hotreload::Options options;
        options.quiet = std::chrono::milliseconds(30);
        options.poll_interval = std::chrono::milliseconds(20);
        return options;
    }

    QTemporaryDir dir;
    hotreload::Options options = quick();
    std::map<std::string, std::ofstream> held;  // open for writing
    Words heard;  // "ID=TEXT" of changes, "-ID" of removals, not looked at yet
    int markers = 0;
    bool paused = false;
    std::unique_ptr<PluginHotReloadManager> manager;
};

}  // namespace

class Stories : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void ofPluginFilesInARealDirectory()
    {
        const std::vector<Story> all = stories();
        QVERIFY(!all.empty());
        std::atomic<std::size_t> taken{0};
        std::mutex mutex;
        std::string failures;
        std::vector<std::unique_ptr<QThread>> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back(QThread::create([&] {
                for (std::size_t n; (n = taken++) < all.size();) {
                    const std::string failure = Teller().tell(all[n]);
                    const std::lock_guard<std::mutex> lock(mutex);
                    if (!failure.empty())
                        failures += "\n" + failure;
                }
            }));
            threads.back()->start();
        }
        for (const auto& thread : threads)
            QVERIFY(thread->wait());
        QVERIFY2(failures.empty(), failures.c_str());
    }
};

QTEST_GUILESS_MAIN(Stories)
#include "tst_stories.moc"
