"""Which land cover the network's text attention fell on, over the whole reference."""

from __future__ import annotations

import numpy as np

from ...contract import CoverMap, Floats, Reporter
from ..passes.pose import overview
from ..passes.views import TileView, encode_views
from ..prompts import load_library
from ..protocol import MatchTask
from .weights import TarModel

OVERVIEW = 384
"""Longer side of what the network is shown: more than for the pose, for the map is to be looked at."""
CELL = 16
"""Pixels of the overview per cell: text meets the 1/16 features."""


def cover_map(task: MatchTask, model: TarModel, pose: Floats, reporter: Reporter) -> CoverMap | None:
    """The attention of both images, laid on each other by the pose, averaged; None where no text is read.

    Cells without valid pixels of the reference are 0.
    """
    if model.text is None:
        return None
    lattice, size = overview(task, OVERVIEW)
    views = [TileView(lattice, pose)]
    _, encoded = next(encode_views(model, task.seen, task.moving, views, size, reporter))
    assert encoded.text is not None
    share = encoded.text.covers.float().mean(0)
    valid = encoded.valid[0, 0].cpu().numpy()
    rows, columns = share.shape[-2:]
    seen = valid.reshape(rows, CELL, columns, CELL).mean(axis=(1, 3)) > 0.5
    titles = {prompt.name: prompt.title for prompt in load_library().land_cover}
    to_cells = np.array([[CELL, 0.0, (CELL - 1) / 2], [0.0, CELL, (CELL - 1) / 2]])
    linear = lattice[:, :2] @ to_cells[:, :2]
    return CoverMap(
        model.cover_names,
        tuple(titles.get(name, name) for name in model.cover_names),
        np.asarray(share.cpu().numpy() * seen, dtype=np.float32),
        np.column_stack([linear, lattice[:, :2] @ to_cells[:, 2] + lattice[:, 2]]),
    )
