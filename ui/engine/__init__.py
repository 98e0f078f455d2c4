"""The engine's Python: where it is found, whether it works, and the dialog that sets it."""

from .dialog import EngineDialog
from .find import EngineChoice, find_engine, remember_engine

__all__ = ["EngineChoice", "EngineDialog", "find_engine", "remember_engine"]
