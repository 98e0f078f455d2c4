"""The foundation models' folder: complete, undamaged, of the right kind, or an error that names what is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sarto.core.contract import Cancelled, EngineError, Reporter
from sarto.core.matching.promptmid.full import foundation as module
from sarto.core.matching.promptmid.full.folder import digest, inspect, needed
from sarto.core.matching.promptmid.full.foundation import open_foundation
from sarto.core.matching.promptmid.full.vision import VggBranch, fill_vgg

from .tiny import VGG, write_foundation

CPU = torch.device("cpu")
UNET = "unet/diffusion_pytorch_model.safetensors"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_complete_folder_loads_frozen(foundation: Path) -> None:
    found = open_foundation(foundation, CPU)
    assert len(found.models) == 4
    for model in found.models:
        assert not model.training
        assert not any(p.requires_grad for p in model.parameters())
    assert found.digest == digest(inspect(foundation))
    assert found.unet_channels == (16, 16, 8, 8)


def test_every_file_that_is_needed_is_missed(foundation: Path, copied: Path) -> None:
    for name in needed(foundation):
        (copied / name).rename(copied / "away")
        with pytest.raises(EngineError, match=f"lack the file '{name}'"):
            open_foundation(copied, CPU)
        (copied / "away").rename(copied / name)
    with pytest.raises(EngineError, match="no folder"):
        inspect(copied / "none")


def test_half_precision_is_taken_where_it_is_all_there_is(foundation: Path, tmp_path: Path) -> None:
    half = write_foundation(tmp_path / "half", half=True)
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in needed(half)
    whole, from_half = (open_foundation(folder, CPU) for folder in (foundation, half))
    for ours, theirs in zip(whole.models, from_half.models):
        for one, other in zip(ours.parameters(), theirs.parameters()):
            assert other.dtype is torch.float32
            assert torch.allclose(one, other, rtol=2e-3, atol=1e-6)


def test_the_digest_knows_every_file_and_no_other(foundation: Path, copied: Path) -> None:
    before = digest(inspect(foundation))
    (copied / "README.md").write_text("not loaded")
    assert digest(inspect(copied)) == before
    for name in ("scheduler/scheduler_config.json", UNET):
        with (copied / name).open("ab") as file:
            file.write(b" ")
        assert digest(inspect(copied)) != before
        shutil.copyfile(foundation / name, copied / name)
        assert digest(inspect(copied)) == before


def test_reading_gigabytes_can_be_cancelled(copied: Path) -> None:
    with pytest.raises(Cancelled):
        inspect(copied, Reporter(is_cancelled=lambda: True))


@pytest.mark.parametrize("name", [UNET, "text_encoder/model.safetensors", "dinov2/model.safetensors"])
def test_a_truncated_file_is_named(copied: Path, name: str) -> None:
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(EngineError, match=str(Path(name).parent)):
        open_foundation(copied, CPU)


@pytest.mark.parametrize("name", [UNET, "text_encoder/model.safetensors", "dinov2/model.safetensors"])
def test_a_tensor_that_is_missing_is_not_made_up(copied: Path, name: str) -> None:
    tensors = load_file(copied / name)
    lost = next(key for key in tensors if key.endswith("weight") and "norm" not in key)
    del tensors[lost]
    save_file(tensors, copied / name, metadata={"format": "pt"})
    with pytest.raises(EngineError, match="does not fit its own config"):
        open_foundation(copied, CPU)


def test_a_tensor_of_another_shape_is_refused(copied: Path) -> None:
    edit(copied / "dinov2/config.json", hidden_size=14)
    with pytest.raises(EngineError, match="dinov2"):
        open_foundation(copied, CPU)


def test_pickles_are_not_looked_at(copied: Path, tmp_path: Path) -> None:
    """A model that comes as a pickle alone is missing, as far as Sarto is concerned."""
    mark = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return mark.mkdir, ()  # type: ignore[return-value]

    (copied / UNET).unlink()
    torch.save({"conv_in.weight": Trap()}, copied / "unet/diffusion_pytorch_model.bin")
    with pytest.raises(EngineError, match="lack the file"):
        open_foundation(copied, CPU)
    assert not mark.exists()


def test_another_kind_of_diffusion_model_is_refused(copied: Path) -> None:
    edit(copied / "scheduler/scheduler_config.json", prediction_type="v_prediction")
    with pytest.raises(EngineError, match=r"no Stable Diffusion 1\.5: predicted noise"):
        open_foundation(copied, CPU)


def test_a_package_that_is_missing_is_named(foundation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr(module, "import_module", missing)
    with pytest.raises(EngineError, match="'diffusers'") as caught:
        open_foundation(foundation, CPU)
    assert "sarto[full]" in str(caught.value.hint)


def test_vgg_comes_from_safetensors_or_from_torchvisions_file(copied: Path) -> None:
    stored = load_file(copied / "vgg19.safetensors")
    extra = {**stored, "classifier.0.weight": torch.zeros(2, 2)}
    first, second = VggBranch(VGG), VggBranch(VGG)
    fill_vgg(first, copied)
    (copied / "vgg19.safetensors").unlink()
    torch.save(extra, copied / "vgg19-00000000.pth")
    fill_vgg(second, copied)
    for branch in (first, second):
        assert all(torch.equal(value, stored[name]) for name, value in branch.state_dict().items())


@pytest.mark.parametrize("fault", ["none", "shape", "lost", "damaged", "pickle"])
def test_vgg_that_does_not_fit_is_refused(copied: Path, fault: str, tmp_path: Path) -> None:
    path = copied / "vgg19.safetensors"
    tensors = load_file(path)
    path.unlink()
    if fault == "shape":
        save_file({**tensors, "features.5.weight": torch.zeros(3, 3)}, path)
    elif fault == "lost":
        save_file({k: v for k, v in tensors.items() if k != "features.5.weight"}, path)
    elif fault == "damaged":
        path.write_bytes(b"\x10\x00")
    elif fault == "pickle":
        mark = tmp_path / "ran"

        class Trap:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return mark.mkdir, ()  # type: ignore[return-value]

        torch.save({"features.0.weight": Trap()}, copied / "vgg19-1.pth")
    with pytest.raises(EngineError, match="VGG19"):
        fill_vgg(VggBranch(VGG), copied)
    assert not (tmp_path / "ran").exists()
