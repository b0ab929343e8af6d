# SPDX-License-Identifier: MIT
"""What is said of a host's plugins when they are opened, and what a host says of their versions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from ._arguments import StrPath, check_callable, int32
from .errors import InvalidArgumentError
from .events import OpenEnum
from .safe import Candidate, SafeOptions

Mode = Literal["side_by_side", "exit_first", "unload_first"]
"""In which order the old and the new version of a plugin end and begin."""
MODES: tuple[Mode, ...] = ("side_by_side", "exit_first", "unload_first")


class Verdict(OpenEnum):
    """What became of a version."""

    DONE = 1
    """The version answers now."""
    RESTARTED = 2
    """The same version answers again, initialised anew with new versions of what it needs."""
    FAILED = 3
    """The version is bad. These bytes are not tried again."""
    POSTPONED = 4
    """The version is tried again after ``PluginOutcome.retry`` seconds: uses did not end in time."""
    WAITING = 5
    """The version is not at fault. It waits for another plugin's version, or for Plugin.take_without_state()."""
    WITHDRAWN = 6
    """The version is not wanted any more: superseded, its file removed, its plugin closed."""
    STOPPED = 7
    """No version of the plugin answers. It is tried again."""
    RECOVERED = 8
    """A version that had stopped answers again."""
    REJECTED = 9
    """Validation rejected a version, which has no generation."""
    NOTED = 10
    """Nothing changed, but you should know: a version still in use, an exit that failed, a module that stays mapped."""


class Step(OpenEnum):
    """A step of an exchange."""

    NONE = 0
    """No step failed."""
    LOAD = 1
    """Import the modules of a version."""
    INIT = 2
    """Call its plugin_init()."""
    QUIESCE = 3
    """Wait until nobody uses the plugin, with new uses held."""
    SAVE = 4
    """Call its plugin_save_state()."""
    EXIT = 5
    """Call its plugin_exit()."""
    UNLOAD = 6
    """Remove its modules and files."""
    RESTORE = 7
    """Call its plugin_restore_state()."""
    PREPARE = 8
    """Not used by this host."""
    ACTIVATE = 9
    """Exchange the versions."""
    AWAIT_IDLE = 10
    """Wait for the last use of an old version."""


_HOOKS = {
    Step.INIT: "plugin_init",
    Step.SAVE: "plugin_save_state",
    Step.EXIT: "plugin_exit",
    Step.RESTORE: "plugin_restore_state",
}


@dataclass(frozen=True)
class PluginOutcome:
    """What became of a version. ``str(outcome)`` is one line for people, the same in every language."""

    plugin_id: str
    """The plugin."""
    ok: bool
    """Whether all is well: the verdict is DONE, RESTARTED, RECOVERED or NOTED."""
    generation: int
    """Of the version; 0 if it was rejected before it was loaded, or if the outcome is about none."""
    present: int
    """Of the version that answers now; 0 if none does."""
    message: str
    """Why it was not taken; with ok, what else was not as it should be."""
    error: BaseException | None = field(default=None, repr=False)  # the message has its text
    """What the version, or the one whose step failed, has raised, with its traceback."""
    waiting: bool = False
    """The verdict is WAITING. If plugin_save_state() of the present version raised, Plugin.take_without_state() takes
    the new one."""
    verdict: Verdict = Verdict.DONE
    """What became of it."""
    step: Step = Step.NONE
    """Which step failed."""
    at_plugin: str = ""
    """The plugin whose step failed: this one, or another one that is exchanged with it."""
    at_generation: int = 0
    """The version whose step failed: this one, the old one, or one of another plugin."""
    reason: str = ""
    """Why."""
    down: str = ""
    """Why no version answers, if one should."""
    notes: str = ""
    """What else was not as it should be, separated by "; "."""
    attempt: int = 0
    """Of POSTPONED: counted from 1."""
    retry: float = 0.0
    """Of POSTPONED: seconds until the next attempt."""
    line: str = field(default="", repr=False)
    """All of this for people, as ``str(outcome)``."""

    def __str__(self) -> str:
        return self.line


OK = frozenset({Verdict.DONE, Verdict.RESTARTED, Verdict.RECOVERED, Verdict.NOTED})


def message_of(
    verdict: Verdict, step: Step, generation: int, reason: str, down: str, notes: str, error: BaseException | None
) -> str:
    """PluginOutcome.message; generation is that of the version whose step failed."""
    hook = _HOOKS.get(step)
    if hook is not None and reason and verdict is not Verdict.NOTED:
        reason = f"{hook}() of generation {generation} {'raised ' if error is not None else ''}{reason}"
    elif step is not Step.NONE and reason and error is None and verdict is not Verdict.NOTED:
        reason = f"{step.name.lower()}: {reason}"
    return "; ".join(text for text in (reason, f"nothing answers: {down}" if down else "", notes) if text)


