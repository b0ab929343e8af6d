"""Builds libhotreload with Go and puts it into the wheel; puts its sources into the sdist.

QTFORGE_MONITORING_PREBUILT names a library that is built already; then neither Go nor a C compiler is needed.
"""

import json
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
from version import source_root

PREBUILT = "QTFORGE_MONITORING_PREBUILT"
LIBRARY = {"darwin": "libhotreload.dylib", "win32": "hotreload.dll"}.get(sys.platform, "libhotreload.so")
IN_PACKAGE = "qtforge/monitoring/_lib"
NEEDS = (
    "Building qtforge-monitoring needs Go (https://go.dev/dl), a C compiler and, from a checkout, Go's modules "
    "(on Debian and Ubuntu: apt install golang-go gcc libc6-dev). "
    f"{PREBUILT}=/path/to/{LIBRARY} takes a library that is built already."
)


class LibraryHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs capi/mklib and tags the wheel for this platform and any Python 3."""

    _scratch: Path

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
        else:
            build_data["force_include"][str(library)] = f"{IN_PACKAGE}/{LIBRARY}"
            build_data["force_include"][str(self._licenses(root))] = f"{IN_PACKAGE}/LICENSES.txt"
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _sources(self, root: Path, include: dict[str, str]) -> None:
        """What mklib needs, the Go modules included, so that the sdist builds without a network."""
        for part in ("go.mod", "go.sum", "LICENSE", "include/hot_reload_manager.h"):
            include[str(root / part)] = f"_source/{part}"
        for folder in ("core", "capi", "capi/mklib"):
            for path in sorted((root / folder).iterdir()):
                if path.is_file() and not path.name.endswith("_test.go"):
                    include[str(path)] = f"_source/{folder}/{path.name}"
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
        built = [p for p in out.iterdir() if p.suffix != ".h" and not p.is_symlink()]
        if len(built) != 1:
            raise SystemExit(f"mklib was to make one library and made {[p.name for p in built]}")
        shutil.copy2(built[0], target)

    def _licenses(self, root: Path) -> Path:
        """The licenses of all that is in the library."""
        texts = [("libhotreload", root / "LICENSE")]
        if not os.environ.get(PREBUILT):
            goroot = Path(self._go(root, "env", "GOROOT").strip())
            # Some distributions keep it elsewhere.
            texts += [
                ("Go", p) for p in (goroot / "LICENSE", Path("/usr/share/doc/golang-go/copyright")) if p.is_file()
            ][:1]
            packages = self._go(root, "list", "-deps", "-json=Module,Dir", "./capi")
            texts += _module_licenses(packages)
        target = self._scratch / "LICENSES.txt"
        target.write_text("\n\n".join(f"{name}\n{'=' * len(name)}\n\n{path.read_text()}" for name, path in texts))
        return target

    def _go(self, root: Path, *arguments: str) -> str:
        go = shutil.which("go")
        if go is None:
            raise SystemExit(f"There is no 'go' command in PATH.\n{NEEDS}")
        done = subprocess.run([go, *arguments], cwd=root, capture_output=True, text=True)
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip()
            hint = NEEDS
            if "C compiler" in said or "build constraints exclude all Go files" in said:
                hint = f"There is no C compiler, or CGO_ENABLED=0 forbids it.\n{NEEDS}"
            raise SystemExit(f"'go {' '.join(arguments)}' in {root} failed:\n{said}\n\n{hint}")
        return done.stdout


def _module_licenses(packages: str) -> list[tuple[str, Path]]:
    """(module, license) of what `go list -deps -json` lists. Vendored modules have no directory of their own."""
    found: dict[str, Path] = {}
    decoder, at = json.JSONDecoder(), 0
    while at < len(packages.rstrip()):
        package, end = decoder.raw_decode(packages, at)
        at = end + len(packages[end:]) - len(packages[end:].lstrip())
        module = package.get("Module")
        if module is None or module.get("Main"):
            continue
        name = module["Path"]
        top = str(package["Dir"]).rpartition(f"/vendor/{name}")[0]
        folder = Path(module.get("Dir") or f"{top}/vendor/{name}")
        licenses = sorted(p for p in folder.iterdir() if p.name.upper().startswith(("LICENSE", "COPYING")))
        if licenses:
            found[name] = licenses[0]
    return sorted(found.items())
