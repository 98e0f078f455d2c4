"""Drawings: residual vectors over the reference, and the histogram of residuals."""

from __future__ import annotations

import math

import numpy as np

from ..contract import CHECK, GCP, Floats, GcpTable
from .text import Ruler, number, sensible

# Okabe & Ito's palette, told apart by all common kinds of colour vision, with the upper bounds in pixels
SIZES = ((1.0, "#56b4e9", "up to 1 px"), (2.0, "#f0e442", "1 to 2 px"), (3.0, "#e69f00", "2 to 3 px"))
LARGEST = ("#d55e00", "more than 3 px")
_SHOWN = 2000


def residual_map(gcps: GcpTable, ruler: Ruler) -> str:
    """SVG of residual vectors, exaggerated, over the darkened reference image; with legend."""
    grid = gcps.reference_grid
    longer = max(grid.width, grid.height)
    length = gcps.residual_length_px[gcps.enabled]
    length = length[np.isfinite(length)]
    typical = float(np.percentile(length, 90)) if len(length) else 1.0
    factor = _round_number(0.05 * longer / max(typical, 0.05))
    # drawn in units of a thousandth of the longer side, so that strokes look alike for every grid
    unit = 1000 / longer
    rows = np.unique(np.linspace(0, len(gcps) - 1, min(len(gcps), _SHOWN)).round().astype(int))
    marks = "".join(_mark(gcps, row, unit, factor) for row in rows)
    width, height = grid.width * unit, grid.height * unit
    return (
        f'<svg class="picture" viewBox="0 0 {width:.1f} {height:.1f}" role="img" '
        f'aria-label="Residual vectors of GCPs and check points">'
        f'<g transform="scale({unit:.6g})"><use href="#reference"/></g>'
        f'<rect width="{width:.1f}" height="{height:.1f}" fill="#101418" opacity="0.5"/>{marks}</svg>'
        + _map_legend(factor, unit, ruler)
        + (f'<p class="legend">{len(rows)} of {len(gcps)} points are drawn.</p>' if len(rows) < len(gcps) else "")
    )


def colour(length: float) -> str:
    """The colour for a residual of that many pixels."""
    return next((c for bound, c, _ in SIZES if length <= bound), LARGEST[0])


def _mark(gcps: GcpTable, row: int, unit: float, factor: float) -> str:
    """One GCP (circle), check point (square) or disabled point (cross) with its vector."""
    x, y = (gcps.reference_px[row] + 0.5) * unit
    if not gcps.enabled[row]:
        return f'<path class="off" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"/>'
    dx, dy = gcps.residual_px[row] * unit * factor
    length = float(gcps.residual_length_px[row])
    tone = colour(length) if math.isfinite(length) else "#ffffff"
    vector = f'<path d="M{x:.1f} {y:.1f}l{dx:.1f} {dy:.1f}" stroke="{tone}"/>' if math.isfinite(length) else ""
    if gcps.role[row] == CHECK:
        shape = f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{tone}"/>'
    else:
        shape = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{tone}"/>'
    return f'<g class="gcp">{vector}{shape}</g>'


def _map_legend(factor: float, unit: float, ruler: Ruler) -> str:
    """Shapes, colours and a bar that shows how long a residual is drawn."""
    bar_px = _round_number(90 / (unit * factor))
    drawn = bar_px * unit * factor
    metres = ruler.metres(bar_px)
    bar = (
        f'<span class="key"><svg width="{drawn + 2:.0f}" height="14" class="bar">'
        f'<path d="M1 3v8M1 7h{drawn:.1f}m0 -4v8"/></svg>'
        f"residual of {number(bar_px, 0 if bar_px >= 1 else 2)} px{f' ({metres})' if metres else ''}, "
        f"drawn {factor:g}\u202f× its length</span>"
    )
    shapes = "".join(
        f'<span class="key"><svg width="14" height="14" class="shape">{shape}</svg>{name}</span>'
        for shape, name in (
            ('<circle cx="7" cy="7" r="4.5"/>', "GCP"),
            ('<rect x="2.5" y="2.5" width="9" height="9"/>', "check point"),
            ('<path d="M3 3l8 8m0 -8l-8 8"/>', "not used"),
        )
    )
    tones = "".join(
        f'<span class="key"><i style="background:{tone}"></i>{text}</span>'
        for tone, text in [*((c, t) for _, c, t in SIZES), LARGEST]
    )
    return f'<p class="legend">{bar}</p><p class="legend">{shapes}{tones}</p>'


