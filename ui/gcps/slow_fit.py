"""Thin-plate splines take a second to prepare for many GCPs; that is done beside the interface."""

from __future__ import annotations

import numpy as np

from ...core.contract import GCP, RegisterResult
from ...core.contract.ties import Flags
from ...core.pipeline import Review

SLOW_MODEL, SLOW_FROM = "tps", 300


def is_slow(result: RegisterResult, model: str) -> bool:
    """Whether the first fit of a model would be felt."""
    return model == SLOW_MODEL and int((result.gcps.role == GCP).sum()) >= SLOW_FROM


def prepared(result: RegisterResult, model: str, enabled: Flags) -> Review:
    """A review in this state whose next edits are quick. Touches no other review, so any thread may do it."""
    review = Review(result)
    review.choose_model(model)
    review.prime()
    for state in (False, True):
        changed = np.flatnonzero((enabled != review.table.enabled) & (enabled == state))
        review.set_enabled(changed, state)
    return review
