# SPDX-License-Identifier: MIT
"""Checks in Doxygen's XML that every public symbol of the C++ headers says what a reader needs.

Doxygen itself reports symbols, parameters and results without documentation. This adds: each class, enumeration,
function, type and constant of a namespace has \\since and \\sa, and classes and functions have \\threadsafety. What a
class says holds for its members. The C headers are checked by capi/mkman, without Doxygen.

    python3 docs/check/reference.py build/reference/xml
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

NAMESPACES = ("hotreload", "qtplugin")
FRIENDLY = {"since": r"\since", "see": r"\sa", "Thread safety": r"\threadsafety"}


def said(element: ElementTree.Element) -> set[str]:
    """Which of these an element's own documentation has."""
    found: set[str] = set()
    for section in element.findall("./detaileddescription//simplesect"):
        title = section.findtext("title") or ""
        found.add(title if section.get("kind") == "par" else section.get("kind", ""))
    return found


def missing(element: ElementTree.Element, wanted: tuple[str, ...]) -> str:
    return " and ".join(FRIENDLY[w] for w in wanted if w not in said(element))


def in_detail(name: str) -> bool:
    return "detail" in name.split("::")


def faults(directory: Path) -> Iterator[tuple[str, str]]:
    """(symbol, what it lacks)"""
    for path in sorted(directory.glob("*.xml")):
        compound = ElementTree.parse(path).getroot().find("compounddef")
        if compound is None:
            continue
        name = compound.findtext("compoundname", "")
        if name.split("::")[0] not in NAMESPACES or in_detail(name):
            continue
        kind = compound.get("kind")
        if kind in ("class", "struct") and compound.get("prot") == "public":
            yield name, missing(compound, ("Thread safety", "since", "see"))
        elif kind == "namespace":
            for member in compound.findall("./sectiondef/memberdef"):
                wanted: tuple[str, ...] = ("since", "see")
                if member.get("kind") == "function":
                    wanted = ("Thread safety", *wanted)
                yield f"{name}::{member.findtext('name', '')}", missing(member, wanted)


def main() -> int:
    directory = Path(sys.argv[1])
    symbols, bad = 0, 0
    for name, lacks in faults(directory):
        symbols += 1
        if lacks:
            bad += 1
            print(f"reference: {name} has no {lacks}", file=sys.stderr)
    if symbols == 0:
        print(f"reference: {directory} has no symbol of {NAMESPACES}; run make reference", file=sys.stderr)
        return 1
    print(f"{symbols} classes, functions and types of the C++ headers, {bad} without full documentation")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
