# SPDX-License-Identifier: MIT
"""native.py LIBRARY PREFIX: the documentation's programs in C and C++, its CMake files and its shell commands.

LIBRARY is the folder of the built library, PREFIX one into which the library and the Qt class are installed.

Each document has a scratch folder of its own. Programs are saved there under the names that their readers give them,
and the commands are run as they stand, while the plugin changes. Every compiler rejects warnings. Also checked: every
snippet has a test, every link leads somewhere, and no C program of the documentation reports HRM_OK for a failure.
"""

from __future__ import annotations

import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from drive import Script, drive, heed_interrupts
from expected import ELSEWHERE, NAMED_ONLY, NATIVE, PART_OF, PYTHON, PYTHON_SHELL
from links import dead_links
from snippets import ROOT, Snippet, snippets

STRICT = "-Wall -Wextra -Werror"

# Stands in for a library in which no callback can be set.
FAILING = """
#include <hot_reload_manager.h>
int32_t hrm_set_reload_callback(hrm_manager *m, hrm_reload_fn f, void *u, hrm_destroy_fn d)
{ (void)m; (void)f; (void)u; (void)d; return HRM_ERR_INVALID_HANDLE; }
int32_t hrm_set_event_callback(hrm_manager *m, hrm_event_fn f, void *u, hrm_destroy_fn d)
{ (void)m; (void)f; (void)u; (void)d; return HRM_ERR_INVALID_HANDLE; }
"""


class Native:
    """Where the library is, and a compiler that rejects warnings."""

    def __init__(self, library: Path, prefix: Path, scratch: Path, plain: Path) -> None:
        self.library, self.scratch = library.resolve(), scratch
        # The documentation's `cc $(pkg-config ...)` is split at spaces, so this path has none.
        self.prefix = plain / "prefix"
        self.prefix.symlink_to(prefix.resolve())
        tools = scratch / "bin"
        tools.mkdir()
        for name, variable in (("cc", "CC"), ("c++", "CXX")):
            tool = tools / name
            command, *options = shlex.split(os.environ.get(variable) or name)
            real = shutil.which(command)  # not the tool itself, which will stand first on the PATH
            assert real is not None, f"there is no compiler {command!r} on the PATH"
            tool.write_text(f'#!/bin/sh\nexec {shlex.join([real, *options])} {STRICT} "$@"\n')
            tool.chmod(0o755)
        (pkgconfig,) = (self.prefix / path.parent.relative_to(prefix) for path in prefix.rglob("hotreload.pc"))
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "CC": str(tools / "cc"),
            "CXX": str(tools / "c++"),
            "LD_LIBRARY_PATH": str(pkgconfig.parent),
            "PKG_CONFIG_PATH": str(pkgconfig),
            "CMAKE_PREFIX_PATH": str(self.prefix),
            "QT_QPA_PLATFORM": "offscreen",
        }

    def folder(self, name: str) -> Path:
        """A scratch folder that looks like a clone after `make lib` to the commands, with a plugin in it."""
        folder = self.scratch / re.sub(r"\W", "_", name)
        (folder / "build").mkdir(parents=True)
        (folder / "build" / "lib").symlink_to(self.library)
        (folder / "include").symlink_to(ROOT / "include")
        (folder / "plugin.so").write_text("version 0")
        return folder

    def compile(self, folder: Path, source: str, out: str, *flags: str) -> None:
        """Compiles C as the quick start does."""
        (folder / f"{out}.c").write_text(source)
        command = ["cc", f"{out}.c", "-Iinclude", "-Lbuild/lib", "-Wl,-rpath,build/lib", *flags, "-o", out]
        subprocess.run(
            [*command, "-lhotreload", "-ldl"], cwd=folder, env={**os.environ, **self.environment}, check=True
        )

    def run(self, name: str, command: list[str], folder: Path, script: Script) -> None:
        try:
            drive(command, folder, script, self.environment)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
        print(f"ok {name}", flush=True)


def check_document(native: Native, document: str, found: list[Snippet]) -> None:
    """Every native snippet of a document, from its top to its bottom."""
    folder = native.folder(document)
    for snippet in (s for s in found if s.document == document):
        for other in found:
            if snippet.continues == other.document and other.file:
                (folder / other.file).write_text(other.text)
        if snippet.file:
            with (folder / snippet.file).open("a" if snippet.added else "w") as file:
                file.write(snippet.text)
        elif snippet.name in NATIVE and snippet.language == "sh":
            native.run(snippet.name, ["sh", "-e", "-c", snippet.text], folder, NATIVE[snippet.name])
        elif snippet.name in NATIVE:
            native.compile(folder, snippet.text, "program")
            native.run(snippet.name, ["./program"], folder, NATIVE[snippet.name])


