# SPDX-License-Identifier: MIT
"""The links of the documentation lead somewhere: to a file of the project, and to a heading of it."""

from __future__ import annotations

import re
from pathlib import Path

from snippets import ROOT


def dead_links(root: Path = ROOT) -> list[str]:
    """Every relative link of the Markdown documents that leads nowhere, as DOCUMENT: LINK."""
    documents = [root / "README.md", *root.glob("python/*.md"), *root.glob("docs/*.md")]
    return [
        f"{document.relative_to(root)}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)\s]+)\)", _prose(document))
        if "://" not in link and not _leads_somewhere(document, link)
    ]


def _prose(document: Path) -> str:
    return re.sub(r"^(`{3,}).*?^\1$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def _leads_somewhere(document: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = document.parent / name if name else document
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(document: Path) -> set[str]:
    """As GitHub makes them: lower case, without punctuation, numbered where a heading comes again."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", _prose(document), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number, anchor = 0, plain
        while anchor in anchors:
            number += 1
            anchor = f"{plain}-{number}"
        anchors.add(anchor)
    return anchors
