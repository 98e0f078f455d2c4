"""The continuous ground of the sample scene: views of it and smooth random fields.

Ground positions are (x, y) in pixels of the optical image (10 m), centres at integers, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

LOW, HIGH = -110.0, 880.0  # the landscape exists between these ground coordinates, in x and in y
SUPERSAMPLING = 3  # sub-pixels a side: sensors integrate over their pixel


@dataclass(frozen=True)
class View:
    """A sensor's pixel grid on the ground.

    matrix: (2, 3) ground position → pixel of this view.
    """

    width: int
    height: int
    matrix: Points

    def to_sub(self, ground: npt.ArrayLike) -> Points:
        """Ground positions (N, 2) → sub-pixel positions (N, 2), centres at integers."""
        pixels = np.asarray(ground, dtype=np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]
        return np.asarray((pixels + 0.5) * SUPERSAMPLING - 0.5)

    def ground(self) -> tuple[Floats, Floats]:
        """Ground x and y of all sub-pixels, each (rows, columns)."""
        m = np.vstack([self.matrix, [0, 0, 1]])
        inverse = np.linalg.inv(m)[:2]
        qx = (np.arange(self.width * SUPERSAMPLING) + 0.5) / SUPERSAMPLING - 0.5
        qy = (np.arange(self.height * SUPERSAMPLING) + 0.5) / SUPERSAMPLING - 0.5
        x = inverse[0, 0] * qx[None, :] + inverse[0, 1] * qy[:, None] + inverse[0, 2]
        y = inverse[1, 0] * qx[None, :] + inverse[1, 1] * qy[:, None] + inverse[1, 2]
        return x.astype(np.float32), y.astype(np.float32)

    def integrate(self, values: Floats) -> Floats:
        """Sub-pixels → pixels by the mean."""
        size = (self.width, self.height)
        return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


class SmoothField:
    """A random function of the ground position with zero mean and unit deviation.

    wavelength: pixels, about the distance between hills. octaves: each halves wavelength and amplitude.
    """

    def __init__(self, seed: int, wavelength: float, octaves: int = 1) -> None:
        self._step = min(1.0, wavelength / 2 ** (octaves - 1) / 6)
        size = int((HIGH - LOW) / self._step) + 1
        total = np.zeros((size, size), dtype=np.float32)
        for octave in range(octaves):
            rng = np.random.default_rng([seed, octave])
            cells = int((HIGH - LOW) / wavelength * 2**octave * 2) + 4
            lattice = rng.standard_normal((cells, cells)).astype(np.float32)
            total += cv2.resize(lattice, (size, size), interpolation=cv2.INTER_CUBIC) / 2**octave
        self._values = (total - total.mean()) / total.std()

    def at(self, x: Floats, y: Floats) -> Floats:
        """Values at ground positions of any 2-D shape."""
        column = ((x - LOW) / self._step).astype(np.float32)
        row = ((y - LOW) / self._step).astype(np.float32)
        values = cv2.remap(self._values, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(values, dtype=np.float32)

    def at_points(self, points: Points) -> npt.NDArray[np.float64]:
        """Values (N,) at ground positions (N, 2)."""
        p = points.astype(np.float32)
        return self.at(p[:, :1], p[:, 1:])[:, 0].astype(np.float64)
