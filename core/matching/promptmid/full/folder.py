"""The foundation models' folder: which files must be there, whole and the same as in training.

    unet/ vae/ text_encoder/ tokenizer/ scheduler/   Stable Diffusion 1.5, as diffusers stores it
    dinov2/                                          DINOv2, as transformers stores it
    vgg19.safetensors or vgg19-….pth                 VGG19's features, named as torchvision does; to train only

`docs/promptmid-full.md` says where they come from.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ....contract import SILENT, EngineError, Reporter

WAY_OUT = "docs/promptmid-full.md says which files are needed, and where they go."
WHOLE, HALF = "{}.safetensors", "{}.fp16.safetensors"
"""Names of files of weights in single and in half precision; the former is taken where both are there."""
MODELS: dict[str, str] = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
    "dinov2": "model",
}
"""Models by folder, with the stem of their weights."""
PLAIN = ("tokenizer/vocab.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json")
BLOCK = 1 << 22


@dataclass(frozen=True)
class FileFacts:
    """A file that was found. name: within the folder; size: bytes; sha256: of its content."""

    name: str
    size: int
    sha256: str


def needed(folder: Path) -> list[str]:
    """Names of the files to load, within the folder. Raises EngineError that names the first that is missing."""
    if not folder.is_dir():
        raise EngineError(f"There is no folder '{folder}' with the foundation models.", WAY_OUT)
    names = list(PLAIN)
    for model, stem in MODELS.items():
        names += [f"{model}/config.json", weights_name(folder, model, stem)]
    for name in names:
        if not (folder / name).is_file():
            raise EngineError(f"The foundation models in '{folder}' lack the file '{name}'.", WAY_OUT)
    return sorted(names)


def weights_name(folder: Path, model: str, stem: str) -> str:
    """A model's file of weights, within the folder; that in single precision where neither is there."""
    half = f"{model}/{HALF.format(stem)}"
    whole = f"{model}/{WHOLE.format(stem)}"
    return half if (folder / half).is_file() and not (folder / whole).is_file() else whole


def is_half(folder: Path, model: str) -> bool:
    """Whether a model's weights are there in half precision only."""
    return weights_name(folder, model, MODELS[model]).endswith(HALF.format(""))


def inspect(folder: Path, reporter: Reporter = SILENT) -> list[FileFacts]:
    """All files that are loaded, with their checksums; reads some gigabytes. Raises EngineError, Cancelled."""
    return [_facts(folder, name, reporter) for name in needed(folder)]


def digest(files: list[FileFacts]) -> str:
    """One checksum of all files: names and contents."""
    lines = "".join(f"{file.name} {file.sha256}\n" for file in sorted(files, key=lambda file: file.name))
    return hashlib.sha256(lines.encode()).hexdigest()


def _facts(folder: Path, name: str, reporter: Reporter) -> FileFacts:
    path = folder / name
    try:
        status = path.stat()
        key = (str(path), status.st_mtime_ns, status.st_size)
        if key not in _known:
            _known[key] = _checksum(path, reporter)
    except OSError as error:
        raise EngineError(f"'{path}' cannot be read: {error.strerror}.", WAY_OUT) from error
    return FileFacts(name, status.st_size, _known[key])


_known: dict[tuple[str, int, int], str] = {}
"""Checksums of files by path, time of change and size: the models are read once per process."""


def _checksum(path: Path, reporter: Reporter) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            reporter.check()
            total.update(block)
    return total.hexdigest()
