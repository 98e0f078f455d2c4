"""Dataclass ↔ JSON-ready dict, for everything in the contract."""

from __future__ import annotations

import dataclasses
import math
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from .errors import InputError
from .options import is_of_kind, kind_in_words

T = TypeVar("T")


def to_dict(value: Any) -> Any:
    """Make a value JSON-ready. NaN and infinity become None: JSON has no word for them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ndarray):
        return to_dict(value.tolist())
    if isinstance(value, np.generic):
        return to_dict(value.item())
    if isinstance(value, dict):
        return {str(k): to_dict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_dict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_dict(kind: type[T], data: Any) -> T:
    """Rebuild a dataclass from `to_dict`'s output. Unknown keys are refused by name.

    Raises InputError naming the field where the data do not fit.
    """
    if not isinstance(data, dict):
        raise InputError(f"Expected the fields of {kind.__name__}, found {type(data).__name__}.")
    hints = get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - names)
    if unknown:
        raise InputError(f"{kind.__name__} has no field '{unknown[0]}'.", "Was the file edited by hand?")
    values = {}
    for name, value in data.items():
        try:
            values[name] = _decode(hints[name], value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"The fields of {kind.__name__} do not fit: '{name}': {error}.") from error
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise InputError(f"The fields of {kind.__name__} do not fit: {error}.") from error


def _decode(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if origin is Union:
        if value is None:
            return None
        return _decode(next(a for a in get_args(hint) if a is not type(None)), value)
    if origin is np.ndarray:
        scalar = get_args(get_args(hint)[1])[0]
        return _decode_array(scalar, value)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{value!r} is no list")
        args = get_args(hint)
        inner = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else list(args)
        return tuple(_decode(a, v) for a, v in zip(inner, value))
    if origin is dict:
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is no table of names and values")
        return dict(value)
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint is float and value is None:
        return math.nan
    if hint in (bool, int, float, str):
        if not is_of_kind(hint, value):
            raise TypeError(f"{value!r} is not {kind_in_words(hint)}")
        return float(value) if hint is float else value
    return value


def _decode_array(scalar: Any, value: Any) -> np.ndarray[Any, Any]:
    if scalar is np.float64:
        array = np.array(value, dtype=object)
        return np.where(array == None, np.nan, array).astype(np.float64)  # noqa: E711 - elementwise
    return np.array(value, dtype=scalar)
