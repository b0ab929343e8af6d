# SPDX-License-Identifier: MIT
"""Safe reload: snapshots, validators, reports; and the host for modules on top of it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import qtforge.monitoring as monitoring
from conftest import wait_until
from qtforge.monitoring import Event, EventKind, PluginOutcome, ReloadOutcome, SafeOptions

QUIET = 30
PATIENCE = 20.0


def replace(path: Path, content: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(content)
    new.rename(path)


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


class Host:
    """A manager in manual dispatch and what it has told."""

    def __init__(self, snapshots: Path, **options: Any) -> None:
        self.manager = monitoring.PluginHotReloadManager(
            dispatch="manual", quiet_ms=QUIET, snapshot_dir=snapshots, **options
        )
        self.events: list[Event] = []
        self.manager.set_event_callback(self.events.append)

    def next(self, kind: EventKind) -> Event:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.manager.wait(0.1)
            while self.events:
                event = self.events.pop(0)
                if event.kind not in (EventKind.ENABLED, EventKind.DISABLED):
                    assert event.kind is kind, event
                    return event
        raise AssertionError(f"no event of kind {kind.name} within {PATIENCE} s")


@pytest.fixture
def host(snapshots: Path) -> Iterator[Host]:
    h = Host(snapshots)
    yield h
    h.manager.close()


def test_a_snapshot_is_told_and_a_failure_brings_the_last_good_one(host: Host, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("v1")
    assert host.manager.enable_hot_reload("p", plugin, safe=SafeOptions(), deliver_present=True)
    first = host.next(EventKind.FILE_CHANGED)
    assert Path(first.snapshot_path).read_text() == "v1" and Path(first.snapshot_path).name == "plugin.py"
    assert first.snapshot_size == 2 and len(first.snapshot_sha256) == 64
    host.manager.report_reload("p", 1)
    plugin.write_text("v2, in place")
    second = host.next(EventKind.FILE_CHANGED)
    assert Path(first.snapshot_path).read_text() == "v1"
    host.manager.report_reload("p", second.generation, ReloadOutcome.FAILED, "it does not start")
    back = host.next(EventKind.ROLLBACK)
    assert back.snapshot_path == first.snapshot_path and back.generation == 1
    assert "it does not start" in back.message
    stats = host.manager.stats()
    assert (stats.reloads_ok, stats.reloads_failed, stats.rollbacks) == (1, 1, 1)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda c: False, "returned False"),
        (lambda c: None, "returned None"),
        (lambda c: "not wanted", "not wanted"),
        (lambda c: "ü" * 1000, "üü"),
        (lambda c: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda c: sys.exit(3), "SystemExit: 3"),
    ],
)
def test_a_validator_refuses_unless_it_returns_true(
    host: Host, tmp_path: Path, answer: Callable[[monitoring.Candidate], object], message: str
) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("v1")
    asked: list[monitoring.Candidate] = []

    def validator(candidate: monitoring.Candidate) -> object:
        asked.append(candidate)
        return True if Path(candidate.snapshot_path).read_text() == "good" else answer(candidate)

    host.manager.set_validator(validator)
    host.manager.enable_hot_reload("p", plugin, safe=SafeOptions(), deliver_present=True)
    assert message in host.next(EventKind.REJECTED).message
    replace(plugin, "good")
    event = host.next(EventKind.FILE_CHANGED)
    assert asked[-1].snapshot_path == event.snapshot_path and asked[-1].path == os.fspath(plugin)
    assert asked[-1].generation == event.generation == 1


def test_a_validator_in_time(host: Host, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("v1")
    gate = threading.Event()

    def slow(_: monitoring.Candidate) -> str:
        assert gate.wait(PATIENCE)
        return "too late to count"

    host.manager.set_validator(slow)
    host.manager.enable_hot_reload("p", plugin, safe=SafeOptions(validator_timeout_ms=50), deliver_present=True)
    assert host.next(EventKind.REJECTED).message == "the validator gave no verdict within 50ms"
    gate.set()
    host.manager.disable_hot_reload("p")  # waits for it
    gate.clear()
    accepting = SafeOptions(validator_timeout_ms=50, accept_on_timeout=True)
    host.manager.enable_hot_reload("p", plugin, safe=accepting, deliver_present=True)
    assert host.next(EventKind.FILE_CHANGED).generation == 1
    gate.set()


def test_options_reach_the_library(host: Host, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.so"
    plugin.write_text("no image")
    key = "RWRY1qxhqSfXu7Ebo7jfHoIDpyvwhoBsqEOfuiAbfX3QOauqkjbTH3dR"
    sums = tmp_path / "SHA256SUMS"
    sums.write_text("")
    for options, message in (
        (SafeOptions(image=True), "neither an ELF"),
        (SafeOptions(symbols=["a"]), "symbols cannot be read"),
        (SafeOptions(public_keys=[key]), "plugin.so.minisig"),
        (SafeOptions(public_keys=[key], signature=tmp_path / "elsewhere"), "elsewhere"),
        (SafeOptions(allow_list=sums), "not in the allow-list"),
        (SafeOptions(files=["missing"]), "missing"),
    ):
        assert host.manager.enable_hot_reload("p", plugin, safe=options, deliver_present=True)
        assert message in host.next(EventKind.REJECTED).message
        host.manager.disable_hot_reload("p")


def test_bad_options_are_named(host: Host, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("v1")
    enable = host.manager.enable_hot_reload
    assert "RWnot" in str(enable("p", plugin, safe=SafeOptions(public_keys=["RWnot"])).error)
    assert "-3" in str(enable("p", plugin, safe=SafeOptions(retries=-3)).error)
    with pytest.raises(TypeError, match="files='one': expected a list"):
        enable("p", plugin, safe=SafeOptions(files="one"))
    with pytest.raises(TypeError, match="expected SafeOptions, got dict"):
        enable("p", plugin, safe={})  # type: ignore[arg-type]
    with pytest.raises(monitoring.InvalidArgumentError, match="nobody"):
        host.manager.report_reload("nobody", 1)
    with pytest.raises(monitoring.InvalidArgumentError, match="-1"):
        host.manager.report_reload("p", -1)


def test_close_waits_for_the_validator(snapshots: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("v1")
    inside, over = threading.Event(), []

    def validator(_: monitoring.Candidate) -> bool:
        inside.set()
        time.sleep(0.2)
        over.append(True)
        return True

    manager = monitoring.PluginHotReloadManager(dispatch="manual", safe=SafeOptions(), snapshot_dir=snapshots)
    manager.set_validator(validator)
    manager.enable_hot_reload("p", plugin, deliver_present=True)
    assert inside.wait(PATIENCE)
    manager.close()
    assert over == [True]
    assert list(snapshots.iterdir()) == []


# ---------------------------------------------------------------------------------------------- the host


class Modules:
    """A PluginHost and its outcomes."""

    def __init__(self, snapshots: Path, dispatch: str) -> None:
        self.outcomes: list[PluginOutcome] = []
        self.told = threading.Condition()
        self.seen = 0
        self.host = monitoring.PluginHost(
            on_outcome=self.on_outcome, dispatch=dispatch, quiet_ms=QUIET, snapshot_dir=snapshots
        )

    def on_outcome(self, outcome: PluginOutcome) -> None:
        with self.told:
            self.outcomes.append(outcome)
            self.told.notify_all()

    def next(self) -> PluginOutcome:
        end = time.monotonic() + PATIENCE
        while True:
            with self.told:
                if len(self.outcomes) > self.seen:
                    self.seen += 1
                    return self.outcomes[self.seen - 1]
                assert time.monotonic() < end, "no outcome"
                if self.host.manager.dispatch == "thread":
                    self.told.wait(0.1)
                    continue
            self.host.manager.wait(0.1)

    def until(self, what: str, condition: Callable[[], object]) -> None:
        wait_until(
            what, lambda: (self.host.manager.dispatch == "thread" or self.host.manager.wait(0.01), condition())[1]
        )


@pytest.fixture(params=["thread", "manual"])
def modules(snapshots: Path, request: pytest.FixtureRequest) -> Iterator[Modules]:
    m = Modules(snapshots, request.param)
    yield m
    m.host.close()


STATEFUL = """
calls = 0
def answer():
    global calls
    calls += 1
    return {version}
