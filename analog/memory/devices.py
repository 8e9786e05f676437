"""Memory cells: what one device can hold and how it errs, with presets of five technologies.

A preset's docstring says what comes from which source; where it says "round", the number is this project's own
typical value and no measurement. For a real chip, replace the numbers by its own: ``dataclasses.replace``.
"""

import math
from dataclasses import dataclass

import numpy as np

from ...model.formats import DesignError, check_boolean, check_integer, check_number
from ...model.records import later
from .noise import Flicker, Telegraph

REFERENCE_KELVIN = 300.0
BOLTZMANN_EV = 8.617333e-5  #: eV/K
HELD_BELOW = 100.0  #: Hz; 1/f read noise that is slower stays as it is while a chip is read, a period of 10 ms


@dataclass(frozen=True, kw_only=True)
class Device:
    """A memory cell. Conductances in siemens, times in seconds; g = G / ``g_max`` in the fits below.

    - Programming error, new with every write: N(0, sigma^2), sigma = g_max * max(0, p0 + p1*g + p2*g^2).
    - Device to device, fixed for each cell: G is multiplied by 1 + N(0, ``device_sigma``^2).
    - Read noise: sigma_G / G = q = min(``read_sigma`` / g^``read_exponent``, ``read_limit``), new in every step.
      With a ``read_seconds`` t_read it is 1/f noise since programming, of density q^2 / f from 1 / (t + t_read) to
      1 / (2 t_read), g as programmed: sigma_G / G = q sqrt(ln((t + t_read) / (2 t_read))).
    - Drift: G (t/t0)^-nu, nu ~ N(mu, s^2) for each cell, mu and s = clip(a ln g + b, low, high); |nu| where it is
      ``drift_one_way``.
    - Retention: G - g_min decays by exp(-t/tau). ln tau ~ N(ln ``retention``, ``retention_sigma``^2) for each cell at
      300 K; at T all tau are shorter by exp(``activation_energy``/k * (1/300 K - 1/T)).
    - Temperature: G is multiplied by 1 + ``temperature_coefficient`` * (T - 300 K), and by
      exp(E/k * (1/300 K - 1/T)). E is that of conduction, from the first of ``conduction_energy`` at g_min to the
      second at g_max, linear in G; a metallic filament has none, and what hops through a gap has some.
    - Nonlinearity: I = G Vr sinh(V / V0) / sinh(Vr / V0), V0 = ``sinh_voltage``; G is that at the read voltage Vr.
    """

    name: str
    g_min: float
    g_max: float
    levels: int  #: that one cell can hold; 2 is a binary cell
    read_voltage: float  #: V on a row at full-scale DAC code
    program_sigma: tuple[float, float, float] = (0.0, 0.0, 0.0)
    device_sigma: float = 0.0
    read_sigma: float = 0.0
    read_exponent: float = 0.0
    read_limit: float = 1.0
    drift_mean: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    drift_sigma: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    drift_start: float = 1.0  #: t0; no drift before it
    retention: float = math.inf
    activation_energy: float = 1.0  #: eV
    temperature_coefficient: float = 0.0  #: 1/K
    telegraph: Telegraph | None = None
    flicker: Flicker | None = None
    sinh_voltage: float = later(math.inf)  #: V; cells obey Ohm's law if it is infinite
    retention_sigma: float = later(0.0)  #: of ln tau; ``retention`` is then the median of tau
    conduction_energy: tuple[float, float] = later((0.0, 0.0))  #: eV, at g_min and at g_max
    read_seconds: float = later(0.0)  #: of the reads that read noise was measured with; 0: it is new in every step
    drift_one_way: bool = later(False)  #: no cell's conductance rises

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise DesignError(f"the device's name must be text, not {self.name!r}")
        check_number(f"{self.name}: g_max in S", self.g_max, 1e-12, 1.0)
        number = isinstance(self.g_min, (int, float)) and not isinstance(self.g_min, bool)
        if not number or not 0 <= self.g_min < self.g_max:
            raise DesignError(
                f"{self.name}: g_min in S must be from 0 to below g_max {self.g_max:g}, not {self.g_min!r}"
            )
        check_integer(f"{self.name}: levels", self.levels, 2, 65536)
        check_number(f"{self.name}: read voltage in V", self.read_voltage, 1e-3, 10.0)
        for name, count, most in (
            ("program_sigma", 3, 1e6),
            ("drift_mean", 4, 1.0),
            ("drift_sigma", 4, 1.0),
            ("conduction_energy", 2, 10.0),
        ):
            numbers = getattr(self, name)
            if not isinstance(numbers, tuple) or len(numbers) != count:
                raise DesignError(f"{self.name}: {name} must be {count} numbers, not {numbers!r}")
            for number in numbers:
                check_number(f"{self.name}: {name}", number, -most, most)
        check_number(f"{self.name}: device_sigma", self.device_sigma, 0.0, 1.0)
        check_number(f"{self.name}: read_sigma", self.read_sigma, 0.0, 10.0)
        check_number(f"{self.name}: read_exponent", self.read_exponent, 0.0, 10.0)
        check_number(f"{self.name}: read_limit", self.read_limit, 0.0, 10.0)
        check_number(f"{self.name}: drift_start in s", self.drift_start, 1e-12, 1e12)
        check_number(f"{self.name}: retention in s", self.retention, 1e-12, math.inf)
        check_number(f"{self.name}: activation_energy in eV", self.activation_energy, 0.0, 10.0)
        check_number(f"{self.name}: temperature_coefficient in 1/K", self.temperature_coefficient, -0.1, 0.1)
        check_number(f"{self.name}: sinh_voltage in V", self.sinh_voltage, self.read_voltage / 50, math.inf)
        check_number(f"{self.name}: read_seconds", self.read_seconds, 0.0, 1e-3)
        check_boolean(f"{self.name}: drift_one_way", self.drift_one_way)
        check_number(f"{self.name}: retention_sigma", self.retention_sigma, 0.0, 10.0)

    def programming_sigma(self, target) -> np.ndarray:
        """Standard deviation (S) of the programming error at ``target`` (S)."""
        g = np.asarray(target) / self.g_max
        p0, p1, p2 = self.program_sigma
        return self.g_max * np.maximum(p0 + p1 * g + p2 * g * g, 0.0)

    def read_noise(self, conductance) -> np.ndarray:
        """q of the read noise of cells of these conductances (S): as programmed for 1/f noise, else as they are."""
        g = np.maximum(np.asarray(conductance) / self.g_max, 1e-6)
        return np.minimum(self.read_sigma / g**self.read_exponent, self.read_limit)

    def read_bands(self, seconds: float, step: float) -> tuple[float, float, float]:
        """Variances of the read noise, ``seconds`` after programming, in units of q^2: how long each part lasts.

        1/f noise that is slower than ``HELD_BELOW`` stays as it is while a chip is read; what is faster, but
        not than the steps of ``step`` seconds, stays for a sequence; the rest is new in every step, as is all read
        noise without ``read_seconds``.
        """
        if not self.read_seconds:
            return 0.0, 0.0, 1.0
        slowest, fastest = 1 / (seconds + self.read_seconds), 1 / (2 * self.read_seconds)
        if slowest >= fastest:
            return 0.0, 0.0, 0.0
        held, lasting = np.clip([min(HELD_BELOW, 1 / step), 1 / step], slowest, fastest).tolist()
        return math.log(held / slowest), math.log(lasting / held), math.log(fastest / lasting)

    def aged(
        self,
        programmed,
        normal,
        seconds: float | np.ndarray,
        kelvin: float,
        lifetime: float | np.ndarray = 0.0,
    ) -> np.ndarray:
        """Conductances (S) ``seconds`` after programming at ``kelvin``; cells may each have an age of their own.

        ``normal`` and ``lifetime`` are each cell's standard normal deviates of its drift and of its ln tau.
        """
        result = np.asarray(programmed, dtype=np.float64)
        g = np.maximum(result / self.g_max, 1e-6)
        if np.any(seconds > self.drift_start) and any(self.drift_mean + self.drift_sigma):
            exponent = _fit(self.drift_mean, g) + _fit(self.drift_sigma, g) * normal
            exponent = np.abs(exponent) if self.drift_one_way else exponent
            result = result * np.maximum(seconds / self.drift_start, 1.0) ** -exponent
        colder = (1 / REFERENCE_KELVIN - 1 / kelvin) / BOLTZMANN_EV  # 1/eV
        if math.isfinite(self.retention) and np.any(seconds):
            times = -seconds / self.retention * math.exp(self.activation_energy * colder)
            if self.retention_sigma:
                times = times * np.exp(-self.retention_sigma * lifetime)
            kept = np.exp(times) if isinstance(times, np.ndarray) else math.exp(times)
            result = self.g_min + (result - self.g_min) * kept
        if any(self.conduction_energy):
            low, high = self.conduction_energy
            level = np.clip((result - self.g_min) / (self.g_max - self.g_min), 0.0, 1.0)
            result = result * np.exp((low + (high - low) * level) * colder)
        return result * max(0.0, 1 + self.temperature_coefficient * (kelvin - REFERENCE_KELVIN))


