"""A chip without Verilog: the register bus in numbers, in front of the very arrays that a co-simulation reads."""

import numpy as np

from ..analog.config import ArrayConfig, paced
from ..analog.inference import convert_through, predictions, run_in_chunks
from ..analog.tiled_array import make_array
from ..firmware.transactions import BusError
from ..hdl.diagnostics_twin import DiagnosticsTwin
from ..hdl.pulse_twin import PulseTwin
from ..hdl.register_twin import RegisterTwin
from ..model import reference
from ..model.design import Design
from ..model.diagnostic_registers import DIAG_BASE
from ..model.formats import DesignError, from_wire
from ..model.layout import logical_order
from ..model.network import LayerData, Network, nominal_tables
from ..model.pulses import PULSE_BASE
from ..model.registers import BY_NAME
from ..model.seeds import Seed, child

GAIN, LEVEL = BY_NAME["GAIN"].address, BY_NAME["LEVEL"].address


class SimulatedChip:
    """A :class:`~ohmgate.firmware.transactions.Bus` to one chip, which may have diagnostics.

    Cells, seals and conversions take no time on the bus. All else a host cannot tell from the simulated Verilog with
    arrays of the same configuration and seed: it reads the same words, noise included.

    ``accesses``, ``conversions`` (of diagnostics), ``verifies`` (while weights are programmed by pulses) and
    ``programmed`` (cells) count for ever.
    """

    def __init__(self, design: Design, config: ArrayConfig | None = None, seed: Seed = 0, share: int = 1) -> None:
        """Arrays as :func:`~ohmgate.analog.inference.build_arrays` makes them, but never programmed."""
        config = paced(config or ArrayConfig(), design.layers)
        self.design = design
        self.arrays = [make_array(layer, config, child(seed, k), share) for k, layer in enumerate(design.layers)]
        self.accesses = self.conversions = self.verifies = self.programmed = 0
        self.registers = RegisterTwin(design)
        self.power_cycle()

    def power_cycle(self) -> None:
        """Registers, tables, gains, trims and spares in use are lost; cells and seals stay."""
        before, self.registers = self.registers, RegisterTwin(self.design)
        self.registers.levels, self.registers.seals = before.levels, before.seals
        self.diagnostics: DiagnosticsTwin | None = None
        if self.design.diagnostics:
            self.diagnostics = DiagnosticsTwin(self.registers, self._convert, self._adjust)
        self.programmer = PulseTwin(self.registers, self._verify, self._pulse) if self.design.pulsed else None
        for array in self.arrays:
            array.reset_adjustments()
            for gate in range(array.layer.gates):
                array.set_gain(gate, 0, 0)

    def pass_time(self, seconds: float) -> None:
        """Let the cells grow older; those that are programmed later are younger."""
        for array in self.arrays:
            array.pass_time(seconds)

    def read(self, address: int) -> int:
        """The word at ``address``. Raises :class:`BusError` where the chip refuses."""
        return self.access(address)

    def write(self, address: int, value: int) -> None:
        """Write a word. Raises :class:`BusError` where the chip refuses."""
        self.access(address, value)

    def access(self, address: int, value: int | None = None) -> int:
        """Read, or write ``value``: the word read, 0 for a write. Raises :class:`BusError` where the chip refuses."""
        registers = self.registers
        self.accesses += 1
        row, column, index = registers.words["ROW"], registers.words["COLUMN"], registers.words["LAYER"]
        if self.programmer and address >= PULSE_BASE:
            word = self.programmer.access(address, value)
        elif self.diagnostics and address >= DIAG_BASE:
            word = self.diagnostics.access(address, value)
        else:
            word = registers.access(address, value)
        if word is None:
            raise BusError(f"the chip refuses the {'read' if value is None else 'write'} at 0x{address:02X}")
        if value is not None and address in (GAIN, LEVEL):
            array = self.arrays[index]
            if address == LEVEL and self.programmer:
                self.programmed += 1
            elif address == LEVEL:
                bits = array.layer.weight_bits
                array.program_cell(row, column, int(from_wire(value & 2**bits - 1, bits)))
                self.programmed += 1
            else:
                gain = BY_NAME["GAIN"].unpack(value)
                array.set_gain(gain["GATE"], gain["MULT"], gain["SHIFT"])
        return word

    def _convert(self, layer: int, drive: np.ndarray, step: int) -> np.ndarray:
        self.conversions += 1
        return self.arrays[layer].convert_step(drive, step)

    def _adjust(self, layer: int, adc: int, what: int, value: int) -> None:
        self.arrays[layer].adjust(adc, what, value)

    def run_sequence(self, codes: np.ndarray) -> np.ndarray:
        """Run one sequence of DAC codes (T, m) with the very conversions of the hardware: (T, outputs) or (outputs,).

        It is a vote of its own, also of a head that adds up several.
        :meth:`run` reads a layer that emits at the end on every step, which draws more noise.
        """
        network, through, seen = self.network(), convert_through(self.arrays), [0] * len(self.arrays)

        def convert(index: int, drive: np.ndarray, fresh: np.ndarray) -> np.ndarray:
            layer = self.arrays[index].layer
            seen[index] += 1
            if not layer.at_end:
                return through(index, drive, fresh)
            if seen[index] < len(codes):
                return np.zeros((1, layer.columns), dtype=np.int64)
            return through(index, drive, np.ones(1, dtype=bool))

        return reference.run(network, codes[None], np.array([len(codes)]), convert).out[0]

    def _verify(self, layer: int, drive: np.ndarray, step: int, gain: tuple[int, int]) -> np.ndarray:
        """Codes of a step while a weight is programmed; the gains are the registers' again behind it."""
        array = self.arrays[layer]
        self.verifies += 1
        parts = [part for part in (array, array.spares) if part]
        before = [part.scale for part in parts]
        for part in parts:
            part.scale = np.full_like(part.scale, gain[0] * 2.0 ** -gain[1])
        codes = array.convert_step(drive, step)
        for part, scale in zip(parts, before):
            part.scale = scale
        return codes

    def _pulse(self, layer: int, row: int, column: int, cell: int, up: int, strong: int) -> None:
        self.arrays[layer].pulse(row, column, cell, bool(up), bool(strong))

    def network(self) -> Network:
        """What the chip was loaded with: levels, gains and tables. Units and labels are the host's.

        Raises :class:`DesignError` for what is no network's.
        """
        layers = []
        for index, array in enumerate(self.arrays):
            layer, (mult, shift) = array.layer, self.registers.gains[index].T
            if layer.loaded_table_bits:
                tables = self.registers.tables[index].astype(np.int64)
                signed = slice(3, None) if layer.kind == "lstm" else slice(0, None)  # of an LSTM, the candidate's
                tables[signed] = from_wire(tables[signed], layer.table_bits)
            else:
                tables = nominal_tables(layer)
            levels = array.levels
            if self.programmer:  # which holds what its pulses left
                levels = from_wire(self.registers.levels[index][:, : layer.columns], layer.weight_bits)
            layers.append(LayerData(levels[:, logical_order(layer)], mult, shift, tables))
        return Network(self.design, tuple(layers))

    def run(self, codes, lengths=None) -> tuple[np.ndarray, np.ndarray | None]:
        """Run sequences of DAC codes (B, T, m), ``lengths`` (B,): what the last layer gives, and classes (B,).

        The first is the reference's ``out`` (:class:`~ohmgate.model.reference.Result`); there are no classes where
        the last layer has none. With v votes, each v sequences have one result. Raises :class:`DesignError` where the
        chip is not enabled.
        """
        if not self.registers.enable:
            raise DesignError("the chip must be enabled to run sequences")
        network, last = self.network(), self.design.layers[-1]
        parts = list(run_in_chunks(network, codes, lengths, self.arrays))
        if last.votes > 1:
            reference.check_votes(self.design, len(codes))
            read = [reference.last_codes(last, result.layers[-1], steps) for result, steps in parts]
            labels = reference.voted(last, np.concatenate(read))
            return labels, labels[:, 0]
        out = np.concatenate([result.out for result, _ in parts])
        if last.kind != "dense" or last.output == "table":
            return out, None
        return out, np.concatenate([predictions(network, *part) for part in parts])
