# SPDX-License-Identifier: MIT
"""A window whose content is a plugin's: save the plugin, and the window shows the new version.

    pip install ./python PySide6    # in a clone of the project: the package is not on an index yet
    python examples/python/window/window.py [PLUGIN [VERSIONS]]

ends when VERSIONS of them were shown (default: when the window is closed).
"""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication, QMainWindow
from qtforge.monitoring import Plugin, PluginHost, PluginOutcome


class Window(QMainWindow):
    def __init__(self, versions: int) -> None:
        super().__init__()
        self.left = versions
        self.plugin: Plugin | None = None

    def show_plugin(self, plugin: Plugin) -> None:
        self.plugin = plugin
        try:
            widget = plugin.module.make_widget()
        except Exception as error:  # it loads and does not work: back to the one before, by another on_outcome()
            plugin.fail(f"make_widget(): {error}")
            return
        self.setCentralWidget(widget)  # deletes the one before
        print(f"showing {widget.objectName()}", flush=True)
        self.left -= 1
        if self.left == 0:
            QApplication.quit()

    def on_outcome(self, outcome: PluginOutcome) -> None:
        """On the main thread, as the application was made before the host: plugins may make widgets when loaded."""
        self.statusBar().showMessage(
            "up to date" if outcome.ok else f"kept, as the new version fails: {outcome.message}"
        )
        if not outcome.ok:
            print(f"kept: {outcome.message}", flush=True)
        elif self.plugin is not None:
            self.show_plugin(self.plugin)


def main() -> int:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("face.py")
    app = QApplication(sys.argv)
    window = Window(int(sys.argv[2]) if len(sys.argv) > 2 else -1)
    with PluginHost(on_outcome=window.on_outcome) as host:
        window.show_plugin(host.open("face", path))
        window.show()
        return app.exec()


if __name__ == "__main__":
    sys.exit(main())
