"""Where the work is done: half precision where it is fast; less at a time, or the CPU, where a GPU has no room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from sarto.core.contract import SILENT, EngineError, Reporter
from sarto.core.matching import device
from sarto.core.matching.passes.views import Model, TileView, cut_views

from .conftest import make_pair


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    device._cpu_has_bfloat16.cache_clear()
    yield
    device._cpu_has_bfloat16.cache_clear()


def kind_on_cpu() -> torch.dtype:
    layer = torch.nn.Linear(4, 4)
    with torch.inference_mode(), device.half_precision(torch.device("cpu")):
        found: torch.dtype = layer(torch.ones(1, 4)).dtype
    return found


@pytest.mark.parametrize(
    ("able", "kind"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_f": True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_bfloat16_where_the_processor_has_it(
    able: dict[str, bool], kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert kind_on_cpu() is kind
    assert not torch.is_autocast_enabled("cpu")


def test_torch_that_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert kind_on_cpu() is torch.float32


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that says it has a GPU; nothing is ever put there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)


def _with_room_for(share: float) -> tuple[list[tuple[str, float]], str, list[str]]:
    """Attempts, result and messages of work that runs out of memory above a share on a GPU."""
    attempts: list[tuple[str, float]] = []
    said: list[str] = []

    def work(where: torch.device, wanted: float) -> str:
        attempts.append((where.type, wanted))
        assert torch.is_inference_mode_enabled()
        if where.type == "cuda" and wanted > share:
            raise torch.cuda.OutOfMemoryError("no room")
        return f"done with {where.type}"

    return attempts, device.with_fallback(work, "auto", Reporter(on_log=said.append)), said


def test_with_enough_memory_nothing_is_said(gpu: None) -> None:
    attempts, result, said = _with_room_for(1.0)
    assert (attempts, result, said) == ([("cuda", 1.0)], "done with cuda", [])


def test_with_less_memory_less_is_held_at_once(gpu: None) -> None:
    attempts, result, said = _with_room_for(device.LESS)
    assert attempts == [("cuda", 1.0), ("cuda", device.LESS)]
    assert result == "done with cuda"
    assert len(said) == 1
    assert "less at a time" in said[0]


def test_with_hardly_any_the_cpu_does_it(gpu: None) -> None:
    attempts, result, said = _with_room_for(0.0)
    assert attempts == [("cuda", 1.0), ("cuda", device.LESS), ("cpu", 1.0)]
    assert result == "done with cpu"
    assert "CPU" in said[-1]


def test_other_errors_are_not_taken_for_it(gpu: None) -> None:
    def work(where: torch.device, share: float) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        device.with_fallback(work, "auto", SILENT)


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match="No CUDA"):
        device.pick("cuda")
    assert device.pick("auto").type == "cpu"


def test_a_model_that_holds_less_cuts_fewer_tiles_at_once() -> None:
    pair = make_pair(64)
    model = Model(network=None, device=torch.device("cpu"), batch_pixels=8 * 64 * 64)  # type: ignore[arg-type]
    views = [TileView(pair.truth, pair.truth)] * 8
    for share, batches in ((1.0, 1), (0.25, 4), (1e-9, 8)):
        parts = list(cut_views(model.holding(share), pair.optical, pair.sar, views, (64, 64), SILENT))
        assert len(parts) == batches
