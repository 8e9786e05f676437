"""What to change in an array: read voltage, DACs, columns that wait, row drivers, how often gains are set anew.

Each piece of advice has the number behind it, worked out in closed form from the array's own weights and conductances
on random inputs, wires left out and gains as they are. One limit holds throughout: an error of a reading of
:data:`LIMIT` is as good as none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...model.layout import row_drive
from ..circuit.selection import floating_power, selections
from ..memory.amplifiers import Amplifiers
from ..memory.noise import shot_noise, thermal_noise
from .budget import random_drives
from .datasheet import FLOATING_INPUTS, INPUTS, Datasheet

LIMIT = 0.05  #: LSB rms of a reading: 1.5 % of an ideal converter's rounding, in power
VOLTAGES = [float(f"{digit}e{power}") for power in range(-3, 1) for digit in (1, 2, 5)]  #: V, to choose from
AMPLIFIERS = Amplifiers(offset_sigma=5e-3, auto_zero=True)  #: taken for an array that has none
LONGEST = 10 * 365.25 * 86400.0  #: s: no interval beyond ten years is worth a word
WARMEST = 100.0  #: K, the same of temperatures
YOUNGEST = 60.0  #: s after programming, where an array has no age
STEPS = 40  #: of a bisection
FEW = 100  #: inputs on which errors are looked for


@dataclass(frozen=True)
class Advice:
    """About one part of the array: how it is, what to make of it ("" for nothing) and the number behind that."""

    part: str
    now: str
    change: str
    reason: str


def advise(sheet: Datasheet) -> list[Advice]:
    """Advice about each of the five parts, each as if the others stayed as they are."""
    adviser = Adviser(sheet)
    return [adviser.read_voltage(), adviser.dacs(), adviser.columns(), adviser.drivers(), adviser.interval()]


class Adviser:
    """What advice on one array shares; errors are in LSB rms over columns and random inputs."""

    def __init__(self, sheet: Datasheet) -> None:
        self.sheet, self.cells = sheet, sheet.array.cell_array.cells
        self.mapping, self.layer = sheet.array.cell_array.mapping, sheet.layer
        self._codes = random_drives(self.layer, INPUTS, np.random.default_rng(sheet.seed))
        self._rows = self._codes[:FEW] * row_drive(self.layer)

    # -- errors ---------------------------------------------------------------------------------------------

    @cached_property
    def reading(self) -> float:
        """What is read, LSB rms: an error of the share x of all weights is x times that."""
        return self._rms(self._rows @ self._weights)

    @cached_property
    def _weights(self) -> np.ndarray:
        """As the cells hold them, in codes (rows, columns); columns as they lie in the array."""
        return self.mapping.weigh(self._columns)

    def _rms(self, sums: np.ndarray) -> float:
        return float(np.sqrt(((sums * self.sheet.array.scale) ** 2).mean()))

    @cached_property
    def _columns(self) -> np.ndarray:
        """Conductance (S) of each cell by what it counts, (planes, rows, columns)."""
        return self.sheet.conductances[:, :, : self.layer.columns]

    def voltage_error(self, volts: float) -> float:
        """By thermal and shot noise and by sense amplifiers, at a read voltage of ``volts``."""
        share, unit = volts / self.cells.device.read_voltage, self.mapping.unit_current
        counts, band = self.mapping.digit_weights[:, None, None] ** 2.0, self.cells.noise_bandwidth(self.layer)
        power = (counts * self._columns).sum(axis=0)
        thermal = thermal_noise(self.cells.kelvin, band) * power.sum(axis=0) / share**2
        shot = shot_noise(band) * self.mapping.code_voltage * (np.abs(self._rows) @ power).mean(axis=0) / share
        offset = (counts[:, 0] * self._columns.sum(axis=1) ** 2).sum(axis=0) * (self.amplifiers.sigma / share) ** 2
        return float(np.sqrt(((thermal + shot + offset) * (self.sheet.array.scale / unit) ** 2).mean()))

    @property
    def amplifiers(self) -> Amplifiers:
        return self.cells.amplifiers or AMPLIFIERS

    def curve_error(self, curve: float) -> float:
        """By nonlinear cells at amplitude DACs, whose read voltage is ``curve`` V0."""
        top = self.mapping.cells.device.read_voltage / self.mapping.code_voltage
        bent = np.sinh(self._rows * (curve / top)) * (top / math.sinh(curve))
        return self._rms((bent - self._rows) @ self._weights)

    def driver_error(self, ohm: float) -> float:
        """By row drivers of that resistance: each row sags by its own conductance, of the columns that conduct."""
        planes, load = self._columns, np.empty_like(self._columns)
        conversions = 1 if self.sheet.unselected == "grounded" else self.layer.conversions
        for mask in selections(self.layer.columns, conversions):
            load[..., mask] = planes[..., mask].sum(axis=2, keepdims=True)
        return self._rms(self._rows @ (self.mapping.weigh(planes / (1 + ohm * load)) - self._weights))

    # -- advice ---------------------------------------------------------------------------------------------

    def read_voltage(self) -> Advice:
        now, power = self.cells.device.read_voltage, self.sheet.power[0]
        fitting = [volts for volts in VOLTAGES if self.voltage_error(volts) <= LIMIT]
        best = fitting[0] if fitting else now
        kind = "their" if self.cells.amplifiers else "assumed"
        about = (
            f"thermal and shot noise and {kind} amplifiers' {self.amplifiers.sigma * 1e3:.2g} mV err by "
            f"{self.voltage_error(now):.2g} LSB"
        )
        if self.voltage_error(now) <= LIMIT and best >= now:
            return Advice("read voltage", f"{now:g} V", "", f"{about}; the next lower one by more than {LIMIT:g}")
        change = (
            f"{about}, at {best:g} V by {self.voltage_error(best):.2g}; full scale takes {power * 1e3:.4g} mW, then "
        )
        return Advice(
            "read voltage",
            f"{now:g} V",
            f"{best:g} V" * (best != now),
            f"{change}{power * (best / now) ** 2 * 1e3:.4g}",
        )

    def dacs(self) -> Advice:
        law, now = self.sheet.law, self.cells.dacs.replace("_", " ")
        straight = bisect(self.curve_error, 1e-3, 20.0)
        volts, steps = (
            self.cells.device.read_voltage,
            self.mapping.cells.device.read_voltage / self.mapping.code_voltage,
        )
        if law is None:
            about = (
                f"cells obey Ohm's law; from a V0 of {volts / straight:.2g} V down amplitudes err by {LIMIT:g} LSB"
            )
            change = "amplitude" if self.sheet.pulsed else ""
            return Advice("DACs", now, change, about + f"; pulses take {steps:g} times as long" * self.sheet.pulsed)
        error = self.curve_error(law[0] / law[1])
        about = f"at {law[0] / law[1]:.2g} V0 amplitudes err by {error:.2g} LSB"
        if (error > LIMIT) == self.sheet.pulsed:
            return Advice("DACs", now, "", about)
        if self.sheet.pulsed:
            return Advice("DACs", now, "amplitude", f"{about}; pulses take {steps:g} times as long")
        other = f"reading at {straight * law[1]:.2g} V or training with --curve {law[0] / law[1]:.2g} costs no time"
        return Advice("DACs", now, "pulse width", f"{about}; a conversion takes {steps:g} times as long; {other}")

    def columns(self) -> Advice:
        conversions, now = self.layer.conversions, self.sheet.unselected.replace("_", " ")
        if conversions == 1 or not self.mapping.paired or self.mapping.spares or self.sheet.unselected == "cut_off":
            why = "no column waits" if conversions == 1 else "each conversion has power for its own columns alone"
            return Advice(
                "waiting columns", now, "", why if self.mapping.paired else "cells share a reference column"
            )
        grounded, floating = self.waiting_power()
        cut = grounded / conversions
        return Advice(
            "waiting columns",
            now,
            "cut off",
            f"on random inputs a read takes {grounded * 1e3:.4g} mW with all columns at ground, {floating * 1e3:.4g} "
            f"with {conversions - 1} of {conversions} floating, {cut * 1e3:.4g} cut off",
        )

    def waiting_power(self) -> tuple[float, float]:
        """Power (W) on random inputs with columns that wait at ground, and floating."""
        planes = self.sheet.conductances
        held, loads = self.mapping.volts(self._codes), planes.sum(axis=(0, 2))
        few = held[:FLOATING_INPUTS]
        grounded = float((self.sheet.heat(held) @ loads).mean())
        sneak = sum(floating_power(plane, row) for plane in planes for row in few) / (few**2 @ loads).sum()
        share = 1 / self.layer.conversions
        return grounded, grounded * (share + (1 - share) * float(sneak))

    def drivers(self) -> Advice:
        now, most = self.sheet.wires.driver, bisect(self.driver_error, 1e-6, 1e9)
        current = float(self.sheet.driver_currents.sum(axis=0).max())
        limit = self.sheet.wires.row_limit * self.sheet.wires.driver_ends
        about = f"{most:.2g} ohm err by {LIMIT:g} LSB; one gives {current * 1e3:.3g} mA at full scale"
        over = f", {current / limit:.1f} times what a row's wire may carry" * (current > limit)
        said = f"{now:g} ohm" if now else "ideal"
        return Advice("row drivers", said, f"at most {most:.2g} ohm" * (not now or now > most), about + over)

    def interval(self) -> Advice:
        cells = self.cells
        share, start = LIMIT / max(self.reading, 1e-9), max(cells.seconds, YOUNGEST)
        first = self._until(share, start)
        there = self.strength(start, cells.kelvin)
        warmer = bisect(lambda more: abs(self.strength(start, cells.kelvin + more) / there - 1), 1e-3, WARMEST, share)
        heat = f"{warmer:.2g} K as much" if warmer < WARMEST else f"{WARMEST:g} K, too"
        now = (
            "as trained" if self.sheet.array.config.gains == "as_trained" else f"set {said(start)} after programming"
        )
        about = f"{LIMIT:g} LSB is {share:.2%} of what is read"
        if first >= LONGEST:
            change = f"after {warmer:.2g} K" * (warmer < WARMEST)
            return Advice("gains anew", now, change, f"{about}; {said(LONGEST)} change less, {heat}")
        second = self._until(share, first)
        change = f"{said(first - start)} after {said(start)}, then after {said(second - first)}"
        return Advice("gains anew", now, change + " more", f"{about}; {heat}")

    def strength(self, seconds: float, kelvin: float) -> float:
        """What is left of the weights at an age: the factor of least squares, of cells without spread."""
        device, plan = self.cells.device, self.sheet.array.cell_array.place(self.sheet.array.levels)
        new = self.mapping.conductances(plan.digits)
        before, after = (self.mapping.weigh(planes) for planes in (new, device.aged(new, 0.0, seconds, kelvin)))
        return float((before * after).sum() / (before**2).sum())

    def _until(self, share: float, start: float) -> float:
        """Age (s) at which the weights have changed by ``share`` since the age ``start``; ``LONGEST`` at most."""
        there = self.strength(start, self.cells.kelvin)
        return bisect(lambda age: abs(self.strength(age, self.cells.kelvin) / there - 1), start, LONGEST, share)


def bisect(rising: Callable[[float], float], low: float, high: float, limit: float = LIMIT) -> float:
    """Where a function that rises reaches ``limit``, between ``low`` and ``high`` above 0; ``high`` if nowhere."""
    for _ in range(STEPS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if rising(middle) > limit else (middle, high)
    return high


def said(seconds: float) -> str:
    """A time in the largest unit of which it has one.

    >>> said(59), said(5400), said(4e6)
    ('59 s', '1.5 h', '46 days')
    """
    for name, size in (("years", 365.25 * 86400), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.2g} {name}"
    return f"{seconds:.2g} s"
