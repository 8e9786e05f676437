"""Cells that keep what their pulses left, one pulse at a time: an array that is programmed from outside."""

import numpy as np

from ...model.seeds import Seed, stream
from .programming import WriteVerify, after_pulse, cost

FIRST_PULSE = 1_000_000  #: stream of the cells' start below the seed; the next is that of the pulses


class PulsedCells:
    """Cells of the shape of ``stuck`` (planes, rows, width), which follow the pulse law of ``writer``.

    ``conductances`` (S) lie between ``limits`` of each cell and are random at first. ``stuck`` cells never move.
    ``factor`` and ``life`` are those of each cell, as in :func:`~.programming.write_verify`. ``energy`` (J),
    ``seconds`` and ``pulses`` of each cell count all pulses.
    """

    def __init__(
        self,
        writer: WriteVerify,
        limits: tuple[np.ndarray, np.ndarray],
        stuck: np.ndarray,
        factor: np.ndarray,
        life: np.ndarray,
        seed: Seed,
    ):
        self.writer, self.limits, self.stuck = writer, limits, stuck
        self.factor, self.life = factor, np.where(stuck, 0.0, life)
        place = stream(seed, FIRST_PULSE).random(stuck.shape)
        low, high = limits
        self.conductances = low + (high - low) * (np.round(place) if writer.switch else place)
        self.pulses = np.zeros(stuck.shape, dtype=np.int64)
        self.energy = self.seconds = 0.0
        self._rng = stream(seed, FIRST_PULSE, 1)

    def pulse(self, at: tuple[int, int, int], up: bool, strong: bool) -> None:
        """Give the cell ``at`` (plane, row, position) a pulse of full or finest strength; it is a SET if ``up``."""
        writer, low, high = self.writer, *self.limits
        g, strength = self.conductances[at], 1.0 if strong else writer.finest
        draw = self._rng.random() if writer.switch else self._rng.standard_normal()
        moved = after_pulse(writer, g, up, strength, (low[at], high[at]), self.factor[at], draw)
        energy, seconds = cost(writer, up, g)
        self.energy += float(energy)
        self.seconds += float(seconds)
        if self.pulses[at] < self.life[at]:
            self.conductances[at] = moved
        self.pulses[at] += 1
