# SPDX-License-Identifier: MIT
"""The plugin of window.py. Change it while the window is open; the number of clicks goes on."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton, QWidget

clicks = 0


def make_widget() -> QWidget:
    button = QPushButton(f"clicked {clicks} times")
    button.setObjectName("version 1")

    def on_click() -> None:
        global clicks
        clicks += 1
        button.setText(f"clicked {clicks} times")

    button.clicked.connect(on_click)
    return button


def plugin_save_state() -> int:
    return clicks


def plugin_restore_state(state: int) -> None:
    global clicks
    clicks = state