def plugin_save_state():
    return calls
def plugin_restore_state(state):
    global calls
    calls = state
"""


def test_modules_are_exchanged_with_their_state(modules: Modules, tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text(STATEFUL.format(version=1))
    plugin = modules.host.open("p", path)
    assert modules.next().ok and plugin.module.answer() == 1
    replace(path, STATEFUL.format(version=2))
    outcome = modules.next()
    assert outcome.ok and outcome.generation == outcome.present == plugin.generation == 2
    assert plugin.module.answer() == 2 and plugin.module.calls == 2
    assert not [n for n in sys.modules if n.startswith("_hotreload_") and n != plugin.module.__name__]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def answer(:", "SyntaxError"),
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("def plugin_init():\n    raise RuntimeError('no database')", "RuntimeError: no database"),
        ("def plugin_restore_state(s):\n    raise ValueError(s)", "ValueError: 1"),
        ("raise SystemExit(1)", "SystemExit"),
    ],
)
def test_a_version_that_fails_changes_nothing(modules: Modules, tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "plugin.py"
    path.write_text(STATEFUL.format(version=1))
    plugin = modules.host.open("p", path)
    modules.next()
    assert plugin.module.answer() == 1
    replace(path, source)
    outcome = modules.next()
    assert not outcome.ok and message in outcome.message and outcome.present == 1
    assert plugin.module.answer() == 1
    replace(path, source)  # the same bytes are not tried again
    replace(path, STATEFUL.format(version=3))
    assert modules.next().ok and plugin.module.answer() == 3


def test_what_is_in_use_is_left_after_the_last_use(modules: Modules, tmp_path: Path) -> None:
    path, log = tmp_path / "plugin.py", tmp_path / "log"
    source = (
        "VERSION = {}\ndef plugin_exit():\n"
        f"    with open({str(log)!r}, 'a') as log:\n        print('exit', VERSION, file=log)\n"
    )
    path.write_text(source.format(1))
    plugin = modules.host.open("p", path)
    modules.next()
    with plugin.use() as old:
        replace(path, source.format(2))
        assert modules.next().ok
        assert old.VERSION == 1 and plugin.module.VERSION == 2 and not log.exists()
    modules.until("left", log.exists)
    assert log.read_text() == "exit 1\n"
    plugin.close()
    assert log.read_text() == "exit 1\nexit 2\n"
    with pytest.raises(RuntimeError, match="closed"):
        _ = plugin.module


def test_going_back_when_a_version_turns_out_bad(modules: Modules, tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text("VERSION = 1")
    plugin = modules.host.open("p", path)
    modules.next()
    replace(path, "VERSION = 2")
    modules.next()
    plugin.fail("it answers nonsense")
    outcome = modules.next()
    assert outcome.ok and outcome.generation == 1 and plugin.module.VERSION == 1


def test_a_package_with_its_modules(modules: Modules, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "part.py").write_text("VALUE = 1")
    (package / "__init__.py").write_text("from .part import VALUE\nfrom . import part")
    plugin = modules.host.open("p", package / "__init__.py", safe=SafeOptions(files=["part.py"]))
    modules.next()
    assert plugin.module.VALUE == 1
    replace(package / "part.py", "VALUE = 2")
    assert modules.next().ok
    assert plugin.module.VALUE == 2 and plugin.module.part.VALUE == 2
    assert not (package / "__pycache__").exists()


def test_extension_modules(modules: Modules, tmp_path: Path) -> None:
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").exists():
        include = str(fake_headers(tmp_path))
    path = tmp_path / f"native{sysconfig.get_config_var('EXT_SUFFIX')}"

    def build(version: int) -> None:
        source = tmp_path / "native.c"
        source.write_text(
            "#include <Python.h>\n"
            'static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "native", NULL, -1, NULL};\n'
            "PyMODINIT_FUNC PyInit_native(void)\n"
            "{ PyObject *m = PyModule_Create(&def);\n"
            f'  if (m) PyModule_AddIntConstant(m, "VERSION", {version});\n'
            "#ifdef Py_GIL_DISABLED\n"
            "  if (m) PyUnstable_Module_SetGIL(m, Py_MOD_GIL_NOT_USED);\n"
            "#endif\n"
            "  return m; }\n"
        )
        built = tmp_path / "built"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(built)], check=True)
        built.rename(path)

    build(1)
    plugin = modules.host.open("p", path)
    modules.next()
    assert plugin.module.VERSION == 1
    build(2)
    assert modules.next().ok
    assert plugin.module.VERSION == 2


def fake_headers(tmp_path: Path) -> Path:
    """As much of Python.h as the test's module needs, for machines without Python's headers."""
    include = tmp_path / "include"
    include.mkdir()
    (include / "Python.h").write_text(
        "#include <stddef.h>\n"
        "typedef struct { ptrdiff_t refs; void *type; } PyObject;\n"
        "typedef struct PyModuleDef_Base { PyObject ob; void *init; ptrdiff_t index; PyObject *copy; } "
        "PyModuleDef_Base;\n"
        "#define PyModuleDef_HEAD_INIT {{1, NULL}, NULL, 0, NULL}\n"
        "struct PyModuleDef { PyModuleDef_Base base; const char *name, *doc; ptrdiff_t size; void *methods;\n"
        "    void *slots, *traverse, *clear, *free; };\n"
        '#define PyMODINIT_FUNC __attribute__((visibility("default"))) PyObject *\n'
        "PyObject *PyModule_Create2(struct PyModuleDef *, int);\n"
        "int PyModule_AddIntConstant(PyObject *, const char *, long);\n"
        "#define PyModule_Create(d) PyModule_Create2(d, 1013)\n"
    )
    return include


def test_open_says_why_it_fails(modules: Modules, tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    with pytest.raises(monitoring.PluginFileNotFoundError):
        modules.host.open("p", path)
    path.write_text("raise KeyError('x')")
    with pytest.raises(monitoring.PluginLoadError, match="KeyError") as caught:
        modules.host.open("p", path)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(monitoring.PluginLoadError, match="neither an ELF"):
        modules.host.open("p", path, safe=SafeOptions(image=True))

    def slow(_: monitoring.Candidate) -> bool:
        time.sleep(0.3)
        return True

    modules.host.manager.set_validator(slow)
    path.write_text("VERSION = 1")
    with pytest.raises(TimeoutError):
        modules.host.open("p", path, timeout=0.1)
    plugin = modules.host.open("p", path)
    with pytest.raises(monitoring.AlreadyExistsError):
        modules.host.open("p", path)
    assert plugin.module.VERSION == 1
    assert modules.host.manager.get_hot_reload_plugins() == ["p"]