def check_failures_have_names(native: Native, found: list[Snippet]) -> None:
    """A C program that cannot set its callback says why."""
    folder = native.folder("failing")
    native.compile(folder, FAILING, "failing.so", "-shared", "-fPIC")
    programs = {s.name: s.text for s in found if s.language == "c" and "hrm_set_" in s.text}
    programs["examples/c/host.c"] = (ROOT / "examples/c/host.c").read_text()
    for number, (name, source) in enumerate(programs.items()):
        native.compile(folder, source, f"host_{number}", f"-I{ROOT}/examples/c")
        done = subprocess.run(
            [f"./host_{number}", "plugin.so"],
            cwd=folder,
            env={**os.environ, "LD_PRELOAD": "./failing.so"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 1 and re.fullmatch(r"HRM_ERR_INVALID_HANDLE: \S.*\n", said), (name, done)
        print(f"ok {name}: names what failed", flush=True)


def check_names(found: list[Snippet]) -> None:
    """What is too long to be run names targets, folders and options that exist."""
    makefile = (ROOT / "Makefile").read_text()
    texts = {snippet.name: snippet.text for snippet in found}
    for name in NAMED_ONLY:
        for line in texts[name].splitlines():
            for command in re.split(r"\s;\s", re.sub(r"\s+#.*", "", line)):
                _check_command(name, shlex.split(command), makefile)
        print(f"ok {name}: the commands exist", flush=True)
    assert re.search(r"^test-examples:.*\bdemo\b", makefile, re.MULTILINE), "no test runs make demo"


def _check_command(name: str, words: list[str], makefile: str) -> None:
    if words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), (name, words)
    elif words[:2] == ["go", "run"]:
        source = "".join(path.read_text() for path in (ROOT / words[2]).glob("*.go"))
        for option in (word[1:] for word in words[3:] if word.startswith("-")):
            assert re.search(rf'flag\.\w+\("{option}"', source), (name, words)
    elif words[:2] == ["go", "build"]:
        assert (ROOT / words[-1]).is_dir(), (name, words)
    else:
        assert words[:2] == ["go", "tool"] or words[0] == "perf", (name, words, "neither make, go nor perf")


def check_coverage(found: list[Snippet]) -> None:
    """Every snippet is run, and nothing else is expected."""
    tables = [*PYTHON, *PYTHON_SHELL, *NATIVE, *PART_OF, *ELSEWHERE, *NAMED_ONLY]
    assert len(tables) == len(set(tables)), f"listed twice: {sorted(n for n in tables if tables.count(n) > 1)}"
    saved = {s.name for s in found if s.file} - set(ELSEWHERE)  # what is saved is run by those that use it
    names = {s.name for s in found}
    forgotten = names - saved - set(tables)
    assert not forgotten, f"no test runs these snippets; list them in docs/check/expected.py: {sorted(forgotten)}"
    assert set(tables) <= names - saved, f"no such snippet: {sorted(set(tables) - (names - saved))}"
    for snippet in found:
        if snippet.file is None or snippet.name in ELSEWHERE:
            continue
        others = [s for s in found if s.document == snippet.document and s != snippet]
        used = snippet.file == "CMakeLists.txt" or any(snippet.file in s.text for s in others)
        assert used, f"{snippet.name}: no command uses {snippet.file}"
        run = any(s.name in NATIVE or s.name in PYTHON for s in others)
        assert run, f"{snippet.name}: no program or command of the document is run"
    for name, test in ELSEWHERE.items():
        assert Path(name.split()[0]).name in (ROOT / test).read_text(), f"{test} does not run {name}"


def check_links() -> None:
    """Every link leads somewhere."""
    dead = dead_links()
    assert not dead, f"links that lead nowhere: {dead}"
    print("ok links", flush=True)


def main() -> int:
    """Checks everything, and lists what failed."""
    heed_interrupts()
    found = snippets()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory(dir="/tmp") as plain:
        native = Native(Path(sys.argv[1]), Path(sys.argv[2]), Path(scratch), Path(plain))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            checks = [pool.submit(check_links), pool.submit(check_coverage, found), pool.submit(check_names, found)]
            checks.append(pool.submit(check_failures_have_names, native, found))
            for document in dict.fromkeys(s.document for s in found if s.name in NATIVE):
                checks.append(pool.submit(check_document, native, document, found))
            for check in checks:
                error = check.exception()
                if error is not None:
                    failed += 1
                    print(f"FAILED {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
