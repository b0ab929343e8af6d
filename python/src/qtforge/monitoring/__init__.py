"""Plugin hot reload: told exactly once per completed change of a plugin's file, never about a half-written one.

The native library is loaded when the first manager is made.
"""

from ._manager import Changes, PluginHotReloadManager, awatch, create_hot_reload_manager, watch
from ._waiting import Delivered
from .errors import (
    AlreadyExistsError,
    ClosedError,
    ForkedProcessError,
    HotReloadError,
    InvalidArgumentError,
    InvalidPathError,
    PluginErrorCode,
    PluginFileNotFoundError,
    PluginPermissionError,
    Result,
)
from .events import Event, EventKind, Health, Stats

__all__ = [
    "AlreadyExistsError",
    "Changes",
    "ClosedError",
    "Delivered",
    "Event",
    "EventKind",
    "ForkedProcessError",
    "Health",
    "HotReloadError",
    "InvalidArgumentError",
    "InvalidPathError",
    "PluginErrorCode",
    "PluginFileNotFoundError",
    "PluginHotReloadManager",
    "PluginPermissionError",
    "Result",
    "Stats",
    "awatch",
    "create_hot_reload_manager",
    "watch",
]
