"""Reads the columns of a chip's arrays over its register bus, for any codes on the rows."""

from dataclasses import dataclass

import numpy as np

from ...model.diagnostic_registers import ADJUST_SPARE, DIAG_ID_VALUE, NO_STEP, code_words
from ...model.formats import full_scale, to_wire
from ...model.layers import Layer
from ...model.registers import BY_NAME
from ..transactions import Burst, LoadError, Steps, Transactions, Write, read, read_fields, write

RESULT = BY_NAME["DIAG_RESULT"]
TRIM_LIMITS = -128, 127


@dataclass(frozen=True)
class TrimSteps:
    """What a step of each trim is, by the macro's data sheet."""

    offset: float = 0.125  #: LSB
    gain: float = 2.0**-8  #: relative

    def __str__(self) -> str:
        return f"steps of {self.offset:g} LSB and {self.gain:g}"


class Diagnosis:
    """One layer of a chip that is unlocked and stopped (:func:`~ohmgate.firmware.loader.stop`).

    Methods are :data:`~ohmgate.firmware.transactions.Steps`. Columns are in physical order: M columns for each ADC.
    """

    def __init__(self, layer: Layer, index: int, trim_steps: TrimSteps | None = None) -> None:
        self.layer, self.index, self.trim_steps = layer, index, trim_steps or TrimSteps()
        self._codes = np.zeros(layer.inputs + layer.hidden, dtype=np.int64)  # that the rows have
        self._control = {"ACTIVE": 1, "BIAS": 0, "ADVANCE": 0}

    def begin(self) -> Transactions:
        """Take the rows of all arrays, at 0 V. Raises :class:`LoadError` for a chip without diagnostics."""
        if not self.layer.diagnostics:
            raise LoadError("the chip has no diagnostics: its design must have diagnostics = true in every layer")
        found = yield from read("DIAG_ID")
        if found != DIAG_ID_VALUE:
            raise LoadError(f"the device's DIAG_ID must be 0x{DIAG_ID_VALUE:08X}, not 0x{found:08X}")
        yield Write(BY_NAME["LAYER"], self.index)
        found = yield from read_fields("DIAG_ADCS")
        if found != {"ADCS": self.layer.adcs, "SPARES": self.layer.spares}:
            raise LoadError(
                f"layer {self.index}: the device has {found['ADCS']} ADCs of {found['SPARES']} spares, "
                f"but the design has {self.layer.adcs} of {self.layer.spares}"
            )
        self._codes[:] = 0
        yield write("DIAG_CONTROL", **self._control, CLEAR=1)

    def end(self) -> Transactions:
        """Give the rows back."""
        yield write("DIAG_CONTROL")

    def set_gain(self, mult: int, shift: int) -> Transactions:
        """Set the gain of all ADCs."""
        for gate in range(self.layer.gates):
            yield write("GAIN", GATE=gate, MULT=mult, SHIFT=shift)

    def adjust(self, what: int, values: np.ndarray) -> Transactions:
        """Set a trim, or the step of a spare, of every ADC: ``values`` (K,)."""
        mask = 0xFF if what < ADJUST_SPARE else 0xFFFF
        yield write("DIAG_ADJUST_AT", WHAT=what)
        for value in values.tolist():
            yield write("DIAG_ADJUST", VALUE=value & mask)

    def put_spares(self, steps: np.ndarray) -> Transactions:
        """Read the spares in these steps: ``steps`` (K, S), -1 for one that is not read."""
        for spare in range(self.layer.spares):
            yield from self.adjust(ADJUST_SPARE + spare, np.where(steps[:, spare] < 0, NO_STEP, steps[:, spare]))

    def drive(self, codes: np.ndarray, bias: bool = False) -> Transactions:
        """Set the DAC codes of inputs and hidden units (m + n,); ``bias``: bias rows are at full scale, else at 0 V.

        Only what changes is written.
        """
        yield from self._set(BIAS=int(bias))
        layer, last = self.layer, -2
        for row in np.flatnonzero(codes != self._codes).tolist():
            if row != last + 1:
                yield Write(BY_NAME["DIAG_ROW"], row)
            bits = layer.input_bits if row < layer.inputs else layer.dac_bits
            yield Write(BY_NAME["DIAG_CODE"], int(to_wire(codes[row], bits)))
            last = row
        self._codes[:] = codes

    def columns(self) -> Steps[np.ndarray]:
        """ADC codes of all columns, in one burst: (columns,) int64."""
        yield from self._set(ADVANCE=1)
        yield write("DIAG_CONVERT", STEP=0)
        steps = self.layer.conversions
        words = yield Burst(RESULT, steps * code_words(self.layer))
        return self._codes_in(words, steps).T.reshape(-1)

    def step(self, step: int) -> Steps[np.ndarray]:
        """ADC codes of one step: (K,) int64."""
        yield from self._set(ADVANCE=0)
        yield write("DIAG_CONVERT", STEP=step)
        return self._codes_in((yield Burst(RESULT, code_words(self.layer))), 1)[0]

    def _set(self, **control: int) -> Transactions:
        if self._control != self._control | control:
            self._control |= control
            yield write("DIAG_CONTROL", **self._control)

    def _codes_in(self, words: list[int], steps: int) -> np.ndarray:
        """(steps, K)."""
        layer = self.layer
        data = np.array(words, dtype="<u4").reshape(steps, -1).view(np.uint8)
        bits = np.unpackbits(data, axis=1, bitorder="little", count=layer.adcs * layer.adc_bits)
        patterns = bits.reshape(steps, layer.adcs, layer.adc_bits) @ (1 << np.arange(layer.adc_bits))
        return patterns - (patterns >> layer.adc_bits - 1 << layer.adc_bits)


def top_codes(layer: Layer) -> np.ndarray:
    """Largest DAC code of each row but bias: (m + n,) int64."""
    inputs = np.full(layer.inputs, full_scale(layer.input_bits))
    return np.concatenate([inputs, np.full(layer.hidden, full_scale(layer.dac_bits))])
