# SPDX-License-Identifier: MIT
"""Bad input: the documented code, and a message that names the value."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Host
from qtforge.monitoring import (
    AlreadyExistsError,
    ClosedError,
    Failure,
    HotReloadError,
    InvalidArgumentError,
    PluginErrorCode,
    PluginHotReloadManager,
    ReloadOutcome,
    Result,
    SafeOptions,
    errors,
)


def refused(result: Result, code: str, value: str) -> None:
    assert not result
    assert result.error is not None
    assert result.error.code is PluginErrorCode[code]
    assert result.error.code.name == code
    assert value in result.error.message
    assert result.error.message == str(result.error)
    with pytest.raises(HotReloadError):
        result.raise_for_error()


def test_paths(host: Host, tmp_path: Path) -> None:
    enable = host.manager.enable_hot_reload
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    refused(enable("x", tmp_path / "missing.so"), "FileNotFound", "missing.so")
    refused(enable("x", tmp_path / "dangling"), "FileNotFound", "dangling")
    refused(enable("x", tmp_path / "loop"), "InvalidPath", "loop")
    refused(enable("x", ""), "InvalidPath", "empty")
    refused(enable("x", tmp_path), "InvalidPath", str(tmp_path))
    refused(enable("x", tmp_path / "fifo"), "InvalidPath", "fifo")
    refused(enable("x", "/dev/null"), "InvalidPath", "/dev/null")
    refused(enable("x", "nul\0byte"), "InvalidPath", r"nul\x00byte")
    refused(enable("x", b"nul\0byte"), "InvalidPath", r"nul\x00byte")
    refused(enable("x", "long/" * 1000), "InvalidPath", "5000")
    refused(enable("x", None), "InvalidPath", "None")  # type: ignore[arg-type]
    refused(enable("x", 7), "InvalidPath", "7")  # type: ignore[arg-type]
    refused(enable("p", tmp_path / "missing.so"), "AlreadyExists", "'p'".replace("'", '"'))
    host.quiet()


def test_ids(host: Host) -> None:
    for bad, shown in (
        ("", "empty"),
        ("a\0b", r"a\x00b"),
        ("\ud800", r"\ud800"),
        ("x" * 256, "256"),
        ("a\nb", r"a\nb"),
    ):
        refused(host.manager.enable_hot_reload(bad, host.file), "InvalidParameters", shown)
    for none in (None, 5, b"bytes"):
        refused(host.manager.enable_hot_reload(none, host.file), "InvalidParameters", repr(none))  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match="no str"):
            host.manager.disable_hot_reload(none)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no str"):
            host.manager.is_hot_reload_enabled(none)  # type: ignore[arg-type]
    assert host.manager.disable_hot_reload("unknown") is False


def test_bytes_and_undecodable_paths_work(host: Host, tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/pl\xffug\xfein.so"
    with open(raw, "w") as f:
        f.write("v0")
    host.manager.clear()
    paths: list[str] = []
    host.manager.set_event_callback(lambda e: paths.append(e.path))
    assert host.manager.enable_hot_reload("p", raw)
    host.file = Path(os.fsdecode(raw))
    host.quiet()
    assert os.fsencode(paths[-1]) == raw


def test_raise_on_error(tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_text("x")
    with PluginHotReloadManager(raise_on_error=True) as manager:
        with pytest.raises(FileNotFoundError, match="missing") as caught:
            manager.enable_hot_reload("p", tmp_path / "missing")
        assert caught.value.errno == 2
        with pytest.raises(ValueError, match="directory"):
            manager.enable_hot_reload("p", tmp_path)
        assert manager.enable_hot_reload("p", file)
        with pytest.raises(AlreadyExistsError):
            manager.enable_hot_reload("p", file)
        with pytest.raises(FileExistsError):
            manager.enable_hot_reload("p", file)


def test_errors_of_the_system_have_its_fields(host: Host, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for given, filename in ((missing, str(missing)), (str(missing), str(missing)), (bytes(missing), bytes(missing))):
        error = host.manager.enable_hot_reload("x", given).error
        assert isinstance(error, FileNotFoundError)
        assert (error.errno, error.strerror, error.filename) == (errno.ENOENT, os.strerror(errno.ENOENT), filename)
        assert str(missing) in str(error) and str(missing) in repr(error)
    error = host.manager.enable_hot_reload("x", missing / "below").error
    assert isinstance(error, OSError) and error.filename == str(missing / "below")
    error = host.manager.enable_hot_reload("p", host.file).error
    assert isinstance(error, FileExistsError)
    assert (error.errno, error.strerror, error.filename) == (errno.EEXIST, os.strerror(errno.EEXIST), str(host.file))
    denied = errors.from_native(-4, "denied", "x", errno.EPERM, "/x")
    assert isinstance(denied, PermissionError) and str(denied) == "denied"
    assert (denied.errno, denied.strerror, denied.filename) == (errno.EPERM, os.strerror(errno.EPERM), "/x")
    assert isinstance(plain := errors.PluginPermissionError("by hand"), PermissionError)
    assert (plain.errno, plain.filename) == (errno.EACCES, None)


def all_errors(kind: type[HotReloadError] = HotReloadError) -> list[type[HotReloadError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in all_errors(below))]


class OfTheHost(HotReloadError):
    """A subclass with other arguments."""

    def __init__(self, number: int) -> None:
        super().__init__(f"number {number}", plugin_id="of the host")
        self.number = number


@pytest.mark.parametrize("kind", all_errors())
def test_errors_can_be_pickled_and_copied(kind: type[HotReloadError]) -> None:
    if kind is OfTheHost:
        error: HotReloadError = OfTheHost(7)
    else:
        error = kind("message", code=PluginErrorCode.NotSupported, plugin_id="p", os_error=5, filename=b"/path")
    error.note = "an attribute of the host's"  # type: ignore[attr-defined]
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind and again is not error
        assert (str(again), repr(again), again.args) == (str(error), repr(error), error.args)
        assert vars(again) == vars(error) and again.code is error.code
        for name in ("errno", "strerror", "filename"):
            assert getattr(again, name, None) == getattr(error, name, None)
    failure = Failure(error)
    assert str(pickle.loads(pickle.dumps(failure)).error) == str(error) and not copy.copy(failure)


def test_options() -> None:
    bad: Any
    for bad, shown in (
        ({"quiet_ms": -2}, "-2"),
        ({"max_delay_ms": -1}, "-1"),
        ({"quiet_ms": 2**40}, str(2**40)),
    ):
        with pytest.raises(InvalidArgumentError, match=shown):
            PluginHotReloadManager(**bad)
    with pytest.raises(ValueError, match="'nowhere'"):
        PluginHotReloadManager(dispatch="nowhere")
    with pytest.raises(TypeError, match="'100'"):
        PluginHotReloadManager(quiet_ms="100")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="7"):
        PluginHotReloadManager(on_error=7)  # type: ignore[arg-type]


def test_arguments_of_another_type_are_named(tmp_path: Path) -> None:
    (tmp_path / "plugin.so").write_text("v0")
    with PluginHotReloadManager(dispatch="manual", safe=SafeOptions()) as manager:
        assert manager.enable_hot_reload("p", tmp_path / "plugin.so")
        calls: list[tuple[str, Any, Any]] = [
            ("max_events", manager.process_events, ("x",)),
            ("max_events", manager.process_events, (1.5,)),
            ("generation", manager.report_reload, ("p", "1")),
            ("generation", manager.report_reload, ("p", None)),
            ("outcome", manager.report_reload, ("p", 1, "FAILED")),
            ("message", manager.report_reload, ("p", 1, ReloadOutcome.OK, 5)),
        ]
        for name, function, arguments in calls:
            with pytest.raises(TypeError, match=f"{name}={arguments[-1]!r}: expected"):
                function(*arguments)


def test_the_interval_of_the_safety_check() -> None:
    for bad in (-2, 86400001):
        with pytest.raises(InvalidArgumentError, match=f"safety_check of {bad} ms is out of range"):
            PluginHotReloadManager(safety_check_ms=bad)
    for good in (-1, 0, 1, 86400000):
        with PluginHotReloadManager(dispatch="manual", safety_check_ms=good) as manager:
            stats = manager.stats()
            assert (stats.unreliable, stats.safety_checks, stats.missed) == (0, 0, 0)
            assert (stats.watched_files, stats.polled_files) == (0, 0)


def test_an_empty_snapshot_directory_is_an_error() -> None:
    for bad, shown in (("", "snapshot_dir"), ("a\0b", r"snapshot_dir.*a\\x00b"), ("\ud800", "snapshot_dir.*encoded")):
        with pytest.raises(InvalidArgumentError, match=shown):
            PluginHotReloadManager(snapshot_dir=bad)
    with pytest.raises(InvalidArgumentError, match="snapshot_dir: 7 is no path"):
        PluginHotReloadManager(snapshot_dir=7)  # type: ignore[arg-type]


def test_callback_must_be_callable(host: Host) -> None:
    with pytest.raises(TypeError, match="'text'"):
        host.manager.set_reload_callback("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="7"):
        host.manager.set_event_callback(7)  # type: ignore[arg-type]
    host.quiet()


def test_after_close(host: Host) -> None:
    host.manager.close()
    host.manager.close()
    assert host.manager.closed
    refused(host.manager.enable_hot_reload("x", host.file), "InvalidState", "closed")
    for call in (
        host.manager.get_hot_reload_plugins,
        host.manager.clear,
        host.manager.stats,
        host.manager.fileno,
        host.manager.process_events,
        host.manager.wait,
        host.manager.is_global_hot_reload_enabled,
        lambda: host.manager.set_global_hot_reload_enabled(True),
        lambda: host.manager.set_reload_callback(None),
        lambda: host.manager.set_event_callback(print),
        lambda: host.manager.disable_hot_reload("p"),
        lambda: host.manager.is_hot_reload_enabled("p"),
    ):
        with pytest.raises(ClosedError):
            call()
    host.manager.run()  # there is nothing to wait for


PERMISSION = """
import os, sys
import qtforge
from qtforge.monitoring import _library
_library.load()  # the interpreter's own files may be out of reach afterwards
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with qtforge.monitoring.PluginHotReloadManager() as manager:
    for path in sys.argv[1:]:
        result = manager.enable_hot_reload("p", path)
        assert not result, path
        assert result.error.code.name == "PermissionDenied", result.error
        assert path in result.error.message
        assert (result.error.errno, result.error.filename) == (13, path)
print("denied")
"""


def test_permission_denied_to_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        unreadable, closed = Path(name) / "unreadable.so", Path(name) / "closed"
        unreadable.write_text("x")
        unreadable.chmod(0)
        closed.mkdir()
        (closed / "plugin.so").write_text("x")
        closed.chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", PERMISSION, str(unreadable), str(closed / "plugin.so")],
            capture_output=True,
            text=True,
            cwd="/",
        )
        closed.chmod(0o700)
        assert done.stdout == "denied\n", done.stderr
