"""A device at register level: the register bus's twin as a bus that counts accesses and whose cells take time."""

import numpy as np

from ohmgate.firmware.loader import BusError
from ohmgate.hdl.register_twin import RegisterTwin
from ohmgate.model.design import Design
from ohmgate.model.formats import from_wire
from ohmgate.model.layout import logical_columns
from ohmgate.model.network import LayerData, nominal_tables
from ohmgate.model.registers import BY_NAME, VERSION_VALUE


class FakeDevice(RegisterTwin):
    """A device that was built for ``design``; -1 stands for levels and entries that were not written.

    A cell takes ``programming`` reads of STATUS; a write to LEVEL while one is being programmed waits, that is,
    it succeeds. ``accesses`` counts everything, refused accesses too. Levels and entries of too many bits are refused.
    """

    def __init__(self, design: Design, programming: int = 0):
        super().__init__(design)
        self.programming, self.version = programming, VERSION_VALUE
        self.pending = self.accesses = self.written = self.resets = 0
        self.levels = [np.full_like(levels, -1) for levels in self.levels]
        self.tables = [np.full_like(tables, -1) for tables in self.tables]

    enabled = property(lambda self: bool(self.enable))
    unlocked = property(lambda self: bool(self.status["UNLOCKED"]))
    refused = property(lambda self: bool(self.status["REFUSED"]))
    error = property(lambda self: bool(self.status["ERROR"]))

    def read(self, address: int) -> int:
        self.accesses += 1
        if address == BY_NAME["STATUS"].address:
            self.status["PROGRAMMING"], self.pending = int(self.pending > 0), max(0, self.pending - 1)
        word = self._answered(self.access(address))
        return self.version if address == BY_NAME["VERSION"].address else word

    def write(self, address: int, value: int) -> None:
        self.accesses += 1
        self.written += 1
        assert 0 <= value < 2**32
        self._answered(self.access(address, value))
        if address == BY_NAME["CONTROL"].address:
            self.resets += BY_NAME["CONTROL"].unpack(value)["RESET"]
        elif address == BY_NAME["LEVEL"].address:
            self.pending = self.programming

    def layer_data(self, index: int) -> LayerData:
        """What was loaded, in logical order; -1 or 0 patterns where nothing was."""
        layer = self.design.layers[index]
        codes = from_wire(self.levels[index], layer.weight_bits)
        weights = np.zeros_like(codes)
        for step, columns in enumerate(logical_columns(layer)):
            for adc, logical in enumerate(columns):
                weights[:, logical] = codes[:, adc * layer.conversions + step]
        tables = nominal_tables(layer)
        if bits := layer.loaded_table_bits:
            signed = [layer.kind == "dense" or gate == 3 for gate in range(layer.gates)]
            tables = np.array([from_wire(t, bits) if s else t for t, s in zip(self.tables[index], signed)])
        return LayerData(weights, self.gains[index][:, 0], self.gains[index][:, 1], tables)

    def _legal(self, name: str, value: int, select: int) -> bool:
        widths = {"LEVEL": self.layer.weight_bits, "TABLE_DATA": self.layer.table_bits}
        return super()._legal(name, value, select) and not value >> widths.get(name, 32)

    @staticmethod
    def _answered(word: int | None) -> int:
        if word is None:
            raise BusError("refused")
        return word
