"""Weight quantisers: the real value alpha that the largest weight code stands for.

``absmax``: the largest weight. ``percentile``: 99.5 % of the weights lie within. ``sawb``: from the weights'
second and first moments (Choi et al., "Accurate and efficient 2-bit quantized neural networks", 2019), with
coefficients fitted for this contract's symmetric formats, and for the weight noise to come. ``pact``: learned from
the weights that clip (Choi et al., "PACT", 2018). ``lsq``: learned from every weight's rounding error (Esser et al.,
"Learned step size quantization", 2020).
"""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
import torch

from ...model.formats import full_scale
from ..kernel.build import loaded_kernel
from .eager import EagerFunction

QUANTISERS = ("absmax", "percentile", "sawb", "pact", "lsq")
LEARNED = ("pact", "lsq")
PERCENTILE = 0.995
ITERATIONS = 20  #: at most, of the search for a range; it ends after 5 to 12

#: bits: (c1, c2) of alpha = c1 sqrt(E[w^2]) - c2 E[|w|]. Least squares over the alpha of least squared error for
#: normal, uniform, Laplace, logistic, triangular and von Mises weights; one bit: exactly the mean. From 5 bits on the
#: fit is ill-conditioned: 31 % of uniform weights would clip at 8 bits.
SAWB = {
    1: (0.0, -1.0),
    2: (2.546, 1.628),
    3: (6.923, 6.283),
    4: (11.805, 11.838),
}


@lru_cache
def noisy_sawb(bits: int, noise: float) -> tuple[float, float]:
    """(c1, c2) as in :data:`SAWB`, where each programmed weight also has noise of ``noise`` times its range.

    Its power is (2 noise alpha)^2, which grows with the range: the least expected error lies at a narrower one.
    Fitted over the same six distributions, each as 2,000 magnitudes of equal probability.
    """
    share = (np.arange(2000) + 0.5) / 2000
    angle = np.linspace(0, np.pi, 20001)
    around = np.cumsum(np.exp(np.cos(angle)))
    magnitudes = np.array(
        [
            [NormalDist().inv_cdf(0.5 + p / 2) for p in share],
            share,
            -np.log(1 - share),
            np.log((1 + share) / (1 - share)),
            1 - np.sqrt(1 - share),
            np.interp(share, around / around[-1], angle),
        ]
    )
    magnitudes /= np.sqrt((magnitudes**2).mean(1, keepdims=True))
    top = full_scale(bits)

    def error(alpha: float) -> np.ndarray:
        codes = np.minimum(np.floor(magnitudes / alpha * top + 0.5), top) if bits > 1 else 1.0
        return ((codes * alpha / top - magnitudes) ** 2).mean(1) + (2 * noise * alpha) ** 2

    alphas = np.linspace(0.02, magnitudes.max(), 800)
    best = alphas[np.argmin([error(alpha) for alpha in alphas], axis=0)]
    moments = np.stack([np.ones(len(magnitudes)), -magnitudes.mean(1)], axis=1)
    c1, c2 = np.linalg.lstsq(moments, best, rcond=None)[0]
    return float(c1), float(c2)


def least_error_range(size: torch.Tensor, bits: int, noise: float = 0.0) -> torch.Tensor:
    """alpha (groups,) of least squared error for the magnitudes ``size`` (groups, count), noise as in SAWB included.

    Newton's iteration on what clipping, rounding (a twelfth of a squared step) and noise cost (Sakr et al., "Optimal
    clipping and magnitude-aware differentiation for improved quantization-aware training", 2022). It ends where no
    weight changes sides. The largest weight serves where it has the lesser error, as with few weights.
    """
    top, largest = full_scale(bits), size.amax(1)
    rounding, noisy = 1 / (12 * top**2), 4 * noise**2

    def error(alpha: torch.Tensor) -> torch.Tensor:
        step = (alpha / top).clamp_min(1e-30)[:, None]
        codes = (size / step + 0.5).floor_().clamp_(max=top)
        return (codes * step - size).square_().mean(1) + noisy * alpha**2

    alpha = torch.minimum(3 * size.mean(1), largest)
    for _ in range(ITERATIONS):
        before, clips = alpha, (size >= alpha[:, None]).to(size.dtype)
        share = clips.mean(1)
        alpha = (size * clips).mean(1) / (share + rounding * (1 - share) + noisy)
        if torch.equal(alpha, before):
            break
    return torch.where(error(alpha) < error(largest), alpha, largest)


def weight_range(weights: torch.Tensor, method: str, bits: int, noise: float = 0.0) -> torch.Tensor:
    """alpha of each group of weights (groups, size): (groups,), above 0 and without a gradient.

    ``noise``: the weight noise, as a share of the range, that SAWB reckons with. Learned methods start from SAWB's
    value without noise.
    """
    weights = weights.detach()
    if method == "absmax":
        return _largest(weights).clamp_min(1e-8)
    size = weights.abs()
    largest = size.amax(1)
    if method == "percentile":
        alpha = torch.from_numpy(np.quantile(size.cpu().numpy(), PERCENTILE, axis=1)).to(size)  # of any size
    elif bits not in SAWB:
        alpha = least_error_range(size, bits, noise)
    else:
        c1, c2 = noisy_sawb(bits, noise) if noise else SAWB[bits]
        alpha = c1 * size.square().mean(1).sqrt() - c2 * size.mean(1)
        alpha = torch.where(alpha > 0, torch.minimum(alpha, largest), largest)
    return alpha.clamp_min(1e-8)


def _largest(weights: torch.Tensor) -> torch.Tensor:
    """Largest size of the weights of each group, without a copy of them; not finite where one is not."""
    built = loaded_kernel()
    if built is not None and weights.is_cpu and weights.dtype == torch.float32 and weights.is_contiguous():
        return built.largest_of(weights)
    return torch.maximum(weights.amax(1), -weights.amin(1))


def lsq_gradient_scale(count: int, bits: int) -> float:
    """Factor on the gradient of a learned range of ``count`` weights (Esser et al., section 2.2)."""
    return (count * full_scale(bits)) ** -0.5


class _ScaleGradient(EagerFunction):
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
