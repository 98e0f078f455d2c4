"""Foundation models of the published formats with few random weights: a folder as users have it."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from sarto.core.matching.promptmid.full.config import FullConfig
from sarto.core.matching.promptmid.full.vision import VggBranch

LEVELS = (8, 8, 16, 16)
WORDS = 16
LONGEST = 150
"""Tokens of a prompt: there are as many as letters."""
VGG = (4, 6, 8, 8)
SMALL = FullConfig(vgg=VGG, sar_fine=(4, 4), aggregate=8, descriptor=8, low=4, painting=2)


def write_foundation(folder: Path, half: bool = False) -> Path:
    """Stable Diffusion's four levels, its text encoder and tokenizer, DINOv2 with patches of 14, VGG19."""
    import diffusers
    import transformers

    torch.manual_seed(5)
    options: dict[str, Any] = {"variant": "fp16"} if half else {}
    unet = diffusers.UNet2DConditionModel(
        sample_size=16, block_out_channels=LEVELS, layers_per_block=1, cross_attention_dim=WORDS,
        attention_head_dim=2, norm_num_groups=4,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(4, 4, 4, 4), latent_channels=4, norm_num_groups=2,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    text = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=64, hidden_size=WORDS, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=LONGEST, bos_token_id=62, eos_token_id=63, pad_token_id=63,
        )
    )  # fmt: skip
    vision = transformers.Dinov2Model(
        transformers.Dinov2Config(
            hidden_size=12, num_hidden_layers=1, num_attention_heads=2, image_size=56, patch_size=14, mlp_ratio=2
        )
    )
    for name, model in (("unet", unet), ("vae", vae), ("text_encoder", text), ("dinov2", vision)):
        (model.half() if half else model).save_pretrained(folder / name, **options)
    scheduler = diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    scheduler.save_pretrained(folder / "scheduler")
    _write_tokenizer(folder / "tokenizer")
    save_file(VggBranch(VGG).state_dict(), folder / "vgg19.safetensors")
    return folder


def _write_tokenizer(folder: Path) -> None:
    """Letters alone: no merges."""
    folder.mkdir()
    words = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    vocabulary = {word: number for number, word in enumerate(words)}
    vocabulary |= {"<|startoftext|>": 62, "<|endoftext|>": 63}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    facts = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": LONGEST, "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(facts))
