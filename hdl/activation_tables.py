"""Tables that turn ADC codes into activations or DAC codes."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..model.layers import Layer
from ..model.network import nominal_tables, table_patterns
from .component import Component


class TableWriteSignature(wiring.Signature):
    """Writes one table entry while ``en`` is high."""

    def __init__(self, layer: Layer):
        self.shape = (layer.gates, layer.sum_bits, layer.table_bits)
        super().__init__(
            {
                "en": Out(1),
                "gate": Out(range(max(layer.gates, 2))),
                "entry": Out(layer.sum_bits),
                "data": Out(layer.table_bits),
            }
        )

    def __eq__(self, other):
        return isinstance(other, TableWriteSignature) and self.shape == other.shape


class ActivationTables(Component):
    """One table of 2^N entries for each gate, with a read port for each ADC of the gate.

    Entries are addressed in ascending order of the codes (offset binary), so the top bit of a code is inverted.
    Behind row tiles the codes are sums, which :class:`.tile_sums.TileSums` counts from the lowest.
    With ``tables = "constant"`` there is no write port and the nominal tables are logic. Entries stay until the next
    codes are taken.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `codes` | in | K x N or sum bits | ADC codes of a conversion, or sums |
    | `take` | in | 1 bit | they are valid in this cycle |
    | `entries` | out | K x entry bits | entry of each code, of its ADC's gate |
    | `write` | in | :class:`TableWriteSignature` | writes an entry; only of loaded tables |
    """

    latency = 1

    def __init__(self, layer: Layer):
        self.layer = layer
        members = {
            "codes": In(data.ArrayLayout(layer.sum_bits, layer.adcs)),
            "take": In(1),
            "entries": Out(data.ArrayLayout(layer.table_bits, layer.adcs)),
        }
        if layer.tables == "loaded":
            members["write"] = In(TableWriteSignature(layer))
        super().__init__(members)

    def model(self, tables: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Entries (K,), as numbers, for the columns' codes (K,) and tables (gates, entries)."""
        layer = self.layer
        gate = np.arange(layer.adcs) // (layer.adcs // layer.gates)
        return np.asarray(tables)[gate, np.asarray(codes) - layer.sum_range[0]]

    def elaborate(self, platform):
        m = Module()
        lanes = self.layer.adcs // self.layer.gates
        for gate in range(self.layer.gates):
            adcs = range(gate * lanes, (gate + 1) * lanes)
            addresses = [self._address(self.codes[adc]) for adc in adcs]
            if self.layer.tables == "loaded":
                self._memory(m, gate, adcs, addresses)
            else:
                self._logic(m, gate, adcs, addresses)
        return m

    def _address(self, code: Value) -> Value:
        return Cat(code[:-1], ~code[-1]) if self.layer.row_tiles == 1 else code

    def _memory(self, m: Module, gate: int, adcs: range, addresses: Sequence[Value]) -> None:
        """A gate's loaded table, with a read port for each of its ADCs."""
        table = memory.Memory(shape=self.layer.table_bits, depth=self.layer.table_entries, init=[])
        m.submodules[f"table_{gate}"] = table
        write = table.write_port()
        m.d.comb += [
            write.en.eq(self.write.en & (self.write.gate == gate)),
            write.addr.eq(self.write.entry),
            write.data.eq(self.write.data),
        ]
        for adc, address in zip(adcs, addresses):
            read = table.read_port()
            m.d.comb += [read.en.eq(self.take), read.addr.eq(address), self.entries[adc].eq(read.data)]

    def _logic(self, m: Module, gate: int, adcs: range, addresses: Sequence[Value]) -> None:
        """A gate's constant table, once for each of its ADCs."""
        patterns = table_patterns(self.layer, nominal_tables(self.layer))[gate].tolist()
        for adc, address in zip(adcs, addresses):
            found = Signal(self.layer.table_bits, name=f"found_{adc}")
            entry = Signal(self.layer.table_bits, reset_less=True, name=f"entry_{adc}")
            with m.Switch(address):
                for value, pattern in enumerate(patterns):
                    with m.Case(value):
                        m.d.comb += found.eq(pattern)
            with m.If(self.take):
                m.d.sync += entry.eq(found)
            m.d.comb += self.entries[adc].eq(entry)
