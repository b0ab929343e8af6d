# SPDX-License-Identifier: MIT
"""Tells the stories of core/testdata/stories, whose README explains the commands; the tests of the core, of C and of Qt
tell the same. Several are told at a time."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from conftest import BOUND, wait_until
from qtforge.monitoring import Event, EventKind, PluginHotReloadManager, Stats

if TYPE_CHECKING:
    from qtforge.monitoring._manager import Options

STORIES = Path(__file__).parents[2] / "core" / "testdata" / "stories"


@dataclass
class Story:
    file: str
    lines: list[tuple[int, str]]  # with their numbers


def stories() -> list[Story]:
    found: list[Story] = []
    for path in sorted(STORIES.glob("*.txt")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            text = line.partition("#")[0].strip()
            if text.startswith("story "):
                found.append(Story(path.name, []))
            if text:
                found[-1].lines.append((number, text))
    return found


class Teller:
    """Tells one story, with a manager of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.options: Options = {"quiet_ms": 30, "poll_interval_ms": 20, "dispatch": "thread"}
        self.manager: PluginHotReloadManager | None = None
        self.held: dict[str, TextIO] = {}  # open for writing
        self.lock = threading.Lock()
        self.heard: list[str] = []  # "ID=TEXT" of changes, "-ID" of removals, not looked at yet
        self.markers = 0
        self.paused = False

    def tell(self, story: Story) -> str:
        """What went wrong; "" if nothing did."""
        where = ""
        try:
            for number, line in story.lines[1:]:
                where = f"{story.file}:{number}: {line}"
                command, *args = line.split()
                getattr(self, "do_" + command.replace("-", "_"))(*args)
            where = f"{story.file}:{story.lines[0][0]}: at the end"
            if not self.paused:
                self.do_nothing()
        except Exception as error:
            return f"{where}: {type(error).__name__}: {error}"
        finally:
            for file in self.held.values():
                file.close()
            if self.manager is not None:
                self.manager.close()
        return ""

    # ------------------------------------------------------------------ files

    def at(self, path: str) -> Path:
        return self.directory / path

    def do_write(self, path: str, text: str) -> None:
        self.at(path).write_text(text)

    def do_replace(self, path: str, text: str) -> None:
        self.do_write(path + ".new", text)
        self.do_rename(path + ".new", path)

    def do_open(self, path: str) -> None:
        self.held[path] = self.at(path).open("w")

    def do_put(self, path: str, text: str) -> None:
        self.held[path].write(text)
        self.held[path].flush()

    def do_close(self, path: str) -> None:
        self.held.pop(path).close()

    def do_read(self, path: str) -> None:
        self.at(path).read_text()

    def do_touch(self, path: str) -> None:
        os.utime(self.at(path))

    def do_chmod(self, path: str, mode: str) -> None:
        self.at(path).chmod(int(mode, 8))

    def do_mkdir(self, path: str) -> None:
        self.at(path).mkdir()

    def do_rename(self, old: str, new: str) -> None:
        self.at(old).rename(self.at(new))

    def do_remove(self, path: str) -> None:
        if self.at(path).is_dir() and not self.at(path).is_symlink():
            shutil.rmtree(self.at(path))
        else:
            self.at(path).unlink()

    def do_hardlink(self, old: str, new: str) -> None:
        os.link(self.at(old), self.at(new + ".new"))
        self.do_rename(new + ".new", new)

    def do_link(self, target: str, path: str) -> None:
        self.at(path + ".new").symlink_to(target)
        self.do_rename(path + ".new", path)

    def do_churn(self, path: str, text: str) -> None:
        deadline, pause, i = time.monotonic() + BOUND, threading.Event(), 0
        while not self.heard:
            assert time.monotonic() < deadline, f"nothing is delivered within {BOUND} s"
            self.do_replace(path, f"{text}{i}")
            pause.wait(0.003)
            i += 1
        self.do_replace(path, text)

    # --------------------------------------------------------------- the host

    def do_needs(self, what: str) -> None:
        """This system has it."""

    def do_manager(self, *options: str) -> None:
        for option in options:
            name, _, value = option.partition("=")
            if option == "quiet=none":
                self.options["quiet_ms"] = -1
            elif option == "polling":
                self.options["force_polling"] = True
            elif option == "compare-content":
                self.options["ignore_unchanged_content"] = True
            else:
                assert name == "max-delay", "no such option"
                self.options["max_delay_ms"] = int(value)

    def started(self) -> PluginHotReloadManager:
        """The manager; its marker is enabled."""
        if self.manager is None:
            self.manager = PluginHotReloadManager(**self.options)
            self.manager.set_event_callback(self.hear)
            self.do_replace("marker", "0")
            assert self.manager.enable_hot_reload("marker", self.at("marker"))
        return self.manager

    def hear(self, event: Event) -> None:
        what = f"-{event.plugin_id}"
        if event.kind is EventKind.FILE_CHANGED:
            try:
                what = f"{event.plugin_id}={Path(event.path).read_text()}"
            except OSError as error:
                what = f"{event.plugin_id}: {error}"
        elif event.kind is not EventKind.FILE_REMOVED:
            return
        with self.lock:
            self.heard.append(what)

    def do_enable(self, plugin_id: str, path: str, *options: str) -> None:
        quiet = 0
        for option in options:
            if option != "missing":
                name, _, value = option.partition("=")
                assert name == "quiet", "no such option"
                quiet = int(value)
        result = self.started().enable_hot_reload(
            plugin_id, self.at(path), quiet_ms=quiet, allow_missing="missing" in options
        )
        assert result, result.error
        self.do_nothing()  # then it is watched

    def do_enable_fails(self, plugin_id: str, path: str, error: str) -> None:
        wanted = {"not-found": "FileNotFound", "invalid-path": "InvalidPath", "exists": "AlreadyExists"}[error]
        result = self.started().enable_hot_reload(plugin_id, self.at(path))
        assert not result
        assert result.error.code.name == wanted, result.error

    def do_disable(self, plugin_id: str) -> None:
        assert self.started().disable_hot_reload(plugin_id), "it was not enabled"

    def do_pause(self) -> None:
        self.paused = True
        self.started().set_global_hot_reload_enabled(False)

    def do_resume(self) -> None:
        self.paused = False
        self.started().set_global_hot_reload_enabled(True)

    # ----------------------------------------------------- what the host hears

    def do_deliver(self, *changes: str) -> None:
        self.started()
        wait_until("delivered", lambda: len(self.heard) >= len(changes))
        with self.lock:
            assert sorted(self.heard[: len(changes)]) == sorted(changes)
            del self.heard[: len(changes)]

    def do_finally(self, change: str) -> None:
        self.started()
        wait_until(change, lambda: self.heard[-1:] == [change])
        with self.lock:
            self.heard.clear()

    def do_removed(self, plugin_id: str) -> None:
        self.do_deliver("-" + plugin_id)

    def do_nothing(self) -> None:
        """The marker is delivered next. While other files settle, it is changed again."""
        deadline = time.monotonic() + BOUND
        manager = self.started()
        while True:
            self.markers += 1
            self.do_replace("marker", str(self.markers))
            self.do_deliver(f"marker={self.markers}")
            stats = manager.stats()
            if stats.settling == stats.being_written:
                return
            assert time.monotonic() < deadline, "files settle for ever"

    def figure(self, what: str, of: Callable[[Stats], int], wanted: str) -> None:
        manager = self.started()
        wait_until(f"{what} {wanted}", lambda: of(manager.stats()) == int(wanted))

    def do_being_written(self, wanted: str) -> None:
        self.figure("being written", lambda stats: stats.being_written, wanted)

    def do_waiting(self, wanted: str) -> None:
        self.figure("waiting", lambda stats: stats.pending, wanted)
        assert not self.heard


def test_the_stories_of_plugin_files_in_a_real_directory(tmp_path: Path) -> None:
    told = stories()
    assert told

    def tell(i: int) -> str:
        directory = tmp_path / str(i)
        directory.mkdir()
        return Teller(directory).tell(told[i])

    with ThreadPoolExecutor(4) as pool:
        failures = [failure for failure in pool.map(tell, range(len(told))) if failure]
    assert not failures, "\n".join(failures)
