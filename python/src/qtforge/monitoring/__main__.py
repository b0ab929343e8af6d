# SPDX-License-Identifier: MIT
"""``python -m qtforge.monitoring``: see :mod:`qtforge.monitoring._cli`."""

import sys

from ._cli import main

sys.exit(main())
