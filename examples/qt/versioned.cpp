// A plugin of the two examples of the reference. ANSWER and INITIALIZES come from the build; a version goes on counting
// where the former one stopped.
#include <QObject>

#include <atomic>

#include <qtplugin/core/plugin_manager.hpp>

class Versioned : public QObject, public qtplugin::IPlugin {
    Q_OBJECT
    Q_PLUGIN_METADATA(IID QtPluginExample_iid)
    Q_INTERFACES(qtplugin::IPlugin)

public:
    bool initialize() override
    {
        qInfo("version %d starts", ANSWER);
        return INITIALIZES;
    }
    void shutdown() override { qInfo("version %d stops after %d answers", ANSWER, m_answers.load()); }
    int answer() override
    {
        ++m_answers;
        return ANSWER;
    }
    QByteArray save_state() const override { return QByteArray::number(m_answers); }
    bool restore_state(const QByteArray& state) override
    {
        bool good = false;
        m_answers = state.toInt(&good);
        return good;
    }

private:
    std::atomic<int> m_answers{0};  // answer() is called on any thread
};

#include "versioned.moc"
