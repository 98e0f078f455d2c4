"""What a layer's metadata says about its run."""

from __future__ import annotations

import math
from pathlib import Path

from qgis.core import QgsAbstractMetadataBase, QgsCoordinateReferenceSystem, QgsLayerMetadata
from qgis.PyQt.QtCore import QUrl

from ...core.contract import Figures, RegisterResult


def layer_metadata(
    result: RegisterResult, title: str, crs: QgsCoordinateReferenceSystem, what: str
) -> QgsLayerMetadata:
    """Metadata of one layer of a run. what: a sentence that says what the layer shows."""
    metadata = QgsLayerMetadata()
    metadata.setType("dataset")
    metadata.setTitle(title)
    metadata.setAbstract("\n".join([what, *verdict_lines(result), *figure_lines(result.assessment.figures)]))
    metadata.setHistory(list(result.notes))
    metadata.setCrs(crs)
    metadata.setLinks(
        [_link(name, result.files[kind], mime) for kind, name, mime in _LINKS if kind in result.files]
    )
    return metadata


_LINKS = (("report", "Report", "text/html"), ("record", "Record of the run", "application/json"))


def _link(name: str, path: str, mime: str) -> QgsAbstractMetadataBase.Link:
    link = QgsAbstractMetadataBase.Link(name, "WWW:LINK", QUrl.fromLocalFile(path).toString())
    link.mimeType = mime
    link.description = Path(path).name
    return link


def verdict_lines(result: RegisterResult) -> list[str]:
    """The verdict and its reasons."""
    assessment = result.assessment
    return [f"Verdict: {assessment.verdict.value}.", *assessment.reasons]


def figure_lines(figures: Figures) -> list[str]:
    """The figures that were measured, one line each; pixels are those of the analysis."""
    lengths = (
        ("Root mean square residual of the GCPs", figures.rmse_fit),
        ("Root mean square residual of the check points", figures.rmse_check),
        ("90 % of the check points are within", figures.ce90),
    )
    lines = [f"{figures.gcps} GCPs, {figures.check_points} check points."]
    lines += [f"{name}: {value:.2f} px." for name, value in lengths if math.isfinite(value)]
    if math.isfinite(figures.coverage):
        lines.append(f"Share of the overlap near a GCP: {100 * figures.coverage:.0f} %.")
    return lines
