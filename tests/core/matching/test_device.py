"""Half precision: only where the device is fast at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from sarto.core.matching import device


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
