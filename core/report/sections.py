"""The parts of the page that speak in words and numbers."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from ..contract import CHECK, GCP, Figures, GcpTable, LayerSource, RegisterResult, Verdict, to_dict
from .text import DASH, Ruler, definition_list, escape, number, percent, sensible

_VERDICTS = {
    Verdict.TRUSTED: ("trusted", "Trusted", '<path d="M13 23l6.5 6.5L32 16"/>'),
    Verdict.CARE: ("care", "Usable with care", '<path d="M22 12v13M22 32v.1"/>'),
    Verdict.NOT_TRUSTED: ("not-trusted", "Not trusted", '<path d="M15 15l14 14M29 15l-14 14"/>'),
}


def verdict(result: RegisterResult) -> str:
    """Badge with the reasons in plain words."""
    kind, title, sign = _VERDICTS[result.assessment.verdict]
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in result.assessment.reasons)
    return (
        f'<section class="verdict {kind}"><svg class="sign" viewBox="0 0 44 44" aria-hidden="true">'
        f'<circle cx="22" cy="22" r="22"/>{sign}</svg><strong>{title}</strong>'
        f"{f'<ul>{reasons}</ul>' if reasons else '<span></span>'}</section>"
    )


def key_figures(result: RegisterResult, ruler: Ruler) -> str:
    """The four figures to look at first."""
    figures = result.assessment.figures

    def length(pixels: float) -> str:
        if not np.isfinite(pixels):
            return f'{DASH}<span class="minor">not measured</span>'
        return f'{sensible(pixels)} px<span class="minor">{ruler.metres(pixels)}</span>'

    points = f'{figures.gcps}<span class="minor">and {figures.check_points} check points</span>'
    coverage = f'{percent(figures.coverage)}<span class="minor">of the overlap</span>'
    cards = [
        (
            "Accuracy at check points",
            length(figures.rmse_check),
            "Root mean square error at points that the fit never saw.",
        ),
        ("90 % are better than", length(figures.ce90), "Nine of ten check points deviate by less (CE90)."),
        ("GCPs", points, "Tie points that agree with one transform and were fitted."),
        ("Covered", coverage, "Share of the overlap near a GCP; elsewhere the transform is extrapolated."),
    ]
    inner = "".join(
        f'<div class="card"><div class="name">{name}</div><div class="value">{value}</div>'
        f'<div class="why">{why}</div></div>'
        for name, value, why in cards
    )
    return f'<section class="cards">{inner}</section>{_displacement(result.gcps, ruler)}'


def _displacement(gcps: GcpTable, ruler: Ruler) -> str:
    """One sentence: how far the moving layer was off."""
    shift = gcps.displacement[gcps.used(GCP)]
    if not len(shift) or not np.isfinite(shift).all() or not ruler.is_metric:
        return ""
    east, north = np.median(shift, axis=0) * ruler.metres_per_unit
    directions = (
        f"{sensible(abs(east))} m {'east' if east >= 0 else 'west'}",
        f"{sensible(abs(north))} m {'north' if north >= 0 else 'south'}",
    )
    typical = float(np.median(np.hypot(*shift.T))) * ruler.metres_per_unit
    return (
        f'<p class="moved">The moving layer lay <b>{sensible(typical)} m</b> off (median over the GCPs) '
        f"and was moved {directions[0]} and {directions[1]}.</p>"
    )


def all_figures(figures: Figures, ruler: Ruler) -> str:
    """Every measured figure with a line of explanation."""
    change = f"{sensible(figures.similarity_before)} → {sensible(figures.similarity_after)}"
    rows = [
        ("RMSE at check points", ruler.both(figures.rmse_check), "sqrt(mean(dx² + dy²)) of the check points"),
        ("CE90", ruler.both(figures.ce90), "90th percentile of the check points' residual lengths"),
        (
            "RMSE of the fit",
            ruler.both(figures.rmse_fit),
            "the same formula over the fitted GCPs; too kind for flexible models",
        ),
        ("Leave-one-out RMSE", ruler.both(figures.loo_rmse), "each GCP predicted from all the others"),
        ("Round trip", ruler.both(figures.round_trip), "median distance after matching there and back"),
        (
            "Tie points",
            f"{figures.tie_points} of {figures.tried} places",
            "found by matching, of the places tried",
        ),
        (
            "In agreement",
            percent(figures.inlier_share),
            "tie points found without the help of the others, of the places tried",
        ),
        ("Coverage", percent(figures.coverage), "share of the overlap that lies near such a tie point"),
        ("Structural similarity", change, "of the two images before and after, −1 to 1"),
        ("Evidence", percent(figures.evidence), "the method's probability that the pose is not chance"),
    ]
    inner = "".join(f'<tr><td>{n}</td><td class="n">{v}</td><td>{why}</td></tr>' for n, v, why in rows)
    return f'<table class="figures"><tbody>{inner}</tbody></table>'


def gcp_table(gcps: GcpTable, ruler: Ruler) -> str:
    """All GCPs and check points, scrollable."""
    if not len(gcps):
        return '<p class="empty">No tie points were found.</p>'
    grid = gcps.reference_grid
    degrees = bool(grid.crs) and not ruler.is_metric
    digits = 6 if degrees else int(np.clip(np.ceil(-np.log10(grid.gsd / 20)), 0, 4))
    referenced = gcps.moving_grid == grid
    heads = ["No.", "Use", "X", "Y", *(["dX", "dY"] if referenced else ["source x", "source y"])]
    heads += ["residual px", *(["residual m"] if ruler.is_metric else []), "confidence", "round trip px"]
    moved = gcps.displacement if referenced else gcps.moving_px
    columns = np.column_stack([gcps.map_xy, moved])
    rows = []
    for i in range(len(gcps)):
        role = "check" if gcps.role[i] == CHECK else "gcp"
        name = "check point" if role == "check" else "GCP"
        residual = float(gcps.residual_length_px[i])
        cells = [number(float(v), digits if referenced or k < 2 else 2) for k, v in enumerate(columns[i])]
        cells.append(number(residual, 2))
        if ruler.is_metric:
            cells.append(number(residual * ruler.metres_per_pixel, digits))
        cells += [number(float(gcps.confidence[i]), 2), number(float(gcps.round_trip[i]), 2)]
        state = "" if gcps.enabled[i] else ' class="off-row"'
        inner = "".join(f'<td class="n">{c}</td>' for c in cells)
        rows.append(f'<tr{state}><td class="n">{i + 1}</td><td><i class="dot {role}"></i>{name}</td>{inner}</tr>')
    head = "".join(f"<th{'' if h == 'Use' else ' class=n'}>{h}</th>" for h in heads)
    body = "".join(rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{table}</div>'


def transform(result: RegisterResult, ruler: Ruler) -> str:
    """The fitted transform with its parameters, and what they mean."""
    record = result.transform
    facts = [
        ("Model", f"<b>{escape(record.model)}</b>, reference pixel → moving pixel, pixel centres at integers")
    ]
    matrix = record.parameters.get("matrix")
    if matrix is not None:
        facts += _matrix_facts(np.asarray(matrix, dtype=np.float64), result, ruler)
    stored = json.dumps(to_dict(record.parameters), indent=1)
    return (
        definition_list(facts)
        + f"<details><summary>Parameters as stored</summary><pre>{escape(stored)}</pre></details>"
    )


def _matrix_facts(matrix: Any, result: RegisterResult, ruler: Ruler) -> list[tuple[str, str]]:
    """Shift at the centre, rotation, scales and shear of a 3 × 3 matrix."""
    grid = result.reference_grid
    centre = np.array([(grid.width - 1) / 2, (grid.height - 1) / 2, 1.0])
    image = matrix @ centre
    image = image / image[2]
    jacobian = (matrix[:2, :2] - np.outer(image[:2], matrix[2, :2])) / (matrix @ centre)[2]
    angle = np.degrees(np.arctan2(jacobian[1, 0], jacobian[0, 0]))
    scale_x = float(np.hypot(*jacobian[:, 0]))
    scale_y = float(np.linalg.det(jacobian)) / scale_x
    shear = np.degrees(np.arctan((jacobian[:, 0] @ jacobian[:, 1]) / np.linalg.det(jacobian)))
    rows = "".join("<tr>" + "".join(f"<td>{v:.8g}</td>" for v in row) + "</tr>" for row in matrix)
    facts = [("Matrix", f'<table class="matrix">{rows}</table>')]
    if result.moving_grid == grid:
        dx, dy = image[:2] - centre[:2]
        facts.append(
            ("Shift at the centre", f"{number(dx)} px in x, {number(dy)} px in y{_in_metres(dx, dy, ruler)}")
        )
    facts.append(("Rotation", f"{number(float(angle), 3)}°"))
    facts.append(("Scale", f"{scale_x:.5f} in x, {scale_y:.5f} in y"))
    facts.append(("Shear", f"{number(float(shear), 3)}°"))
    return facts


def _in_metres(dx: float, dy: float, ruler: Ruler) -> str:
    length = ruler.metres(float(np.hypot(dx, dy)))
    return f' <span class="minor">({length} in all)</span>' if length else ""


def run(result: RegisterResult, ruler: Ruler) -> str:
    """Layers, options, notes, files and versions."""
    job = result.job
    grid = result.reference_grid
    gsd = f", {ruler.metres(1.0)} per pixel" if ruler.is_metric else f", {grid.gsd:.6g} units per pixel"
    layers = definition_list(
        [
            ("Reference (fixed)", _layer(job.reference)),
            ("Moving (aligned)", _layer(job.moving)),
            *([] if job.land_use_layer is None else [("Land cover (read)", _layer(job.land_use_layer))]),
            ("Analysis grid", f"{grid.width} × {grid.height} pixels{gsd}"),
            ("CRS", escape(ruler.crs)),
            ("Time until this report", f"{sensible(result.seconds)} s"),
        ]
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
    files = definition_list([(kind, f"<code>{escape(path)}</code>") for kind, path in result.files.items()])
    versions = "".join(f"<li><b>{escape(k)}</b> {escape(v)}</li>" for k, v in result.versions.items())
    steps = escape(json.dumps(to_dict(result.steps), indent=1, ensure_ascii=False))
    return (
        f"<h3>Layers</h3>{layers}<h3>Options</h3>{_options(result)}"
        + (f"<h3>Decided on the way</h3><ul>{notes}</ul>" if notes else "")
        + (
            f"<details><summary>What matching did, step by step</summary><pre>{steps}</pre></details>"
            if result.steps
            else ""
        )
        + (f"<h3>Files</h3>{files}" if result.files else "")
        + (f'<h3>Versions</h3><ul class="chips">{versions}</ul>' if versions else "")
    )


def _layer(layer: LayerSource) -> str:
    return f"<b>{escape(layer.label)}</b>, bands {escape(layer.bands)}<br><code>{escape(layer.source)}</code>"


def _options(result: RegisterResult) -> str:
    """Every option with its value; those that differ from the default stand out."""
    job = result.job
    items: list[tuple[str, Any, Any]] = [
        ("analysis GSD", job.gsd, None),
        ("area", job.area or "whole overlap", "whole overlap"),
    ]
    for group in (job.radiometry, job.match, job.model, job.output):
        for field in dataclasses.fields(group):
            items.append((field.name.replace("_", " "), getattr(group, field.name), field.default))
    chips = "".join(_chip(name, value, value != default) for name, value, default in items if value != "")
    return f'<ul class="chips">{chips}</ul><p class="minor">Bold: changed from the default.</p>'


def _chip(name: str, value: Any, changed: bool) -> str:
    text = escape("auto" if value is None else str(value).lower() if isinstance(value, bool) else value)
    return f"<li>{escape(name)} {f'<b>{text}</b>' if changed else text}</li>"


DEFINITIONS = definition_list(
    [
        ("Residual", "Predicted minus observed position in the moving image, in pixels of the analysis grid."),
        (
            "RMSE",
            "sqrt(mean(dx² + dy²)) over the points: both directions together, divided by the number of points "
            "(some programs divide by the degrees of freedom).",
        ),
        ("CE90", "Circular error: nine of ten residuals are shorter (90th percentile, linear interpolation)."),
        (
            "Check points",
            "Tie points held back before the fit, spread evenly. They tell what the fit does at places it has "
            "not seen. They come from the same matching: an error common to all tie points stays hidden.",
        ),
        ("Leave-one-out", "Each GCP is predicted by the transform fitted to all other GCPs."),
        (
            "Evidence",
            "How strongly the images themselves support the pose, calibrated on pairs of different places. "
            "Points that fit each other well are no evidence by themselves.",
        ),
    ]
)
