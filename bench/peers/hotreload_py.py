# SPDX-License-Identifier: MIT
"""libhotreload's Python package; HRM_QUIET_MS as in hotreload.c."""

import os

import qtforge
import subject

m = qtforge.monitoring.PluginHotReloadManager(quiet_ms=int(os.environ.get("HRM_QUIET_MS", "0")))
m.set_reload_callback(subject.told)


def enable():
    for n, path in enumerate(subject.paths):
        result = m.enable_hot_reload(subject.id_of(n), path)
        if not result:
            raise SystemExit(result.error.message)


def disable():
    for n in range(len(subject.paths)):
        m.disable_hot_reload(subject.id_of(n))


subject.obey(
    enable=enable,
    disable=disable,
    list=lambda: len(m.get_hot_reload_plugins()),
    clear=m.clear,
)
