// SPDX-License-Identifier: MIT
// The stories of core/reload/testdata, as a Qt host reads them; the README there explains them.
#pragma once

#include <QDir>
#include <QFile>
#include <QRegularExpression>
#include <QStringList>

#include <algorithm>
#include <vector>

/** A command, its lines of input, and what it prints, without the time. */
struct Block {
    int line = 0;
    QStringList words, input, prints;
};

struct Tale {
    QString file;
    int line = 0, advanced = 0;  // ms
    bool told = true;            // by a Qt host
    bool timed = false;          // pauses of the engine are part of it
    bool stops = false;          // a plugin stops in it: the manager's rollback has it tried once more
    QStringList prints;          // of all blocks
    std::vector<Block> blocks;
};

/** "1m30s", in milliseconds. */
inline int duration(const QString& text)
{
    static const QRegularExpression part(QStringLiteral("(\\d+)(ms|h|m|s)"));
    int all = 0;
    for (auto it = part.globalMatch(text); it.hasNext();) {
        const auto match = it.next();
        const QString unit = match.captured(2);
        const int scale = unit == u"ms" ? 1 : unit == u"s" ? 1000 : unit == u"m" ? 60000 : 3600000;
        all += match.captured(1).toInt() * scale;
    }
    return all;
}

/** Splits a line at its blanks, but not within parentheses. */
inline QStringList words_of(const QString& line)
{
    static const QRegularExpression word(QStringLiteral("[^ (]*\\([^)]*\\)|[^ ]+"));
    QStringList words;
    for (auto it = word.globalMatch(line); it.hasNext();)
        words.append(it.next().captured());
    return words;
}

/** The text of fails=(text). */
inline QString text_of(const QString& word)
{
    const QString text = word.section(QLatin1Char('='), 1);
    return text.startsWith(QLatin1Char('(')) ? text.mid(1, text.size() - 2) : text;
}

inline void note(Tale& tale, const Block& block)
{
    const QString& command = block.words.first();
    if (command == u"advance")
        tale.advanced += duration(block.words.at(1));
    if (command == u"close" || (command == u"story" && block.words.contains(QStringLiteral("stopped-go-back"))))
        tale.told = false;
    // One thread performs all steps: while it hangs, it says nothing. A step is always possible there.
    if (command == u"step")
        for (const QString& word : block.words)
            if (word == u"activate" || word == u"hangs" || word.startsWith(u"takes=") || word.startsWith(u"not-now=") ||
                word.startsWith(u"kept="))
                tale.told = false;
    tale.prints += block.prints;
    for (const QString& line : block.prints) {
        tale.stops = tale.stops || line.contains(QStringLiteral("nothing answers: "));
        tale.timed = tale.timed || line.contains(QStringLiteral("is tried again in")) || line.contains(QStringLiteral("did not end within"));
    }
}

inline std::vector<Tale> tales_of(const QString& dir)
{
    std::vector<Tale> tales;
    for (const QString& name : QDir(dir).entryList({QStringLiteral("*.txt")}, QDir::Files, QDir::Name)) {
        QFile file(QDir(dir).filePath(name));
        if (!file.open(QIODevice::ReadOnly))
            qFatal("cannot read %s", qPrintable(name));
        Block block;
        bool printed = false;
        const auto end_block = [&] {
            if (block.words.isEmpty())
                return;
            if (block.words.first() == u"story") {
                tales.push_back({});
                tales.back().file = name;
                tales.back().line = block.line;
            }
            note(tales.back(), block);
            tales.back().blocks.push_back(block);
            block = {};
            printed = false;
        };
        int number = 0;
        for (const QByteArray& bytes : file.readAll().split('\n')) {
            const QString line = QString::fromUtf8(bytes);
            ++number;
            if (line.isEmpty()) {
                end_block();
            } else if (block.words.isEmpty() && line.startsWith(QLatin1Char('#'))) {
                continue;
            } else if (block.words.isEmpty()) {
                block.words = words_of(line);
                block.line = number;
            } else if (!printed && line == u"----") {
                printed = true;
            } else if (!printed) {
                block.input.append(line);
            } else {
                static const QRegularExpression time(QStringLiteral("^ *[0-9hms]+  "));
                block.prints.append(QString(line).remove(time));
            }
        }
        end_block();
    }
    return tales;
}
