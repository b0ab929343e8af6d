# SPDX-License-Identifier: MIT
"""qtforge.monitoring.watchfiles: a program of the package watchfiles does the same here."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import BOUND, as_soon_as_it_is_watched, wait_until
from qtforge.monitoring import Change, PluginHotReloadManager, PluginPermissionError
from qtforge.monitoring.watchfiles import BaseFilter, DefaultFilter, PythonFilter, awatch, watch

PACKAGES = [
    "qtforge.monitoring.watchfiles",
    pytest.param(
        "watchfiles",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("watchfiles") is None, reason="the package watchfiles is not installed"
        ),
    ),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "folder"
    for name in ("deep", "node_modules", "sub [x]"):
        (path / name).mkdir(parents=True)
    for name in ("a.py", "b.txt"):
        (path / name).write_text("v0")
    return path


def write(path: Path, content: str = "v1") -> Callable[[], object]:
    return lambda: path.write_text(content)


def _is_in(line: str, lines: list[str]) -> bool:
    return line in lines


# What a program does, and the last thing it sees of that.
STEPS: list[tuple[str, str, Callable[[Path], object]]] = [
    ("added", "new.py", lambda folder: (folder / "new.py").write_text("v1")),
    ("modified", "a.py", lambda folder: (folder / "a.py").write_text("v1")),
    ("added", "deep/c.py", lambda folder: (folder / "deep" / "c.py").write_text("v1")),
    ("deleted", "new.py", lambda folder: (folder / "new.py").unlink()),
    ("added", "renamed.py", lambda folder: (folder / "a.py").rename(folder / "renamed.py")),
]


@pytest.mark.parametrize("package", PACKAGES)
def test_one_program_sees_the_same_with_both(package: str, folder: Path) -> None:
    """It waits for each step, and lets pass what else the packages say."""
    library: Any = importlib.import_module(package)
    stop = threading.Event()
    met: list[str] = []
    done = threading.Event()

    def consume() -> None:
        watching = library.watch(
            "folder", watch_filter=library.PythonFilter(), debounce=800, step=30, stop_event=stop, rust_timeout=100,
            yield_on_timeout=True,
        )  # fmt: skip
        for changes in watching:
            met.extend(f"{change.raw_str()} {path}" for change, path in changes)
            done.set()

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert done.wait(BOUND)  # it watches
    (folder / "b.txt").write_text("the filter leaves this out")
    (folder / "node_modules" / "m.py").write_text("and this")
    for change, name, step in STEPS:
        met.clear()
        step(folder)
        line = f"{change} {folder / name}"
        wait_until(line, functools.partial(_is_in, line, met))
    stop.set()
    consumer.join(BOUND)
    assert not consumer.is_alive()
    assert not [line for line in met if "b.txt" in line or "node_modules" in line]


def test_files_that_are_written_together_come_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy some may come later."""
    names = [f"{number}.py" for number in range(50)]
    as_soon_as_it_is_watched(monkeypatch, lambda: [(folder / name).write_text("v1") for name in names])
    expected = {(Change.added, str(folder / name)) for name in names}
    sets: list[set[tuple[Change, str]]] = []
    for changes in watch(folder, step=100):
        sets.append(changes)
        if set.union(*sets) >= expected:
            break
    assert set.union(*sets) == expected
    assert len(sets) <= len(names) / 5


def test_a_file_that_is_being_written_holds_up_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / "open.py").open("w") as file:

        def begin() -> None:
            file.write("half")
            file.flush()
            (folder / "a.py").write_text("v1")

        as_soon_as_it_is_watched(monkeypatch, begin)
        found = watch(folder, step=30)
        assert next(found) == {(Change.modified, str(folder / "a.py"))}
        file.write(", and half")
    assert next(found) == {(Change.modified, str(folder / "open.py"))}


