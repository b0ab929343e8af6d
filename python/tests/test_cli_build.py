# SPDX-License-Identifier: MIT
"""``--build``: when it builds, and that no build of any kind harms."""

from __future__ import annotations

import os
import pty
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import AFTER, ENDING, MODULE, Command, Commands, state_of
from conftest import BOUND, wait_until
from qtforge.monitoring import _build_loop, _cli, _options
from qtforge.monitoring._build_loop import IN_A_ROW

COPY = "cat src/*.c >part && mv part 'my plugin.so'"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "my project"
    (folder / "src" / "deep").mkdir(parents=True)
    for name in ("a.c", "b.c", "deep/c.c"):
        (folder / "src" / name).write_text("v0")
    return folder


@pytest.fixture
def watch() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.close()


def begin(watch: Commands, project: Path, build: str, *options: object, **settings: Any) -> Command:
    """A watch with JSON lines that is ready."""
    running = watch("--json", "--sources", "src", "--build", build, *options, "my plugin.so", cwd=project, **settings)
    assert running.json()["event"] == "watching"
    return running


def until(running: Command, event: str) -> list[dict[str, Any]]:
    """The lines up to one of these events, which is the last."""
    lines = [running.json()]
    while lines[-1]["event"] != event:
        lines.append(running.json())
    return lines


def numbers(path: Path) -> list[int]:
    return [int(number) for number in path.read_text().split()]


def expect_none_of(processes: list[int]) -> None:
    assert {process: state_of(process) for process in processes} == dict.fromkeys(processes, "")


def test_a_source_that_changes_is_built_and_the_plugin_delivered(project: Path, watch: Commands) -> None:
    running = begin(watch, project, COPY)
    for i in (1, 2):
        (project / "src" / "a.c").write_text(f"a{i} ")
        assert running.json() == {"event": "building", "command": COPY, "sources": ["src/a.c"]}
        lines = {line["event"]: line for line in (running.json(), running.json())}
        assert (lines["built"]["status"], lines["built"]["hung"]) == (0, False)
        assert (lines["changed"]["path"], lines["changed"]["generation"]) == ("my plugin.so", i)
        assert (project / "my plugin.so").read_text() == f"a{i} v0"
    assert running.end(signal.SIGINT) == (-signal.SIGINT, "", "")


def test_new_and_removed_sources_are_built_at_every_depth(project: Path, watch: Commands) -> None:
    running = begin(watch, project, "true", "--exclude-sources", "*.o", "--exclude-sources", "deep/not*")
    src = project / "src"
    (src / "deep" / "c.c").write_text("v1")
    assert until(running, "built")[0]["sources"] == ["src/deep/c.c"]
    for noise in (".hidden", "a.c~", "#a.c#", "a.o", "deep/not this", "deep/.d.c.swp"):
        (src / noise).write_text("noise")
    (src / "new").mkdir()
    (src / "new" / "n.c").write_text("new")
    assert until(running, "built")[0]["sources"] == ["src/new/n.c"]
    (src / "b.c").unlink()
    assert until(running, "built")[0]["sources"] == ["src/b.c"]


def test_changes_during_a_build_start_one_more_afterwards(project: Path, watch: Commands) -> None:
    running = begin(
        watch, project, "mkdir lock || exit 9; echo $$ >began; while [ -e held ]; do sleep 0.01; done; rmdir lock"
    )
    held = project / "held"
    held.touch()
    (project / "src" / "a.c").write_text("v1")
    assert running.json()["event"] == "building"
    wait_until("the build runs", (project / "began").exists)
    for i in range(20):
        (project / "src" / "abc"[i % 2 : i % 2 + 1]).with_suffix(".c").write_text(f"v{i}")
    held.unlink()
    assert running.json()["status"] == 0
    assert [running.json()["sources"], running.json()["status"]] == [["src/a.c", "src/b.c"], 0]
    (project / "src" / "deep" / "c.c").write_text("the next one is for this")
    assert running.json()["sources"] == ["src/deep/c.c"]


def test_the_output_is_shown_when_a_build_fails_and_only_then(project: Path, watch: Commands) -> None:
    running = begin(watch, project, "echo building; cat src/a.c >&2; exit $(cat src/b.c)")
    for name, content in (("b.c", "0"), ("a.c", "fine\n"), ("b.c", "7"), ("a.c", "trouble \x1b[1m\n")):
        (project / "src" / name).write_text(content)
        built = until(running, "built")[-1]
        assert built["status"] == int((project / "src" / "b.c").read_text())
    assert running.end(signal.SIGTERM)[2] == "building\nfine\nbuilding\ntrouble \x1b[1m\n"


