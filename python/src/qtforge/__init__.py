"""The namespace of QtForge's Python modules; ``qtforge.monitoring`` is the one that this distribution brings."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)

from . import monitoring

__all__ = ["monitoring"]
