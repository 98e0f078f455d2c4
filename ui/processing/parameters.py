"""Processing parameters made from the contract's dataclasses, so that defaults and help exist once."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

from qgis.core import (
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from ...core.contract import SartoError
from ...core.pipeline import METHODS, known_classes, known_scenes, methods_with
from ..words import HELPS, choice_of, label_of

_LABELS = {"range": "How far off: georef, wild, or a number of pixels"}
"""Where a field is typed instead of chosen, its label says what can be typed."""


_WORDS = {"scene": known_scenes, "land_use": known_classes}
"""Fields that name some of a list of words → the words."""


def _words(name: str) -> list[str]:
    """What a field can name; none where the library cannot be read, which the run says where it matters."""
    try:
        return list(_WORDS[name]()) if name in _WORDS else []
    except SartoError:
        return []


def parameters_of(
    kind: type[Any], skip: tuple[str, ...] = (), plain: tuple[str, ...] = ()
) -> list[QgsProcessingParameterDefinition]:
    """One parameter for each field with a help text; its name is the field's in capitals.

    plain: fields that are always seen; the others are advanced.
    """
    hints = get_type_hints(kind)
    made = []
    for field in dataclasses.fields(kind):
        if "help" not in field.metadata or field.name in skip:
            continue
        parameter = _parameter(field, hints[field.name])
        parameter.setHelp(_help(field))
        if field.name not in plain:
            advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
            parameter.setFlags(parameter.flags() | advanced)
        made.append(parameter)
    return made


def _help(field: dataclasses.Field[Any]) -> str:
    """The help text, and what the values mean that are chosen by their own names."""
    values = METHODS if field.name == "method" else field.metadata["choices"]
    meanings = [f"{value} = {choice_of(field.name, value)}" for value in values]
    text: str = HELPS.get(field.name) or field.metadata["help"]
    text += f" {'; '.join(meanings)}." if meanings else ""
    return text + only_with(field)


def only_with(field: dataclasses.Field[Any]) -> str:
    """A sentence about the methods that alone heed a field, with a space before; "" where all do."""
    heeding = methods_with(field.metadata["only_for"]) if field.metadata["only_for"] else ()
    return f" Only with the method {' or '.join(heeding)}." if heeding else ""


def _parameter(field: dataclasses.Field[Any], hint: Any) -> QgsProcessingParameterDefinition:
    name, label = field.name.upper(), _LABELS.get(field.name) or label_of(field.name)
    choices = tuple(METHODS) if field.name == "method" else field.metadata["choices"]
    if choices:
        # The values themselves, not their numbers: a stored model keeps its meaning when a choice is added.
        return QgsProcessingParameterEnum(name, label, list(choices), False, field.default, False, True)
    words = _words(field.name)
    if words:
        return QgsProcessingParameterEnum(name, label, words, True, None, True, True)
    kinds = get_args(hint) or (hint,)
    if bool in kinds:
        return QgsProcessingParameterBoolean(name, label, field.default)
    if field.name == "weights":
        kind = QgsProcessingParameterFile.Behavior.File
        return QgsProcessingParameterFile(name, label, kind, "safetensors", None, True)
    if str in kinds:
        return QgsProcessingParameterString(name, label, field.default, False, field.default == "")
    number = QgsProcessingParameterNumber.Type
    parameter = QgsProcessingParameterNumber(
        name, label, number.Integer if int in kinds else number.Double, field.default, type(None) in kinds
    )
    for limit, put in (("minimum", parameter.setMinimum), ("maximum", parameter.setMaximum)):
        if field.metadata[limit] is not None:
            put(float(field.metadata[limit]))
    return parameter
