"""The register bus in numbers: what an access answers, and what it leaves behind."""

from typing import Any

import numpy as np

from ..model.design import Design
from ..model.layers import Layer
from ..model.registers import BY_NAME, ID_VALUE, LOAD_REGISTERS, VERSION_VALUE, layer_fields, main_registers

COUNTERS = ("CYCLES", "STEPS", "CELL_SATURATIONS", "ADC_SATURATIONS")


class RegisterTwin:
    """A device's registers, one access at a time, from the register table's own words. Cells and seals take no time.

    ``gains`` (gates, 2: mult and shift), ``tables`` (gates, entries) and ``levels`` (rows, physical columns, spares
    behind them) are the bit patterns that each layer was given; ``seals`` has 1 for each layer with its seal.
    ``too_long`` is 1 where a sequence was refused. ``diagnostics`` is the
    :class:`~.diagnostics_twin.DiagnosticsTwin` of a device that has one, ``programmer`` its
    :class:`~.pulse_twin.PulseTwin`.
    """

    def __init__(self, design: Design):
        self.design = design
        self.by_address = {register.address: register for register in main_registers(design)}
        self.too_long = 0
        names = (*COUNTERS, "SCRATCH", "UNLOCK_LOW", "UNLOCK_HIGH", "LAYER", "ROW", "COLUMN")
        self.words: dict[str, int] = dict.fromkeys(names, 0)
        self.status = dict.fromkeys((field.name for field in BY_NAME["STATUS"].fields), 0)
        self.enable = self.entry = self.gate = 0
        self.gains = [np.zeros((layer.gates, 2), dtype=int) for layer in design.layers]
        self.tables = [np.zeros((layer.gates, layer.loaded_entries), dtype=int) for layer in design.layers]
        self.seals = [0] * len(design.layers)
        self.levels = [np.zeros((layer.rows, layer.all_columns), dtype=int) for layer in design.layers]
        self.diagnostics: Any = None
        self.programmer: Any = None

    @property
    def layer(self) -> Layer:
        """The selected layer."""
        return self.design.layers[self.words["LAYER"]]

    def access(self, address: int, value: int | None = None, select: int = 0xF) -> int | None:
        """Read, or write ``value`` with byte selects ``select``: the word read, 0 for a write, None for ``err``."""
        register = self.by_address.get(address)
        if register is None or (value is not None and not self._legal(register.name, value, select)):
            self.status["ERROR"] = 1
            return None
        if value is not None:
            self._write(register.name, value)
            return 0
        return 0 if register.access == "wo" else self._read(register.name) & 0xFFFFFFFF

    def count(self, *amounts: int) -> None:
        """Add to the counters, each of which stops at its end."""
        for name, amount in zip(COUNTERS, amounts):
            self.words[name] = min(self.words[name] + amount, 0xFFFFFFFF)

    def _legal(self, name: str, value: int, select: int) -> bool:
        """Is a write accepted?"""
        layer, unlocked = self.layer, self.status["UNLOCKED"]
        if BY_NAME[name].access == "ro" or select != 0xF:
            return False
        if name in LOAD_REGISTERS and (self.enable or self.status["BUSY"] or not unlocked):
            return False
        match name:
            case "CONTROL":
                active = self.diagnostics is not None and self.diagnostics.active
                return bool(
                    (unlocked and all(self.seals) and not active) or not BY_NAME[name].unpack(value)["ENABLE"]
                )
            case "LAYER":
                return value < len(self.design.layers)
            case "GAIN":
                return BY_NAME[name].unpack(value)["GATE"] < layer.gates
            case "TABLE_DATA":
                return self.entry < layer.loaded_entries and self.gate < layer.gates
            case "LEVEL":
                return self.words["ROW"] < layer.rows and self.words["COLUMN"] < layer.all_columns
        return True

    def _write(self, name: str, value: int) -> None:
        words, layer, index = self.words, self.layer, self.words["LAYER"]
        fields = BY_NAME[name].unpack(value)
        match name:
            case "CONTROL":
                self.enable = fields["ENABLE"]
                if fields["RESET"] and self.diagnostics is not None:
                    self.diagnostics.restart()
                if fields["CLEAR"]:
                    self.status["ERROR"] = self.too_long = 0
                    words.update(dict.fromkeys(COUNTERS, 0))
            case "UNLOCK_HIGH":
                words[name] = value
                right = value << 32 | words["UNLOCK_LOW"] == int(self.design.fingerprint, 16)
                self.status.update(UNLOCKED=int(right), REFUSED=int(not right))
                self.enable = self.enable if right else 0
                if not right and self.diagnostics is not None:
                    self.diagnostics.restart()
            case "GAIN":
                self.gains[index][fields["GATE"]] = fields["MULT"], fields["SHIFT"]
            case "TABLE_ADDRESS":
                self.entry, self.gate = fields["ENTRY"], fields["GATE"]
            case "TABLE_DATA":
                self.tables[index][self.gate, self.entry] = value & 2**layer.table_bits - 1
                over, self.entry = divmod(self.entry + 1, layer.loaded_entries)
                self.gate = (self.gate + over) % 4
            case "SEAL":
                self.seals[index] = 1
            case "LEVEL":
                self.seals[index] = 0
                pattern = value & 2**layer.weight_bits - 1
                self.levels[index][words["ROW"], words["COLUMN"]] = pattern
                if self.programmer is not None:
                    self.programmer.program(index, words["ROW"], words["COLUMN"], pattern)
                words["COLUMN"] += 1
                if words["COLUMN"] in (layer.columns, layer.all_columns):  # of a row's cells; of its spares
                    words["COLUMN"] = 0
                    words["ROW"] += 1
            case "ROW" | "COLUMN":
                words[name] = value & 0xFFFF
            case _:
                words[name] = value

    def _read(self, name: str) -> int:
        fingerprint = int(self.design.fingerprint, 16)
        fields = layer_fields(self.layer) | {
            "CONTROL": {"ENABLE": self.enable},
            "STATUS": self.status | {"SEALED": int(all(self.seals))},
            "TABLE_ADDRESS": {"ENTRY": self.entry, "GATE": self.gate},
            "SEQUENCES": {"MAX_STEPS": self.design.max_steps, "TOO_LONG": self.too_long},
        }
        if name in fields:
            return BY_NAME[name].pack(**fields[name])
        constants = {
            "ID": ID_VALUE,
            "VERSION": VERSION_VALUE,
            "FINGERPRINT_LOW": fingerprint,
            "FINGERPRINT_HIGH": fingerprint >> 32,
            "LAYERS": len(self.design.layers),
        }
        return constants[name] if name in constants else self.words[name]
