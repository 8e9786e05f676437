"""Programming by closed loop: pulse, read back, and again until the conductance is near enough.

Each cell answers to its pulses on its own. All random numbers of a pulse are drawn for the whole array at once,
needed or not, so that a cell's history depends on its place and its target only.
"""

import math
from dataclasses import dataclass

import numpy as np

from ...model.formats import check_integer, check_number
from ...model.records import later
from .switching import Switch


@dataclass(frozen=True, kw_only=True)
class PulseModel:
    """What a pulse of strength a (0 to 1) does to a cell: soft bounds, as in common models of ReRAM and PCM.

    SET: dG = a * ``set_step`` * (g_max - G); RESET: dG = -a * ``reset_step`` * (G - g_min). Each step is
    multiplied by exp(``device_sigma`` z), fixed for each cell, and by 1 + ``cycle_sigma`` z, new in each pulse
    (never below 0). A cell stops to switch after its ``endurance``, in pulses, spread by
    exp(``endurance_sigma`` z). The defaults are round numbers for oxide ReRAM, no measurement; those of other
    technologies are in :mod:`.writers`.

    Where cells are erased, all of them are at g_max first, together and within ``erase_seconds``; pulses then only
    lower G. A pulse takes V^2 G t, or the energy that is given.
    """

    set_step: float = 0.25
    reset_step: float = 0.25
    device_sigma: float = 0.2
    cycle_sigma: float = 0.3
    endurance: float = 1e6
    endurance_sigma: float = 0.5
    set_voltage: float = 1.5  #: V
    reset_voltage: float = 1.8  #: V
    pulse_seconds: float = 100e-9
    reset_seconds: float = later(0.0)  #: of a RESET; 0: ``pulse_seconds``
    set_energy: float = later(0.0)  #: J; 0: V^2 G t
    reset_energy: float = later(0.0)
    erase_seconds: float = later(0.0)  #: of the erase of all cells; 0: none

    def __post_init__(self) -> None:
        check_number("SET step", self.set_step, 1e-6, 1.0)
        check_number("RESET step", self.reset_step, 1e-6, 1.0)
        check_number("device spread of a pulse", self.device_sigma, 0.0, 2.0)
        check_number("cycle spread of a pulse", self.cycle_sigma, 0.0, 2.0)
        check_number("endurance in pulses", self.endurance, 1.0, math.inf)
        check_number("endurance spread", self.endurance_sigma, 0.0, 5.0)
        check_number("SET voltage in V", self.set_voltage, 1e-3, 20.0)
        check_number("RESET voltage in V", self.reset_voltage, 1e-3, 20.0)
        check_number("seconds of a pulse", self.pulse_seconds, 1e-12, 1.0)
        check_number("seconds of a RESET", self.reset_seconds, 0.0, 1.0)
        check_number("energy of a SET in J", self.set_energy, 0.0, 1.0)
        check_number("energy of a RESET in J", self.reset_energy, 0.0, 1.0)
        check_number("seconds of an erase", self.erase_seconds, 0.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class WriteVerify:
    """The controller: stop within ``tolerance``, in levels of a cell, or give up after ``max_pulses``.

    The strength of a pulse follows the error that is left, so steps get finer near the target, down to
    ``finest``. A read-back errs by ``verify_sigma``, in levels. Cells of two states have a ``switch``: a pulse takes
    one to the other end, or fails.
    """

    pulse: PulseModel = PulseModel()
    tolerance: float = 0.25
    finest: float = 0.05
    max_pulses: int = 200
    verify_sigma: float = 0.05
    verify_seconds: float = 100e-9
    switch: Switch | None = later(None)

    def __post_init__(self) -> None:
        check_number("tolerance in levels", self.tolerance, 1e-3, 0.5)
        check_number("finest pulse", self.finest, 1e-3, 1.0)
        check_integer("most pulses", self.max_pulses, 1, 100_000)
        check_number("verify sigma in levels", self.verify_sigma, 0.0, 1.0)
        check_number("seconds of a verify", self.verify_seconds, 1e-12, 1.0)


@dataclass(frozen=True)
class ProgramReport:
    """What programming did; arrays have the shape of the targets."""

    conductances: np.ndarray  #: S
    error: np.ndarray  #: levels, true and not as read back
    pulses: np.ndarray  #: spent on each cell
    failed: np.ndarray  #: given up, by what was read back
    energy: float  #: J, of all pulses
    seconds: float  #: one cell at a time, pulses and verifies, and the erase

    def failures(self) -> np.ndarray:
        """Indices of the cells that were given up: (failed, dimensions), in order."""
        return np.argwhere(self.failed)

    def summary(self) -> str:
        """One paragraph for a report."""
        healthy = np.abs(self.error[~self.failed])
        near, rms = (healthy <= 0.5).mean(), np.sqrt((healthy**2).mean())
        return (
            f"{self.failed.size} cells, {int(self.failed.sum())} failed; of the others "
            f"{near:.3%} within half a level, rms error {rms:.3f} levels; "
            f"{int(self.pulses.sum())} pulses ({self.pulses.mean():.1f} a cell, at most {int(self.pulses.max())}), "
            f"{self.energy * 1e6:.3g} uJ, {self.seconds * 1e3:.3g} ms one cell at a time"
        )


def write_verify(
    target: np.ndarray,
    start: np.ndarray,
    limits: tuple[float | np.ndarray, float | np.ndarray],
    unit: float,
    writer: WriteVerify,
    rng: np.random.Generator,
    stuck: np.ndarray | None = None,
    worn: np.ndarray | None = None,
    born: np.random.Generator | None = None,
) -> ProgramReport:
    """Program cells to ``target`` (S, any shape) from ``start``.

    ``limits`` are g_min and g_max, for all cells or for each, ``unit`` the conductance of a level (all S). ``stuck``
    marks cells that do not switch; ``worn`` counts pulses that each cell has seen before. ``born`` draws what is
    fixed for each cell, so that a later write can draw it again; None takes it from ``rng``.
    """
    pulse = writer.pulse
    shape = target.shape
    born = born or rng
    factor = np.exp(pulse.device_sigma * born.standard_normal(shape))
    life = pulse.endurance * np.exp(pulse.endurance_sigma * born.standard_normal(shape))
    life = np.where(stuck, 0.0, life) if stuck is not None else life
    worn = np.zeros(shape) if worn is None else worn
    g = np.array(limits[1] if pulse.erase_seconds else start, dtype=np.float64) + np.zeros(shape)
    pulses = np.zeros(shape, dtype=np.int64)
    energy, seconds, active = 0.0, pulse.erase_seconds, np.ones(shape, dtype=bool)
    for count in range(writer.max_pulses + 1):
        error = (g - target) / unit + writer.verify_sigma * rng.standard_normal(shape)
        active = active & (np.abs(error) > writer.tolerance)  # a cell that passed is left alone
        if count == writer.max_pulses or not active.any():
            break
        up = error < 0
        wanted = np.abs(error) * unit / np.maximum(_room(pulse, g, up, limits), 1e-3 * unit)
        strength = np.clip(wanted, writer.finest, 1.0)
        draws = rng.random(shape) if writer.switch else rng.standard_normal(shape)
        moved = after_pulse(writer, g, up, strength, limits, factor, draws)
        switches = active & (worn + pulses < life)
        taken, lasted = cost(writer, up, g)
        energy += float(taken[active].sum())
        seconds += float(lasted[active].sum())
        g = np.where(switches, moved, g)
        pulses += active
    verifies = np.minimum(pulses + 1, writer.max_pulses + 1).sum()
    seconds += float(verifies * writer.verify_seconds)
    return ProgramReport(g, (g - target) / unit, pulses, active, energy, seconds)


def after_pulse(
    writer: WriteVerify,
    g: np.ndarray | float,
    up: np.ndarray | bool,
    strength: float | np.ndarray,
    limits: tuple[float | np.ndarray, float | np.ndarray],
    factor: np.ndarray | float,
    draws: float | np.ndarray,
) -> np.ndarray:
    """Conductances (S) of cells that switch, after a pulse of ``strength`` to each, SET where it goes ``up``.

    ``factor`` is each cell's own. ``draws`` are new in each pulse: uniform of 0 to 1 for cells of two states, where
    the pulse fails below the error rate, else standard normal.
    """
    pulse, (low, high) = writer.pulse, limits
    if writer.switch:
        return np.where(draws < writer.switch.error_rate, g, np.where(up, high, low))
    step = strength * _room(pulse, g, up, limits) * factor * np.maximum(1 + pulse.cycle_sigma * draws, 0.0)
    step = np.where(up, 0.0, step) if pulse.erase_seconds else step
    return np.clip(np.where(up, g + step, g - step), low, high)


def _room(pulse: PulseModel, g: np.ndarray | float, up: np.ndarray | bool, limits) -> np.ndarray:
    """What a pulse of full strength does, without spread, S."""
    low, high = limits
    return np.where(up, pulse.set_step * (high - g), pulse.reset_step * (g - low))


def cost(writer: WriteVerify, up: np.ndarray | bool, g: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Energy (J) and seconds of a pulse to each cell, SET where it goes ``up``."""
    pulse, switch = writer.pulse, writer.switch
    if switch:
        return np.asarray(switch.voltage**2 * g * switch.pulse_seconds), np.full(np.shape(g), switch.pulse_seconds)
    lasted = np.where(up, pulse.pulse_seconds, pulse.reset_seconds or pulse.pulse_seconds)
    ohmic = np.where(up, pulse.set_voltage, pulse.reset_voltage) ** 2 * g * lasted
    given = np.where(up, pulse.set_energy, pulse.reset_energy)
    return np.where(given > 0, given, ohmic), lasted
