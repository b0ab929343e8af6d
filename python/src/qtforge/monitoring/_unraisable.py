# SPDX-License-Identifier: MIT
"""Exceptions that nobody can catch."""

from __future__ import annotations


def unraisable(error: BaseException, callback: object) -> None:
    """Hands an exception that nobody can catch to sys.unraisablehook, as the interpreter does with its own."""

    class Reporter:
        def __del__(self) -> None:
            raise error

        def __repr__(self) -> str:
            return f"hot reload callback {callback!r}"

    Reporter()
