"""What the method painted of the SAR image: a picture beside the reference, said to be synthetic."""

from __future__ import annotations

from ..contract import Pixels, RegisterResult
from .images import Window, decimated, image_element
from .text import escape


def synthetic_section(painted: Pixels, result: RegisterResult) -> str:
    """painted: uint8 (H, W) over the footprint of `result.reference_grid`, 0 = NoData."""
    grid = result.reference_grid
    whole = Window(0, 0, grid.width, grid.height)
    box = f'class="picture" viewBox="0 0 {grid.width} {grid.height}" role="img"'
    return (
        "<h2>The SAR image, painted (synthetic)</h2><p>What the SAR image might look like to an optical sensor, "
        f"as the method ‘{escape(result.job.match.method)}’ imagines it. The picture is synthetic: nothing in it "
        "was measured by an optical sensor, what looks like a detail may not be there, and no figure here "
        "rests on it.</p>"
        f'<div class="pair"><figure><svg {box} aria-label="Reference"><use href="#reference"/></svg>'
        "<figcaption><b>Reference</b></figcaption></figure>"
        f'<figure><svg {box} aria-label="Synthetic picture">'
        f"{image_element('synthetic', decimated(painted), whole)}</svg>"
        "<figcaption><b>Synthetic</b> – painted from the SAR image, for the eye only</figcaption></figure></div>"
    )
