# SPDX-License-Identifier: MIT
"""A PluginHost as its tests use it: plugins from text, and one outcome after another."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conftest import BOUND, wait_until
from qtforge.monitoring import Plugin, PluginHost, PluginOutcome, Verdict

if TYPE_CHECKING:
    from typing_extensions import Self

PACKAGE = "qtforge.monitoring.plugins"


def replace(path: Path, content: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(content)
    new.rename(path)


def plugin_modules() -> list[str]:
    """What sys.modules has of plugins."""
    return sorted(name for name in sys.modules if name.startswith(PACKAGE + "."))


class Hosting:
    """A host, its outcomes, and what plugin_exit() and others have raised."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.outcomes: list[PluginOutcome] = []
        self.errors: list[Exception] = []
        self._told = threading.Condition()
        self._seen = 0
        self.snapshots = tmp_path / "snapshots"
        options = {"dispatch": "thread", "quiet_ms": 20, "snapshot_dir": self.snapshots, **options}
        self.host = PluginHost(on_outcome=self._on_outcome, on_error=self.errors.append, **options)

    def _on_outcome(self, outcome: PluginOutcome) -> None:
        with self._told:
            self.outcomes.append(outcome)
            self._told.notify_all()

    def next(self) -> PluginOutcome:
        """The next outcome that is neither a note nor about a version that is not wanted any more."""
        end = time.monotonic() + BOUND
        while True:
            with self._told:
                while len(self.outcomes) > self._seen:
                    self._seen += 1
                    outcome = self.outcomes[self._seen - 1]
                    if outcome.verdict not in (Verdict.NOTED, Verdict.WITHDRAWN):
                        return outcome
                assert time.monotonic() < end, "no outcome"
                if self.host.manager.dispatch == "thread":
                    self._told.wait(0.1)
                    continue
            self.host.manager.wait(0.1)

    def until(self, what: str, condition: Callable[[], object]) -> None:
        """Waits for a condition that steps bring about."""

        def ask() -> object:
            if not condition() and self.host.manager.dispatch != "thread":
                self.host.manager.wait(0.01)
            return condition()

        wait_until(what, ask)

    def open(self, path: Path, plugin_id: str = "p", **options: Any) -> Plugin:
        plugin = self.host.open(plugin_id, path, timeout=BOUND, **options)
        assert self.next().ok
        return plugin

    def reload(self, path: Path, content: str) -> PluginOutcome:
        """Gives a file new content; the outcome of that version."""
        replace(path, content)
        return self.next()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.host.close()


class Gates:
    """What plugins under test wait for, and what they say: as sys.gates, the one place that they can find."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()
        self.said: list[Any] = []

    def wait(self) -> None:
        self.entered.set()
        assert self.leave.wait(BOUND)

    def say(self, what: Any) -> None:
        self.said.append(what)


def in_thread(function: Callable[[], Any]) -> Any:
    """What a function returns in another thread."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join(BOUND)
    assert answers, "no answer"
    return answers[0]
