# SPDX-License-Identifier: MIT
"""Has ``qtforge.monitoring`` of this distribution found, wherever QtForge's own module ``qtforge`` stands in sys.path.

The interpreter imports this module when it starts (``qtforge_monitoring.pth``). Import it yourself, before or after
``qtforge``, where the interpreter reads no ``.pth`` files: with ``python -S``, from a directory of PYTHONPATH or a zip.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing is slow to import, and every interpreter runs this
    from importlib.machinery import ModuleSpec

__all__ = ["install"]

_HERE = __file__.rpartition("/")[0] if "/" in __file__ else __file__.rpartition("\\")[0]


class Finder:
    """First in sys.meta_path: finds this distribution's packages ``qtforge`` and ``qtforge.monitoring``."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname != "qtforge" and fullname != "qtforge.monitoring":
            return None
        from importlib.machinery import PathFinder

        for entry in (*sys.path, _HERE):  # a checkout in sys.path comes before the installed package
            top = PathFinder.find_spec("qtforge", [entry])
            if top is None or top.loader is None or top.submodule_search_locations is None:
                continue
            inner = PathFinder.find_spec("qtforge.monitoring", list(top.submodule_search_locations))
            if inner is None or inner.submodule_search_locations is None:
                continue
            if PathFinder.find_spec("qtforge.monitoring._joining", list(inner.submodule_search_locations)) is not None:
                return top if fullname == "qtforge" else inner
        return None


def install() -> None:
    """Called by the import of this module. Joins ours also to a ``qtforge`` that was imported already."""
    if Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)
    package = sys.modules.get("qtforge")
    present = sys.modules.get("qtforge.monitoring")
    if package is None or hasattr(present, "PluginHost"):  # ours
        return
    sys.modules.pop("qtforge.monitoring", None)
    if not hasattr(package, "__path__"):
        package.__path__ = []  # an import of a submodule asks for it
    import importlib

    importlib.import_module("qtforge.monitoring._joining").attach(package, present)


install()
