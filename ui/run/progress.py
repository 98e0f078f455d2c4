"""How far a run is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """A moment of a run.

    stage: what is being done, in plain words. overall: share of the whole run that is done, 0…1.
    seconds_left: estimate, NaN while there is none.
    """

    stage: str
    overall: float
    seconds_left: float
