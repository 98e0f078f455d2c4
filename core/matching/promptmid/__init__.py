"""PromptMID: descriptors from a diffusion model and a vision backbone, guided by land-use prompts."""

from .matcher import PromptMidMatcher

__all__ = ["PromptMidMatcher"]