def test_of_a_long_output_the_end_is_shown(project: Path, watch: Commands) -> None:
    with (project / "errors").open("w+") as errors:
        running = begin(watch, project, "head -c 3000000 /dev/zero; echo the end; exit 1", stderr=errors)
        (project / "src" / "a.c").write_text("v1")
        until(running, "built")
        errors.seek(0)
        text = errors.read()
    assert text.endswith("the end\n") and len(text) < 1_100_000
    assert text.startswith("qtforge-hotreload: the first 1951432 bytes of the output are left out\n")


@pytest.mark.parametrize(
    ("writing", "builds"),
    [
        ("date +%s%N >src/made.h", IN_A_ROW),
        ("date +%s%N >part; mv part src/made.h", IN_A_ROW),
        ("echo >src/made$(date +%s%N).h", IN_A_ROW + 1),
    ],
    ids=["in place", "exchanged", "another file each time"],
)
def test_a_build_that_writes_its_own_sources_does_not_go_on_for_ever(
    writing: str, builds: int, project: Path, watch: Commands
) -> None:
    (project / "src" / "made.h").touch()
    running = begin(watch, project, writing)
    (project / "src" / "a.c").write_text("v1")
    lines = until(running, "build_loop")
    assert [line["event"] for line in lines[:-1]] == ["building", "built"] * builds
    assert all("/made" in source for source in lines[-1]["sources"])
    (project / "src" / "b.c").write_text("v1")  # what changes otherwise is built
    assert "src/b.c" in running.json()["sources"]


def test_a_build_loop_is_said_to_people_too(project: Path, watch: Commands) -> None:
    running = watch("--sources", "src", "--build", "date +%s%N >src/a.c", "my plugin.so", cwd=project)
    assert running.words() == ["watching", "my", "plugin.so"]
    (project / "src" / "a.c").write_text("v1")
    lines = [running.line() for _ in range(2 * IN_A_ROW + 1)]
    assert " building date +%s%N >src/a.c  src/a.c" in lines[0]
    assert " built    date" in lines[1] and "status 0" in lines[1]
    assert " waiting " in lines[-1] and "src/a.c" in lines[-1] and "--exclude-sources" in lines[-1]


def test_builds_that_follow_each_other_quickly_are_slowed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    loop = _build_loop.BuildLoop()
    same = {"made.h": False}
    for _ in range(_build_loop.QUICK_ONES + 1):
        loop.noticed()
        assert loop.waits(same) == 0
        loop.begins(same)
        loop.ends()
        now += 0.5
    loop.noticed()
    assert loop.waits(same) == _build_loop.PAUSE - 0.5
    assert (loop.take_unreported(), loop.waits(same) > 0, loop.take_unreported()) == (["made.h"], True, [])
    assert loop.waits({**same, "a.c": False}) == 0  # another change
    now += _build_loop.PAUSE
    assert loop.waits(same) == 0
    loop.begins(same)
    loop.ends()
    now += 0.5
    loop.noticed()
    assert loop.waits(same) > 0  # it goes on
    now += 1
    loop.noticed()
    assert loop.waits(same) == 0  # somebody has saved the file


HANGING = "trap '' INT; sleep 600 & echo $$ $! >part; mv part processes; wait"


def test_a_build_that_hangs_holds_up_no_delivery(project: Path, watch: Commands) -> None:
    running = begin(watch, project, HANGING)
    (project / "src" / "a.c").write_text("v1")
    assert running.json()["event"] == "building"
    (project / "my plugin.so").write_text("by hand")
    assert running.json()["event"] == "changed"


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_a_build_that_hangs(number: signal.Signals, project: Path, watch: Commands) -> None:
    running = begin(watch, project, HANGING.replace("INT", "INT TERM QUIT"), "--kill-after", 0.3)
    (project / "src" / "a.c").write_text("v1")
    wait_until("the build runs", (project / "processes").exists)
    assert running.end(number)[0] == -number
    expect_none_of(numbers(project / "processes"))


def test_a_build_that_takes_too_long_is_ended(project: Path, watch: Commands) -> None:
    running = begin(watch, project, f"echo output; {HANGING}", "--build-timeout", 0.3)
    (project / "src" / "a.c").write_text("v1")
    built = until(running, "built")[-1]
    assert (built["status"], built["hung"]) == (128 + signal.SIGTERM, True)
    expect_none_of(numbers(project / "processes"))
    (project / "src" / "a.c").write_text("v2")  # and the next one begins
    assert until(running, "built")[-1]["hung"]
    assert running.end(signal.SIGTERM)[2] == "output\noutput\n"


def test_what_a_build_leaves_running_is_ended_before_the_next(project: Path, watch: Commands) -> None:
    running = begin(watch, project, "cat processes; sleep 600 & echo $! >processes; exit 1")
    for i in (1, 2):
        (project / "src" / "a.c").write_text(f"v{i}")
        assert until(running, "built")[-1]["status"] == 1
    (second,) = numbers(project / "processes")
    assert state_of(second) != ""
    errors = running.end(signal.SIGTERM)[2]
    expect_none_of([second, int(errors.splitlines()[-1])])


