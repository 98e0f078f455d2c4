"""PromptMID in full size: Stable Diffusion 1.5 with a ControlNet, DINOv2 and VGG19, from files that the user has.

Only the configuration is imported here: the rest needs packages that few have.
"""

from .config import SIZE, FullConfig

__all__ = ["SIZE", "FullConfig"]
