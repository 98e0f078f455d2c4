"""Which files on the disk lie behind a raster source, so that no result is ever written over one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from osgeo import gdal

from .gdal_tools import attempt
from .opening import is_web_source, split_source

_WEB = re.compile(r"/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs)|^https?://|^ftp://", re.IGNORECASE)
_ARCHIVE = re.compile(r"^/vsi(zip|tar|gzip|7z|rar|subfile|crypt|sparse|cached)[^/]*/", re.IGNORECASE)
_NESTED = 8  # VRTs of VRTs; more can only be a circle


def input_files(source: str) -> set[Path]:
    """All real files, resolved, that a GDAL or QGIS source string reads; empty where there are none.

    Sees through `path|option:…` and `|layername=…`, prefixes as in `GPKG:file:table`, archives (the archive's
    own file counts), VRTs of VRTs, and what belongs to a raster (overviews, world files, .aux.xml).
    Opens files for reading, but nothing on the web. Never raises for odd sources.
    """
    found: set[Path] = set()
    _collect(source, found, set(), _NESTED)
    return found


def _collect(source: str, found: set[Path], seen: set[str], depth: int) -> None:
    if source in seen or depth < 0:
        return
    seen.add(source)
    name, options = split_source(source)
    for text in (source, name, source.split("|", 1)[0]):
        found.update(_files_in(text))
    if is_web_source(source) or _WEB.search(source):
        return
    for inner in _file_list(name, options):
        found.update(_files_in(inner))
        if inner.lower().endswith(".vrt"):
            _collect(inner, found, seen, depth - 1)


def _file_list(name: str, options: list[str]) -> list[str]:
    """What GDAL says that a raster consists of."""

    def listed() -> Any:
        dataset = gdal.OpenEx(name, gdal.OF_RASTER | gdal.OF_READONLY, open_options=options)
        return None if dataset is None else dataset.GetFileList()

    try:
        return [str(inner) for inner in attempt(listed) or []]  # type: ignore[attr-defined]
    except (ValueError, TypeError, OSError, SystemError):  # a NUL in the text, for example
        return []


def _files_in(text: str) -> set[Path]:
    """Files that a GDAL name itself names: whole, within an archive's path, or between colons and quotes."""
    if _WEB.search(text):
        return set()
    parts = re.split(r":(?![\\/])", text)  # not the colon of C:\ and C:/
    quoted = re.findall(r'"([^"]+)"', text)
    # A file's own name may hold colons: every run of parts is tried.
    runs = [":".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)][:64]
    candidates = [_file_of(candidate) for candidate in (text, *quoted, *runs)]
    return {path for path in candidates if path is not None}


def _file_of(text: str) -> Path | None:
    """A path, an archive's inner path or a file:// address → the file on the disk, None if there is none."""
    text = text.strip().strip('"')
    text = re.sub(r"^file://(/(?=[A-Za-z]:))?", "", text)
    in_archive = False
    while _ARCHIVE.match(text):
        text, in_archive = _ARCHIVE.sub("", text), True
        text = text.strip("{") if text.startswith("{") else text
        text = text.rsplit(",", 1)[-1] if not _is_file(Path(text)) and "," in text else text  # /vsisubfile/0_9,a
    places = [Path(text.replace("}", "")), *Path(text.replace("}", "")).parents] if in_archive else [Path(text)]
    for place in places if text else []:
        if _is_file(place):
            return place.resolve()
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