def _fit(coefficients: tuple[float, float, float, float], g: np.ndarray) -> np.ndarray:
    slope, offset, low, high = coefficients
    return np.clip(slope * np.log(g) + offset, low, high)


def paper() -> Device:
    """Ma et al.: 1 V read, 1 Mohm on average (section VI.B), sigma_R/R about 0.1 (section V.B) in every read.

    The range 0.1 to 1.9 uS about that average and 16 levels are this project's reading.
    """
    return Device(name="paper", g_min=0.1e-6, g_max=1.9e-6, levels=16, read_voltage=1.0, read_sigma=0.1)


def reram() -> Device:
    """HfOx ReRAM: 1 to 40 uS; conductance relaxation after write and verify of about 2 uS.

    Wan et al., "A compute-in-memory chip based on resistive random-access memory", Nature 608, 504 (2022).
    Telegraph noise and 1/f dominate reads (Ambrogio et al., IEEE Trans. Electron Devices 62, 3812, 2015); their
    numbers here are round: 5 % steps in one cell of five, and 1e-5 of 1/f density. Retention: round, 10 years at
    358 K with 1.1 eV. Read voltage and temperature coefficient, that of a metallic filament: round.
    """
    return Device(
        name="reram",
        g_min=1e-6,
        g_max=40e-6,
        levels=16,
        read_voltage=0.2,
        program_sigma=(0.05, 0.0, 0.0),
        retention=3.0e11,
        activation_energy=1.1,
        temperature_coefficient=-5e-4,
        telegraph=Telegraph(amplitude=0.05, tau_high=20e-6, tau_low=10e-6, fraction=0.2),
        flicker=Flicker(density=1e-5, low=1e2, high=1e6),
    )


