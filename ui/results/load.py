"""A run's results as one group in the layer tree."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from qgis.core import QgsCoordinateReferenceSystem, QgsLayerTreeGroup, QgsProject

from ...core.contract import RegisterResult
from ...core.pipeline import is_edited
from ..steps import Steps, at_once
from .find import same_source
from .layers import make_layers, open_aligned


@dataclass(frozen=True)
class ResultGroup:
    """What was added to the project. `links` is None where the SAR layer had no place on the map before,
    `land_cover` and `painted` where none was written."""

    name: str
    group: Any
    gcps: Any
    residuals: Any
    links: Any | None
    land_cover: Any | None
    aligned: Any
    painted: Any | None

    @property
    def layers(self) -> tuple[Any, ...]:
        """The map layers, top to bottom."""
        layers = (self.gcps, self.residuals, self.links, self.land_cover, self.aligned, self.painted)
        return tuple(layer for layer in layers if layer is not None)


def load_results(
    result: RegisterResult,
    limits: list[tuple[float, float]],
    project: QgsProject | None = None,
    reference_layer_id: str = "",
) -> ResultGroup:
    """`loading` at once, of a raster that is opened here. limits: black and white per band."""
    return at_once(loading(result, open_aligned(result, limits, project), project, reference_layer_id))


def loading(
    result: RegisterResult,
    aligned: Any,
    project: QgsProject | None = None,
    reference_layer_id: str = "",
) -> Steps[ResultGroup]:
    """Add one group with GCPs, residual arrows, links, land cover, the aligned raster and the synthetic picture.

    Links, land cover and the synthetic picture are switched off.

    Each step takes some milliseconds; the group appears in the last ones.

    aligned: from `open_aligned`. project: the open one by default.
    reference_layer_id: the group comes above this layer and above the SAR layer as it lay; on top where this
    layer is not in the tree (any more).
    Raises InputError where a file is missing or cannot be read; nothing is added then.
    """
    project = project if project is not None else QgsProject.instance()
    reference = project.mapLayer(reference_layer_id) if reference_layer_id else None
    fallback = reference.crs() if reference is not None else QgsCoordinateReferenceSystem()
    layers = yield from make_layers(result, aligned, project, fallback)
    name = _unused_name(project, group_name(result))
    group = _insert_group(project, name, reference_layer_id, result.job.moving.source)
    for layer in layers.all:
        yield
        project.addMapLayer(layer, False)
        node = group.addLayer(layer)
        node.setExpanded(layer is layers.gcps)
        # Once the layer is aligned, where it was is asked for rarely, and hides what there is to judge.
        node.setItemVisibilityChecked(layer not in (layers.links, layers.land_cover, layers.painted))
    return ResultGroup(name, group, *(getattr(layers, field.name) for field in fields(layers)))


def group_name(result: RegisterResult) -> str:
    """What a run is called: layers, whether it was edited, verdict."""
    edited = ", edited" if is_edited(result) else ""
    return f"{result.job.moving.label} → {result.job.reference.label}{edited}: {result.assessment.verdict.value}"


def _unused_name(project: QgsProject, name: str) -> str:
    taken = {group.name() for group in project.layerTreeRoot().findGroups(True)}
    candidates = (name if number == 1 else f"{name} ({number})" for number in range(1, len(taken) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def _insert_group(
    project: QgsProject, name: str, reference_layer_id: str, moving_source: str
) -> QgsLayerTreeGroup:
    """Right above the reference, or above the SAR layer as it lay, which would hide the result."""
    root = project.layerTreeRoot()
    node = root.findLayer(reference_layer_id) if reference_layer_id else None
    parent = node.parent() if node is not None else None
    if parent is None:
        return root.insertGroup(0, name)
    siblings = parent.children()
    hides = [
        n for n in parent.findLayers() if n.layer() is not None and same_source(n.layer().source(), moving_source)
    ]
    tops = [_position_of(n, parent, siblings) for n in (node, *hides)]
    return parent.insertGroup(min(tops), name)


def _position_of(node: Any, parent: Any, siblings: list[Any]) -> int:
    """The position within `parent` of a node or of the group that holds it."""
    while node.parent() is not parent and node.parent() != parent:
        node = node.parent()
    return siblings.index(node)
