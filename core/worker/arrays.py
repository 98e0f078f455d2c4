"""Arrays cross the process boundary as `.npy` files; this is the one place that writes and reads them."""

from __future__ import annotations

import mmap
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import CoverMap, EngineError, Flags, InputError, OutputError, Painting, Pixels, TiePoints

IMAGES = ("reference", "moving", "bands", "land_use")
"""Fields of a task that hold images."""
COLUMNS = 7  # reference x, y; moving x, y; confidence; round trip; inlier (0 or 1)


class Exchange:
    """A folder of its own for one match; gone at the end of the `with` block.

    parent: existing folder to put it in; None = the system's folder for temporary files.
    Raises OutputError where the folder or a file in it cannot be written.
    """

    def __init__(self, parent: str | Path | None = None) -> None:
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="sarto-match-", dir=parent))
        except OSError as error:
            raise OutputError(
                f"No working folder can be made in '{parent or tempfile.gettempdir()}': {error.strerror}.",
                "Is there space on the disk, and may you write in the folder?",
            ) from error

    def __enter__(self) -> Exchange:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def result_prefix(self) -> str:
        """What the names of result files start with."""
        return str(self.folder / "result")

    @property
    def ties_path(self) -> str:
        """Where the worker puts the tie points."""
        return ties_path(self.result_prefix)

    @property
    def cover_path(self) -> str:
        """Where the worker puts the shares of a cover map."""
        return cover_path(self.result_prefix)

    @property
    def painted_path(self) -> str:
        """Where the worker puts the pixels of a painting."""
        return painted_path(self.result_prefix)

    def path_of(self, image: Pixels, name: str) -> str:
        """Path of a `.npy` file that holds the image; written only if there is none yet."""
        present = _file_behind(image)
        if present is not None:
            return present
        path = self.folder / f"{name}.npy"
        try:
            np.save(path, image, allow_pickle=False)
        except OSError as error:
            raise OutputError(
                f"'{path}' could not be written: {error.strerror or error}.", "Is there space on the disk?"
            ) from error
        return str(path)


def _file_behind(image: npt.NDArray[Any]) -> str | None:
    """The `.npy` file that a memory-mapped array is the whole of, if it is one."""
    # The base of a slice or a view is another array, not the map: its file holds something else.
    if (
        type(image) is not np.memmap
        or not isinstance(getattr(image, "base", None), mmap.mmap)
        or image.mode == "c"
    ):
        return None
    try:
        stored = np.load(str(image.filename), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None  # deleted meanwhile, or raw values without a header
    if (stored.shape, stored.dtype, stored.strides) != (image.shape, image.dtype, image.strides):
        return None
    if image.mode != "r":
        image.flush()
    return str(Path(str(image.filename)).resolve())


def read_image(path: str, name: str) -> Pixels:
    """The memory-mapped image that a field of a task names, uint8: (rows, columns), `bands` one axis more.

    Raises InputError where the file holds no such thing.
    """
    try:
        image: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"The image '{path}' cannot be read: {error}.") from error
    axes = 3 if name == "bands" else 2
    if getattr(image, "ndim", 0) != axes or image.dtype != np.uint8:  # an .npz gives no array at all
        wanted = "(bands, rows, columns)" if name == "bands" else "(rows, columns)"
        raise InputError(f"'{path}' does not hold an 8-bit image for '{name}'.", f"Expected uint8 {wanted}.")
    return image


def ties_path(prefix: str) -> str:
    """The file of tie points that belongs to a result prefix."""
    return f"{prefix}-ties.npy"


def write_ties(path: str, ties: TiePoints, inliers: Flags) -> None:
    """Store tie points (N) and inliers (N,) as float64 (N, 7)."""
    columns = (ties.reference, ties.moving, ties.confidence, ties.round_trip, inliers)
    np.save(path, np.column_stack([np.asarray(c, dtype=np.float64) for c in columns]), allow_pickle=False)


def read_ties(path: str) -> tuple[TiePoints, Flags]:
    """Tie points (N) and inliers (N,). Raises EngineError where the file does not hold them."""
    try:
        table = np.load(path, allow_pickle=False)
        if table.ndim != 2 or table.shape[1] != COLUMNS or table.dtype != np.float64:
            raise ValueError(f"shape {table.shape}, {table.dtype}")
        if not np.isfinite(table[:, :4]).all():
            raise ValueError("a position is not a number")
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise EngineError(f"The matching engine's tie points cannot be read: {error}.", "Run it again.") from error
    ties = TiePoints(table[:, 0:2].copy(), table[:, 2:4].copy(), table[:, 4].copy(), table[:, 5].copy())
    return ties, table[:, 6] > 0.5


def cover_path(prefix: str) -> str:
    """The file with the shares of a cover map that belongs to a result prefix."""
    return f"{prefix}-cover.npy"


def write_cover(path: str, cover: CoverMap) -> dict[str, Any]:
    """Store the shares of a cover map as float32 (C, rows, columns); returns the rest of it for a message."""
    np.save(path, np.asarray(cover.share, dtype=np.float32), allow_pickle=False)
    return {"share": path, "names": cover.names, "titles": cover.titles, "lattice": cover.lattice}


def read_cover(path: str, rest: Any) -> CoverMap:
    """A cover map from its file and the rest in a message. Raises EngineError where they do not make one."""
    try:
        share = np.load(path, allow_pickle=False)
        names, titles = (tuple(str(text) for text in rest[key]) for key in ("names", "titles"))
        lattice = np.array(rest["lattice"], dtype=np.float64)
        if share.dtype != np.float32 or share.ndim != 3 or share.size == 0:
            raise ValueError(f"shape {share.shape}, {share.dtype}")
        if not len(names) == len(titles) == len(share):
            raise ValueError(f"{len(names)} names and {len(titles)} titles for {len(share)} land covers")
        _check_lattice(lattice)
    except (OSError, ValueError, EOFError, AttributeError, TypeError, KeyError) as error:
        raise EngineError(f"The matching engine's land cover cannot be read: {error}.", "Run it again.") from error
    return CoverMap(names, titles, share, lattice)


def painted_path(prefix: str) -> str:
    """The file with the pixels of a painting that belongs to a result prefix."""
    return f"{prefix}-painted.npy"


def write_painted(path: str, painted: Painting) -> dict[str, Any]:
    """Store the pixels of a painting as uint8 (rows, columns); returns the rest of it for a message."""
    np.save(path, np.asarray(painted.values, dtype=np.uint8), allow_pickle=False)
    return {"values": path, "lattice": painted.lattice}


def read_painted(path: str, rest: Any) -> Painting:
    """A painting from its file and the rest in a message. Raises EngineError where they do not make one."""
    try:
        values = np.load(path, allow_pickle=False)
        lattice = np.array(rest["lattice"], dtype=np.float64)
        if values.dtype != np.uint8 or values.ndim != 2 or values.size == 0:
            raise ValueError(f"shape {values.shape}, {values.dtype}")
        _check_lattice(lattice)
    except (OSError, ValueError, EOFError, AttributeError, TypeError, KeyError) as error:
        raise EngineError(f"The matching engine's painting cannot be read: {error}.", "Run it again.") from error
    return Painting(values, lattice)


def _check_lattice(lattice: npt.NDArray[np.float64]) -> None:
    if lattice.shape != (2, 3) or not np.isfinite(lattice).all() or np.linalg.det(lattice[:, :2]) == 0:
        raise ValueError(f"lattice {lattice.tolist()}")
