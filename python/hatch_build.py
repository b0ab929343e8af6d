"""Builds libhotreload with Go and puts it into the wheel."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
from version import source_root  # noqa: E402

NAMES = {"darwin": "libhotreload.dylib", "win32": "hotreload.dll"}
LIBRARY = NAMES.get(sys.platform, "libhotreload.so")


class LibraryHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs capi/mklib and tags the wheel for this platform and any Python 3."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = source_root()
        if self.target_name == "sdist":
            for part in ("go.mod", "go.sum", "core", "capi", "include", "LICENSE"):
                build_data["force_include"][str(root / part)] = f"_source/{part}"
            return
        target = Path(self.root) / "src" / "qtforge" / "monitoring" / "_lib"
        target.mkdir(exist_ok=True)
        self.build(root, target / LIBRARY)
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"

    def build(self, root: Path, target: Path) -> None:
        go = shutil.which("go")
        if go is None:
            raise RuntimeError(
                "qtforge-monitoring builds its library with Go, and no 'go' command is in PATH: install Go "
                "(on Debian and Ubuntu: apt install golang-go gcc) and try again"
            )
        with tempfile.TemporaryDirectory() as scratch:
            command = [go, "run", "./capi/mklib", "-out", scratch, "-release"]
            done = subprocess.run(
                command, cwd=root, env={**os.environ, "GOFLAGS": os.environ.get("GOFLAGS", "")}, capture_output=True, text=True
            )
            if done.returncode != 0:
                raise RuntimeError(
                    f"building libhotreload failed; {' '.join(command)} in {root} said:\n{done.stdout}{done.stderr}"
                    "It needs Go and a C compiler."
                )
            built = next((p for p in Path(scratch).iterdir() if not p.is_symlink() and p.suffix != ".h"), None)
            if built is None:
                raise RuntimeError(f"{' '.join(command)} made no library")
            partial = target.with_suffix(".part")
            shutil.copy2(built, partial)
            os.replace(partial, target)
