"""Nonlinear cells in training: the row of a DAC code acts as another level, by the law I = I0 sinh(V / V0).

Without wires that is the whole of their nonlinearity (docs/array.md), and it is a smooth function of the code. So
weights can be learned for it. The integers of an evaluation stay those of linear cells, as of reference and RTL.
"""

import math
from dataclasses import dataclass

import torch

from ...model.formats import check_number

STEEPEST = 50.0  #: read voltages in V0, beyond which a device is refused, too


def check_curve(curve: float) -> float:
    """The read voltage over V0, from 0 (linear cells) to ``STEEPEST``; else :class:`DesignError`."""
    return check_number("curve, the read voltage over V0,", curve, 0, STEEPEST)


@dataclass(frozen=True)
class Bend:
    """Codes become ``outer`` sinh(``inner`` code), the level of a linear cell with the same current."""

    inner: float
    outer: float

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        return (codes * self.inner).sinh() * self.outer


def bend_of(curve: float, largest: float, step: float = 1.0) -> Bend | None:
    """What bends the codes of rows whose code 1 is ``step``; None: nothing does.

    ``largest`` is the read voltage, the highest of a row, in the unit of ``step``. There the level is the code.
    """
    if not curve:
        return None
    return Bend(curve * step / largest, largest / step / math.sinh(curve))
