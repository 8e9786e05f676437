"""The diagnostic registers in numbers: what an access answers, which conversions it begins and what it adjusts."""

from collections.abc import Callable

import numpy as np

from ..model.bit_fields import pack, signed
from ..model.diagnostic_registers import ADJUST_SPARE, DIAG_ID_VALUE, DIAG_REGISTERS, code_words
from ..model.formats import full_scale
from ..model.layers import Layer
from ..model.registers import BY_NAME
from .register_twin import RegisterTwin

BY_ADDRESS = {register.address: register for register in DIAG_REGISTERS}

Converter = Callable[[int, np.ndarray, int], np.ndarray]
"""``convert(layer, drive, step)``: ADC codes (K,) of a step, for the DAC codes (rows,) of all rows, bias rows too."""
Adjuster = Callable[[int, int, int, int], None]
"""``adjust(layer, adc, what, value)``: ``value`` is a trim's steps, -128..127, or the step of a spare."""


class DiagnosticsTwin:
    """A device's diagnostic registers, one access at a time, beside its others. Conversions take no time.

    ``codes`` is what the last conversion gave, as the words of DIAG_RESULT, or None. A refusal is None, too, and
    STATUS.ERROR does not note it.
    """

    def __init__(self, registers: RegisterTwin, convert: Converter, adjust: Adjuster):
        self.registers, self.convert, self.adjust = registers, convert, adjust
        registers.diagnostics = self
        layers = registers.design.layers
        self.active = self.bias = self.advance = 0
        self.row = self.adc = self.what = 0
        self.rows = [0] * max(layer.inputs + layer.hidden for layer in layers)  #: DAC codes as bit patterns
        self.code_bits = max(max(layer.input_bits, layer.dac_bits) for layer in layers)
        self.codes: list[int] | None = None
        self.converted = self.step = self.shown = 0  #: layer and step of the codes; the word that is read next

    def restart(self) -> None:
        """What CONTROL.RESET does."""
        self.active, self.codes = 0, None

    def access(self, address: int, value: int | None = None, select: int = 0xF) -> int | None:
        """Read, or write ``value`` with byte selects ``select``: the word read, 0 for a write, None for ``err``."""
        register = BY_ADDRESS.get(address)
        if register is None:
            return None
        if value is None:
            return 0 if register.access == "wo" else self._read(register.name)
        if register.access == "ro" or select != 0xF or not self._legal(register.name, value):
            return None
        self._write(register.name, value)
        return 0

    def _read(self, name: str) -> int | None:
        layer = self.registers.layer
        fields = {
            "DIAG_SIZE": {"STEPS": layer.conversions, "WORDS": code_words(layer)},
            "DIAG_ADCS": {"ADCS": layer.adcs, "SPARES": layer.spares},
            "DIAG_CONTROL": {"ACTIVE": self.active, "BIAS": self.bias, "ADVANCE": self.advance},
            "DIAG_STATUS": {"VALID": int(self.codes is not None)},
            "DIAG_ADJUST_AT": {"ADC": self.adc, "WHAT": self.what},
        }
        match name:
            case "DIAG_ID":
                return DIAG_ID_VALUE
            case "DIAG_ROW":
                return self.row
            case "DIAG_RESULT":
                return self._next_word()
        return BY_NAME[name].pack(**fields[name])

    def _next_word(self) -> int | None:
        """Of the codes. The last one may begin the next step."""
        if self.codes is None:
            return None
        word = self.codes[self.shown]
        self.shown = (self.shown + 1) % len(self.codes)
        more = self.step < self.registers.design.layers[self.converted].conversions - 1
        if self.shown == 0 and self.advance and self.active and more:
            self._begin(self.converted, self.step + 1)
        return word

    def _legal(self, name: str, value: int) -> bool:
        """Is the write of a whole word accepted?"""
        registers, layer = self.registers, self.registers.layer
        fields = BY_NAME[name].unpack(value)
        if name == "DIAG_CONTROL":
            idle = not registers.enable and not registers.status["BUSY"]
            return not fields["ACTIVE"] or bool(registers.status["UNLOCKED"] and idle)
        if not self.active:
            return False
        match name:
            case "DIAG_CODE":
                return self.row < layer.inputs + layer.hidden
            case "DIAG_CONVERT":
                return not registers.status["PROGRAMMING"] and fields["STEP"] < layer.conversions
            case "DIAG_ADJUST":
                held = registers.design.pulsed and registers.status["PROGRAMMING"]
                return not held and self.adc < layer.adcs and self.what < ADJUST_SPARE + layer.spares
        return True

    def _write(self, name: str, value: int) -> None:
        fields, index = BY_NAME[name].unpack(value), self.registers.words["LAYER"]
        match name:
            case "DIAG_CONTROL":
                self.active, self.bias, self.advance = fields["ACTIVE"], fields["BIAS"], fields["ADVANCE"]
                if fields["CLEAR"]:
                    self.rows = [0] * len(self.rows)
            case "DIAG_ROW":
                self.row = value & 0xFFFF
            case "DIAG_CODE":
                self.rows[self.row] = value & 2**self.code_bits - 1
                self.row += 1
            case "DIAG_CONVERT":
                self._begin(index, fields["STEP"])
            case "DIAG_ADJUST_AT":
                self.adc, self.what = fields["ADC"], fields["WHAT"]
            case "DIAG_ADJUST":
                number = fields["VALUE"]
                if self.what < ADJUST_SPARE:
                    number = (number & 0xFF ^ 0x80) - 0x80
                self.adjust(index, self.adc, self.what, number)
                self.adc += 1

    def _begin(self, index: int, step: int) -> None:
        """Convert ``step`` of layer ``index``; what its codes are is read from their first word on."""
        layer = self.registers.design.layers[index]
        codes = np.asarray(self.convert(index, self.drive(layer), step))
        packed = pack(codes, layer.adc_bits)
        self.codes = [packed >> 32 * k & 0xFFFFFFFF for k in range(code_words(layer))]
        self.converted, self.step, self.shown = index, step, 0

    def drive(self, layer: Layer) -> np.ndarray:
        """DAC codes (rows,) on a layer's rows: those of DIAG_CODE, then bias rows at full scale or at 0 V."""
        patterns = np.array(self.rows[: layer.inputs + layer.hidden])
        inputs = signed(patterns[: layer.inputs] & 2**layer.input_bits - 1, layer.input_bits)
        hidden = signed(patterns[layer.inputs :] & 2**layer.dac_bits - 1, layer.dac_bits)
        bias = np.full(layer.bias_rows, full_scale(layer.dac_bits) * self.bias)
        return np.concatenate([inputs, hidden, bias])
