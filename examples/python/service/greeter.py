# SPDX-License-Identifier: MIT
"""The plugin of service.py. Change it while the service runs."""

VERSION = 1


def plugin_init() -> None:
    """Called before the version is used; whatever it raises refuses the version."""


def plugin_exit() -> None:
    """Called when the last request that uses this version has been answered."""


async def greet(name: str) -> str:
    return f"Hello {name}"
