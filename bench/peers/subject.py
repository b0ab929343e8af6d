# SPDX-License-Identifier: MIT
"""What every measured program in Python shares; subject.h describes the commands."""

import os
import re
import sys
import threading
import time

paths = [line.rstrip("\n") for line in open(sys.argv[1])]
_each = sys.argv[2] == "each"
_counts: dict[int, int] = {}
_lock = threading.Lock()
events = 0  # that the watcher has passed on


def told(name: str) -> None:
    t = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    m = re.match(r"(?:plugin|id-)(\d+)", os.path.basename(name))
    if not m or int(m[1]) >= len(paths):
        return
    n = int(m[1])
    if _each:
        os.write(1, b"told %d %d\n" % (t, n))
        return
    with _lock:
        _counts[n] = _counts.get(n, 0) + 1


def answer(what: str, a: int, b: int) -> None:
    os.write(1, f"{what} {a} {b}\n".encode())


def id_of(n: int) -> str:
    return f"id-{n:013}"


def directories() -> list[str]:
    return sorted({os.path.dirname(p) for p in paths})


def obey(**commands) -> None:
    answer("start", 0, 0)
    for line in sys.stdin:
        command = line.strip()
        if command == "report":
            with _lock:
                counted = dict(_counts)
                _counts.clear()
            answer("counted", sum(counted.values()), len(counted))
        elif command == "quit":
            return
        else:
            start = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            n = events if command == "events" else commands[command]() if command in commands else 0
            answer(command, time.clock_gettime_ns(time.CLOCK_MONOTONIC) - start, int(n or 0))
