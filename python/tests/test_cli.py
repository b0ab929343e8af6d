"""The command, as a shell, a pipe, a program and a person at a terminal have it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, wait_until

MODULE = [sys.executable, "-W", "error", "-m", "qtforge.monitoring"]
SCRIPT = [str(Path(sys.executable).with_name("qtforge-hotreload"))]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.so"
    path.write_text("v0")
    return path


class Command:
    """The running command with its output as a pipe."""

    def __init__(self, *arguments: object, command: list[str] = MODULE, **options: Any) -> None:
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
            **options,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        text: str = self.process.stdout.readline()
        return text.rstrip("\n")

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.line())
        return found

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """(status, the rest of the output, errors)."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=BOUND)
        return self.process.returncode, out, err


@pytest.fixture
def watch(file: Path) -> Iterator[Any]:
    commands: list[Command] = []

    def start(*arguments: object, **options: Any) -> Command:
        commands.append(Command("watch", "--quiet", 30, *arguments, **options))
        return commands[-1]

    yield start
    for command in commands:
        command.process.kill()
        command.process.communicate()


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_lines_in_a_pipe(command: list[str], file: Path, watch: Any) -> None:
    running = watch(file, command=command)
    assert running.line().split()[1:] == ["watching", str(file)]
    for i in (1, 2):
        file.write_text(f"v{i}")
        assert running.line().split()[1:] == ["changed", str(file), "version", str(i)]
    file.unlink()
    assert running.line().split()[1:] == ["removed", str(file)]
    assert running.end(signal.SIGINT) == (130, "", "")


def test_json_lines(file: Path, watch: Any) -> None:
    running = watch("--json", file)
    assert running.json() == {"event": "watching", "paths": [str(file)]}
    file.write_text("v1")
    change = running.json()
    assert (change["event"], change["path"], change["generation"]) == ("changed", str(file), 1)
    assert 0 < change["first_seen_ns"] <= change["timestamp_ns"] <= time.time_ns()
    file.unlink()
    assert running.json()["event"] == "removed"
    assert running.end(signal.SIGTERM) == (143, "", "")


def test_a_path_that_is_not_utf8_survives_json(tmp_path: Path, watch: Any) -> None:
    raw = os.fsencode(tmp_path) + b"/pl\xffug\nin.so"
    Path(os.fsdecode(raw)).write_text("v0")
    running = watch("--json", "--once", os.fsdecode(raw))
    running.line()
    Path(os.fsdecode(raw)).write_text("v1")
    assert os.fsencode(running.json()["path"]) == raw
    assert running.end()[0] == 0


def test_a_path_cannot_drive_the_terminal(tmp_path: Path, watch: Any) -> None:
    path = tmp_path / "\x1b[2Jplugin"
    path.write_text("v0")
    assert "\\x1b[2Jplugin" in watch(path).line()


