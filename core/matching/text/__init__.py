"""Words to features: text encoders, and the bank of features that a network is trained with.

Runs in the engine's Python. Only building a bank needs an encoder; inference reads the finished bank.
"""

from .bank import TextBank, build_bank, check_tied, load_bank, save_bank
from .protocol import TextEncoder

__all__ = ["TextBank", "TextEncoder", "build_bank", "check_tied", "load_bank", "save_bank"]
