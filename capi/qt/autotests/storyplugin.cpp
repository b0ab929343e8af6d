// SPDX-License-Identifier: MIT
// The plugin of tst_reload: the program says how each of its steps ends.
#include <dlfcn.h>

#include <qtplugin/monitoring/plugin_host.hpp>

#include "storyplugin.hpp"

namespace {
/** The file that this version was loaded from. */
const char* own_path()
{
    Dl_info info;
    return dladdr(reinterpret_cast<void*>(&own_path), &info) != 0 ? info.dli_fname : "";
}
}  // namespace

class StoryPlugin : public QObject, public qtplugin::IReloadable {
    Q_OBJECT
    Q_PLUGIN_METADATA(IID "org.qtforge.hotreload.story")
    Q_INTERFACES(qtplugin::IReloadable)

public:
    StoryPlugin()
    {
        setObjectName(QString::fromLocal8Bit(own_path()));
        story_step(own_path(), "load");
    }
    ~StoryPlugin() override { story_step(own_path(), "unload"); }
    Q_DISABLE_COPY(StoryPlugin)

    bool initialize() override { return story_step(own_path(), "init"), true; }
    void shutdown() override { story_step(own_path(), "exit"); }
    QByteArray save_state() const override { return story_step(own_path(), "save"), QByteArray(); }
    bool restore_state(const QByteArray&) override { return story_step(own_path(), "restore"), true; }
    bool has_state() const override { return story_has_state(own_path()); }
};

#include "storyplugin.moc"
