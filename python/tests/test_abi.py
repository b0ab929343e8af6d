# SPDX-License-Identifier: MIT
"""The ctypes mirror against what a C compiler makes of the header."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from qtforge.monitoring import (
    KEEP_NONE,
    SAFE_NONE,
    Decision,
    EventKind,
    Health,
    PluginErrorCode,
    PluginState,
    Step,
    Verdict,
    Watching,
    _abi,
    _abi_hosts,
    _library,
)
from qtforge.monitoring.errors import _BY_NATIVE_CODE, from_native

HEADER = Path(__file__).resolve().parents[2] / "include" / "hot_reload_manager.h"
PLUGINS = HEADER.with_name("hot_reload_plugin.h")
STRUCTS: dict[str, Any] = {
    "hrm_error": _abi.Error,
    "hrm_safe_options": _abi.SafeOptions,
    "hrm_options": _abi.Options,
    "hrm_enable_options": _abi.EnableOptions,
    "hrm_folder_options": _abi.FolderOptions,
    "hrm_event": _abi.EventStruct,
    "hrm_candidate": _abi.CandidateStruct,
    "hrm_statistics": _abi.StatsStruct,
    "hrm_plugin_status_info": _abi.PluginStatusStruct,
    "hrm_past_decision": _abi.PastDecisionStruct,
    "hrm_log_record": _abi.LogRecordStruct,
    "hrm_plugin_outcome": _abi_hosts.OutcomeStruct,
    "hrm_step": _abi_hosts.StepStruct,
    "hrm_step_result": _abi_hosts.StepResultStruct,
    "hrm_host_options": _abi_hosts.HostOptions,
    "hrm_plugin_options": _abi_hosts.PluginOptions,
    "hrm_plugin_opening": _abi_hosts.Opening,
    "hrm_set_options": _abi_hosts.SetOptions,
    "hrm_plugin_condition": _abi_hosts.PluginCondition,
}


def test_struct_layouts(tmp_path: Path) -> None:
    lines, want = [], []
    for name, mirror in STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        want.append(f"{name} {ctypes.sizeof(mirror)}")
        for field in mirror._fields_:
            native = field[0].replace("from_data", "from")  # a keyword
            lines.append(f'printf("{name}.{field[0]} %zu\\n", offsetof({name}, {native}));')
            want.append(f"{name}.{field[0]} {getattr(mirror, field[0]).offset}")
    source = tmp_path / "layout.c"
    source.write_text(f'#include <stdio.h>\n#include "{PLUGINS}"\nint main(void) {{ {" ".join(lines)} return 0; }}\n')
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    subprocess.run([compiler, str(source), "-o", str(tmp_path / "layout")], check=True)
    out = subprocess.run([str(tmp_path / "layout")], check=True, capture_output=True, text=True).stdout
    assert out.splitlines() == want


def test_every_code_of_the_header_has_an_exception() -> None:
    codes = {int(n) for n in re.findall(r"#define HRM_ERR_\w+ \((-\d+)\)", HEADER.read_text())}
    assert codes == set(_BY_NATIVE_CODE)
    for code in codes:
        error = from_native(code, "message")
        assert isinstance(error.code, PluginErrorCode) and error.code is not PluginErrorCode.Success
    assert from_native(-999, "unknown").code is PluginErrorCode.SystemError


def test_constants() -> None:
    text = HEADER.read_text()
    for name in (
        "CHECK_IMAGE",
        "IGNORE_UNCHANGED_CONTENT",
        "FORCE_POLLING",
        "ENABLE_ALLOW_MISSING",
        "ENABLE_PAUSED",
        "FOLDER_ALLOW_MISSING",
        "FOLDER_DELIVER_PRESENT",
        "FOLDER_PAUSED",
        "FOLDER_SHORT_IDS",
        "FOLDER_ALL_NAMES",
        "LOG_ERROR",
        "LOG_WARNING",
        "LOG_INFO",
        "LOG_DEBUG",
        "DISPATCH_MANUAL",
        "VERSION_MAJOR",
        "ERR_INVALID_ARGUMENT",
        "ERR_INVALID_HANDLE",
        "ERR_BUFFER_TOO_SMALL",
        "ERR_NOT_SUPPORTED",
        "NO_QUIET",
        "SAFE_IMAGE",
        "SAFE_STRICT_MODES",
        "SAFE_ACCEPT_ON_TIMEOUT",
        "SAFE_NO_IMAGE",
        "SAFE_NO_STRICT_MODES",
        "SAFE_REJECT_ON_TIMEOUT",
        "SAFE_RISING_VERSION",
        "SAFE_ANY_VERSION",
        "SAFE_LIST_NAMES",
        "SAFE_NO_LIST_NAMES",
        "SAFE_NO_UNIQUE",
        "SAFE_ALLOW_UNIQUE",
        "ACCEPT",
        "REJECT",
    ):
        found = re.search(rf"#define HRM_{name} \(?(-?\d+)u?\)?", text)
        assert found and int(found.group(1)) == getattr(_abi, name), name
    for name, value in (("SAFE_NONE", SAFE_NONE), ("KEEP_NONE", KEEP_NONE)):
        assert re.search(rf"#define HRM_{name} \({value}\)", text), name


def test_constants_of_hosts() -> None:
    text = PLUGINS.read_text()
    for name, value in vars(_abi_hosts).items():
        if re.match(r"(PLUGIN|STEP|HOOK|NO_LIMIT)", name) and isinstance(value, int):
            found = re.search(rf"#define HRM_{name} \(?(-?\d+)u?\)?", text)
            assert found and int(found.group(1)) == value, name


def test_every_kind_of_the_header_has_a_name() -> None:
    text = HEADER.read_text() + PLUGINS.read_text()
    for name in ("DONE 0", "FAILED 1", "NOT_NOW 2", "KEPT 3", "FORGET 12"):  # answers, and a step that cannot fail
        text = text.replace(f"HRM_STEP_{name}\n", "")
    kinds = {
        "VERDICT": Verdict,
        "STEP": Step,
        "EVENT": EventKind,
        "HEALTH": Health,
        "STATE": PluginState,
        "WATCHING": Watching,
        "DECISION": Decision,
    }
    for prefix, kind in kinds.items():
        found = {name: int(n) for name, n in re.findall(rf"#define HRM_{prefix}_(\w+) (\d+)", text)}
        assert {"NONE": 0, **found} == {"NONE": 0, **{member.name: member.value for member in kind}}
        newer = kind(999)  # of a newer library
        assert (newer.name, newer.value, newer) == ("UNKNOWN_999", 999, 999)
        with pytest.raises(ValueError, match="nonsense"):
            kind("nonsense")  # type: ignore[arg-type]


def test_versions_agree() -> None:
    from importlib.metadata import version

    found = re.search(r'#define HRM_VERSION_STRING "([^"]+)"', HEADER.read_text())
    assert found
    assert _library.load().hrm_version_string().decode() == version("qtforge-monitoring") == found.group(1)


def test_the_installed_package_is_what_is_tested() -> None:
    import qtforge

    assert "site-packages" in qtforge.__file__, "install the wheel; the source tree is not what users get"
    with pytest.raises(ImportError):
        __import__("qtforge.nothing")
