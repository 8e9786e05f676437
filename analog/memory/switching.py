"""Cells of two states: a pulse switches one, or fails to, with a write error rate."""

import math
from dataclasses import dataclass

from ...model.formats import DesignError, check_number


@dataclass(frozen=True, kw_only=True)
class Switch:
    """Pulses of a spin-transfer-torque cell, a macrospin perpendicular to its film.

    Heat gives it an angle to begin with, of the density sin(a) exp(-``stability`` sin(a)^2). A pulse of i times the
    critical voltage moves it by da/dt = sin(a) (i - cos(a)), in units of ``relaxation``, (1 + alpha^2) /
    (alpha gamma mu0 Hk). The write fails where that takes longer than the pulse. Butler et al., arXiv:1202.2621, have
    this model and compare it with the Fokker-Planck equation. The defaults are round.
    """

    voltage: float = 1.0  #: V
    critical_voltage: float = 0.4  #: V, below which nothing switches without heat
    pulse_seconds: float = 15e-9
    relaxation: float = 2.8e-9  #: s
    stability: float = 60.0  #: energy barrier over kT

    def __post_init__(self) -> None:
        check_number("voltage of a switching pulse in V", self.voltage, 1e-3, 20.0)
        check_number("critical voltage in V", self.critical_voltage, 1e-3, 20.0)
        check_number("seconds of a switching pulse", self.pulse_seconds, 1e-12, 1.0)
        check_number("relaxation in s", self.relaxation, 1e-12, 1.0)
        check_number("stability", self.stability, 1.0, 1000.0)
        if self.voltage <= self.critical_voltage:
            raise DesignError(
                f"a switching pulse must have more than the critical voltage {self.critical_voltage:g} V, "
                f"not {self.voltage:g} V"
            )

    @property
    def error_rate(self) -> float:
        """Probability that a pulse does not switch the cell: of an angle too small to reach 90 degrees in time.

        That angle is the integral of the law of motion, solved for small angles.
        """
        i, time = self.voltage / self.critical_voltage, self.pulse_seconds / self.relaxation
        square = 2 * 2 ** ((i - 1) / (i + 1)) * ((i - 1) / i) ** (2 / (i + 1)) * math.exp(-2 * (i - 1) * time)
        return -math.expm1(-self.stability * square)
