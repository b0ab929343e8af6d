"""Every Python snippet of the README and the docs runs, and prints what a reader expects."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import BOUND, wait_until

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [ROOT / "README.md", ROOT / "python" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

OUTCOME = r"PluginOutcome\(plugin_id='greeter', ok=True, [^)]*\)"

# What each of them prints, in any order; plugin.py is rewritten until it has.
PRINTED = {
    "README.md 1": ['Failed: plugin "my_plugin": .*/path/to/plugin.so.* does not exist.*'],
    "python/README.md 1": ["plugin.py has a new version"],
    "python/README.md 2": [OUTCOME, "Hello you"],
    "docs/python.md 1": ["plugin.py has a new version"],
    "docs/python.md 2": ["my_plugin needs a reload"],
    "docs/python.md 3": [OUTCOME, "Hello you"],
    "docs/python.md 4": ["PluginFileNotFoundError FileNotFound"],
    "docs/python.md 5": [r"\d so far", r"p \d+"],
    "docs/python.md 6": ["plugin.py"],
    "docs/python.md 7": ["p"],
    "docs/python.md 8": ["p", "1 delivered"],
    "docs/safe-reload.md 1": [r"scanned plugin\.py", r"loaded version = \d+"],
    "docs/safe-reload.md 2": [OUTCOME],
}

# What a fragment leaves to its reader, before and after it. Nobody signs the test's plugin.
AROUND = {
    "docs/safe-reload.md 1": (
        """
from pathlib import Path
from qtforge import monitoring
from qtforge.monitoring import EventKind, ReloadOutcome
manager = monitoring.PluginHotReloadManager(dispatch="manual", raise_on_error=True)
KEY = "a key"
def SafeOptions(*, public_keys):
    assert public_keys == [KEY]
    return monitoring.SafeOptions()
def scan(path):
    print("scanned", Path(path).name)
    return True
def load(path):
    print("loaded", Path(path).read_text().strip())
""",
        """
with manager:
    while manager.stats().reloads_ok == 0:
        manager.wait(0.1)
""",
    ),
}


def snippets() -> dict[str, str]:
    found: dict[str, str] = {}
    for text in TEXTS:
        blocks = re.findall(r"^```python\n(.*?)^```", text.read_text(), re.DOTALL | re.MULTILINE)
        for number, block in enumerate(blocks, 1):
            name = f"{text.relative_to(ROOT)} {number}"
            before, after = AROUND.get(name, ("", ""))
            found[name] = before + block.replace("/opt/app/", "") + after
    return found


SNIPPETS = snippets()


def test_no_snippet_is_forgotten() -> None:
    assert sorted(SNIPPETS) == sorted(PRINTED)


@pytest.mark.parametrize("name", PRINTED)
def test_snippet(name: str, tmp_path: Path) -> None:
    plugin, greeter, listed = tmp_path / "plugin.py", tmp_path / "greeter.py", tmp_path / "plugins" / "greeter.py"
    plugin.write_text("version = 0\n")
    listed.parent.mkdir()
    for path in (greeter, listed):
        path.write_text("def greet(name='you'):\n    return f'Hello {name}'\n")
    (listed.parent / "SHA256SUMS").write_text(f"{hashlib.sha256(listed.read_bytes()).hexdigest()}  greeter.py\n")
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-u", "-W", "error", "-c", SNIPPETS[name]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    ) as process:
        assert process.stdout and process.stderr
        output = process.stdout
        reader = threading.Thread(target=lambda: lines.extend(line.rstrip("\n") for line in output))
        reader.start()
        version = 0
        try:

            def printed() -> bool:
                nonlocal version
                if re.search(PRINTED[name][-1], "\n".join(lines)) or process.poll() is not None:
                    return True
                version += 1
                plugin.write_text(f"version = {version}\n")
                reader.join(0.5)  # left alone for longer than the quiet period
                return False

            wait_until("printed", printed)
            if process.poll() is None and not ends_by_itself(SNIPPETS[name]):
                process.send_signal(signal.SIGINT)
            process.wait(BOUND)
        finally:
            process.kill()
        reader.join()
        errors = process.stderr.read()
    assert errors == "" or errors.endswith("\nKeyboardInterrupt\n"), errors
    assert process.returncode == (0 if errors == "" else -signal.SIGINT)
    # In the whole, not line by line: two threads may print at once, and the newline is a write of its own.
    rest = "\n".join(lines)
    for pattern in PRINTED[name]:
        assert re.search(pattern, rest), (pattern, lines)
        rest = re.sub(pattern, "", rest)
    assert rest.strip() == "", rest


def ends_by_itself(source: str) -> bool:
    return "for change in watch(" not in source and "manager.run()" not in source
