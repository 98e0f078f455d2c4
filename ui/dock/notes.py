"""The lines below the controls where problems are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from .tones import ToneLabel


class HasNotes(Protocol):
    """A box with such lines (see `placement.place_of` for the places)."""

    def note_at(self, place: str) -> ToneLabel | None: ...
    def clear_problems(self) -> None: ...


class Notes:
    """The lines of all boxes. single: place → line, of boxes that have only one."""

    def __init__(self, boxes: Sequence[HasNotes], single: Mapping[str, ToneLabel]) -> None:
        self._boxes, self._single = boxes, dict(single)

    def at(self, place: str) -> ToneLabel | None:
        """The line for a place; None for "" and for what has no line."""
        if place in self._single or not place:
            return self._single.get(place)
        return next((note for box in self._boxes if (note := box.note_at(place)) is not None), None)

    def clear(self) -> None:
        """Empty all lines."""
        for box in self._boxes:
            box.clear_problems()
        for note in self._single.values():
            note.say("")
