# SPDX-License-Identifier: MIT
"""The program that the type checkers look at also runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_consumer(tmp_path: Path) -> None:
    program = Path(__file__).with_name("consumer.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)], capture_output=True, text=True, timeout=50, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "used"
