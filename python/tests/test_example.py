# SPDX-License-Identifier: MIT
"""The example host, to its end: two good versions, and a broken one that it survives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "python"


def test_example_host(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    source = (EXAMPLE / "plugin.py").read_text()
    plugin.write_text(source)

    def publish(text: str) -> None:
        part = tmp_path / "part"
        part.write_text(text)
        os.replace(part, plugin)

    with subprocess.Popen(
        [sys.executable, "-W", "error", str(EXAMPLE / "host.py"), str(plugin), "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdout and host.stderr
        lines = iter(host.stdout.readline, "")
        assert next(lines) == "plugin answers 1\n"
        assert next(lines) == "watching\n"
        publish(source.replace("return 1", "return 2"))
        assert next(lines) == "plugin: 1 -> 2\n"
        publish(source.replace("return 1", "return ("))
        assert next(lines).startswith("plugin: kept 2, the new version fails:")
        publish(source.replace("return 1", "return 3"))
        assert next(lines) == "plugin: 2 -> 3\n"
        assert host.wait(20) == 0, host.stderr.read()
