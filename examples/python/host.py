# SPDX-License-Identifier: MIT
"""A smallest honest host: reloads a plugin written in Python when its file changes.

    python host.py plugin.py [RELOADS]

prints "old answer -> new answer" for each reload and ends after RELOADS of them (default: never; Ctrl-C ends it).
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import qtforge


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    path = Path(sys.argv[1]).resolve()
    left = int(sys.argv[2]) if len(sys.argv) == 3 else -1
    sys.path.insert(0, str(path.parent))
    plugin = importlib.import_module(path.stem)
    print(f"{path.stem} answers {plugin.answer()}", flush=True)

    # "manual": the callback runs in run(), in the main thread.
    with qtforge.monitoring.PluginHotReloadManager(dispatch="manual") as manager:

        def on_reload(plugin_id: str) -> None:
            nonlocal left
            old = plugin.answer()
            try:
                # Not importlib.reload(): it takes two versions of one size and second for the same.
                qtforge.monitoring.reload(plugin)
            except Exception as error:  # the old functions are there still
                print(f"{plugin_id}: kept {plugin.answer()}, the new version fails: {error}", flush=True)
                return
            print(f"{plugin_id}: {old} -> {plugin.answer()}", flush=True)
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