def test_health_is_told(file: Path, watch: Any) -> None:
    image = Path(os.path.realpath(sys.executable)).read_bytes()
    file.write_bytes(image)
    running = watch("--json", "--check-image", file)
    running.line()
    file.write_bytes(image[: len(image) // 2])
    health = running.json()
    assert (health["event"], health["health"], health["path"]) == ("health", "IMAGE_INCOMPLETE", str(file))
    assert health["message"]


@pytest.mark.parametrize("poll", [(), ("--poll", "--poll-interval", 20)], ids=["notified", "polled"])
def test_once(poll: tuple[object, ...], file: Path, watch: Any) -> None:
    running = watch("--once", *poll, file)
    running.line()
    file.write_text("v1")
    status, out, err = running.end()
    assert (status, out.count("changed"), err) == (0, 1, "")


def test_exec(file: Path, watch: Any) -> None:
    running = watch("--exec", 'echo "$HOTRELOAD_GENERATION $HOTRELOAD_PATH: $(cat "$HOTRELOAD_PATH")"; exit 3', file)
    running.line()
    for i in (1, 2):
        file.write_text(f"v{i}")
        assert "changed" in running.line()
        assert running.line() == f"{i} {file}: v{i}"
        assert running.line().split()[1:] == ["exec", str(file), "status", "3"]
    assert running.end(signal.SIGINT) == (130, "", "")


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 9", 9), ("kill -9 $$", 137)])
def test_once_ends_with_the_status_of_the_command(command: str, status: int, file: Path, watch: Any) -> None:
    running = watch("--json", "--once", "--exec", command, file)
    running.line()
    file.write_text("v1")
    running.line()
    assert running.json() == {
        "event": "exec", "path": str(file), "generation": 1, "command": command, "status": status,
    }  # fmt: skip
    assert running.end() == (status, "", "")


def test_changes_during_a_command_are_told_once_afterwards(file: Path, tmp_path: Path, watch: Any) -> None:
    go = tmp_path / "go"
    running = watch("--exec", f"echo begun; while [ ! -e '{go}' ]; do sleep 0.01; done; cat '{file}'; echo", file)
    running.line()
    file.write_text("v1")
    assert "changed" in running.line()
    assert running.line() == "begun"
    for i in range(2, 6):
        file.write_text(f"v{i}")
    go.touch()
    assert running.line() == "v5"
    assert "exec" in running.line()
    assert "changed" in running.line()
    assert [running.line(), running.line()] == ["begun", "v5"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_command_behind(number: signal.Signals, status: int, file: Path, watch: Any) -> None:
    running = watch("--exec", "echo $$; exec sleep 60", file, start_new_session=True)
    running.line()
    file.write_text("v1")
    running.line()
    child = int(running.line())
    if number is signal.SIGINT:
        os.killpg(running.process.pid, number)  # as a terminal does
        assert running.end()[0] == status
    else:
        assert running.end(number)[0] == status
    assert not Path(f"/proc/{child}").exists()


def test_timeout(file: Path, watch: Any) -> None:
    assert watch("--timeout", "0.1", file).end()[0] == 3


def test_paths_that_cannot_be_watched(file: Path, tmp_path: Path, watch: Any) -> None:
    status, out, err = watch(file, tmp_path / "missing.so", tmp_path).end()
    assert (status, out) == (1, "")
    missing, directory = err.splitlines()
    assert (
        missing.startswith(f'qtforge-hotreload: "{tmp_path}/missing.so" does not exist') and str(tmp_path) in directory
    )
    running = watch("--once", "--allow-missing", tmp_path / "missing.so")
    running.line()
    (tmp_path / "missing.so").write_text("here")
    assert running.end()[0] == 0


def test_the_same_path_twice(file: Path, watch: Any) -> None:
    running = watch("--json", "--once", file, file)
    assert running.json()["paths"] == [str(file)]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["watch"],
        ["watch", "--quiet", "soon", "x"],
        ["watch", "--timeout", "soon", "x"],
        ["watch", "--timeout", "nan", "x"],
        ["look", "x"],
        ["--no"],
    ],
)
def test_usage(arguments: list[str]) -> None:
    status, out, err = Command(*arguments).end()
    assert (status, out) == (2, "")
    assert "usage:" in err
    assert "_" not in err  # a function's name, say


@pytest.mark.parametrize("option", ["--quiet=-7", "--quiet=99999999999", "--poll-interval=-7", "--timeout=-7"])
def test_options_out_of_range_are_named(option: str, file: Path) -> None:
    status, out, err = Command("watch", option, file).end()
    assert (status, out) == (2, "")
    assert option.partition("=")[2] in err and "usage:" in err and "Traceback" not in err


def test_help_and_version() -> None:
    status, out, err = Command("watch", "--help").end()
    assert (status, err) == (0, "")
    for text in ("--exec CMD", "HOTRELOAD_PATH", "exit status:", "130"):
        assert text in out
    number = version("qtforge-monitoring")
    assert Command("--version").end() == (0, f"qtforge-monitoring {number} (libhotreload {number})\n", "")


def test_a_reader_that_goes_away(file: Path, watch: Any) -> None:
    running = watch(file)
    running.line()
    assert running.process.stdout is not None
    running.process.stdout.close()
    file.write_text("v1")
    assert running.process.wait(BOUND) == 141
    assert running.process.stderr is not None
    assert running.process.stderr.read() == ""


class Terminal:
    """A person's terminal: tmux with one window."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmux = [shutil.which("tmux") or "tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        subprocess.run(
            [*self.tmux, "-u", "new-session", "-d", "-x", "120", "-y", "30", "sh"], check=True, env=environment
        )

    def type(self, text: str) -> None:
        subprocess.run([*self.tmux, "send-keys", "-l", text], check=True)
        self.key("Enter")

    def key(self, name: str) -> None:
        subprocess.run([*self.tmux, "send-keys", name], check=True)

    def screen(self) -> str:
        return subprocess.run([*self.tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout

    def shows(self, *texts: str) -> str:
        wait_until(f"the screen shows {texts}:\n{self.screen()}", lambda: all(t in self.screen() for t in texts))
        return self.screen()

    def close(self) -> None:
        subprocess.run([*self.tmux, "kill-server"], check=True)


def test_in_a_terminal(file: Path, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    try:
        terminal.type(f"cd {tmp_path}; PS1='$ '; clear")
        terminal.type(f"{SCRIPT[0]} watch --quiet 30 plugin.so; echo status $?")
        terminal.shows("watching", "plugin.so", "┃")
        file.write_text("v1")
        terminal.shows("changed")
        file.write_text("v2")
        wait_until("second version", lambda: any("│ 2 " in x or " 2 │" in x for x in terminal.screen().splitlines()))
        file.unlink()
        assert terminal.shows("removed").count("│ plugin.so") == 1
        terminal.key("C-c")
        assert "Traceback" not in terminal.shows("status 130")
    finally:
        terminal.close()
