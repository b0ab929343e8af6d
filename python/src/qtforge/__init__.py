# SPDX-License-Identifier: MIT
"""The package ``qtforge``, of which this distribution brings ``qtforge.monitoring``.

QtForge's own Python module has the same name. It may lie beside this package (an extension module ``qtforge.*.so``), in
another directory or archive of ``sys.path``, or where a finder of an editable installation finds it. It is imported
together with this package, and everything in it is reachable: ``qtforge.PluginManager``, ``import qtforge.core``.

Where both define ``qtforge.monitoring``, the one of this distribution is ``qtforge.monitoring``. Names and modules that
it does not have are looked up in QtForge's, so ``qtforge.monitoring.PluginMetricsCollector`` is found, too.

If QtForge's module cannot be imported, an :class:`ImportWarning` says why, and ``qtforge.monitoring`` works without it.

The module ``qtforge_monitoring`` has this package found also where QtForge comes first in ``sys.path``.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)

from . import monitoring
from .monitoring import _joining

__all__ = ["monitoring"]

_joining.join(globals())
