# SPDX-License-Identifier: MIT
"""Plugin hot reload: one call per completed change of a plugin's file, never about a half-written file.

======================================  ==========================================================================
watch(), awatch()                       iterate over the changes of some files and folders
PluginHotReloadManager                  callbacks for plugins' files; the interface of QtForge's manager
PluginHost                              loads Python modules and exchanges them while they are in use
PluginOutcome, Verdict, Step            what became of a version, and why
PluginSpec, PluginSet, StepLimits       plugins that are opened together, exchanged together; limits of time
reload()                                importlib.reload() that always executes the file as it is now
SafeOptions                             safeguards: allow-list, signatures, symbols, companion files, retries
Event, EventKind, Health, Stats         what managers deliver and count
PluginStatus, PluginState, Watching,    what a plugin is doing and why
PastDecision, Decision
HotReloadError and the other errors     all with ``code``, ``message``, ``plugin_id``
======================================  ==========================================================================

The native library is loaded when the first manager is created. ``__version__`` is the version of both.
"""

# isort: off
from . import _abi as _abi  # first: it rejects interpreters without ctypes, before asyncio harms those of Python 3.12.1

# isort: on
import sys as _sys

from . import _joining as _joining
from ._changes import Changes
from ._manager import PluginHotReloadManager, create_hot_reload_manager
from ._reloading import reload
from ._waiting import Delivered
from ._watch import awatch, watch
from .errors import (
    AlreadyExistsError,
    ClosedError,
    Failure,
    ForkedProcessError,
    ForkedProcessWarning,
    HotReloadError,
    InvalidArgumentError,
    InvalidPathError,
    LoopClosedError,
    PluginErrorCode,
    PluginFileNotFoundError,
    PluginPermissionError,
    Result,
    Success,
)
from .events import (
    METRICS_CONTENT_TYPE,
    Change,
    Decision,
    Event,
    EventKind,
    Health,
    PastDecision,
    PluginState,
    PluginStatus,
    Stats,
    Watching,
)
from .outcomes import PluginOutcome, PluginSet, PluginSpec, Step, StepLimits, Verdict
from .plugin_host import Plugin, PluginHost, PluginLoadError, PluginUnavailableError
from .safe import KEEP_NONE, SAFE_NONE, Candidate, ReloadOutcome, SafeOptions

__version__: str

__all__ = [
    "KEEP_NONE",
    "METRICS_CONTENT_TYPE",
    "SAFE_NONE",
    "AlreadyExistsError",
    "Candidate",
    "Change",
    "Changes",
    "ClosedError",
    "Decision",
    "Delivered",
    "Event",
    "EventKind",
    "Failure",
    "ForkedProcessError",
    "ForkedProcessWarning",
    "Health",
    "HotReloadError",
    "InvalidArgumentError",
    "InvalidPathError",
    "LoopClosedError",
    "PastDecision",
    "Plugin",
    "PluginErrorCode",
    "PluginFileNotFoundError",
    "PluginHost",
    "PluginHotReloadManager",
    "PluginLoadError",
    "PluginOutcome",
    "PluginPermissionError",
    "PluginSet",
    "PluginSpec",
    "PluginState",
    "PluginStatus",
    "PluginUnavailableError",
    "ReloadOutcome",
    "Result",
    "SafeOptions",
    "Stats",
    "Step",
    "StepLimits",
    "Success",
    "Verdict",
    "Watching",
    "awatch",
    "create_hot_reload_manager",
    "reload",
    "watch",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


_joining.attach(_sys.modules[_joining.TOP])  # if that is QtForge's own package
