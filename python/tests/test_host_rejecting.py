# SPDX-License-Identifier: MIT
"""Versions that are not taken: what was begun is ended, and who is at fault is said."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BOUND
from hosting import Gates, Hosting, in_thread, plugin_modules, replace
from qtforge.monitoring import Plugin, PluginHost, PluginLoadError, PluginOutcome, SafeOptions, Verdict

HOOKS = """
import functools
import sys
VERSION = {0}
state = None
def plugin_init(): sys.gates.say('init {0}')
def plugin_exit(): sys.gates.say('exit {0}')
def plugin_save_state(): return VERSION
def plugin_restore_state(saved):
    global state
    state = saved
"""
SAVE_RAISES = HOOKS.replace("def plugin_save_state(): return VERSION", "def plugin_save_state(): raise KeyError({0})")


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Gates:
    gates = Gates()
    monkeypatch.setattr(sys, "gates", gates, raising=False)
    return gates


@pytest.fixture(params=["thread", "manual"])
def hosting(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hosting]:
    with Hosting(tmp_path, dispatch=request.param) as h:
        yield h


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plug.py"
    path.write_text(HOOKS.format(1))
    return path


@pytest.mark.parametrize(
    ("broken", "said", "message"),
    [
        ("1 / 0", [], "ZeroDivisionError"),
        ("def plugin_init(): raise OSError('no port')", [], "plugin_init() of generation 2 raised OSError: no port"),
        (
            "def plugin_restore_state(saved): raise ValueError(saved)",
            ["init 2", "exit 2"],
            "plugin_restore_state() of generation 2 raised ValueError: 1",
        ),
        ("def plugin_restore_state(saved): sys.exit(3)", ["init 2", "exit 2"], "raised SystemExit: 3"),
    ],
)
def test_what_was_initialised_is_ended(
    hosting: Hosting, path: Path, gates: Gates, broken: str, said: list[str], message: str
) -> None:
    plugin = hosting.open(path)
    gates.said.clear()
    outcome = hosting.reload(path, HOOKS.format(2) + broken)
    assert not outcome.ok and message in outcome.message and outcome.present == 1 and not outcome.waiting
    hosting.until("what was begun is ended", lambda: len(gates.said) == len(said))
    assert gates.said == said and plugin.module.VERSION == 1
    assert hosting.host.manager.stats().reloads_failed == 1
    assert hosting.reload(path, HOOKS.format(3)).ok
    assert plugin.module.state == 1


def test_an_exit_that_raises_after_a_rejection_goes_to_on_error(hosting: Hosting, path: Path, gates: Gates) -> None:
    hosting.open(path)
    source = HOOKS.format(2) + "def plugin_exit(): raise OSError('busy')\ndef plugin_restore_state(s): 1 / 0"
    assert "ZeroDivisionError" in hosting.reload(path, source).message
    hosting.until("on_error is called", lambda: hosting.errors)
    assert [str(e) for e in hosting.errors] == ["busy"]
    hosting.until("a note", lambda: hosting.outcomes[-1].verdict is Verdict.NOTED)
    assert str(hosting.outcomes[-1]) == "p: generation 2 could not exit: OSError: busy"


def test_an_exception_that_raises_when_it_becomes_text_is_a_rejection(
    hosting: Hosting, path: Path, gates: Gates
) -> None:
    hosting.open(path)
    outcome = hosting.reload(path, "class Nasty(Exception):\n    def __str__(self): 1 / 0\nraise Nasty")
    assert not outcome.ok and "Nasty" in outcome.message and type(outcome.error).__name__ == "Nasty"


def test_the_modules_of_a_package_that_fails_are_removed(hosting: Hosting, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    (pack / "sub").mkdir(parents=True)
    names = ["part.py", "sub/__init__.py", "sub/deep.py", "late.py"]
    for name in names:
        (pack / name).write_text("")
    source = (
        "from . import part\nfrom .sub import deep\nimport importlib\nimportlib.import_module('.late', __package__)\n"
    )
    plugin_file = pack / "__init__.py"
    plugin_file.write_text(source + "1 / 0")
    with pytest.raises(Exception, match="ZeroDivisionError"):
        hosting.host.open("p", plugin_file, safe=SafeOptions(files=names))
    hosting.next()
    assert plugin_modules() == []
    plugin_file.write_text(source)
    hosting.open(plugin_file, safe=SafeOptions(files=names))
    before = {name: sys.modules[name] for name in plugin_modules()}
    assert len(before) == 6
    assert not hosting.reload(plugin_file, source + "1 / 0").ok
    assert {name: sys.modules[name] for name in plugin_modules()} == before


def opened_with_a_bad_save(hosting: Hosting, path: Path, gates: Gates) -> Plugin:
    path.write_text(SAVE_RAISES.format(1))
    plugin = hosting.open(path)
    gates.said.clear()
    return plugin


def test_a_save_that_raises_is_the_present_versions_fault(hosting: Hosting, path: Path, gates: Gates) -> None:
    plugin = opened_with_a_bad_save(hosting, path, gates)
    outcome = hosting.reload(path, HOOKS.format(2))
    assert (outcome.ok, outcome.generation, outcome.present, outcome.waiting) == (False, 2, 1, True)
    assert "plugin_save_state() of generation 1 raised KeyError: 1" in outcome.message
    assert isinstance(outcome.error, KeyError) and outcome.error.__traceback__ is not None
    hosting.until("undone", lambda: len(gates.said) == 2)
    assert gates.said == ["init 2", "exit 2"] and plugin.module.VERSION == 1
    assert hosting.host.manager.stats().reloads_failed == 0
    replace(path, HOOKS.format(2))  # the bytes are not remembered as bad
    assert hosting.next().waiting
    hosting.until("undone again", lambda: len(gates.said) == 4)
    gates.said.clear()
    plugin.take_without_state()
    outcome = hosting.next()
    assert (outcome.ok, outcome.generation, outcome.present) == (True, 3, 3)
    hosting.until("ended", lambda: len(gates.said) > 1)
    assert gates.said == ["init 2", "exit 1"] and (plugin.module.VERSION, plugin.module.state) == (2, None)
    with pytest.raises(RuntimeError, match="no version waits"):
        plugin.take_without_state()
    plugin.fail("after all")  # reported as any other: there is a way back
    outcome = hosting.next()
    assert outcome.ok and plugin.module.VERSION == 1


def test_what_waits_is_superseded_by_the_next_version(hosting: Hosting, path: Path, gates: Gates) -> None:
    plugin = opened_with_a_bad_save(hosting, path, gates)
    assert hosting.reload(path, HOOKS.format(2)).waiting
    outcome = hosting.reload(path, "def broken(:")
    assert not outcome.ok and not outcome.waiting
    with pytest.raises(RuntimeError, match="no version waits"):
        plugin.take_without_state()
    assert hosting.reload(path, "VERSION = 3").ok  # does not take a state
    assert plugin.module.VERSION == 3


def test_a_host_may_go_on_without_the_state(tmp_path: Path, path: Path, gates: Gates) -> None:
    with Hosting(tmp_path, on_save_error="without_state") as hosting:
        plugin = opened_with_a_bad_save(hosting, path, gates)
        outcome = hosting.reload(path, HOOKS.format(2))
        assert outcome.ok and outcome.message == "without the saved state: generation 1, save: KeyError: 1"
        assert (plugin.module.VERSION, plugin.module.state) == (2, None)
    with pytest.raises(ValueError, match="on_save_error='maybe'"):
        PluginHost(on_save_error="maybe")


@pytest.mark.parametrize("dispatch", ["thread", "manual"])
def test_it_can_be_taken_in_on_outcome(dispatch: str, tmp_path: Path, path: Path, gates: Gates) -> None:
    with Hosting(tmp_path, dispatch=dispatch) as hosting:
        plugin = opened_with_a_bad_save(hosting, path, gates)

        def on_outcome(outcome: PluginOutcome) -> None:
            hosting._on_outcome(outcome)
            if outcome.waiting:
                plugin.take_without_state()

        hosting.host._on_outcome = on_outcome
        replace(path, HOOKS.format(2))
        assert hosting.next().waiting and hosting.next().ok
        assert plugin.module.VERSION == 2


def test_ctrl_c_is_not_the_fault_of_the_version(tmp_path: Path, path: Path, gates: Gates) -> None:
    with Hosting(tmp_path, dispatch="manual") as hosting:
        plugin = hosting.open(path)
        interrupted = HOOKS.format(2) + "if not sys.gates.leave.is_set(): raise KeyboardInterrupt\n"
        replace(path, interrupted)
        with pytest.raises(KeyboardInterrupt):
            hosting.host.manager.wait(BOUND)
        assert plugin.module.VERSION == 1
        gates.leave.set()  # it is tried again
        assert [hosting.next().verdict, hosting.next().verdict] == [Verdict.POSTPONED, Verdict.DONE]
        assert plugin.module.VERSION == 2


def test_a_keyboard_interrupt_of_the_plugin_itself_is_its_fault(tmp_path: Path, path: Path, gates: Gates) -> None:
    """Only the main thread gets Ctrl-C. open() in another thread, and the host's own thread, need not wait for it."""
    good = path.read_text()
    for dispatch in ("thread", "manual"):
        with Hosting(tmp_path, dispatch=dispatch) as hosting:
            path.write_text("raise KeyboardInterrupt('mine')")
            error = in_thread(functools.partial(refused, hosting, path))
            assert str(error) == "plugin 'p': KeyboardInterrupt: mine" and hosting.next().error is error.__cause__
            path.write_text(good.replace("sys.gates.say('init 1')", "raise KeyboardInterrupt('mine')"))
            error = in_thread(functools.partial(refused, hosting, path))
            assert "plugin_init() of generation 1 raised KeyboardInterrupt: mine" in str(error)
    assert plugin_modules() == []


