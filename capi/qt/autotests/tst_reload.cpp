// SPDX-License-Identifier: MIT
// Tells the stories of core/reload/testdata to Qt hosts: the outcomes are those of the core, word for word, and so are the
// steps. Several stories are told at a time.
#include "storyteller.hpp"

using namespace qtplugin;

extern "C" Q_DECL_EXPORT void story_step(const char* path, const char* step)
{
    const QString file = QString::fromLocal8Bit(path);
    const Stamp version = Stamp::of(file);
    Stage& stage = Stage::of(file);
    const QString with = qstrcmp(step, "init") == 0 ? stage.with([&] { return stage.needed[file]; }) : QString();
    stage.step(version.id, version.generation, QString::fromLatin1(step), with);
}

extern "C" Q_DECL_EXPORT bool story_has_state(const char* path)
{
    const QString file = QString::fromLocal8Bit(path);
    Stage& stage = Stage::of(file);
    return stage.with([&] { return stage.states.contains(Stamp::of(file).id); });
}

namespace {

void expect(bool ok, const QString& otherwise)
{
    if (!ok)
        throw std::runtime_error(otherwise.toStdString());
}

/** A step that Qt performs; the others are the engine's. */
bool is_visible(const QString& line)
{
    static const QRegularExpression seen(
        QStringLiteral("^(> |check | *(load|init|save|restore|prepare|exit|unload) )"));
    return seen.match(line).hasMatch();
}

class Teller {
public:
    explicit Teller(const Tale& t) : tale(t), stage(dir.path())
    {
        thread.start();
        there([this] { make_host(); });
    }
    ~Teller()
    {
        callers.clear();
        there([this] { host.reset(); });
        thread.quit();
        thread.wait();
    }
    Q_DISABLE_COPY(Teller)

    /** What went wrong; empty if nothing did. */
    QString tell()
    {
        QString where;
        try {
            for (const Block& block : tale.blocks) {
                where = QStringLiteral("%1:%2: %3: ").arg(tale.file).arg(block.line).arg(block.words.join(QLatin1Char(' ')));
                command(block);
            }
            for (const QString& line : stage.said())
                expect(tale.stops && tale.prints.contains(line), QStringLiteral("also: ") + line);
        } catch (const std::exception& error) {
            return where + QString::fromStdString(error.what());
        }
        return {};
    }

private:
    /** On the host's thread. */
    template <class F>
    void there(F f)
    {
        QMetaObject::invokeMethod(&anchor, f, Qt::BlockingQueuedConnection);
    }

    void make_host()
    {
        hotreload::Options options;
        options.quiet = std::chrono::milliseconds(10);
        options.snapshot_dir = dir.filePath(QStringLiteral("snapshots")).toStdString();
        host = std::make_unique<PluginHost>(options);
        host->set_load_hints(QLibrary::ResolveAllSymbolsHint);
        QObject::connect(host.get(), &PluginHost::plugin_outcome, [this](const hotreload::PluginOutcome& outcome) {
            stage.say(QStringLiteral("> ") + QString::fromStdString(outcome.message));
        });
        QObject::connect(&host->manager(), &PluginHotReloadManager::hot_reload_event, [this](const hotreload::Event& event) {
            if (event.kind == hotreload::EventKind::file_changed)
                stage.delivered(QString::fromStdString(event.plugin_id), int(event.generation));
        });
        (void)host->manager().set_validator([this](const hotreload::Candidate& candidate) -> std::optional<std::string> {
            if (stage.with([&] { return stage.rejects.removeOne(QString::fromStdString(candidate.plugin_id)); }))
                return "its signature is not valid";
            return std::nullopt;
        });
    }

    QString file(const QString& id) const { return dir.filePath(id + QStringLiteral(".so")); }

    void put(const QString& id, int generation)
    {
        const QString made = dir.filePath(QStringLiteral("made"));
        QFile::remove(made);
        QFile out(made);
        expect(QFile::copy(QStringLiteral(PLUGIN_DIR "/storyplugin.so"), made) && out.open(QIODevice::Append), out.errorString());
        out.write(QStringLiteral("\n@STORY %1 %2 \n").arg(id).arg(generation).toLatin1());
        out.close();
        expect(std::rename(qPrintable(made), qPrintable(file(id))) == 0, QStringLiteral("cannot rename"));
    }

    void hear(const Block& block)
    {
        QString held;
        for (const QString& line : block.prints) {
            const QStringList words = line.split(QLatin1Char(' '));
            if (words.first() == u"quiesce")
                held = words.at(1);
            else if (words.first() == u"activate" || words.first() == u"shut")
                held.clear();
            if (is_visible(line))
                expect(stage.hear(line), QStringLiteral("missing: %1; instead:\n    %2")
                                             .arg(line, stage.said().join(QStringLiteral("\n    "))));
        }
        if (!held.isEmpty())
            call(held, QStringLiteral("the caller of %1 waits").arg(held));
    }

