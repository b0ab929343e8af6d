# SPDX-License-Identifier: MIT
"""The command, as a shell, a pipe, a program and a person at a terminal have it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from commands import ENDING, MODULE, SCRIPT, Command, Commands
from conftest import wait_until
from qtforge.monitoring._output import printable


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


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_lines_in_a_pipe(command: list[str], file: Path, watch: Commands) -> None:
    running = watch(file, command=command)
    assert running.line().split()[1:] == ["watching", str(file)]
    for i in (1, 2):
        file.write_text(f"v{i}")
        assert running.line().split()[1:] == ["changed", str(file), "version", str(i)]
    file.unlink()
    assert running.line().split()[1:] == ["removed", str(file)]
    assert running.end(signal.SIGINT) == (-signal.SIGINT, "", "")


def test_json_lines(file: Path, watch: Commands) -> None:
    running = watch("--json", file)
    assert running.json() == {"event": "watching", "paths": [str(file)]}
    file.write_text("v1")
    change = running.json()
    assert (change["event"], change["path"], change["generation"]) == ("changed", str(file), 1)
    assert 0 < change["first_seen_ns"] <= change["timestamp_ns"] <= time.time_ns()
    file.unlink()
    assert running.json()["event"] == "removed"
    assert running.end(signal.SIGTERM) == (-signal.SIGTERM, "", "")


def test_options_and_paths_come_in_any_order(tmp_path: Path, watch: Commands) -> None:
    for name in ("a", "b", "c", "-d", "--"):
        (tmp_path / name).touch()
    running = watch("a", "--json", "b", "--quiet", "20", "c", "--", "-d", "--", cwd=tmp_path)
    assert running.json() == {"event": "watching", "paths": ["a", "b", "c", "-d", "--"]}
    status, out, errors = watch("a", "--json", "b", "--onse", "c", "-x", cwd=tmp_path).end()
    assert (status, out) == (2, "")
    assert errors.startswith("usage: ") and errors.endswith(": unrecognized arguments: --onse -x\n")


NAMES = {
    "newline": b"plug\nin.so",
    "escape sequence": b"\x1b[2Jplugin",
    "title of the terminal": b"\x1b]0;mine\x07",
    "direction of writing": "\u202eos.nigulp".encode(),
    "quotes": b"pl'ug\"in `id` $(id)",
    "leading dash": b"-plugin",
    "not UTF-8": b"pl\xffugin",
}


@pytest.fixture(params=list(NAMES.values()), ids=list(NAMES))
def strange(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/folder/" + request.param))
    path.parent.mkdir()
    path.write_text("v0")
    return path


def test_a_strange_name_is_printed_harmlessly_and_passed_on_unchanged(strange: Path, watch: Commands) -> None:
    running = watch("--exec", 'printf %s "$HOTRELOAD_PATH" >../passed', "--", strange.name, cwd=strange.parent)
    first = running.line()
    strange.write_text("v1")
    lines = [first, running.line(), running.line()]
    assert [line.split()[1] for line in lines] == ["watching", "changed", "exec"]
    assert all(line.isprintable() for line in lines)
    harmless = b"./" if strange.name.startswith("-") else b""  # no program takes it for an option
    assert (strange.parent.parent / "passed").read_bytes() == harmless + os.fsencode(strange.name)


def test_a_strange_name_survives_json(strange: Path, watch: Commands) -> None:
    running = watch("--json", "--once", "--", strange.name, cwd=strange.parent)
    running.line()
    strange.write_text("v1")
    assert os.fsencode(running.json()["path"]) == os.fsencode(strange.name)
    assert running.end()[0] == 0


def test_a_strange_name_is_harmless_in_errors(strange: Path, watch: Commands) -> None:
    strange.unlink()
    status, out, err = watch("--", strange.name, cwd=strange.parent).end()
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("qtforge-hotreload: ") and err[:-1].isprintable()


def test_bytes_that_are_not_utf8_are_shown_as_bytes(tmp_path: Path, watch: Commands) -> None:
    (tmp_path / "pl\udcffug").write_text("v0")
    assert watch(tmp_path / "pl\udcffug").line().endswith("/pl\\xffug")


@pytest.mark.parametrize("argument", ["--\x1b[31m", "--quiet=\x1b[31m", "--bad\nline", "--\udcff"])
def test_a_strange_argument_is_harmless_in_errors(argument: str, file: Path, watch: Commands) -> None:
    status, _, err = watch(argument, file).end()
    assert status == 2 and err.replace("\n", "").isprintable()
    assert err.splitlines()[-1].startswith("qtforge-hotreload: ")


def test_health_is_reported(file: Path, watch: Commands) -> None:
    image = Path(os.path.realpath(MODULE[0])).read_bytes()
    file.write_bytes(image)
    running = watch("--json", "--check-image", file)
    running.line()
    file.write_bytes(image[: len(image) // 2])
    health = running.json()
    assert (health["event"], health["health"], health["path"]) == ("health", "IMAGE_INCOMPLETE", str(file))
    assert health["message"]


def test_the_process_that_holds_a_file_open_is_named(file: Path, watch: Commands) -> None:
    running = watch("--json", "--held-after", 100, "--deliver-held", file)
    running.line()
    with file.open("w") as f:
        f.write("v1")
        f.flush()
        lines = [running.json(), running.json()]
    assert sorted(line["event"] for line in lines) == ["changed", "health"]
    health = next(line for line in lines if line["event"] == "health")
    assert health["health"] == "HELD_OPEN" and f"process {os.getpid()} (" in health["message"]


@pytest.mark.parametrize("poll", [(), ("--poll", "--poll-interval", 20)], ids=["notified", "polled"])
def test_once(poll: tuple[object, ...], file: Path, watch: Commands) -> None:
    running = watch("--once", *poll, file)
    running.line()
    file.write_text("v1")
    status, out, err = running.end()
    assert (status, out.count("changed"), err) == (0, 1, "")


def test_timeout(file: Path, watch: Commands) -> None:
    assert watch("--timeout", "0.1", file).end()[0] == 3


def test_paths_that_cannot_be_watched(file: Path, tmp_path: Path, watch: Commands) -> None:
    status, out, err = watch(file, tmp_path / "missing.so", file / "below.so").end()
    assert (status, out) == (1, "")
    missing, below = err.splitlines()
    assert missing.startswith(f'qtforge-hotreload: "{tmp_path}/missing.so" does not exist')
    assert f'"{file}/below.so"' in below and "not a directory" in below
    running = watch("--once", "--allow-missing", tmp_path / "missing.so")
    running.line()
    (tmp_path / "missing.so").write_text("here")
    assert running.end()[0] == 0


def test_the_same_path_twice(file: Path, watch: Commands) -> None:
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
        ["watch", "--timeout", "inf", "x"],
        ["watch", "--kill-after", "soon", "x"],
        ["watch", "--exec", "", "x"],
        ["watch", "--exec", " ", "x"],
        ["watch", "--json", "--plain", "x"],
        ["look", "x"],
        ["--no"],
    ],
)
def test_usage(arguments: list[str]) -> None:
    status, out, err = Command(*arguments).end()
    assert (status, out) == (2, "")
    assert "usage:" in err
    assert "_" not in err  # a function's name, say
    assert "Traceback" not in err


@pytest.mark.parametrize("option", ["--quiet=-7", "--quiet=99999999999", "--poll-interval=-7", "--timeout=-7"])
def test_options_out_of_range_are_named(option: str, file: Path) -> None:
    status, out, err = Command("watch", option, file).end()
    assert (status, out) == (2, "")
    assert option.partition("=")[2] in err and "usage:" in err and "Traceback" not in err


def test_help() -> None:
    status, out, err = Command("watch", "--help").end()
    assert (status, err) == (0, "")
    for text in ("--exec CMD", "HOTRELOAD_PATH", "--plain", "exit status:", "130"):
        assert text in out
    assert max(map(len, out.splitlines())) < 80


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option: str) -> None:
    number = version("qtforge-monitoring")
    assert Command(option).end() == (0, f"qtforge-monitoring {number} (libhotreload {number})\n", "")


def test_a_reader_that_goes_away(file: Path, watch: Commands) -> None:
    running = watch(file)
    running.line()
    assert running.process.stdout is not None
    running.process.stdout.close()
    file.write_text("v1")
    assert running.process.wait(20) == -signal.SIGPIPE
    assert running.process.stderr is not None
    assert running.process.stderr.read() == ""


def test_a_reader_that_goes_away_before_something_is_said_of_health(file: Path, watch: Commands) -> None:
    image = Path(os.path.realpath(MODULE[0])).read_bytes()
    file.write_bytes(image)
    running = watch("--check-image", file)
    running.line()
    assert running.process.stdout is not None
    running.process.stdout.close()
    file.write_bytes(image[: len(image) // 2])
    assert running.process.wait(20) == -signal.SIGPIPE
    assert running.process.stderr is not None
    assert running.process.stderr.read() == ""


PRINTING = ["watch {file}", "watch --json {file}", "watch --exec true {file}", "--help", "watch --help", "--version"]


@pytest.mark.parametrize("errors", ["2>errors", "2>&-", "2>/dev/full"], ids=["", "stderr closed", "stderr full"])
@pytest.mark.parametrize(("output", "reason"), [(">&-", "closed"), (">/dev/full", "No space left on device")])
@pytest.mark.parametrize("arguments", PRINTING)
def test_output_that_cannot_be_written(
    arguments: str, output: str, reason: str, errors: str, file: Path, tmp_path: Path
) -> None:
    line = f"'{SCRIPT[0]}' {arguments.format(file=file)} {output} {errors}"
    assert subprocess.run(line, shell=True, cwd=tmp_path, timeout=20, check=False).returncode == 4
    if (tmp_path / "errors").exists():
        message = (tmp_path / "errors").read_text()
        assert message.startswith("qtforge-hotreload: cannot write standard output: ") and reason in message
        assert message.count("\n") == 1


@pytest.mark.parametrize("errors", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(("arguments", "status"), [("watch missing", 1), ("watch", 2), ("look", 2)])
def test_errors_that_cannot_be_written(arguments: str, status: int, errors: str) -> None:
    done = subprocess.run(f"'{SCRIPT[0]}' {arguments} {errors}", shell=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (status, b"")


def test_closed_descriptors_are_given_to_nobody(file: Path, watch: Commands) -> None:
    running = watch(file, "--exec", "readlink /proc/$PPID/fd/0 /proc/$PPID/fd/2; echo error >&2", "--once",
                    command=["sh", "-c", '"$@" <&- 2>&-', "sh", *SCRIPT])  # fmt: skip
    running.line()
    file.write_text("v1")
    running.line()
    assert [running.line(), running.line()] == ["/dev/null", "/dev/null"]
    assert running.end()[0] == 0


@pytest.mark.parametrize("number", ENDING)
def test_a_reader_that_takes_nothing_does_not_keep_it_alive(number: signal.Signals, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    size = fcntl.fcntl(writing, 1031, 4096)  # F_SETPIPE_SZ
    files = [tmp_path / f"{i:0200}" for i in range(2 * size // 200)]
    for path in files:
        path.touch()
    running = Command("watch", *files, stdout=writing)
    os.close(writing)

    def is_full() -> bool:
        return int.from_bytes(fcntl.ioctl(reading, 0x541B, bytes(4)), "little") > size - 300  # FIONREAD

    try:
        wait_until("a full pipe", is_full)
        assert running.end(number)[0] == -number
    finally:
        running.process.kill()
        os.close(reading)


def test_a_signal_that_was_ignored_stays_ignored(file: Path, watch: Commands) -> None:
    running = watch(file, command=["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *MODULE])
    running.line()
    running.process.send_signal(signal.SIGHUP)
    file.write_text("v1")
    assert running.words()[0] == "changed"
    assert running.end(signal.SIGTERM)[0] == -signal.SIGTERM


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plugin ü 日本.so", "plugin ü 日本.so"),
        ("two\nlines\x1b[2J", r"two\nlines\x1b[2J"),
        ("\u3164invisible\u202e", r"\u3164invisible\u202e"),
        ("\udcff no UTF-8", r"\xff no UTF-8"),
        ("half a character \ud800", r"half a character \xed\xa0\x80"),
        ("\0", r"\x00"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_text_is_shown_as_the_library_shows_it(text: str, shown: str) -> None:
    assert printable(text) == shown
