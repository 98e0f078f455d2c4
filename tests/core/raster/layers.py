"""Layers of both kinds for preparation, and how it is run."""

import numpy as np
from sarto.core.contract import (
    SILENT,
)
from sarto.core.raster import prepare


def layer(kit, path, grid, kind="optical", seed=0, wavelength=900.0, **more):
    """An optical layer (uint8 pattern) or a SAR one (speckled power that shows the same pattern)."""
    truth = kit.pattern(kit.centres(grid), wavelength)
    if kind == "optical":
        return kit.write(path, np.stack([truth.astype(np.uint8)] * 3), grid, **more)
    noise = np.random.default_rng(seed).gamma(4, 0.25, truth.shape)
    return kit.write(path, (10 ** (truth / 100 - 2) * noise).astype(np.float32), grid, **more)


def coloured(kit, path, grid, *bands, **more):
    return kit.write(path, np.stack(bands), grid, **more)


def run(kit, tmp_path, reference, moving, reporter=SILENT, **more):
    return prepare(kit.job(reference, moving, **more), reporter, tmp_path / "work")
