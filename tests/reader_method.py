"""A stand-in for a method that reads text and land use, and paints; as a script it is a worker that knows it."""

from __future__ import annotations

import sys
import types

import numpy as np
from sarto.core.contract import SILENT, CoverMap, MatchResult, Painting, Pixels, Reporter, TiePoints
from sarto.core.matching import METHODS, TRAITS, MatchTask, Traits
from sarto.core.matching.land_use import count_classes, parse_classes
from sarto.core.matching.prompts import load_library, parse_scenes

CELL = 16
SHIFT = np.array([5.0, 3.0])


class Reader:
    """Moves everything by SHIFT; sees trees on the left, water in the middle, nothing special on the right."""

    def match(self, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult:
        reporter.progress("Matching tie points", 0.5)
        rows, columns = task.reference.shape
        x, y = np.meshgrid(np.linspace(20, columns - 21, 9), np.linspace(20, rows - 21, 9))
        points = np.stack([x.ravel(), y.ravel()], axis=1)
        ties = TiePoints(points, points + SHIFT, np.full(81, 0.9), np.zeros(81))
        pose = np.column_stack([np.eye(2), SHIFT])
        steps = {"scenes": list(parse_scenes(task.options.scene, load_library())), "asked": task.land_cover}
        steps["named"] = list(parse_classes(task.options.land_use))
        steps["land_use"] = None if task.land_use is None else told(task.land_use)
        cover = cover_of(rows, columns) if task.land_cover else None
        painted = painting_of(task.moving) if task.painting else None
        steps |= {"painting": task.painting} | ({"painted by": "a brush"} if task.painting else {})
        return MatchResult(ties, np.ones(81, bool), pose, 0.95, 90, steps=steps, cover=cover, painted=painted)


def painting_of(moving: Pixels) -> Painting:
    """The negative, of every second pixel."""
    coarse = np.asarray(moving)[::2, ::2]
    values = np.where(coarse > 0, 256 - np.maximum(coarse, 1).astype(int), 0).astype(np.uint8)
    return Painting(values, np.array([[2.0, 0, 0], [0, 2.0, 0]]))


def told(land_use: Pixels) -> dict[str, object]:
    """What a class raster is like: its size, the shares of the whole, and the classes along its middle row."""
    middle = land_use[len(land_use) // 2, :: land_use.shape[1] // 8]
    return {"shape": land_use.shape, "shares": count_classes(land_use), "middle": middle}


def cover_of(rows: int, columns: int) -> CoverMap:
    """Cells of 16 pixels; no attention was paid to the first row of them."""
    covers = load_library().land_cover
    names, titles = tuple(c.name for c in covers), tuple(c.title for c in covers)
    height, width = -(-rows // CELL), -(-columns // CELL)
    share = np.full((len(names), height, width), 1 / len(names), np.float32)
    for name, part in (("tree-cover", slice(0, width // 3)), ("water", slice(width // 3, 2 * width // 3))):
        share[:, :, part] = 0.3 / (len(names) - 1)
        share[names.index(name), :, part] = 0.7
    share[:, 0] = np.nan
    middle = (CELL - 1) / 2
    return CoverMap(names, titles, share, np.array([[CELL, 0, middle], [0, CELL, middle]], dtype=np.float64))


def register() -> None:
    """Let the registry of this process know it as 'reader'."""
    module = types.ModuleType("sarto.core.matching.reader")
    module.Reader = Reader
    sys.modules[module.__name__] = module
    METHODS["reader"] = "reader:Reader"
    TRAITS["reader"] = Traits(
        "Reader (for tests)", "Choose it in tests.", reads_text=True, reads_land_use=True, paints=True
    )


def main() -> None:
    from sarto.core.worker import server

    register()
    server.main()


if __name__ == "__main__":
    main()
