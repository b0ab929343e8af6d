// SPDX-License-Identifier: MIT
// QtForge and libhotreload in one program, in the order of linking that CMakeLists.txt gives it.
#include <cstdio>

#include <QtCore/QCoreApplication>
#include <QtCore/QFile>
#include <QtCore/QTemporaryDir>

#include "both.hpp"

int main(int argc, char** argv)
{
    const QCoreApplication app(argc, argv);
    const QTemporaryDir dir;
    QFile file(dir.filePath(QStringLiteral("plugin.so")));
    if (!file.open(QIODevice::WriteOnly) || file.write("version 1") < 0)
        return 2;
    file.close();
    const std::string path = file.fileName().toStdString();
    const std::string wrong = use_theirs(path) + use_ours(path) + use_theirs(path);
    if (!wrong.empty())
        std::fprintf(stderr, "%s\n", wrong.c_str());
    return wrong.empty() ? 0 : 1;
}
