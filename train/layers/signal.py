"""Noise that is told by the signal that it disturbs: the power of each array's rows and column sums, and SNR in dB.

>>> import torch
>>> from ohmgate.train.layers.modules import QuantLinear
>>> from ohmgate.train.layers.whole_model import set_noise
>>> model, inputs = QuantLinear(16, 10, adc_bits=8), torch.rand(200, 16) * 2 - 1
>>> powers = signal_power(model, lambda: model(inputs))
>>> set_noise(model, evaluate=noise_at_snr(powers, 0.0, site="sums"))

A converter's data sheet tells its SNR for a full-scale sine (:func:`.noise.adc_of_snr`); this one is for the signal
that is there, which is weaker.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from ...model.formats import DesignError, check_choice
from .array import ArrayModule
from .conv import QuantConv2d
from .noise import SITES, Noise, below
from .sequence import Trace
from .whole_model import arrays_of, listening, without_noise


@dataclass(frozen=True)
class SignalPower:
    """Root mean squares of an array's signals, in the units that :class:`.noise.Noise` has for noise of each."""

    rows: float  #: of input rows and driven hidden rows, in DAC steps; bias rows say nothing
    sums: float  #: of the columns' voltages ahead of the converters' limits, in ADC steps

    def at(self, site: str) -> float:
        return self.rows if site == "rows" else self.sums


Powers = Mapping[ArrayModule, SignalPower]  #: of every array of a model


def signal_power(
    model: nn.Module, run: Callable[[], object], lengths: torch.Tensor | None = None
) -> dict[ArrayModule, SignalPower]:
    """Of every array, in what ``run()`` evaluates, without noise.

    ``lengths`` (B,) are those of padded sequences: steps past them do not count. (All positions of a convolution do.)
    Raises :class:`DesignError` for an array that ``run`` did not call.
    """
    sums = {array: _Mean() for array in arrays_of(model)}
    rows = {array: _Mean() for array in sums}

    def hear(array: ArrayModule, codes: torch.Tensor, trace: Trace) -> None:
        valid = _valid(codes, None if isinstance(array, QuantConv2d) else lengths)
        sums[array].add(trace.voltage[valid])
        rows[array].add(codes[valid])
        if trace.hidden is not None and len(codes) > 1:
            rows[array].add(trace.hidden[:-1][valid[1:]])

    with listening(model, list(sums), hear), without_noise(model):
        run()
    for number, array in enumerate(sums):
        if not sums[array].count:
            raise DesignError(f"array {number} must run for its signal to be measured, but never runs")
    return {array: SignalPower(rows[array].root(), sums[array].root()) for array in sums}


def noise_at_snr(powers: Powers, decibels: float, *, site: str) -> dict[ArrayModule, Noise]:
    """For every array, Gaussian noise so far below the power of its signal at ``site``, "rows" or "sums"."""
    check_choice("site of noise", site, SITES)
    ratio = below(decibels)
    if site == "rows":
        return {array: Noise(dac=power.rows * ratio) for array, power in powers.items()}
    return {array: Noise(adc=power.sums * ratio) for array, power in powers.items()}


def snr_of(powers: Powers, noise: Mapping[ArrayModule, Noise], *, site: str) -> list[float]:
    """SNR in dB of every array: what noise of a fixed power is beside signals that training has changed."""
    check_choice("site of noise", site, SITES)
    size = {array: each.dac if site == "rows" else each.adc for array, each in noise.items()}
    if not all(size.values()):
        raise DesignError(f"an SNR must be of noise, but an array has none on its {site}")
    return [_decibels(power.at(site) / size[array]) for array, power in powers.items()]


def _decibels(ratio: float) -> float:
    return 20 * math.log10(ratio) if ratio else -math.inf


class _Mean:
    """Of squares, over many tensors."""

    def __init__(self) -> None:
        self.count, self._total = 0, 0.0

    def add(self, values: torch.Tensor) -> None:
        self.count += values.numel()
        self._total += float(values.double().square().sum())

    def root(self) -> float:
        return math.sqrt(self._total / max(self.count, 1))


def _valid(codes: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """(T, B): is a step part of its sequence? All are where the call is not of such sequences, as a head's at their
    end."""
    steps, batch = codes.shape[:2]
    if lengths is None or len(lengths) != batch or steps < int(lengths.max()):
        return torch.ones(steps, batch, dtype=torch.bool)
    return torch.arange(steps)[:, None] < lengths
