# SPDX-License-Identifier: MIT
"""``qtforge-hotreload why``: what the system says of a file, and what happens while it is saved."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command
from conftest import BOUND

PROGRAM = [sys.executable, "-W", "error", "-m", "qtforge.monitoring", "why"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.so"
    path.write_text("v0")
    return path


@pytest.fixture
def why() -> Iterator[list[Command]]:
    running: list[Command] = []
    yield running
    for command in running:
        command.process.kill()
        command.process.communicate(timeout=BOUND)


def until(command: Command, text: str) -> list[str]:
    """The lines up to the first one that ends with text."""
    lines = [command.line()]
    while not lines[-1].endswith(text):
        assert lines[-1], f"the output ended without {text!r}: {lines}"
        lines.append(command.line())
    return lines


def test_it_describes_the_file_and_shows_what_happens(file: Path, why: list[Command]) -> None:
    link = file.with_name("link.so")
    link.symlink_to(file)
    command = Command(link, command=PROGRAM)
    why.append(command)
    described = until(command, "Ctrl-C ends this.")
    assert described[0] == str(link)
    facts = dict(line.strip().split(":", 1) for line in described[1:-1])
    assert facts["leads to"].strip() == str(file)
    assert ", mounted at /" in facts["file system"] and "the system" in facts["open writers"]
    file.write_text("v1")
    happened = until(command, "delivered: generation 1")
    assert any("complete: a new version is complete" in line for line in happened)
    status, out, err = command.end(signal.SIGINT)
    assert (status, err) == (-signal.SIGINT, "")
    assert '"file": nothing to deliver' in out and "watched:           by notifications" in out


def test_a_writer_is_seen(file: Path, why: list[Command]) -> None:
    with file.open("w") as writer:
        command = Command(file, command=PROGRAM)
        why.append(command)
        assert any("a process holds the file open for writing now" in line for line in until(command, "ends this."))
        writer.write("v1")
        writer.flush()
        until(command, "waiting: it is held open for writing")
    until(command, "delivered: generation 1")


def test_the_status_says_whether_something_was_delivered(file: Path) -> None:
    command = Command("--timeout", "0.2", file, command=PROGRAM)
    status, out, err = command.end()
    assert (status, err) == (3, "") and "last decisions" in out
    assert Command(file.with_name("missing"), command=PROGRAM).end()[0] == 1
    status, out, err = Command(file, file, command=PROGRAM).end()
    assert (status, out) == (2, "") and "one file at a time" in err


def test_a_strange_name_is_harmless(tmp_path: Path, why: list[Command]) -> None:
    path = tmp_path / "a\x1b[2J\nb\udcff"
    path.write_text("v0")
    command = Command("--", path, command=PROGRAM)
    why.append(command)
    assert all(line.isprintable() for line in until(command, "Ctrl-C ends this."))
    path.write_text("v1")
    assert all(line.isprintable() for line in until(command, "delivered: generation 1"))
    assert os.path.exists(path)