def pcm() -> Device:
    """Mushroom PCM, 0 to 25 uS: programming error, drift and read noise as functions of the level.

    Fits by Nandakumar et al., ICECS 2019, pages 727-730, to a million devices of Joshi et al., Nature
    Communications 11, 2473 (2020), as the documentation of aihwkit has them ("Inference and PCM statistical model").
    Read noise is 1/f noise of 0.0088 / g^0.65, 0.2 at most, since programming, measured with reads of 250 ns. Read
    voltage and temperature coefficient: round.
    """
    return Device(
        name="pcm",
        g_min=0.0,
        g_max=25e-6,
        levels=16,
        read_voltage=0.2,
        program_sigma=(0.2635 / 25, 1.9650 / 25, -1.1731 / 25),
        read_sigma=0.0088,
        read_exponent=0.65,
        read_limit=0.2,
        read_seconds=250e-9,
        drift_mean=(-0.0155, 0.0244, 0.049, 0.1),
        drift_sigma=(-0.0125, -0.0059, 0.008, 0.045),
        drift_start=20.0,
        drift_one_way=True,
        temperature_coefficient=2e-3,
    )


def mram() -> Device:
    """Spin-transfer-torque MRAM: binary, of low resistance, with a small window.

    That the low resistance is what makes MRAM arrays hard: Jung et al., Nature 601, 211 (2022). The numbers are
    round: 10 kohm parallel, a magnetoresistance of 100 %, 4 % from device to device, 0.1 V, 2e-4 a kelvin.
    """
    return Device(
        name="mram",
        g_min=50e-6,
        g_max=100e-6,
        levels=2,
        read_voltage=0.1,
        device_sigma=0.04,
        temperature_coefficient=2e-4,
    )


def nor_flash() -> Device:
    """NOR flash, binary (Ma et al., section II): up to 2 uA on, an off current below 1e-5 of it.

    Currents: Yook et al., Micromachines 14, 1753 (2023), a 40 nm split-gate cell. Tuning within 1 %: Guo et al.,
    arXiv:1611.03379, 55 nm cells; taken as the programming error. Theirs, in pairs, drift by less than 3 % from 25 to
    85 C; these do not. 1/f density: round, 1e-6.
    """
    return Device(
        name="nor_flash",
        g_min=0.0,
        g_max=2e-6,
        levels=2,
        read_voltage=1.0,
        program_sigma=(0.0, 0.01, 0.0),
        flicker=Flicker(density=1e-6, low=1e2, high=1e6),
    )
