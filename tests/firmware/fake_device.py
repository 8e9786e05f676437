"""A device at register level, written from the descriptions in ohmgate.model.registers alone."""

import math

import numpy as np

from ohmgate.firmware.transactions import BusError
from ohmgate.model.design import Design
from ohmgate.model.formats import from_wire
from ohmgate.model.layout import logical_columns
from ohmgate.model.network import LayerData, nominal_tables
from ohmgate.model.registers import BY_NAME, ID_VALUE, LOAD_REGISTERS, REGISTERS, VERSION_VALUE


class FakeDevice:
    """Registers, tables, gains and cells of a device that was built for ``design``.

    A cell or a seal takes ``programming`` reads of STATUS; a write to LEVEL or SEAL while one is being programmed waits,
    that is, it succeeds. ``power_cycle`` leaves cells and seals alone. ``accesses`` counts everything, refused accesses
    too.
    """

    def __init__(self, design: Design, programming: int = 0):
        self.design, self.programming = design, programming
        self.seals = [False] * len(design.layers)
        self.levels = [np.full((x.rows, x.columns), -1) for x in design.layers]
        self.power_cycle()

    def power_cycle(self) -> None:
        design = self.design
        self.words = dict.fromkeys(("SCRATCH", "UNLOCK_LOW", "UNLOCK_HIGH", "LAYER", "ROW", "COLUMN"), 0)
        self.enabled = self.unlocked = self.refused = self.error = False
        self.pending = self.accesses = self.written = self.resets = 0
        self.entry = self.gate = 0
        self.id, self.version = ID_VALUE, VERSION_VALUE
        self.gains = [np.zeros((x.gates, 2), dtype=int) for x in design.layers]
        self.tables = [np.full((x.gates, self._entries(x)), -1) for x in design.layers]

    @staticmethod
    def _table_bits(layer) -> int:
        if layer.tables == "constant" or (layer.kind == "dense" and layer.output != "table"):
            return 0
        return layer.activation_bits if layer.kind == "lstm" else layer.output_bits

    def _entries(self, layer) -> int:
        codes = sum(self._units(layer)) * (2**layer.adc_bits - 1) + 1
        return codes if self._table_bits(layer) else 0

    @staticmethod
    def _tiles(layer) -> int:
        return math.ceil(layer.rows / layer.tile_rows) if layer.tile_rows else 1

    def _units(self, layer) -> list[int]:
        """What a code of each row tile counts."""
        height = math.ceil(layer.rows / self._tiles(layer))
        more = 2**layer.input_tile_shift
        return [more if tile * height < layer.inputs else 1 for tile in range(self._tiles(layer))]

    @property
    def layer(self):
        return self.design.layers[self.words["LAYER"]]

    def read(self, address: int) -> int:
        self.accesses += 1
        register = self._register(address)
        if register.access == "wo":
            return 0
        return self._value(register.name) & 0xFFFFFFFF

    def write(self, address: int, value: int) -> None:
        self.accesses += 1
        self.written += 1
        assert 0 <= value < 2**32
        register = self._register(address)
        if register.access == "ro":
            self._refuse()
        if register.name in LOAD_REGISTERS and (not self.unlocked or self.enabled):
            self._refuse()
        getattr(self, f"_write_{register.name.lower()}", lambda v: self._plain(register.name, v))(value)

    def layer_data(self, index: int) -> LayerData:
        """What was loaded, in logical order; -1 or 0 patterns where nothing was."""
        layer = self.design.layers[index]
        codes = from_wire(self.levels[index], layer.weight_bits)
        weights = np.zeros_like(codes)
        for step, columns in enumerate(logical_columns(layer)):
            for adc, logical in enumerate(columns):
                weights[:, logical] = codes[:, adc * layer.conversions + step]
        tables = nominal_tables(layer)
        bits = self._table_bits(layer)
        if bits:
            signed = [layer.kind != "lstm" or gate == 3 for gate in range(layer.gates)]
            tables = np.array([from_wire(t, bits) if s else t for t, s in zip(self.tables[index], signed)])
        return LayerData(weights, self.gains[index][:, 0], self.gains[index][:, 1], tables)

    def _register(self, address: int):
        for register in REGISTERS:
            if register.address == address:
                return register
        return self._refuse()

    def _refuse(self):
        self.error = True
        raise BusError("refused")

    def _value(self, name: str) -> int:
        fingerprint = int(self.design.fingerprint, 16)
        if name == "STATUS":
            busy, self.pending = self.pending > 0, max(0, self.pending - 1)
            return BY_NAME["STATUS"].pack(
                UNLOCKED=int(self.unlocked),
                REFUSED=int(self.refused),
                PROGRAMMING=int(busy),
                ERROR=int(self.error),
                SEALED=int(all(self.seals)),
            )
        if name == "FORMAT":
            x = self.layer
            return BY_NAME["FORMAT"].pack(
                DAC_BITS=x.dac_bits, WEIGHT_BITS=x.weight_bits, ADC_BITS=x.adc_bits,
                TABLE_BITS=self._table_bits(x), GATES=x.gates,
                INPUT_DAC_BITS=0 if x.input_bits == x.dac_bits else x.input_bits,
                MORE_TILES=self._tiles(x) - 1, INPUT_TILE_SHIFT=x.input_tile_shift,
            )  # fmt: skip
        values = {
            "ID": lambda: self.id,
            "VERSION": lambda: self.version,
            "FINGERPRINT_LOW": lambda: fingerprint,
            "FINGERPRINT_HIGH": lambda: fingerprint >> 32,
            "LAYERS": lambda: len(self.design.layers),
            "CONTROL": lambda: int(self.enabled),
            "GEOMETRY": lambda: BY_NAME["GEOMETRY"].pack(ROWS=self.layer.rows, COLUMNS=self.layer.columns),
            "TABLE_ADDRESS": lambda: BY_NAME["TABLE_ADDRESS"].pack(ENTRY=self.entry, GATE=self.gate),
        }
        return values[name]() if name in values else self.words.get(name, 0)

    def _plain(self, name: str, value: int) -> None:
        self.words[name] = value

    def _write_control(self, value: int) -> None:
        fields = BY_NAME["CONTROL"].unpack(value)
        if fields["ENABLE"] and (not self.unlocked or not all(self.seals) or self.pending):
            self._refuse()
        self.enabled = bool(fields["ENABLE"])
        self.resets += fields["RESET"]
        if fields["CLEAR"]:
            self.error = False

    def _write_unlock_high(self, value: int) -> None:
        self.words["UNLOCK_HIGH"] = value
        self.unlocked = value << 32 | self.words["UNLOCK_LOW"] == int(self.design.fingerprint, 16)
        self.refused = not self.unlocked
        self.enabled = self.enabled and self.unlocked

    def _write_layer(self, value: int) -> None:
        if value >= len(self.design.layers):
            self._refuse()
        self.words["LAYER"] = value

    def _write_gain(self, value: int) -> None:
        fields = BY_NAME["GAIN"].unpack(value)
        if fields["GATE"] >= self.layer.gates:
            self._refuse()
        self.gains[self.words["LAYER"]][fields["GATE"]] = fields["MULT"], fields["SHIFT"]

    def _write_table_address(self, value: int) -> None:
        fields = BY_NAME["TABLE_ADDRESS"].unpack(value)
        self.entry, self.gate = fields["ENTRY"], fields["GATE"]

    def _write_table_data(self, value: int) -> None:
        if self.entry >= self._entries(self.layer) or self.gate >= self.layer.gates:
            self._refuse()
        self.tables[self.words["LAYER"]][self.gate, self.entry] = value
        self.entry += 1
        if self.entry == self._entries(self.layer):
            self.entry, self.gate = 0, self.gate + 1 & 3

    def _write_level(self, value: int) -> None:
        row, column = self.words["ROW"], self.words["COLUMN"]
        if row >= self.layer.rows or column >= self.layer.columns or value >> self.layer.weight_bits:
            self._refuse()
        self.seals[self.words["LAYER"]] = False
        self.levels[self.words["LAYER"]][row, column] = value
        self.pending = self.programming
        self.words["COLUMN"] += 1
        if self.words["COLUMN"] == self.layer.columns:
            self.words["ROW"], self.words["COLUMN"] = row + 1, 0

    def _write_seal(self, value: int) -> None:
        self.seals[self.words["LAYER"]] = True
        self.pending = self.programming
