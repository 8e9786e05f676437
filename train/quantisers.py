"""Weight quantisers: the real value alpha that the largest weight code stands for.

``absmax``: the largest weight. ``percentile``: 99.5 % of the weights lie within. ``sawb``: from the weights'
second and first moments (Choi et al., "Accurate and efficient 2-bit quantized neural networks", 2019), with
coefficients fitted for this contract's symmetric formats. ``pact``: learned from the weights that clip (Choi et al.,
"PACT", 2018). ``lsq``: learned from every weight's rounding error (Esser et al., "Learned step size quantization",
2020).
"""

import numpy as np
import torch

from ..model.formats import full_scale

QUANTISERS = ("absmax", "percentile", "sawb", "pact", "lsq")
LEARNED = ("pact", "lsq")
PERCENTILE = 0.995

#: bits: (c1, c2) of alpha = c1 sqrt(E[w^2]) - c2 E[|w|]. Least squares over the alpha of least squared error for
#: normal, uniform, Laplace, logistic, triangular and von Mises weights; one bit: exactly the mean.
SAWB = {
    1: (0.0, -1.0), 2: (2.546, 1.628), 3: (6.923, 6.283), 4: (11.805, 11.838),
    5: (16.88, 17.752), 6: (22.074, 23.878), 7: (26.882, 29.568), 8: (31.034, 34.495),
}  # fmt: skip


def weight_range(weights: torch.Tensor, method: str, bits: int) -> torch.Tensor:
    """alpha of each group of weights (groups, size): (groups,), above 0 and without a gradient.

    Learned methods start from it: at SAWB's value, for which there is none above 8 bits (then ``absmax``).
    """
    size = weights.detach().abs()
    largest = size.amax(1)
    if method == "percentile":
        alpha = torch.from_numpy(np.quantile(size.cpu().numpy(), PERCENTILE, axis=1)).to(size)  # of any size
    elif method == "absmax" or bits not in SAWB:
        alpha = largest
    else:
        c1, c2 = SAWB[bits]
        alpha = c1 * size.square().mean(1).sqrt() - c2 * size.mean(1)
        alpha = torch.where(alpha > 0, torch.minimum(alpha, largest), largest)
    return alpha.clamp_min(1e-8)


def lsq_gradient_scale(count: int, bits: int) -> float:
    """Factor on the gradient of a learned range of ``count`` weights (Esser et al., section 2.2)."""
    return (count * full_scale(bits)) ** -0.5


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, factor):
        ctx.factor = factor
        return value.view_as(value)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


def scale_gradient(value: torch.Tensor, factor: float) -> torch.Tensor:
    """``value``, whose gradient is multiplied by ``factor``."""
    return _ScaleGradient.apply(value, factor)
