# SPDX-License-Identifier: MIT
"""For PyInstaller, which finds this by the entry point ``pyinstaller40``: the library belongs into the program."""

from __future__ import annotations

import os


def hook_dirs() -> list[str]:
    """Where the hooks are."""
    return [os.path.dirname(__file__)]
