# SPDX-License-Identifier: MIT
"""Fixtures. The suite runs against the installed package."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qtforge.monitoring import PluginHotReloadManager

BOUND = 20.0  # seconds; far beyond what any step takes

# A shell starts background jobs with SIGINT ignored, and the programs that they start inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(what: str, condition: Callable[[], object]) -> None:
    """Waits for a condition, with a bound."""
    deadline = time.monotonic() + BOUND
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {BOUND} s"
        pause.wait(0.002)


def as_soon_as_it_is_watched(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """watch() begins to watch when it is first asked, and only then waits for changes."""
    wait_for_changes = PluginHotReloadManager.changes

    def changes(manager: PluginHotReloadManager, timeout: float | None = None, **options: bool) -> object:
        act()
        return wait_for_changes(manager, timeout, **options)

    monkeypatch.setattr(PluginHotReloadManager, "changes", changes)


class Host:
    """A host with one plugin: records what it could load at each delivery."""

    def __init__(self, tmp_path: Path, **options: object) -> None:
        self.file = tmp_path / "plugin.so"
        self.file.write_text("v0")
        self.told: list[str] = []
        self.threads: list[threading.Thread] = []
        options.setdefault("quiet_ms", 30)
        self.manager = PluginHotReloadManager(**options)  # type: ignore[arg-type]
        self.manager.set_reload_callback(self.reload)
        assert self.manager.enable_hot_reload("p", self.file)

    def reload(self, plugin_id: str) -> None:
        self.threads.append(threading.current_thread())
        try:
            self.told.append(self.file.read_text())
        except OSError as error:
            self.told.append(str(error))

    def replace(self, content: str) -> None:
        part = self.file.with_suffix(".part")
        part.write_text(content)
        os.replace(part, self.file)

    def await_told(self) -> None:
        wait_until("told", lambda: self.told)

    def expect(self, *contents: str) -> None:
        """Waits for these deliveries, and no others before them."""
        wait_until(f"told {contents}", lambda: len(self.told) >= len(contents))
        assert self.told == list(contents)
        self.told.clear()

    def quiet(self) -> None:
        """Proves that nothing was told: a further change is the next delivery."""
        sentinel = f"sentinel {time.monotonic_ns()}"
        self.replace(sentinel)
        self.expect(sentinel)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    h = Host(tmp_path)
    yield h
    h.manager.close()