def _round_number(value: float) -> float:
    """The nearest 1, 2 or 5 times a power of ten below."""
    if not (math.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (5, 2, 1) if step * power <= value * 1.0001)


def histogram(gcps: GcpTable, ruler: Ruler, marks: list[tuple[str, float]]) -> str:
    """SVG histogram of residual lengths: GCPs and check points side by side, with marked values.

    marks: (name, pixels) of vertical lines; those not measured are left out.
    """
    groups = [gcps.residual_length_px[gcps.used(role)] for role in (GCP, CHECK)]
    groups = [g[np.isfinite(g)] for g in groups]
    both = np.concatenate(groups)
    if not len(both):
        return '<p class="empty">No point is in use.</p>'
    lines = [(name, value) for name, value in marks if math.isfinite(value)]
    reach = max(float(np.percentile(both, 99)), max((v for _, v in lines), default=0.0), 0.2)
    step = _round_number(reach / 8)
    bins = np.arange(0, reach + step, step)
    counts = [np.histogram(np.minimum(g, bins[-1] - 1e-9), bins)[0] / max(1, len(g)) for g in groups]
    top = max(float(c.max()) for c in counts)
    return (
        '<svg class="chart" viewBox="0 0 700 310" role="img" aria-label="Histogram of residual lengths">'
        + _axis(bins, top, ruler)
        + _bars(bins, counts, [len(g) for g in groups], top)
        + _marked(lines, float(bins[-1]))
        + "</svg>"
    )


_LEFT, _BOTTOM, _WIDTH, _HEIGHT = 44.0, 250.0, 640.0, 200.0


def _bars(bins: Floats, counts: list[Floats], sizes: list[int], top: float) -> str:
    bar = _WIDTH / (len(bins) - 1)
    shapes = []
    for group, name in enumerate(("gcp", "check")):
        if not sizes[group]:
            continue
        for i, share in enumerate(counts[group]):
            height = share / top * _HEIGHT
            x = _LEFT + i * bar + bar * (0.08 + 0.42 * group)
            reach = f"{bins[i]:.3g}–{bins[i + 1]:.3g}" if i < len(bins) - 2 else f"{bins[i]:.3g} and more"
            title = f"{reach} px: {100 * share:.0f} % of {sizes[group]}"
            shapes.append(
                f'<rect class="{name}-bar" x="{x:.1f}" y="{_BOTTOM - height:.1f}" width="{bar * 0.42:.1f}" '
                f'height="{height:.1f}"><title>{title}</title></rect>'
            )
    return "".join(shapes)


def _axis(bins: Floats, top: float, ruler: Ruler) -> str:
    parts = [f'<path class="axis" d="M{_LEFT} {_BOTTOM}h{_WIDTH}"/>']
    for i, edge in enumerate(bins[:-1]):
        x = _LEFT + i * _WIDTH / (len(bins) - 1)
        parts.append(f'<path class="axis" d="M{x:.1f} {_BOTTOM}v5"/>')
        parts.append(f'<text x="{x:.1f}" y="{_BOTTOM + 19}" text-anchor="middle">{edge:.3g}</text>')
    unit = (
        f"residual length, pixels (1 px = {ruler.metres(1.0)})" if ruler.is_metric else "residual length, pixels"
    )
    parts.append(f'<text x="{_LEFT + _WIDTH / 2}" y="{_BOTTOM + 44}" text-anchor="middle">{unit}</text>')
    for share in (top, top / 2):
        y = _BOTTOM - share / top * _HEIGHT
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{100 * share:.0f} %</text>')
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}h{_WIDTH}"/>')
    return "".join(parts)


def _marked(lines: list[tuple[str, float]], span: float) -> str:
    """Vertical lines with their names, in two heights so that near ones stay legible."""
    parts = []
    for i, (name, value) in enumerate(sorted(lines, key=lambda line: line[1])):
        x = _LEFT + min(value, span) / span * _WIDTH
        y = 14 + 15 * (i % 2)
        anchor = "end" if x > _LEFT + _WIDTH * 0.7 else "start"
        nudge = -5 if anchor == "end" else 5
        parts.append(f'<path class="mark" d="M{x:.1f} {_BOTTOM}V{y - 8}"/>')
        label = f"{name} {sensible(value)}"
        parts.append(f'<text class="strong" x="{x + nudge:.1f}" y="{y}" text-anchor="{anchor}">{label}</text>')
    return "".join(parts)
