"""Weight quantisers: the real value alpha that the largest weight code stands for."""

import torch

from ..model.design import check_choice

QUANTISERS = ("absmax",)


def weight_range(weight: torch.Tensor, method: str, bits: int) -> torch.Tensor:
    """alpha of a weight matrix, a scalar tensor."""
    check_choice("weight quantiser", method, QUANTISERS)
    return weight.detach().abs().amax().clamp_min(1e-8)
