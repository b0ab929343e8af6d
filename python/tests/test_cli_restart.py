# SPDX-License-Identifier: MIT
"""``--restart``: a program that runs on, and is exchanged at each change."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command, Commands, state_of
from conftest import wait_until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "my folder"
    folder.mkdir()
    path = folder / "plugin.so"
    path.write_text("v0")
    return path


@pytest.fixture
def watch() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.close()


def begin(watch: Commands, file: Path, command: str, *options: object) -> Command:
    running = watch("--restart", file.name, "--exec", command, *options, cwd=file.parent)
    assert running.words() == ["watching", file.name]
    return running


def processes(running: Command, *before: str) -> list[int]:
    """The numbers that the program prints, after lines that begin so. Its first line may come before or after ours."""
    words = [running.line().split() for _ in range(len(before) + 1)]
    assert [line[1] for line in words if ":" in line[0]] == list(before)
    return [int(number) for line in words if ":" not in line[0] for number in line]


def expect_none_of(numbers: list[int]) -> None:
    assert {number: state_of(number) for number in numbers} == dict.fromkeys(numbers, "")


def test_a_program_is_restarted_with_its_children(file: Path, watch: Commands) -> None:
    running = begin(watch, file, "sleep 600 & echo $$ $!; wait")
    old = processes(running, "started")
    assert all(state_of(number) for number in old)
    for i in (1, 2):
        file.write_text(f"v{i}")
        new = processes(running, "changed", "started")
        expect_none_of(old)
        assert all(state_of(number) for number in new)
        old = new
    assert running.end(signal.SIGINT)[0] == -signal.SIGINT
    expect_none_of(old)


def test_it_gets_the_version_and_the_signal(file: Path, watch: Commands) -> None:
    begun = 'echo "$HOTRELOAD_GENERATION=$HOTRELOAD_PATH" >>log'
    text = f"trap 'echo got INT >>log; exit' INT; {begun}; while :; do sleep 0.01; done"
    running = begin(watch, file, text, "--stop-signal", "INT")
    log = file.parent / "log"
    assert running.words()[0] == "started"
    wait_until("begun", lambda: log.exists() and log.read_text() == "0=\n")
    file.write_text("v1")
    wait_until("restarted", lambda: log.read_text() == "0=\ngot INT\n1=plugin.so\n")
    assert running.end(signal.SIGTERM)[0] == -signal.SIGTERM


def test_a_program_that_ignores_the_signal_is_killed_after_the_grace_period(file: Path, watch: Commands) -> None:
    running = begin(watch, file, "trap '' TERM; sleep 600 & echo $$ $!; wait", "--kill-after", 0.2)
    old = processes(running, "started")
    file.write_text("v1")
    new = processes(running, "changed", "killed", "started")
    expect_none_of(old)
    assert running.end(signal.SIGTERM)[0] == -signal.SIGTERM
    expect_none_of(new)


def test_a_program_that_ends_by_itself_waits_for_the_next_change(file: Path, watch: Commands) -> None:
    running = begin(watch, file, "exit 3")
    assert [running.words()[0], running.words()[-2:]] == ["started", ["status", "3"]]
    file.write_text("v1")
    assert [running.words()[0] for _ in range(3)] == ["changed", "started", "ended"]


def test_what_it_left_in_the_background_is_ended_too(file: Path, watch: Commands) -> None:
    running = begin(watch, file, "sleep 600 >/dev/null 2>&1 & echo $! >number.part; mv number.part number")
    assert [running.words()[0], running.words()[0]] == ["started", "ended"]
    old = int((file.parent / "number").read_text())
    assert state_of(old)
    file.write_text("v1")
    assert [running.words()[0] for _ in range(3)] == ["changed", "started", "ended"]
    expect_none_of([old])


def test_changes_at_once_restart_it_once(file: Path, watch: Commands) -> None:
    others = [file.with_name(name) for name in ("a.so", "b.so")]
    for other in others:
        other.write_text("v0")
    log = file.parent / "log"
    text = "trap 'while [ -e ../held ]; do sleep 0.01; done; exit' TERM; echo begun >>log; while :; do sleep 0.01; done"
    running = begin(watch, file, text, *(other.name for other in others))
    assert [running.words()[0] for _ in range(3)] == ["watching", "watching", "started"]
    wait_until("begun", log.exists)
    held = file.parent.parent / "held"
    held.touch()
    for path in (file, *others):
        path.write_text("v1")
    assert [running.words()[0] for _ in range(3)] == ["changed"] * 3  # while the first one is being ended
    held.unlink()
    assert running.words()[0] == "started"
    wait_until("begun again", lambda: log.read_text() == "begun\n" * 2)
    file.write_text("v2")
    assert [running.words()[0], running.words()[0]] == ["changed", "started"]
    wait_until("begun again", lambda: log.read_text() == "begun\n" * 3)


def test_a_build_restarts_it_when_it_has_ended(file: Path, watch: Commands) -> None:
    (file.parent / "src").mkdir()
    (file.parent / "src" / "a.c").write_text("v0")
    build = "cp src/a.c plugin.so; while [ ! -e go ]; do sleep 0.01; done"
    running = begin(watch, file, "echo $(cat plugin.so)", "--sources", "src", "--build", build)
    assert processes_or_text(running) == {"started", "v0", "ended"}
    (file.parent / "src" / "a.c").write_text("v1")
    assert [running.words()[0], running.words()[0]] == ["building", "changed"]
    (file.parent / "go").touch()
    assert running.words()[0] == "built"
    assert processes_or_text(running) == {"started", "v1", "ended"}


def processes_or_text(running: Command) -> set[str]:
    """Three lines, of ours the second word."""
    lines = [running.line().split() for _ in range(3)]
    return {line[1] if ":" in line[0] else line[0] for line in lines}
