"""One self-contained HTML page that shows what a registration did and how far it can be relied on."""

from .page import write_report
from .text import Ruler

__all__ = ["Ruler", "write_report"]
