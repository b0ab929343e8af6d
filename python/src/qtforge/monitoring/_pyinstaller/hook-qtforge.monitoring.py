# SPDX-License-Identifier: MIT
"""PyInstaller runs this when a program imports the package."""

from PyInstaller.utils.hooks import collect_dynamic_libs  # pyright: ignore

binaries = collect_dynamic_libs("qtforge.monitoring")