def refused(hosting: Hosting, path: Path) -> PluginLoadError:
    with pytest.raises(PluginLoadError) as caught:
        hosting.host.open("p", path, timeout=BOUND)
    return caught.value


@pytest.mark.parametrize("hook", ["plugin_init", "plugin_exit", "plugin_save_state", "plugin_restore_state"])
def test_hooks_that_nobody_would_await_are_rejected(hosting: Hosting, path: Path, gates: Gates, hook: str) -> None:
    plugin = hosting.open(path)
    gates.said.clear()
    for broken, message in (
        (f"async def {hook}(*_): pass", f"TypeError: {hook}=<function {hook}"),
        (f"def {hook}(*_): yield", "is a generator function"),
        (f"{hook} = 5", f"TypeError: {hook}=5 is neither callable nor None"),
    ):
        outcome = hosting.reload(path, HOOKS.format(2) + broken)
        assert not outcome.ok and message in outcome.message
    assert plugin.module.VERSION == 1 and gates.said == []
    assert hosting.reload(path, HOOKS.format(3) + f"{hook} = None").ok


def test_a_hook_may_not_return_a_coroutine(hosting: Hosting, path: Path, gates: Gates) -> None:
    plugin = hosting.open(path)
    outcome = hosting.reload(path, HOOKS.format(2) + "async def begin(): pass\nplugin_init = lambda: begin()")
    assert not outcome.ok and plugin.module.VERSION == 1
    assert "plugin_init() of generation 2 raised TypeError: it returned a coroutine" in outcome.message


