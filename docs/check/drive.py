# SPDX-License-Identifier: MIT
"""Runs a program of the documentation as its reader does: starts it, changes a file, sees the line, ends it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BOUND = 60.0
"""Seconds that one step may take on a busy machine."""
REPEAT = 1.0
"""Seconds after which a change that was not noticed, since the program was not watching yet, is made again."""

Change = Callable[[Path, int], None]
"""Changes a file in a folder, for the nth time."""


@dataclass(frozen=True)
class Step:
    prints: str
    """A pattern of what the program prints once the change is made."""
    change: Change | None = None
    types: str = ""
    """What the reader types after the change."""


@dataclass(frozen=True)
class Script:
    """How a reader uses a program."""

    steps: Sequence[Step]
    ends: str = "itself"
    """Or "enter", "interrupt" (Ctrl-C), "eof" (Ctrl-D)."""
    also: str | None = None
    """A pattern of what the program may print besides."""
    before: Change | None = None
    """What must be there before the program starts."""
    after: Callable[[Path], None] | None = None
    """Checks what the program leaves in the folder."""


def heed_interrupts() -> None:
    """Programs that are started from now on heed Ctrl-C, also where this one runs in a shell's background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _Output:
    """What a program has printed so far."""

    def __init__(self, pipe: IO[str]) -> None:
        self._pipe = pipe
        self._text = ""
        self._ended = False
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._pipe:
            with self._grown:
                self._text += line
                self._grown.notify()
        with self._grown:
            self._ended = True
            self._grown.notify()

    def matches(self, pattern: str, seconds: float) -> bool:
        """Waits until the pattern was printed, so long; raises AssertionError if the program ends without it."""
        with self._grown:
            self._grown.wait_for(lambda: re.search(pattern, self._text) or self._ended, seconds)
            found = re.search(pattern, self._text) is not None
            assert found or not self._ended, f"ended without {pattern!r}; it printed\n{self._text}"
            return found

    def so_far(self) -> str:
        with self._grown:
            return self._text

    def all(self) -> str:
        self._reader.join()
        return self._text


def _surroundings() -> dict[str, str]:
    """The environment, without what a make that runs this one tells those below it."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def drive(command: Sequence[str], folder: Path, script: Script, environment: dict[str, str] | None = None) -> None:
    """Runs the command in the folder by the script. Raises AssertionError if it prints anything else, or fails."""
    if script.before is not None:
        script.before(folder, 0)
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**_surroundings(), **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin and process.stdout
        output = _Output(process.stdout)
        in_time = True
        try:
            for step in script.steps:
                _take(step, folder, output, process.stdin)
            if script.ends == "interrupt":
                _interrupt(process)
            elif script.ends == "enter":
                process.stdin.write("\n")
                process.stdin.flush()
            elif script.ends == "eof":
                process.stdin.close()
            process.wait(BOUND)
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            text = output.all()
    assert in_time, f"does not end; it printed\n{text}"
    if script.ends == "interrupt":
        # Ctrl-C ends a program in one of these ways; a shell passes on how its command ended.
        for end in (r"asyncio\.exceptions\.CancelledError\n\nDuring handling of .*\n\n", r"KeyboardInterrupt\n"):
            text = re.sub(rf"^Traceback \(most recent call last\):\n(?: .*\n)+{end}", "", text, flags=re.M)
        assert process.returncode in (0, -signal.SIGINT, 128 + signal.SIGINT), (process.returncode, text)
    else:
        assert process.returncode == 0, (process.returncode, text)
    # In the whole, not line by line: two threads may print at once, and the newline is a write of its own.
    for pattern in (*(step.prints for step in script.steps), *([script.also] if script.also else [])):
        text = re.sub(pattern, "", text)
    assert not text.strip(), f"also prints\n{text}"
    if script.after is not None:
        script.after(folder)


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, until it is heeded: Python may miss one between its check for signals and the call in which it waits."""
    deadline = time.monotonic() + BOUND
    while time.monotonic() < deadline:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(BOUND / 10)
            return


def _take(step: Step, folder: Path, output: _Output, keyboard: IO[str]) -> None:
    deadline = time.monotonic() + BOUND
    attempt = 0
    while not output.matches(step.prints, 0 if attempt == 0 and step.change else REPEAT):
        assert time.monotonic() < deadline, f"no {step.prints!r} within {BOUND} s; it printed\n{output.so_far()}"
        if step.change is not None:
            attempt += 1
            step.change(folder, attempt)
            keyboard.write(step.types)
            keyboard.flush()
