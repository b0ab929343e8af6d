# SPDX-License-Identifier: MIT
"""The package ``qtforge``, of which this distribution brings ``qtforge.monitoring``.

QtForge's own Python module has the same name. It may lie in the same directory as this package (an extension module
``qtforge.*.so``) or in another one of ``sys.path`` (a module or a package). It is imported together with this package,
and everything in it is reachable as usual: ``qtforge.PluginManager``, ``import qtforge.core``.

Where both define ``qtforge.monitoring``, the one of this distribution is ``qtforge.monitoring``. Names that it does not
have are looked up in QtForge's, so ``qtforge.monitoring.PluginMetricsCollector`` is found, too.

If QtForge's module cannot be imported, an :class:`ImportWarning` says why, and ``qtforge.monitoring`` works without it.
"""

import os
import sys
import warnings
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from importlib.util import module_from_spec, spec_from_file_location
from pkgutil import extend_path
from types import ModuleType

__path__ = extend_path(__path__, __name__)

from . import monitoring

__all__ = ["monitoring"]


def _find(directories: list[str], name: str) -> str | None:
    """The file of the first module or package of that name which is not part of this distribution."""
    for directory in directories:
        package = os.path.join(directory or os.curdir, name)
        candidates = [os.path.join(package, "__init__" + suffix) for suffix in EXTENSION_SUFFIXES + SOURCE_SUFFIXES]
        candidates += [package + suffix for suffix in EXTENSION_SUFFIXES + SOURCE_SUFFIXES]
        for file in candidates:
            if os.path.isfile(file) and not any(
                os.path.realpath(file) == os.path.realpath(ours or "") for ours in (__file__, monitoring.__file__)
            ):
                return file
    return None


def _load(name: str, file: str) -> ModuleType:
    """Runs a module without leaving it in ``sys.modules``, where a module of ours has its name."""
    directory, base = os.path.split(file)
    package = [directory] if base.startswith("__init__.") else None
    spec = spec_from_file_location(name, file, submodule_search_locations=package)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be imported as {name}", name=name, path=file)
    ours = sys.modules.get(name)
    try:
        module = module_from_spec(spec)  # an extension module may enter itself into sys.modules
        if ours is not None:
            sys.modules[name] = ours
        else:
            sys.modules[name] = module
        spec.loader.exec_module(module)
    finally:
        if ours is not None:
            sys.modules[name] = ours
    return module


def _join() -> None:
    """Makes the names of QtForge's module those of this package, and its ``monitoring`` a part of ours."""
    theirs: list[ModuleType] = []  # modules with further names for qtforge.monitoring

    def lookup(name: str) -> object:
        for module in theirs:
            if not name.startswith("__") and hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"module {monitoring.__name__!r} has no attribute {name!r}")

    monitoring.__getattr__ = lookup  # type: ignore[method-assign]
    ours = sys.modules[monitoring.__name__]
    file: str | None = None
    try:
        file = _find(list(__path__), "monitoring")
        if file is not None:
            theirs.append(_load(__name__ + ".monitoring_of_qtforge", file))
        file = _find(sys.path, __name__)
        if file is None:
            return
        if file.endswith(tuple(EXTENSION_SUFFIXES)):
            # It fills the modules of the names it has; the one that it would find is ours.
            del sys.modules[monitoring.__name__]
        module = _load(__name__, file)
    except Exception as error:
        warnings.warn(
            f"QtForge's module {file} cannot be imported ({type(error).__name__}: {error}); "
            "qtforge.monitoring works without it",
            ImportWarning,
            stacklevel=2,
        )
        return
    finally:
        sys.modules[monitoring.__name__] = ours
        globals()["monitoring"] = ours
    for name, value in vars(module).items():
        if name == "monitoring" and isinstance(value, ModuleType) and value is not ours:
            theirs.append(value)
        elif not name.startswith("__"):
            globals().setdefault(name, value)


_join()
