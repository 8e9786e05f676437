"""Sense amplifiers of an array: how far from ground each keeps the column that it reads.

An amplifier sits before each converter, behind the column multiplexer (Ma et al., section III, share converters so),
in every plane and in every tile of rows; a reference column has one of its own. All columns of a converter meet the
same offset, but each column with its own sum of conductances.
"""

from dataclasses import dataclass

import numpy as np

from ...model.formats import check_boolean, check_number


@dataclass(frozen=True, kw_only=True)
class Amplifiers:
    """Offsets at the inputs of sense amplifiers, drawn once for a chip: N(0, ``offset_sigma``^2).

    With ``auto_zero`` each stores its offset on a capacitor before it reads. A gain A leaves 1 / (1 + A) of it, and
    the switch that opens injects a charge that stays as N(0, ``injection_sigma``^2) (Enz and Temes, Proc. IEEE 84,
    1584, 1996, section III). 60 dB and 0.1 mV are round.
    """

    offset_sigma: float = 0.0  #: V
    auto_zero: bool = False
    open_loop_gain: float = 1000.0
    injection_sigma: float = 1e-4  #: V

    def __post_init__(self) -> None:
        check_number("amplifier offset sigma in V", self.offset_sigma, 0.0, 1.0)
        check_boolean("auto-zero", self.auto_zero)
        check_number("open-loop gain of amplifiers", self.open_loop_gain, 1.0, 1e9)
        check_number("charge injection sigma in V", self.injection_sigma, 0.0, 1.0)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Volts at the inputs of amplifiers while they read. The offsets are the same with and without auto-zero."""
        offsets = self.offset_sigma * rng.standard_normal(shape)
        if not self.auto_zero:
            return offsets
        return offsets / (1 + self.open_loop_gain) + self.injection_sigma * rng.standard_normal(shape)

    @property
    def sigma(self) -> float:
        """Standard deviation (V) of what :meth:`draw` gives."""
        if not self.auto_zero:
            return self.offset_sigma
        return float(np.hypot(self.offset_sigma / (1 + self.open_loop_gain), self.injection_sigma))
