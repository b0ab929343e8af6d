# SPDX-License-Identifier: MIT
"""The version of the distribution: that of the C header, where alone it is written."""

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent


def source_root() -> Path:
    """The folder that holds go.mod: the checkout, or the copy inside an sdist."""
    for root in (HERE.parent, HERE / "_source"):
        if (root / "go.mod").is_file() and (root / "include" / "hot_reload_manager.h").is_file():
            return root
    raise FileNotFoundError(
        f"the sources of libhotreload are neither in {HERE.parent} nor in {HERE / '_source'}; "
        "build from a checkout or from the sdist"
    )


def header_version() -> str:
    header = source_root() / "include" / "hot_reload_manager.h"
    found = re.search(r'#define HRM_VERSION_STRING "([^"]+)"', header.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{header} does not define HRM_VERSION_STRING")
    return found.group(1)


__version__ = header_version()