    static void is_error(const Block& block, const expected<void, PluginError>& result)
    {
        const QString line = block.prints.value(0);
        const QString want = line.startsWith(u"error: ") ? line.mid(7) : QString();
        const QString got = result ? QString() : QString::fromStdString(result.error().message());
        expect(got == want, QStringLiteral("the error is \"%1\", want \"%2\"").arg(got, want));
    }

    /** Waits until a call ends as the story says. */
    void call(const QString& id, const QString& want)
    {
        const QDeadlineTimer deadline(patience);
        for (;;) {
            auto caller = std::make_unique<Caller>(*host, id.toStdString());
            int got = caller->got(want.endsWith(u" waits") ? 50 : patience);
            const QString said = got > 0    ? QStringLiteral("generation %1 is called").arg(got)
                                 : got == 0 ? QStringLiteral("the caller of %1 gets no version").arg(id)
                                            : QStringLiteral("the caller of %1 waits").arg(id);
            if (got <= 0)
                caller->give_up();
            if (said == want || got < 0) {
                if (got < 0)
                    caller->end();
                callers.push_back({id, got, std::move(caller)});
            }
            if (said == want)
                return;
            expect(!deadline.hasExpired(), said);
        }
    }

    void end_call(const Block& block)
    {
        const auto it = std::find_if(callers.begin(), callers.end(), [&](const Call& c) {
            return c.id == block.words.at(1) && c.generation == block.words.at(2).toInt();
        });
        expect(it != callers.end(), QStringLiteral("there is no such call"));
        it->caller->end();
        it->generation = 0;
        hear(block);
    }

    PluginOpening opening_of(const QStringList& words)
    {
        PluginOpening opening;
        const QString id = words.at(1);
        opening.plugin_id = id.toStdString();
        opening.file = file(id).toStdString();
        opening.options.allow_missing = true;
        ReloadOptions& reload = opening.reload;
        // On a busy machine a call and a step may take long.
        reload.hand_over_timeout = reload.load = reload.init = reload.save = reload.restore = reload.prepare_limit = reload.exit =
            reload.unload = std::chrono::milliseconds(tale.timed ? 0 : patience);
        for (const QString& word : words.mid(2)) {
            if (word.startsWith(u"needs="))
                for (const QString& needed : word.mid(6).split(QLatin1Char(',')))
                    reload.needs.push_back(needed.toStdString());
            else if (word.startsWith(u"together="))
                continue;  // all plugins that are added with a set are in it
            else if (word.startsWith(u"limit="))
                reload.load = reload.init = reload.save = reload.restore = reload.prepare_limit = reload.exit = reload.unload =
                    std::chrono::milliseconds(duration(word));
            else if (word == u"exit-first")
                reload.mode = hotreload::ReloadMode::exit_first;
            else if (word == u"unload-first")
                reload.mode = hotreload::ReloadMode::unload_first;
            else if (word == u"state-optional")
                reload.state_optional = true;
            else if (word == u"state")
                stage.with([&] { stage.states.append(id); });
            else if (word == u"prepare")
                reload.prepare = [](QObject& root) { story_step(qPrintable(root.objectName()), "prepare"); };
            else
                throw std::runtime_error("unknown word " + word.toStdString());
        }
        reload.connect = [this](QObject& root, const std::vector<QObject*>& needs) {
            QString with;
            for (const QObject* need : needs) {
                const Stamp version = Stamp::of(need->objectName());
                with += QStringLiteral("%1 %2 %3").arg(with.isEmpty() ? QStringLiteral(" with") : QStringLiteral(","), version.id).arg(version.generation);
            }
            stage.with([&] { stage.needed[root.objectName()] = with; });
        };
        return opening;
    }

    void add(const Block& block)
    {
        std::vector<PluginOpening> plugins;
        std::optional<PluginSet> set;
        for (const QString& line : block.input) {
            const QStringList words = words_of(line);
            if (words.first() == u"plugin") {
                plugins.push_back(opening_of(words));
                continue;
            }
            set.emplace().id = words.at(1).toStdString();
            for (const QString& word : words.mid(2)) {
                if (word == u"check")
                    set->check = [this, id = words.at(1)](const std::vector<hotreload::Candidate>&) -> std::optional<std::string> {
                        const QString why = stage.with([this] { return stage.fits; });
                        stage.say(QStringLiteral("check %1: %2").arg(id, why.isEmpty() ? QStringLiteral("fits") : why));
                        if (why.isEmpty())
                            return std::nullopt;
                        return why.toStdString();
                    };
                else
                    set->wait = std::chrono::milliseconds(duration(word));
            }
        }
        const auto result = host->open_all(plugins, set);
        if (result)
            for (const PluginOpening& plugin : plugins)
                open.append(QString::fromStdString(plugin.plugin_id));
        is_error(block, result);
        hear(block);
    }

