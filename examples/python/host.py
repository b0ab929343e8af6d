# SPDX-License-Identifier: MIT
"""A smallest honest host: reloads a plugin written in Python when its file changes.

    python host.py plugin.py [RELOADS]

prints "old answer -> new answer" for each reload and ends after RELOADS of them (default: never; Ctrl-C ends it).
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import qtforge


def load(path: Path) -> ModuleType:
    """A fresh module of the file's present version. sys.modules stays as it is: old and new may live side by side."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Compiled here, not by the loader: its cache knows times to the second only.
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    return module


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    path = Path(sys.argv[1])
    left = int(sys.argv[2]) if len(sys.argv) == 3 else -1
    plugin = load(path)
    print(f"{path.stem} answers {plugin.answer()}", flush=True)

    # "manual": the callback runs in run(), in the main thread.
    with qtforge.monitoring.PluginHotReloadManager(dispatch="manual") as manager:

        def on_reload(plugin_id: str) -> None:
            nonlocal plugin, left
            try:
                new = load(path)
                line = f"{plugin_id}: {plugin.answer()} -> {new.answer()}"
            except Exception as error:  # the old plugin goes on answering
                print(
                    f"{plugin_id}: kept {plugin.answer()}, the new version fails: {error}",
                    flush=True,
                )
                return
            plugin = new
            print(line, flush=True)
            left -= 1
            if left == 0:
                manager.close()

        manager.set_reload_callback(on_reload)
        result = manager.enable_hot_reload(path.stem, path)
        if not result:
            print(f"cannot watch: {result.error.message}", file=sys.stderr)
            return 1
        print("watching", flush=True)
        manager.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
