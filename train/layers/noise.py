"""Noise of the array and its converters, as the paper models it, with the redraw made explicit.

Weight noise is N(0, beta * (wmax - wmin)) on every weight (Ma et al., equations 9 and 10), ADC noise is Gaussian
before the converter (equations 7 and 8). When weight noise is drawn again changes results, so it has no silent
default in :class:`Noise`. DAC noise is Gaussian on every driven row, anew on every step. Drop-connect leaves cells
unconnected at random (Wan et al., "Regularization of neural networks using DropConnect", ICML 2013).
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ...model.formats import DesignError, check_choice, check_integer, check_number, full_scale, is_number
from ...model.records import store
from ..kernel.build import loaded_kernel
from .gaussian import normals, stream_key

REDRAWS = ("per_step", "per_sequence", "per_batch", "per_programming")
SITES = ("rows", "sums")  #: where noise is added: to the rows' voltages (DACs), to the column sums (ADCs)
PAPER_ADC = 12**-0.5  #: standard deviation in ADC steps: (Vmax - Vmin) / (2^N sqrt(12)), equation 8


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How much noise, and when weights are drawn again. The default has none.

    ``per_step``: each sequence sees new weights on each time step; ``per_sequence``: each sequence its own;
    ``per_batch``: one draw for a forward pass; ``per_programming``: one draw until the array is programmed again.
    It holds for drop-connect, too, which is not redrawn per step.
    """

    #: standard deviation before the converter, in ADC steps; the paper's is PAPER_ADC. The step of a float ADC
    #: is 1, in units of the pre-activation
    adc: float = 0.0
    weight: float = 0.0  #: beta, as a fraction of the weight range wmax - wmin
    redraw: str = "per_batch"
    #: standard deviation of every driven row, in DAC steps: full scale is 2^(bits-1) - 1, and 1 of a float DAC
    dac: float = 0.0
    drop: float = 0.0  #: probability that a cell is not connected; in training the others are scaled by 1/(1 - drop)
    #: p0, p1, p2 of weight noise that depends on the level: deviation p0 + p1 g + p2 g^2 of the largest weight, 0 or
    #: more, g being a weight's share of the largest one: ``program_sigma`` of a device, times a factor
    level: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        for name, what in (("adc", "ADC noise"), ("weight", "weight noise"), ("dac", "DAC noise")):
            store(self, name, check_number(what, getattr(self, name), 0, 1000))
        check_choice("weight noise redraw", self.redraw, REDRAWS)
        if not is_number(self.drop) or not 0 <= self.drop < 1:
            raise DesignError(f"drop-connect must be a number from 0 up to but not 1, not {self.drop!r}")
        store(self, "drop", float(self.drop))
        store(self, "level", _polynomial(self.level))
        if self.has_level and self.redraw == "per_step":
            raise DesignError(
                "noise by the level must be redrawn per_sequence, per_batch or per_programming, not 'per_step'"
            )
        if self.drop and self.redraw == "per_step":
            raise DesignError(
                "drop-connect must be redrawn per_sequence, per_batch or per_programming, not 'per_step'"
            )

    @property
    def has_level(self) -> bool:
        """Is there noise that depends on the level?"""
        return any(self.level)

    def level_deviation(self, share: torch.Tensor) -> torch.Tensor:
        """Of weights, as a share of the largest, where they are ``share`` of it, without their sign."""
        p0, p1, p2 = self.level
        return (p0 + (p1 + p2 * share) * share).clamp_min(0)

    @property
    def largest_level(self) -> float:
        """Largest deviation that noise by the level has, as a share of the largest weight."""
        p0, p1, p2 = self.level
        top = [1.0, min(max(-p1 / (2 * p2), 0.0), 1.0)] if p2 else [1.0]
        return max(0.0, p0, *(p0 + (p1 + p2 * share) * share for share in top))

    def scaled(self, share: float) -> "Noise":
        """The same with deviations ``share`` times as large; drop-connect stays."""
        p0, p1, p2 = self.level
        return replace(
            self,
            adc=self.adc * share,
            weight=self.weight * share,
            dac=self.dac * share,
            level=(p0 * share, p1 * share, p2 * share),
        )

    def to_dict(self) -> dict[str, Any]:
        """As :func:`dataclasses.asdict`; without ``level`` where there is none, as configurations of before are."""
        content = asdict(self)
        if not self.has_level:
            del content["level"]
        return content


def _polynomial(level: Any) -> tuple[float, float, float]:
    if not isinstance(level, (tuple, list)) or len(level) != 3:
        raise DesignError(f"noise by the level must be 3 numbers, not {level!r}")
    p0, p1, p2 = (check_number("noise by the level", number, -1000, 1000) for number in level)
    return p0, p1, p2


def check_noise(noise) -> Noise:
    """``noise`` if it is a :class:`Noise`; else :class:`DesignError`."""
    if not isinstance(noise, Noise):
        raise DesignError(f"noise must be a Noise, not {noise!r}")
    return noise


def adc_of_snr(decibels: float, bits: int) -> float:
    """ADC noise in steps that gives this SNR. The signal is the converters' convention: a full-scale sine.

    W. Kester, MT-001 (the paper's reference 31): SNR = 6.02 bits + 1.76 dB at rounding noise alone, 1/sqrt(12) step.
    """
    return 2 ** (check_integer("ADC bits", bits, 1, 16) - 1) * below(decibels) / math.sqrt(2)


def dac_of_snr(decibels: float, bits: int) -> float:
    """DAC noise in steps that gives this SNR, the signal being a full-scale sine as for :func:`adc_of_snr`."""
    return full_scale(check_integer("DAC bits", bits, 1, 16)) * below(decibels) / math.sqrt(2)


def weight_of_snr(decibels: float) -> float:
    """Weight noise beta that gives this SNR, the signal being weights spread evenly over their range.

    Their power is range^2 / 12, as that of a rounding error over its step. Trained weights have less; nothing is
    measured, so that a number means the same for every array.
    """
    return below(decibels) / math.sqrt(12)


def below(decibels: float) -> float:
    """Ratio of amplitudes, noise over signal, at an SNR in dB."""
    if not is_number(decibels) or not -100 <= decibels <= 300:
        raise DesignError(f"SNR in dB must be a number from -100 to 300, not {decibels!r}")
    return 10 ** (-decibels / 20)


class NoiseSource:
    """A seeded stream of draws, shared by the layers of a network: each draw has a key of its own."""

    def __init__(self, seed: int = 0) -> None:
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start the stream again: the same seed gives the same noise."""
        self._seed, self.draws = seed, 0  #: draws so far, which alone say where the stream is

    def key(self) -> list[int]:
        """Key of the next draw, for :func:`.gaussian.normals`."""
        self.draws += 1
        return stream_key(self._seed, self.draws)

    def normal(self, *shape: int) -> torch.Tensor:
        """Standard normal float32 of ``shape``: one draw."""
        return normals(self.key(), 1, math.prod(shape), loaded_kernel()).view(shape)
