"""Errors that a user may see. Each says what is wrong, with which value, and what to do next."""

from __future__ import annotations


class SartoError(Exception):
    """Base of all errors that Sarto raises on purpose.

    Parameters
    ----------
    message: what is wrong; names the layer and the value.
    hint: the way out, one sentence.
    """

    code = "error"
    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class OptionError(SartoError):
    """An option has a value that Sarto does not know or cannot use."""

    code = "option"
    exit_code = 2


class InputError(SartoError):
    """A layer cannot be used as it is."""

    code = "input"
    exit_code = 3


class NoMatchError(SartoError):
    """The images were read, but no transform could be derived from them."""

    code = "no_match"
    exit_code = 4


class OutputError(SartoError):
    """A result could not be written."""

    code = "output"
    exit_code = 5


class EngineError(SartoError):
    """The matching engine (worker process, device, weights) failed."""

    code = "engine"
    exit_code = 6


class Cancelled(SartoError):
    """The user asked to stop. Nothing is left half-written."""

    code = "cancelled"
    exit_code = 130

    def __init__(self, message: str = "Cancelled.", hint: str = "") -> None:
        super().__init__(message, hint)


_BY_CODE: dict[str, type[SartoError]] = {
    kind.code: kind
    for kind in (SartoError, OptionError, InputError, NoMatchError, OutputError, EngineError, Cancelled)
}


def error_from_code(code: str, message: str, hint: str = "") -> SartoError:
    """Rebuild an error that crossed the process boundary; unknown codes become `EngineError`."""
    return _BY_CODE.get(code, EngineError)(message, hint)
