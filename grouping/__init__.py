"""Groups alerts into incidents as they stream in, and learns from responders."""

from grouping.config import Config
from grouping.emit import emit
from grouping.engine import Engine
from grouping.parse import Malformed, parse

__all__ = ["Config", "Engine", "Malformed", "emit", "parse"]
__version__ = "0.1.0"