def test_an_outcome_can_be_shown_whatever_the_exception_does(hosting: Hosting, path: Path) -> None:
    path.write_text("class Bad(Exception):\n    def __repr__(self): raise self\n    __str__ = __repr__\nraise Bad")
    refused(hosting, path)
    assert "its text raises an exception" in repr(hosting.next())


@pytest.mark.parametrize(
    ("file", "source", "advice"),
    [
        ("plug.py", "import helper", "; name 'helper.py' in SafeOptions.files"),
        ("plug.py", "from . import helper", "; name 'helper.py' in SafeOptions.files"),
        ("plug.py", "from .helper import f", "; name 'helper.py' in SafeOptions.files"),
        ("plug.py", "def plugin_init(): import helper", "; name 'helper.py' in SafeOptions.files"),
        ("plug.py", "import other.part", "; name 'other/__init__.py' in SafeOptions.files"),
        ("plug.py", "import pack.part", "; name 'pack/__init__.py' in SafeOptions.files"),
        ("pack/__init__.py", "from . import part", "; name 'part.py' in SafeOptions.files"),
        ("pack/__init__.py", "from .part import f", "; name 'part.py' in SafeOptions.files"),
        ("pack/__init__.py", "import pack.part", "; name the other files of the package in SafeOptions.files"),
        ("pack/__init__.py", "import helper", "; name '../helper.py' in SafeOptions.files"),
        ("plug.py", "import plug_of_nobody", ""),
        ("plug.py", "from sys import helper", ""),
        ("plug.py", "from . import named", ""),  # it is named, and raises
        ("plug.py", "raise ImportError('helper')", ""),
        ("plug.py", "raise ImportError('helper', name='')", ""),
        ("plug.py", "raise ImportError('helper', name='../..')", ""),
    ],
)
def test_an_import_of_a_file_that_is_not_named_says_what_to_do(
    hosting: Hosting, tmp_path: Path, file: str, source: str, advice: str
) -> None:
    for name in ("helper.py", "other/__init__.py", "pack/__init__.py", "pack/part.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "named.py").write_text("from .plug import later")
    (tmp_path / file).write_text(source)
    options = SafeOptions(files=[tmp_path / "named.py"])
    if "pack.part" in source and file != "plug.py":
        options = SafeOptions()
    with pytest.raises(PluginLoadError) as caught:
        hosting.host.open("p", tmp_path / file, safe=options, timeout=BOUND)
    assert advice in str(caught.value) and ("SafeOptions" in str(caught.value)) == bool(advice)