    void offer(const Block& block)
    {
        const QString id = block.words.at(1);
        if (!open.contains(id)) {
            expect(block.prints.value(0).startsWith(u"error: "), QStringLiteral("it is not open"));
            return;
        }
        put(id, block.words.at(2).toInt());
        expect(stage.await_delivery(id, block.words.at(2).toInt()), QStringLiteral("it is not delivered"));
        hear(block);
    }

    /** A plugin that others need is closed after them. */
    void remove(const Block& block)
    {
        const QStringList ids = block.words.mid(1);
        for (int i = int(ids.size()); i-- > 0; open.removeAll(ids.at(i)))
            host->close(ids.at(i).toStdString());
        hear(block);
    }

    void script(const QStringList& words)
    {
        Stage::Script s;
        s.id = words.at(1);
        s.generation = words.at(2).toInt();
        s.step = words.at(3);
        for (const QString& word : words.mid(4)) {
            s.always = s.always || word == u"always";
            if (word.startsWith(u"fails="))
                s.why = text_of(word);
        }
        stage.with([&] {
            if (words.contains(QStringLiteral("works")))
                stage.scripts.remove_if([&](const Stage::Script& old) {
                    return old.id == s.id && old.generation == s.generation && old.step == s.step;
                });
            else
                stage.scripts.push_back(s);
        });
    }

    void command(const Block& block)
    {
        const QString command = block.words.first(), id = block.words.value(1);
        if (command == u"story" || command == u"status")
            return;
        if (command == u"add")
            return add(block);
        if (command == u"remove")
            return remove(block);
        if (command == u"offer")
            return offer(block);
        if (command == u"call")
            return call(id, block.prints.value(0));
        if (command == u"call-ends")
            return end_call(block);
        if (command == u"step")
            return script(block.words);
        if (command == u"check-says") {
            stage.with([&] { stage.fits = block.input.first() == u"fits" ? QString() : block.input.first(); });
        } else if (command == u"go-back") {
            QMetaObject::invokeMethod(&anchor, [this, id] { (void)host->fail(id.toStdString(), "the host says so"); }, Qt::QueuedConnection);
        } else if (command == u"file-removed") {
            expect(QFile::remove(file(id)), QStringLiteral("cannot remove"));
        } else if (command == u"rejected") {
            stage.with([&] { stage.rejects.append(id); });
            put(id, 1000 + block.line);
        } else if (command == u"without-state") {
            there([&] { is_error(block, host->take_without_state(id.toStdString())); });
        } else {
            expect(command == u"advance", QStringLiteral("no such command"));
        }
        hear(block);
    }

    struct Call {
        QString id;
        int generation;
        std::unique_ptr<Caller> caller;
    };

    const Tale& tale;
    QTemporaryDir dir;
    Stage stage;
    struct Thread : QThread {
        ~Thread() override { wait(); }
    } thread;
    std::unique_ptr<PluginHost> host;
    QStringList open;
    std::list<Call> callers;
    struct Anchor : QObject {
        explicit Anchor(QThread& home) { moveToThread(&home); }
    } anchor{thread};
};

}  // namespace

class Reload : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void tells_the_stories_of_the_core()
    {
        const std::vector<Tale> all = tales_of(QStringLiteral(STORIES));
        std::atomic<std::size_t> taken{0}, told{0};
        std::mutex mutex;
        QString failures;
        std::vector<std::unique_ptr<QThread>> threads;
        for (int i = 0; i < 6; ++i) {
            threads.emplace_back(QThread::create([&] {
                for (std::size_t n; (n = taken++) < all.size();) {
                    if (!all[n].told || all[n].advanced > 4000)
                        continue;
                    ++told;
                    // The engine's pauses are real: a machine that stands still for a second tells another story.
                    QString failure = Teller(all[n]).tell();
                    for (int again = 0; again < 2 && all[n].timed && !failure.isEmpty(); ++again)
                        failure = Teller(all[n]).tell();
                    const std::lock_guard<std::mutex> lock(mutex);
                    if (!failure.isEmpty())
                        failures += QStringLiteral("\n") + failure;
                }
            }));
            threads.back()->start();
        }
        for (const auto& thread : threads)
            QVERIFY(thread->wait());
        QVERIFY2(failures.isEmpty(), qPrintable(failures));
        qInfo("%d of %d stories told", int(told), int(all.size()));
        QVERIFY(told > 25);
    }
};

QTEST_GUILESS_MAIN(Reload)
#include "tst_reload.moc"
