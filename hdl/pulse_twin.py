"""Programming in a closed loop in numbers: which pulses a weight gets, and what the registers say of it."""

from collections.abc import Callable

import numpy as np

from ..model.formats import from_wire, full_scale
from ..model.layers import Layer
from ..model.layout import row_top
from ..model.pulses import (
    ERASE_PULSES,
    FAILED_KEPT,
    MOST_PULSES,
    PULSE_REGISTERS,
    STRONG_LEVELS,
    codes_a_level,
    verify_gain,
)
from ..model.registers import BY_NAME
from .register_twin import RegisterTwin

BY_ADDRESS = {register.address: register for register in PULSE_REGISTERS}

Verifier = Callable[[int, np.ndarray, int, tuple[int, int]], np.ndarray]
"""``verify(layer, drive, step, gain)``: ADC codes (K,) of a step for DAC codes (rows,), at a gain (mult, shift)."""
Pulser = Callable[[int, int, int, int, int, int], None]
"""``pulse(layer, row, column, cell, up, strong)``: one pulse, as the macro's ports say it."""


class PulseTwin:
    """The registers of a device that programs by pulses, one access at a time, and its programming, in no time.

    ``failed`` are rows and columns of the first weights that have failed.
    """

    def __init__(self, registers: RegisterTwin, verify: Verifier, pulse: Pulser):
        self.registers, self.verify, self.pulse = registers, verify, pulse
        registers.programmer = self
        self.limits = {"MOST": MOST_PULSES, "ERASE": ERASE_PULSES, "STRONG": STRONG_LEVELS}
        self.at = self.pulses = self.failures = 0
        self.failed: list[tuple[int, int]] = []

    def access(self, address: int, value: int | None = None, select: int = 0xF) -> int | None:
        """Read, or write ``value`` with byte selects ``select``: the word read, 0 for a write, None for ``err``."""
        register = BY_ADDRESS.get(address)
        if register is None:
            return None
        if value is None:
            return self._read(register.name)
        writable = register.access == "rw" and select == 0xF
        if not writable or (self.registers.status["PROGRAMMING"] and register.name != "FAILED_AT"):
            return None
        match register.name:
            case "PULSE_LIMITS":
                self.limits = register.unpack(value)
            case "PULSES":
                self.pulses = self.failures = 0
                self.failed = []
            case "FAILED_AT":
                self.at = value % FAILED_KEPT
        return 0

    def _read(self, name: str) -> int | None:
        match name:
            case "PULSE_LIMITS":
                return BY_NAME[name].pack(**self.limits)
            case "PULSES":
                return self.pulses
            case "FAILURES":
                return self.failures
            case "FAILED_AT":
                return self.at
        if self.at >= len(self.failed):
            return None
        row, column = self.failed[self.at]
        return BY_NAME[name].pack(ROW=row, COLUMN=column)

    def program(self, index: int, row: int, column: int, pattern: int) -> None:
        """Program a weight of layer ``index``: erase both cells, then pulse one until its level is crossed."""
        layer = self.registers.design.layers[index]
        level = int(from_wire(pattern, layer.weight_bits))
        for cell in (0, 1):
            for _ in range(self.limits["ERASE"]):
                self._pulse(index, row, column, cell, 0, 1)
        full = abs(level) == full_scale(layer.weight_bits)
        sure = up = strong = count = 0
        while True:
            code = self._code(index, row, column, full)
            target, wide = level * codes_a_level(layer), codes_a_level(layer)
            crossed = code < target if level < 0 else code >= target
            missing = (code - target if level < 0 else target - code) / wide
            half = max(wide // 2, 1)
            good = crossed and (full or (up and not strong))
            good |= level == 0 and count in (0, self.limits["MOST"]) and -half <= code < half
            if good and sure:
                return
            sure = good
            if good:
                continue
            if count == self.limits["MOST"]:
                break
            up = int(not crossed)
            strong = int(up and (full or missing >= self.limits["STRONG"]))
            self._pulse(index, row, column, int(level < 0), up, strong)
            count += 1
        if self.failures < FAILED_KEPT:
            self.failed.append((row, column))
        self.failures = min(self.failures + 1, 0xFFFFFFFF)

    def _pulse(self, index: int, row: int, column: int, cell: int, up: int, strong: int) -> None:
        self.pulses = min(self.pulses + 1, 0xFFFFFFFF)
        self.pulse(index, row, column, cell, up, strong)

    def _code(self, index: int, row: int, column: int, full: bool) -> int:
        layer = self.registers.design.layers[index]
        adc, step = place_of(layer, column)
        drive = np.zeros(layer.rows, dtype=np.int64)
        drive[row] = row_top(layer)[row]
        return int(self.verify(index, drive, step, verify_gain(layer, row, full))[adc])


def place_of(layer: Layer, column: int) -> tuple[int, int]:
    """ADC and step in which a physical column is read; that of a spare is 0, where the host has it read."""
    if column < layer.columns:
        return divmod(column, layer.conversions)
    return (column - layer.columns) // layer.spares, 0