def test_a_save_by_renaming_is_one_modification(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save() -> None:
        (folder / "part").write_text("v1")
        os.replace(folder / "part", folder / "a.py")

    as_soon_as_it_is_watched(monkeypatch, save)
    assert next(watch(folder, watch_filter=None)) == {(Change.modified, str(folder / "a.py"))}


def test_without_a_filter_hidden_files_come_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_soon_as_it_is_watched(monkeypatch, write(folder / "node_modules" / ".x.tmp"))
    assert next(watch(folder, watch_filter=None)) == {(Change.added, str(folder / "node_modules" / ".x.tmp"))}


def test_folders_below_can_be_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def both() -> None:
        (folder / "deep" / "c.py").write_text("v1")
        (folder / "a.py").write_text("v1")

    as_soon_as_it_is_watched(monkeypatch, both)
    assert next(watch(folder, recursive=False)) == {(Change.modified, str(folder / "a.py"))}


def test_a_single_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_soon_as_it_is_watched(monkeypatch, write(folder / "a.py"))
    found = watch("folder/a.py", Path("folder/a.py"))
    assert next(found) == {(Change.modified, str(folder / "a.py"))}
    (folder / "a.py").unlink()
    assert next(found) == {(Change.deleted, str(folder / "a.py"))}


def test_empty_sets_come_at_the_timeout_if_asked(folder: Path) -> None:
    found = watch(folder, rust_timeout=10, yield_on_timeout=True)
    assert [next(found), next(found)] == [set(), set()]


@pytest.mark.parametrize("polling", [True, False])
def test_polling(polling: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_soon_as_it_is_watched(monkeypatch, write(folder / "a.py"))
    assert next(watch(folder, force_polling=polling, poll_delay_ms=20)) == {(Change.modified, str(folder / "a.py"))}


def test_the_library_can_be_heard(folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    as_soon_as_it_is_watched(monkeypatch, write(folder / "a.py"))
    caplog.set_level("DEBUG", "qtforge.monitoring")
    next(watch(folder, debug=True))
    wait_until("heard", lambda: "a.py" in caplog.text)


def test_ctrl_c_may_end_the_iteration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PluginHotReloadManager, "_until", interrupt)
    assert list(watch(folder, raise_interrupt=False)) == []
    with pytest.raises(KeyboardInterrupt):
        next(watch(folder))


def test_filters() -> None:
    change = Change.added
    default, python = DefaultFilter(), PythonFilter(extra_extensions=[".toml"])
    for path in ("/p/x.pyc", "/p/.x.swp", "/p/x~", "/p/.#x", "/p/.git/x", "/p/.git", "/p/x.py___jb_tmp___"):
        assert not default(change, path), path
    for path in ("/p/x.py", "/p/git/x", "/p/.env", "/p/x.swpx.c"):
        assert default(change, path), path
    assert [python(change, path) for path in ("/p/x.py", "/p/x.toml", "/p/x.c", "/p/.venv/x.py")] == [
        True, True, False, False,
    ]  # fmt: skip
    own = DefaultFilter(ignore_dirs=["d"], ignore_entity_patterns=[r"\.log$"], ignore_paths=[Path("/p/q")])
    assert [own(change, path) for path in ("/p/d/x", "/p/x.log", "/p/q/x", "/p/.git/x")] == [False] * 3 + [True]
    assert repr(own) == "DefaultFilter(ignore_dirs=['d'], ignore_entity_patterns=['\\\\.log$'], ignore_paths=['/p/q'])"

    class Only(BaseFilter):
        ignore_dirs = ("sub [x]",)

        def __call__(self, change: Change, path: str) -> bool:
            return change is Change.added

    assert Only()(change, "/p/sub [x]/y") and not Only()(Change.deleted, "/p/x")


@pytest.mark.parametrize("own", [False, True])
def test_a_folder_that_the_filter_ignores_is_not_entered(
    own: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(DefaultFilter):
        ignore_dirs = ("sub [x]", "node_modules")

    class Decides(Own):
        def __call__(self, change: Change, path: str) -> bool:
            return True

    entered: list[set[str]] = []
    (folder / "sub [x]" / "s.py").write_text("v0")

    def look() -> None:
        (manager,) = managers
        entered.append({os.path.basename(plugin_id) for plugin_id in manager.get_hot_reload_plugins()})
        (folder / "a.py").write_text("v1")

    managers: list[PluginHotReloadManager] = []
    make = PluginHotReloadManager.enable_folder

    def enable(manager: PluginHotReloadManager, *arguments: Any, **options: Any) -> Any:
        managers.append(manager)
        return make(manager, *arguments, **options)

    monkeypatch.setattr(PluginHotReloadManager, "enable_folder", enable)
    as_soon_as_it_is_watched(monkeypatch, look)
    next(watch(folder, watch_filter=Decides() if own else Own()))
    assert entered == [{"a.py", "b.txt", "s.py"} if own else {"a.py", "b.txt"}]


def test_bad_input_is_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        next(watch(folder / "missing"))
    with pytest.raises(TypeError, match="no path"):
        next(watch())
    for options in ({"step": -1}, {"debounce": 10**12}, {"poll_delay_ms": -7}):
        with pytest.raises(ValueError, match=r"-1|1000000000000|-7"):
            next(watch(folder, **options))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="step='5'"):
        next(watch(folder, step="5"))  # type: ignore[arg-type]
    for name in ("run_process", "arun_process"):
        with pytest.raises(ImportError, match="--restart --exec"):
            exec(f"from qtforge.monitoring.watchfiles import {name}")
    with pytest.raises(ImportError, match="nothing"):
        exec("from qtforge.monitoring.watchfiles import nothing")


def test_an_argument_without_an_effect_warns(folder: Path) -> None:
    async def main() -> None:
        async for changes in awatch(folder, raise_interrupt=True, rust_timeout=1, yield_on_timeout=True):
            assert changes == set()
            break

    with pytest.warns(DeprecationWarning, match="raise_interrupt"):
        asyncio.run(main())


def test_what_may_not_be_read_is_left_out_if_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enable = PluginHotReloadManager.enable_folder

    def refusing(manager: PluginHotReloadManager, folder_id: str, directory: Any, **options: Any) -> Any:
        """Root may read everything, so that the system does not refuse."""
        if os.path.basename(directory) == "deep":
            raise PluginPermissionError("it may not be read")
        return enable(manager, folder_id, directory, **options)

    monkeypatch.setattr(PluginHotReloadManager, "enable_folder", refusing)
    with pytest.raises(PermissionError):
        next(watch(folder / "deep", folder))
    as_soon_as_it_is_watched(monkeypatch, write(folder / "a.py"))
    found = watch(folder / "deep", folder, ignore_permission_denied=True)
    assert next(found) == {(Change.modified, str(folder / "a.py"))}


def test_thousands_of_files_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1000):
        (folder / f"{number}.txt").touch()

    def change() -> None:
        for number in range(2000):
            (folder / f"{number}.txt").write_text("v1")

    as_soon_as_it_is_watched(monkeypatch, change)
    seen: set[tuple[Change, str]] = set()
    for changes in watch(folder):
        seen |= changes
        if len(seen) >= 2000:
            break
    assert sorted(change.raw_str() for change, _ in seen) == ["added"] * 1000 + ["modified"] * 1000
