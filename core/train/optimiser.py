"""Muon for the matrices of a network, AdamW for the rest.

Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; in torch from 2.9) makes each
update of a matrix orthogonal. torch has it for matrices only; here convolutions take part as matrices, one row for
each output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..contract import EngineError

BETAS = (0.9, 0.98)
"""Of AdamW."""
MOMENTUM = 0.95
"""Of Muon."""
MUON, ADAMW = "muon", "adamw"
OPTIMISERS = (ADAMW, MUON)


def optimiser_for(
    parameters: Iterable[nn.Parameter], kind: str, rate: float, decay: float
) -> torch.optim.Optimizer:
    """The optimiser of that kind, one of `OPTIMISERS`; decay: of weights with two dimensions or more.

    Raises EngineError where torch is too old for it.
    """
    trained = [p for p in parameters if p.requires_grad]
    weights, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    if kind == MUON:
        return MatrixOptimiser(weights, others, rate, decay)
    groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=BETAS)


class MatrixOptimiser(torch.optim.Optimizer):
    """Muon for weights of two dimensions or more, AdamW for the others.

    The length of Muon's updates is matched to AdamW's, so that the same learning rate does for both. The states of
    both are kept under one numbering, weights first; momenta have the shapes of the weights. Raises EngineError.
    """

    def __init__(self, weights: list[nn.Parameter], others: list[nn.Parameter], rate: float, decay: float) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise EngineError(
                f"torch {torch.__version__} has no Muon.",
                "Update torch to 2.9 or newer, or use optimiser 'adamw'.",
            )
        super().__init__([{"params": weights}, {"params": others}], {"lr": rate})
        self._weights = weights
        self._matrices = [nn.Parameter(_matrix(p.detach(), p)) for p in weights]
        assert all(matrix.data_ptr() == p.data_ptr() for matrix, p in zip(self._matrices, weights))
        self._muon = torch.optim.Muon(
            self._matrices,
            lr=rate,
            weight_decay=decay,
            momentum=MOMENTUM,
            nesterov=True,
            adjust_lr_fn="match_rms_adamw",
        )
        self._adamw = torch.optim.AdamW(others, lr=rate, betas=BETAS, weight_decay=0.0)

    @torch.no_grad()
    def step(self, closure: Optional[Callable[[], Any]] = None) -> None:  # type: ignore[override]
        """One step of both."""
        assert closure is None
        for part, group in zip((self._muon, self._adamw), self.param_groups):
            part.param_groups[0]["lr"] = group["lr"]
        for weight, matrix in zip(self._weights, self._matrices):
            matrix.grad = None if weight.grad is None else _matrix(weight.grad, weight)
        self._muon.step()  # type: ignore[no-untyped-call]
        self._adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """See the class."""
        count = len(self._weights)
        state = {
            index: {"momentum_buffer": _folded(values["momentum_buffer"], self._weights[index])}
            for index, values in self._muon.state_dict()["state"].items()
        }
        state |= {count + index: values for index, values in self._adamw.state_dict()["state"].items()}
        return {**super().state_dict(), "state": state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The reverse of `state_dict`."""
        count = len(self._weights)
        momenta = {
            index: {"momentum_buffer": _matrix(values["momentum_buffer"], self._weights[index])}
            for index, values in state_dict["state"].items()
            if index < count
        }
        moments = {index - count: values for index, values in state_dict["state"].items() if index >= count}
        for part, state in ((self._muon, momenta), (self._adamw, moments)):
            part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})
        super().load_state_dict({"state": {}, "param_groups": state_dict["param_groups"]})


def _matrix(values: Tensor, weight: Tensor) -> Tensor:
    """Values of the shape of a weight as a matrix (outputs, rest), its columns in the weight's order in memory.

    Of the weight itself this is a view.
    """
    if weight.is_contiguous():
        return values.reshape(len(values), -1)
    return values.movedim(1, -1).reshape(len(values), -1)


def _folded(matrix: Tensor, weight: Tensor) -> Tensor:
    """The reverse of `_matrix`."""
    if weight.is_contiguous():
        return matrix.reshape(weight.shape)
    return matrix.reshape(len(weight), *weight.shape[2:], weight.shape[1]).movedim(-1, 1)