@dataclass(frozen=True)
class StepLimits:
    """How long the steps of a plugin may take, in seconds. None is the default, ``math.inf`` no limit.

    A step cannot be interrupted. After its limit nobody waits for it any longer, the exchange is undone without it, and
    nothing is done with its version until it returns. What it has done is then undone, too. A limit counts from when
    the step begins to run.
    """

    load: float | None = None
    """The import; 10 by default."""
    init: float | None = None
    """plugin_init(); 10 by default."""
    save: float | None = None
    """plugin_save_state(); 10 by default."""
    restore: float | None = None
    """plugin_restore_state(); 10 by default."""
    exit: float | None = None
    """plugin_exit(); 10 by default."""
    unload: float | None = None
    """The removal of modules and files; 10 by default."""
    hand_over: float | None = None
    """How long new uses are held until those that have begun end; 1 by default. It is never without limit."""
    in_use: float | None = None
    """When an outcome says that a replaced version is still in use; 10 by default."""

    def __post_init__(self) -> None:
        for each in fields(self):
            self.milliseconds(each.name)

    def milliseconds(self, name: str) -> int:
        """A limit as the library takes it."""
        value = getattr(self, name)
        if value is None:
            return 0
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise TypeError(f"StepLimits: {name}={value!r}: expected seconds or None, got {type(value).__name__}")
        if value == math.inf and name != "hand_over":
            return -1
        if not 0.001 <= value <= 2_000_000:
            raise InvalidArgumentError(f"StepLimits: {name}={value!r}: give 0.001 to 2000000 seconds")
        return int(value * 1000)


@dataclass(frozen=True)
class PluginSpec:
    """A plugin that is to be opened; the arguments of PluginHost.open()."""

    plugin_id: str
    """As for PluginHotReloadManager.enable_hot_reload()."""
    file_path: StrPath
    """The module's file, or the directory of a package."""
    safe: SafeOptions | None = None
    """Replaces those of the host's safe options that it names."""
    quiet_ms: int = 0
    """As for PluginHotReloadManager.enable_hot_reload()."""
    mode: Mode = "side_by_side"
    """With "side_by_side" the new version begins while the old one answers. "exit_first": the old plugin_exit() is
    called before the new one's plugin_init(), for what owns a port, a lock or a device. "unload_first": the old one is
    also removed before the new one is imported, for what registers itself when it is imported."""
    needs: Sequence[str] = ()
    """Ids of the plugins that it uses. They are exchanged before it, and it is exchanged or restarted with them."""
    allow_missing: bool = False
    """Open it although its file is missing; its first version is loaded when the file appears."""
    limits: StepLimits | None = None
    """How long its steps may take."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode={self.mode!r} is none of {', '.join(map(repr, MODES))}")
        if isinstance(self.needs, (str, bytes)):
            raise TypeError(f"needs={self.needs!r}: expected a list of ids, got {type(self.needs).__name__}")
        object.__setattr__(self, "needs", tuple(self.needs))
        if self.limits is not None and not isinstance(self.limits, StepLimits):
            raise TypeError(f"limits={self.limits!r}: expected StepLimits, got {type(self.limits).__name__}")
        int32("quiet_ms", self.quiet_ms)


@dataclass(frozen=True)
class PluginSet:
    """Plugins that are exchanged together, all or none: a plugin and its data, a set of plugins.

    With a check, new versions are exchanged as soon as it returns True. Until then they wait: silently for wait
    seconds, then an outcome says so. Without a check they are exchanged when each plugin has a new version, or wait
    seconds after the first.
    """

    set_id: str
    """The name of the set."""
    check: Callable[[dict[str, Candidate]], object] | None = None
    """Receives a version of each plugin by its id, the new one or the one that answers, and returns True if they fit.
    Everything else says no, a str why. It runs on a thread of the library, and must not open or close plugins."""
    wait: float = 30.0
    """Seconds, 0.001 to 2000000."""

    def __post_init__(self) -> None:
        check_callable("check", self.check, "give a plain function, which may block")
        if not isinstance(self.wait, (int, float)) or not 0.001 <= self.wait <= 2_000_000:
            raise InvalidArgumentError(f"PluginSet: wait={self.wait!r}: give 0.001 to 2000000 seconds")
