# SPDX-License-Identifier: MIT
"""The names of plugins' modules: what PluginHost has loaded can be imported from here, and so be pickled.

The module of a plugin with the id ``greeter`` and the file ``greet.py`` is ``qtforge.monitoring.plugins.greeter.greet``
in every version. The name stands for the present version; old versions that are in use go on beside it. What is
imported from the plugin's other files has its place in the same package: ``qtforge.monitoring.plugins.greeter.helper``.

An id that is no identifier is made one, with a hash of the id at its end. A second plugin of the process with the same
id, in another host, gets ``greeter_2``.

In processes that multiprocessing starts by "spawn" or "forkserver" while a plugin is open, its names stand for the
version that is present when they are first imported there, without plugin_init().
"""

from .. import _finding

__path__ = []  # nothing is found here but by the finder
__all__: list[str] = []

_finding.install()
