"""Tables of an LSTM's gates in training: sigmoid and tanh at the pre-activations that the ADC's codes stand for.

A code stands for the middle of its step. Learning moves these points, so that every entry stays a value of sigmoid
or tanh, and with it legal in the image.
"""

import math
from functools import lru_cache

import numpy as np
import torch

from ...model.tables import cell_tanh_table, gate_tables

sigmoid_tables = lru_cache(maxsize=64)(gate_tables)


def entries_of(adc_bits: int, units: int) -> int:
    """Entries of a gate's table behind row tiles whose codes add up to ``units`` (U in docs/numerics.md)."""
    return units * (2**adc_bits - 1) + 1


def middles(steps: torch.Tensor, adc_bits: int, units: int = 1) -> torch.Tensor:
    """(4, entries) float64: pre-activations in the middle of the ADC steps (4,), or of what row tiles add up to."""
    return _middle_codes(adc_bits, units) * steps.double()[:, None]


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # or a training after an inference could not use it
def _middle_codes(adc_bits: int, units: int) -> torch.Tensor:
    return torch.arange(entries_of(adc_bits, units), dtype=torch.float64) + units * (0.5 - 2 ** (adc_bits - 1))


def with_ceiling(points: torch.Tensor, bits: int) -> torch.Tensor:
    """``points`` with the forget gate's last entry (2^A - 1)/2^A, the largest, unless it is there already."""
    points = points.clone()
    points[0, -1].clamp_(min=math.log(2**bits - 1))
    return points


def entries(points: torch.Tensor, bits: int) -> torch.Tensor:
    """:func:`ohmgate.model.tables.gate_entries` in torch, fast enough for every batch and every width."""
    unsigned = np.floor(torch.sigmoid(points[:3]).numpy() * 2**bits + 0.5).clip(max=2**bits - 1)
    top, signed = 2 ** (bits - 1), points[3:].numpy()  # of few numbers numpy makes shorter work
    magnitude = np.floor(torch.tanh(points[3:].abs()).numpy() * top + 0.5).clip(max=top - 1)
    return torch.from_numpy(np.concatenate([unsigned, np.copysign(magnitude, signed)]))


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def scales(bits: int, dtype: torch.dtype) -> torch.Tensor:
    """(4, 1): what an entry's 1 is worth in each gate."""
    return torch.tensor([2.0**-bits] * 3 + [2.0 ** (1 - bits)], dtype=dtype)[:, None]


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # or a training after an inference could not use it
def nominal_values(
    steps: tuple[float, ...], adc_bits: int, units: int, bits: int, dtype: torch.dtype
) -> torch.Tensor:
    """(4, entries) of tables that nothing has moved, for ADC steps (4,), of which most trainings have one set."""
    points = middles(torch.tensor(steps, dtype=torch.float64), adc_bits, units)
    return (entries(points, bits) * scales(bits, torch.float64)).to(dtype)


def learned_values(points: torch.Tensor, bits: int) -> torch.Tensor:
    """Values of the entries, with the gradient of sigmoid and tanh: the largest entry keeps it, or it would stay."""
    real = torch.cat([torch.sigmoid(points[:3]), torch.tanh(points[3:])])
    rounded = entries(points.detach(), bits) * scales(bits, points.dtype)
    return real + (rounded - real).detach()


def slopes(points: torch.Tensor) -> torch.Tensor:
    """(4, 2^N): of sigmoid and tanh at ``points``."""
    sigmoid, tanh = torch.sigmoid(points[:3]), torch.tanh(points[3:])
    return torch.cat([sigmoid * (1 - sigmoid), 1 - tanh * tanh])


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # or a training after an inference could not use it
def cell_values(tanh_bits: int, tanh_fraction: int, bits: int, dtype: torch.dtype) -> torch.Tensor:
    """(2^T,) of the table of the cell's tanh."""
    return torch.from_numpy(cell_tanh_table(tanh_bits, tanh_fraction, bits)).to(dtype) * 2.0 ** (1 - bits)