def test_a_reader_that_goes_away_ends_the_build(project: Path, watch: Commands) -> None:
    running = begin(watch, project, HANGING, "--kill-after", 0.3)
    (project / "src" / "a.c").write_text("v1")
    wait_until("the build runs", (project / "processes").exists)
    assert running.process.stdout is not None
    running.process.stdout.close()
    (project / "my plugin.so").write_text("something to say")
    assert running.process.wait(BOUND) == -signal.SIGPIPE
    expect_none_of(numbers(project / "processes"))


def test_a_terminal_that_is_closed_ends_the_build(project: Path, watch: Commands) -> None:
    terminal, end = pty.openpty()
    controlled = [*AFTER, "fcntl.ioctl(0, termios.TIOCSCTTY, 0)", *MODULE]
    running = watch("--sources", "src", "--build", HANGING, "my plugin.so", cwd=project, command=controlled,
                    stdin=end, stdout=end, stderr=end, start_new_session=True)  # fmt: skip
    os.close(end)
    try:
        seen = b""
        while b"watching" not in seen:
            seen += os.read(terminal, 1000)
        (project / "src" / "a.c").write_text("v1")
        wait_until("the build runs", (project / "processes").exists)
    finally:
        os.close(terminal)
    assert running.end()[0] == -signal.SIGHUP
    expect_none_of(numbers(project / "processes"))


def test_a_command_waits_for_the_end_of_the_build(project: Path, watch: Commands) -> None:
    build = "echo v1 >'my plugin.so'; while [ ! -e go ]; do sleep 0.01; done; touch end"
    running = begin(watch, project, build, "--exec", "test -e end", "--once")
    (project / "src" / "a.c").write_text("v1")
    assert [running.json()["event"], running.json()["event"]] == ["building", "changed"]
    (project / "go").touch()
    assert [running.json()["event"], running.json()["event"]] == ["built", "exec"]
    assert running.end()[0] == 0


def test_a_build_at_the_beginning(project: Path, watch: Commands) -> None:
    running = begin(watch, project, COPY, "--build-first", "--once")
    assert running.json() == {"event": "building", "command": COPY, "sources": []}
    assert {running.json()["event"], running.json()["event"]} == {"built", "changed"}
    assert running.end() == (0, "", "")


def test_the_plugin_is_no_source(project: Path, watch: Commands) -> None:
    running = watch("--json", "--sources", ".", "--build", "date +%s%N >plugin.so", "./plugin.so", cwd=project)
    running.json()
    (project / "plugin.so").touch()
    assert running.json()["event"] == "changed"
    (project / "src" / "a.c").write_text("v1")
    assert until(running, "built")[0]["sources"] == ["./src/a.c"]
    (project / "src" / "b.c").write_text("v1")
    assert until(running, "building")[-1]["sources"] == ["./src/b.c"]


def test_sources_that_cannot_be_watched_are_named(project: Path, watch: Commands) -> None:
    status, out, err = watch("--sources", "sorces", "--build", "true", "x", cwd=project).end()
    assert (status, out) == (1, "")
    assert err.startswith('qtforge-hotreload: --sources sorces: "sorces" does not exist; ')


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--build", "make"], "--build needs --sources"),
        (["--sources", "src"], "--sources needs --build"),
        (["--exclude-sources", "*.o"], "--exclude-sources needs --build"),
        (["--build-first"], "--build-first needs --build"),
        (["--build-timeout", "1"], "--build-timeout needs --build"),
        (["--restart"], "--restart needs --exec"),
        (["--restart", "--exec", "x", "--once"], "exclude one another"),
        (["--stop-signal", "NONE"], "'NONE'"),
        (["--stop-signal", "CONT"], "ends no program"),
        (["--stop-signal", "0"], "'0'"),
    ],
)
def test_options_that_do_not_fit_are_named(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _cli._parse(*_options.parsers(), ["watch", *arguments, "x"])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert text in err and err.startswith("usage:")


def test_a_build_that_cannot_be_started_is_reported(project: Path, watch: Commands) -> None:
    # The system's limit for what a program is given is a quarter of the stack's.
    big = {**os.environ, "BIG": "x" * 100_000, "MORE": "x" * 100_000}
    running = watch("--json", "--sources", "src", "--build", "true", "--timeout", 1, "x", cwd=project, env=big)
    running.json()
    resource.prlimit(running.process.pid, resource.RLIMIT_STACK, (600 * 1024, resource.RLIM_INFINITY))
    (project / "src" / "a.c").write_text("v1")
    assert until(running, "built")[-1]["status"] == 126
    status, _, errors = running.end()
    assert (status, errors) == (3, "qtforge-hotreload: cannot run true: Argument list too long\n")
