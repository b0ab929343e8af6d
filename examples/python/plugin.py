# SPDX-License-Identifier: MIT
"""The plugin. Change the answer while the host runs."""


def answer() -> int:
    return 1
