"""Stable Diffusion led by a ControlNet: what its decoder knows of a SAR image.

From the paper: the frozen model and a trainable copy of its encoder (ControlNet, Zhang et al., 2023), whose
condition is the SAR image, whose target the optical one; features of the decoder at several scales. Our own
reading: images are shown at twice their size, near that which the model was trained with, so that the decoder's
levels lie at 1/16, 1/8 and 1/4 of ours; the noise is always the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ...passes.blocks import levelled
from ...passes.network import Images, TilePairs
from .. import schedule
from ..diffusion import Prompt
from .foundation import LATENT_CELL, LATENT_CHANNELS, Foundation, package

LARGER = 2
"""How much larger than they are images are shown."""
CELL = LATENT_CELL // LARGER
"""Pixels per cell of the latent image."""
DARKEST = 2.5
"""Deviations from the mean that are black, or white."""


class ControlledDiffusion(nn.Module):
    """The ControlNet is its only part with weights of its own; the foundation models are not registered."""

    def __init__(self, foundation: Foundation) -> None:
        super().__init__()
        self._foundation = (foundation,)  # in a tuple: neither in state_dict nor among the parameters
        self.control: Any = package("diffusers").ControlNetModel.from_unet(foundation.unet).float()

    @property
    def foundation(self) -> Foundation:
        """What is frozen."""
        return self._foundation[0]

    def describe(self, sar: Images, prompt: Prompt, moments: tuple[float, ...]) -> dict[int, Tensor]:
        """The decoder's features (B, channels, H / scale, W / scale) by scale (4, 8, 16) at the last moment."""
        rows, columns = sar.values.shape[-2:]
        noise = schedule.fixed_noise((1, *latent_shape(rows, columns)), sar.values.device)
        with torch.no_grad():
            hint, latent = _shown(levelled(*sar)), noise.expand(len(sar.values), -1, -1, -1)
            for now, after in zip(moments, moments[1:]):
                latent = self._denoised(latent, hint, prompt, now, after)
            with _taken(self.foundation.unet) as taken:
                self._predict(latent, hint, prompt, self._step(moments[-1]))
        return {round(rows / found.shape[-2]): found.float() for found in taken}

    def loss(self, pairs: TilePairs, prompt: Prompt, time: Tensor, noise: Tensor) -> tuple[Tensor, Tensor | None]:
        """See `DescriptorNetwork.painting_loss`: mean square error of the predicted noise where both are valid."""
        scheduler, vae = self.foundation.schedule, self.foundation.vae
        with torch.no_grad(), _own_precision(noise):
            picture = _shown(levelled(*pairs.optical)) * 2 - 1
            latent = vae.encode(picture.to(vae.dtype)).latent_dist.mean.float() * vae.config.scaling_factor
        steps = torch.stack([torch.as_tensor(self._step(float(moment))) for moment in time]).to(noise.device)
        noised = scheduler.add_noise(latent, noise, steps)
        found = self._predict(noised, _shown(levelled(*pairs.sar)), prompt, steps)
        seen = functional.avg_pool2d(pairs.optical.valid.float() * pairs.sar.valid.float(), CELL)
        error = ((found.float() - noise).square() * seen).sum((1, 2, 3))
        each = error / (seen.sum((1, 2, 3)) * LATENT_CHANNELS).clamp_min(1.0)
        late = each[time >= 1]
        return each.mean(), late.mean() if len(late) else None

    def painted(self, sar: Images, prompt: Prompt, noise: Tensor, looks: int) -> Tensor:
        """Grey images (B, H, W), mean 0 and deviation about 1, painted from noise in so many steps."""
        vae = self.foundation.vae
        moments = [1 - k / looks for k in range(looks)] + [0.0]
        with torch.no_grad():
            hint, latent = _shown(levelled(*sar)), noise
            for now, after in zip(moments, moments[1:]):
                latent = self._denoised(latent, hint, prompt, now, after)
            with _own_precision(noise):
                picture = vae.decode((latent / vae.config.scaling_factor).to(vae.dtype)).sample.float()
        grey = functional.avg_pool2d(picture.mean(1, keepdim=True), LARGER)
        return (levelled((grey.clamp(-1, 1) + 1) * 127.5, sar.valid))[:, 0]

    def _denoised(self, latent: Tensor, hint: Tensor, prompt: Prompt, now: float, after: float) -> Tensor:
        """One step of DDIM (Song et al., 2021), without new noise."""
        step = self._step(now)
        found = self._predict(latent, hint, prompt, step).float()
        shares = self.foundation.schedule.alphas_cumprod.to(latent.device)
        share, left = shares[step], shares[self._step(after)] if after > 0 else shares.new_ones(())
        image = (latent - (1 - share).sqrt() * found) / share.sqrt()
        denoised: Tensor = left.sqrt() * image + (1 - left).sqrt() * found
        return denoised

    def _predict(self, latent: Tensor, hint: Tensor, prompt: Prompt, step: Any) -> Tensor:
        """The noise (B, 4, H / 4, W / 4) that the model sees in a latent image."""
        unet = self.foundation.unet
        words = prompt.tokens
        down, middle = self.control(
            latent.float(), step, encoder_hidden_states=words.float(), controlnet_cond=hint, return_dict=False
        )
        with _own_precision(latent):
            found: Tensor = unet(
                latent.to(unet.dtype),
                step,
                encoder_hidden_states=words.to(unet.dtype),
                down_block_additional_residuals=[part.to(unet.dtype) for part in down],
                mid_block_additional_residual=middle.to(unet.dtype),
            ).sample
        return found

    def _step(self, moment: float) -> int:
        """The schedule's number of a moment 0…1."""
        return round(moment * (int(self.foundation.schedule.config.num_train_timesteps) - 1))


def latent_shape(rows: int, columns: int) -> tuple[int, int, int]:
    """Of the latent image of an image of that size."""
    return LATENT_CHANNELS, rows // CELL, columns // CELL


def _shown(image: Tensor) -> Tensor:
    """Levelled images (B, bands, H, W) as the models see pictures: three bands, 0…1, larger."""
    bands = image.shape[1]
    picture = image[:, [min(k, bands - 1) for k in range(3)]] / (2 * DARKEST) + 0.5
    return functional.interpolate(
        picture.clamp(0, 1).float(), scale_factor=float(LARGER), mode="bilinear", align_corners=False
    )


def _own_precision(x: Tensor) -> AbstractContextManager[object]:
    """Frozen models compute in the precision of their weights, whatever autocast says."""
    return torch.autocast(x.device.type, enabled=False) if x.device.type in ("cpu", "cuda") else nullcontext()


@contextmanager
def _taken(unet: Any) -> Iterator[list[Tensor]]:
    """What the decoder's blocks give while this lasts, coarsest first."""
    found: list[Tensor] = []
    hooks = [block.register_forward_hook(lambda _m, _i, out: found.append(out)) for block in unet.up_blocks]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
