# SPDX-License-Identifier: MIT
"""``--exec``: what the command gets, and that nothing of it outlives the program."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import AFTER, ENDING, MODULE, Command, Commands, state_of
from conftest import BOUND, wait_until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.so"
    path.write_text("v0")
    return path


@pytest.fixture
def watch() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.close()


def begin(running: Command, file: Path) -> list[int]:
    """Lets the command run, which prints the numbers of its processes; returns them."""
    assert running.words()[0] == "watching"
    file.write_text("v1")
    assert running.words()[0] == "changed"
    return [int(number) for number in running.line().split()]


def expect_none_of(processes: list[int]) -> None:
    assert {process: state_of(process) for process in processes} == dict.fromkeys(processes, "")


def test_exec(file: Path, watch: Commands) -> None:
    running = watch("--exec", 'echo "$HOTRELOAD_GENERATION $HOTRELOAD_PATH: $(cat "$HOTRELOAD_PATH")"; exit 3', file)
    running.line()
    for i in (1, 2):
        file.write_text(f"v{i}")
        assert "changed" in running.line()
        assert running.line() == f"{i} {file}: v{i}"
        assert running.line().split()[1:] == ["exec", str(file), "status", "3"]
    assert running.end(signal.SIGINT) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 9", 9), ("kill -9 $$", 137)])
def test_once_ends_with_the_status_of_the_command(command: str, status: int, file: Path, watch: Commands) -> None:
    running = watch("--json", "--once", "--exec", command, file)
    running.line()
    file.write_text("v1")
    running.line()
    assert running.json() == {
        "event": "exec", "path": str(file), "generation": 1, "command": command, "status": status,
    }  # fmt: skip
    assert running.end() == (status, "", "")


def test_changes_during_a_command_are_reported_once_afterwards(file: Path, tmp_path: Path, watch: Commands) -> None:
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


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_the_command_and_its_children(number: signal.Signals, file: Path, watch: Commands) -> None:
    running = watch("--exec", "sleep 600 & sh -c 'sleep 600; :' & echo $$ $!; wait", "--kill-after", 0.4, file)
    processes = begin(running, file)
    assert running.end(number)[0] == -number
    expect_none_of(processes)


def test_the_command_may_clean_up_before_it_ends(file: Path, tmp_path: Path, watch: Commands) -> None:
    text = "trap 'sleep 0.1; echo done >cleaned; exit' TERM; echo $$; while :; do sleep 0.01; done"
    running = watch("--exec", text, file, cwd=tmp_path)
    begin(running, file)
    assert running.end(signal.SIGTERM)[0] == -signal.SIGTERM
    assert (tmp_path / "cleaned").read_text() == "done\n"


STUBBORN = "trap '' INT TERM HUP QUIT; sleep 600 & echo $$ $!; wait"


def test_a_command_that_ignores_signals_is_killed(file: Path, watch: Commands) -> None:
    running = watch("--exec", STUBBORN, "--kill-after", 0.2, file)
    processes = begin(running, file)
    assert running.end(signal.SIGTERM)[0] == -signal.SIGTERM
    expect_none_of(processes)


def test_a_second_ctrl_c_kills_at_once(file: Path, watch: Commands) -> None:
    running = watch("--exec", STUBBORN, "--kill-after", 1000, file)
    processes = begin(running, file)
    running.process.send_signal(signal.SIGINT)
    # Only now is the first one handled for certain: the command has got it, and no two are pending at once.
    wait_until("the first signal was taken", lambda: not has_pending(running.process.pid, signal.SIGINT))
    assert running.end(signal.SIGINT)[0] == -signal.SIGINT
    expect_none_of(processes)


def has_pending(process: int, number: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    pending = next(line for line in status.splitlines() if line.startswith("ShdPnd:")).split()[1]
    return bool(int(pending, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("way", ["once", "timeout", "SIGTERM"])
def test_what_the_command_left_in_the_background_ends_with_the_program(way: str, file: Path, watch: Commands) -> None:
    options = {"once": ["--once"], "timeout": ["--timeout", "0.3"], "SIGTERM": list[str]()}[way]
    running = watch("--exec", "sleep 600 >/dev/null 2>&1 & echo $!", *options, file)
    processes = begin(running, file)
    assert running.words()[-2:] == ["status", "0"]
    if way == "SIGTERM":
        assert state_of(processes[0]) != ""
        assert running.end(signal.SIGTERM)[0] == -signal.SIGTERM
    else:
        assert running.end()[0] == {"once": 0, "timeout": 3}[way]
    expect_none_of(processes)


def test_an_error_of_the_program_ends_the_command_too(file: Path, watch: Commands) -> None:
    running = watch("--exec", "sleep 600 >/dev/null 2>&1 & echo $!", file)
    processes = begin(running, file)
    assert running.words()[0] == "exec"
    assert running.process.stdout is not None
    running.process.stdout.close()
    file.write_text("v2")
    assert running.process.wait(BOUND) == -signal.SIGPIPE
    expect_none_of(processes)


def test_a_terminal_that_is_closed_ends_the_command(file: Path, tmp_path: Path, watch: Commands) -> None:
    terminal, end = pty.openpty()
    text = "sleep 600 & echo $$ $! >part; mv part processes; wait"
    running = watch("--exec", text, file, cwd=tmp_path, stdin=end, stdout=end, stderr=end, start_new_session=True,
                    command=[*AFTER, "fcntl.ioctl(0, termios.TIOCSCTTY, 0)", *MODULE])  # fmt: skip
    os.close(end)
    try:
        seen = b""
        while b"watching" not in seen:
            seen += os.read(terminal, 1000)
        file.write_text("v1")
        wait_until("the command runs", (tmp_path / "processes").exists)
    finally:
        os.close(terminal)
    assert running.end()[0] == -signal.SIGHUP
    expect_none_of([int(number) for number in (tmp_path / "processes").read_text().split()])


def test_a_command_that_reads_does_not_wait(file: Path, watch: Commands) -> None:
    running = watch("--exec", "cat; cat </dev/tty || echo no terminal", file, stdin=subprocess.PIPE)
    running.line()
    file.write_text("v1")
    running.line()
    assert running.line() == "no terminal"
    assert running.words()[0] == "exec"
    assert running.end(signal.SIGTERM)[0] == -signal.SIGTERM


def test_with_json_standard_output_is_json_only(file: Path, watch: Commands) -> None:
    running = watch("--json", "--once", "--exec", "echo hello; echo trouble >&2", file)
    running.line()
    file.write_text("v1")
    status, out, err = running.end()
    assert (status, [json.loads(line)["event"] for line in out.splitlines()]) == (0, ["changed", "exec"])
    assert err == "hello\ntrouble\n"


def test_ctrl_z_stops_the_command_too_and_fg_continues_both(file: Path, watch: Commands) -> None:
    running = watch("--exec", "sleep 600 & echo $$ $!; wait", file, command=[*AFTER, "os.setpgrp()", *MODULE])  # a job
    processes = [running.process.pid, *begin(running, file)]
    running.process.send_signal(signal.SIGTSTP)
    wait_until("all stopped", lambda: {state_of(process) for process in processes} == {"T"})
    running.process.send_signal(signal.SIGCONT)
    wait_until("all running", lambda: {state_of(process) for process in processes} <= {"R", "S"})
    assert running.end(signal.SIGTERM)[0] == -signal.SIGTERM
    expect_none_of(processes)


def test_a_command_that_cannot_be_started_is_reported(file: Path, watch: Commands) -> None:
    # The system's limit for what a program is given is a quarter of the stack's.
    running = watch(
        "--exec", "echo never", "--once", file, env={**os.environ, "BIG": "x" * 100_000, "MORE": "x" * 100_000}
    )
    running.line()
    resource.prlimit(running.process.pid, resource.RLIMIT_STACK, (600 * 1024, resource.RLIM_INFINITY))
    file.write_text("v1")
    status, out, err = running.end()
    assert (status, [line.split()[1] for line in out.splitlines()]) == (126, ["changed", "exec"])
    assert err == "qtforge-hotreload: cannot run echo never: Argument list too long\n"
