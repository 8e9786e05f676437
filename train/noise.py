"""Noise of the array and its converters, as the paper models it, with the redraw made explicit.

Weight noise is N(0, beta * (wmax - wmin)) on every weight (Ma et al., equations 9 and 10), ADC noise is Gaussian
before the converter (equations 7 and 8). When weight noise is drawn again changes results, so it has no silent
default in :class:`Noise`.
"""

import math
from dataclasses import dataclass

import torch

from ..model.design import check_choice
from ..model.formats import DesignError
from .gaussian import normals, stream_key
from .kernel import loaded_kernel

REDRAWS = ("per_step", "per_sequence", "per_batch", "per_programming")
PAPER_ADC = 12**-0.5  #: standard deviation in ADC steps: (Vmax - Vmin) / (2^N sqrt(12)), equation 8


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How much noise, and when weights are drawn again. The default has none.

    ``per_step``: each sequence sees new weights on each time step; ``per_sequence``: each sequence its own;
    ``per_batch``: one draw for a forward pass; ``per_programming``: one draw until the array is programmed again.
    """

    adc: float = 0.0  #: standard deviation before the converter, in ADC steps; the paper's is PAPER_ADC
    weight: float = 0.0  #: beta, as a fraction of the weight range wmax - wmin
    redraw: str = "per_batch"

    def __post_init__(self) -> None:
        for name, value in (("ADC noise", self.adc), ("weight noise", self.weight)):
            if type(value) not in (int, float) or not 0 <= value <= 1000:
                raise DesignError(f"{name} must be a number from 0 to 1000, not {value!r}")
        check_choice("weight noise redraw", self.redraw, REDRAWS)


class NoiseSource:
    """A seeded stream of draws, shared by the layers of a network: each draw has a key of its own."""

    def __init__(self, seed: int = 0) -> None:
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start the stream again: the same seed gives the same noise."""
        self._seed, self._draws = seed, 0

    def key(self) -> list[int]:
        """Key of the next draw, for :func:`.gaussian.normals`."""
        self._draws += 1
        return stream_key(self._seed, self._draws)

    def normal(self, *shape: int) -> torch.Tensor:
        """Standard normal float32 of ``shape``: one draw."""
        return normals(self.key(), 1, math.prod(shape), loaded_kernel()).view(shape)
