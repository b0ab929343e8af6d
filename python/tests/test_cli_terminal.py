# SPDX-License-Identifier: MIT
"""The command in a person's terminal: the live table at every size, jobs, and terminals that cannot show a table."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import MODULE, SCRIPT, Command, Terminal
from conftest import wait_until
from wcwidth import wcswidth

Open = Callable[..., Terminal]
HEADER = "state     version  time          settled in  file"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    """Opens the terminal in tmp_path."""
    opened: list[Terminal] = []

    def start(width: int = 120, height: int = 30, **environment: str) -> Terminal:
        opened.append(Terminal(tmp_path, width, height, **environment))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def create(folder: Path, *names: str) -> list[Path]:
    files = [folder / name for name in names]
    for file in files:
        file.write_text("v0")
    return files


def test_the_life_of_a_file(terminal: Open, tmp_path: Path) -> None:
    (file,) = create(tmp_path, "plugin.so")
    window = terminal()
    window.type("echo before")
    window.watch("plugin.so")
    window.shows(HEADER, "watching", "plugin.so", "Ctrl-C ends")
    file.write_text("v1")
    window.shows("changed         1  ", " ms  plugin.so")
    file.write_text("v2")
    window.shows("changed         2  ")
    file.unlink()
    assert window.shows("removed         2  ").count("plugin.so") == 1
    window.key("C-c")
    window.does_not_show("Ctrl-C")
    window.type("echo status $?")
    # What was on the screen before, the last picture, the prompt.
    last = window.shows("before", "removed         2  ", "status 130")
    assert "Traceback" not in last


def test_files_of_a_folder_come_and_go(terminal: Open, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    window = terminal()
    window.watch("plugins/")
    window.shows(HEADER, "watching", "plugins/")
    (tmp_path / "plugins" / "new.so").write_text("v1")
    window.shows("added           1  ", "plugins/new.so")
    (tmp_path / "plugins" / "new.so").unlink()
    window.shows("removed         1  ", "plugins/new.so")


@pytest.mark.parametrize("width", [200, 61, 60, 52, 40, 30, 20, 18, 12, 5])
def test_the_end_of_the_file_is_shown_at_every_width(width: int, terminal: Open, tmp_path: Path) -> None:
    (tmp_path / "some" / "folder").mkdir(parents=True)
    (file,) = create(tmp_path, "some/folder/plugin.so")
    window = terminal(200, 10)
    window.watch("some/folder/plugin.so")
    window.shows("Ctrl-C ends")
    window.resize(width, 10)
    wait_until("the new size", lambda: len(window.lines()) == 3 and max(map(len, window.lines())) <= width)
    file.write_text("v1")
    if width >= 18:
        window.shows("changed")
    else:
        window.does_not_show("watching")
    end = "plugin.so" if width >= 20 else "n.so"
    wait_until("the file's row", lambda: any(line.endswith(end) for line in window.lines()))
    assert max(map(wcswidth, window.lines())) <= width
    assert ("settled in" in window.screen()) == (width >= 61)


def test_rows_that_do_not_fit_appear_when_they_change(terminal: Open, tmp_path: Path) -> None:
    names = [f"plugin{i:02}.so" for i in range(20)]
    files = create(tmp_path, *names)
    window = terminal(80, 8)
    window.watch("plugin*.so")
    assert "plugin04.so" in window.shows("… 15 more; those that changed last are shown", "Ctrl-C ends")
    files[17].write_text("v1")
    window.shows("plugin17.so")
    files[5].write_text("v1")
    window.shows("plugin05.so", "plugin17.so", "… 15 more")
    assert [line.split()[-1] for line in window.lines()[1:6]] == [
        "plugin00.so", "plugin01.so", "plugin02.so", "plugin05.so", "plugin17.so",
    ]  # fmt: skip
    window.resize(80, 30)
    window.shows(*names)
    window.does_not_show("more")


@pytest.mark.parametrize("height", [1, 2, 3, 4, 5])
def test_what_changed_last_is_shown_at_every_height(height: int, terminal: Open, tmp_path: Path) -> None:
    files = create(tmp_path, "a.so", "b.so", "c.so", "d.so")
    window = terminal(80, 20)
    window.watch("a.so b.so c.so d.so")
    window.shows("d.so", "Ctrl-C ends")
    window.resize(80, height)
    wait_until("the new size", lambda: len(window.lines()) == min(height, 5))
    for file in reversed(files):
        file.write_text("v1")
        window.shows(f" ms  {file.name}")
    assert len(window.lines()) == height


def test_a_resize_leaves_nothing_behind(terminal: Open, tmp_path: Path) -> None:
    create(tmp_path, *(f"plugin-with-a-long-name-{i:02}.so" for i in range(12)))
    window = terminal(100, 20)
    window.watch("plugin*.so")
    before = window.shows("name-11.so", "Ctrl-C ends")
    for size in [(40, 6), (100, 6), (25, 20), (60, 3), (100, 20)]:
        window.resize(*size)
    wait_until(f"the first picture again\n{window.screen()}", lambda: window.screen() == before)


NAMES = {
    "east asian": "熱い再読み込み-plugin.so",
    "combining": "pl" + "u\N{COMBINING DIAERESIS}" * 20 + "gin.so",
    "emoji": "🔥🔌🧩-plugin.so",
    "escape sequence": "\x1b[2J\x1b[Hplugin.so",
}


@pytest.mark.parametrize("width", [100, 30])
def test_wide_characters_keep_the_columns_in_line(width: int, terminal: Open, tmp_path: Path) -> None:
    files = create(tmp_path, "plain.so", *NAMES.values())
    window = terminal(width, 12)
    window.watch("*.so")
    window.shows("Ctrl-C ends")
    for file in files:
        file.write_text("v1")
    wait_until("all changed", lambda: window.screen().count("changed") == len(files))
    rows = [line for line in window.lines() if "changed" in line]
    assert all(line.startswith("changed ") and line.endswith(".so") for line in rows)
    assert all(wcswidth(line) <= width for line in rows)
    if width == 100:
        assert any(line.endswith("  \\x1b[2J\\x1b[Hplugin.so") for line in rows)
        assert any(line.endswith("  " + NAMES["east asian"]) for line in rows)


@pytest.mark.parametrize(
    ("before", "arguments"),
    [
        ("TERM=dumb", ""),
        ("TERM=", ""),
        ("env -u TERM", ""),
        ("NO_COLOR=1", ""),
        ("CI=true", ""),
        ("LC_ALL=POSIX PYTHONCOERCECLOCALE=0 PYTHONUTF8=0", ""),
        ("", "--plain"),
        ("", "--exec true"),
    ],
)
def test_lines_where_a_table_does_not_fit(before: str, arguments: str, terminal: Open, tmp_path: Path) -> None:
    (file,) = create(tmp_path, "plugin.so")
    window = terminal()
    window.type(f"{before} {shlex.quote(SCRIPT[0])} watch --quiet 30 --once plugin.so {arguments}; echo status $?")
    window.shows(" watching plugin.so")
    file.write_text("v1")
    assert "settled" not in window.shows(" changed  plugin.so  version 1", "status 0")


def test_a_file_that_is_not_complete_is_waited_for(terminal: Open, tmp_path: Path) -> None:
    image = Path(os.path.realpath(MODULE[0])).read_bytes()
    file = tmp_path / "plugin.so"
    file.write_bytes(image)
    window = terminal(100, 6)
    window.watch("--check-image plugin.so")
    window.shows("watching")
    file.write_bytes(image[: len(image) // 2])
    window.shows("waiting", " plugin.so: not delivered, ")
    file.write_bytes(image)
    window.shows("changed  ")


def test_a_job_leaves_the_terminal_to_others(terminal: Open, tmp_path: Path) -> None:
    (file,) = create(tmp_path, "plugin.so")
    window = terminal()
    window.type("set -m")
    window.watch("plugin.so")
    window.shows(HEADER)
    window.key("C-z")
    window.shows("Stopped", "$ ")
    file.write_text("v1")
    window.type("bg; echo others")
    window.shows("\nothers")
    file.write_text("v2")
    assert HEADER not in window.screen()
    window.type("fg")
    window.shows(HEADER, "changed  ")
    file.write_text("v3")
    window.shows(" ms  plugin.so")
    window.key("C-c")
    window.shows("others", "changed  ", "$ ")


def test_a_job_in_the_background_shows_lines(terminal: Open, tmp_path: Path) -> None:
    (file,) = create(tmp_path, "plugin.so")
    window = terminal()
    window.type("set -m")
    window.type(f"{shlex.quote(SCRIPT[0])} watch --quiet 30 --once plugin.so &")
    window.shows(" watching plugin.so")
    file.write_text("v1")
    window.shows(" changed  plugin.so  version 1")


def test_a_terminal_that_takes_nothing_does_not_keep_it_alive(tmp_path: Path) -> None:
    (file,) = create(tmp_path, "plugin.so")
    terminal, end = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
    environment |= {"TERM": "xterm", "LC_ALL": "C.UTF-8"}
    running = Command("watch", file, stdin=end, stdout=end, env=environment)
    try:
        seen = b""
        while b"watching" not in seen:
            seen += os.read(terminal, 1000)
        termios.tcflow(end, termios.TCOOFF)  # as Ctrl-S
        assert running.end(signal.SIGTERM)[0] == -signal.SIGTERM
    finally:
        running.process.kill()
        running.process.wait()
        os.close(end)
        os.close(terminal)
