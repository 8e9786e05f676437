"""A digital twin of an array, for boards on which there is none."""

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out, Signature

from ...model.integer_noise import (
    AMPLITUDE_BITS,
    AMPLITUDE_SHIFT,
    CELL_FRACTION,
    PROGRAMMING,
    IntegerNoise,
    noisy_codes,
)
from ...model.layers import Layer
from ...model.layout import logical_columns
from ...model.network import LayerData
from ..arithmetic import saturate
from ..array_port import ArraySignature
from ..component import Component
from .adc_bank import AdcBank
from .column_sums import ColumnSums
from .noise_source import NoiseSource
from .twin_plan import TwinPlan


class NoiseSignature(Signature):
    """Seed and amplitudes of :class:`ohmgate.model.integer_noise.IntegerNoise`, named from the side that sets them.

    ``restart`` begins the count of time steps anew. They are to change between time steps only.
    """

    def __init__(self):
        amplitude = Out(AMPLITUDE_BITS)
        super().__init__({"seed": Out(32), "programming": amplitude, "adc": amplitude, "restart": Out(1)})


class ArrayTwin(Component):
    """Answers the array port in place of the macro, with the integers of the noiseless array.

    ``rows`` rows (P) are added in a cycle. A column takes ``slots`` cycles: the groups of P rows times the bits of a
    code. The first conversion of a time step takes ``conversion`` cycles, those of ``convert`` and ``done`` included.
    The columns behind it are computed ahead, each ``slots`` cycles after the one before. So a time step takes
    ``conversion + (M - 1) * slots`` cycles and the tail of its layer; :class:`~.twin_plan.TwinPlan` has the numbers.

    - Columns are computed ahead of column s as long as s + 1, s + 2, ... are asked for in order, with the same rows.
      Any other ``select``, column 0 too, starts anew. So does the one after a column whose codes nobody asked for
      until the next ones came: nothing waits inside, where a stop would have to reach every register in a cycle.
    - ``cancel`` and programming a cell forget what was computed ahead. The codes of a conversion in which a cell is
      programmed are not defined.
    - A cell keeps its level over a reset, and the array its seal, while the board has power. ``program_done`` comes
      some cycles after the strobe of a cell, where the number of its row or column has to be divided.

    With ``noise``, the number of its layer, it has the noise of :mod:`ohmgate.model.integer_noise`. Time steps are
    counted when their last codes are handed over, so one that is broken off does not count.

    Of a layer with diagnostics the bias rows can be at 0 V. Its converters are ideal: trims are taken, and change
    nothing. Between two of its conversions a host may change rows and gains. So a conversion that does not follow the
    one before in the next cycle starts anew.

    Raises :class:`~ohmgate.model.formats.DesignError` for rows that the layer does not have, for a layer whose
    fixed conversions are too short, and for one with spares or pulsed cells, which no board has.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `array` | in | :class:`~..array_port.ArraySignature` | all of the macro's ports but clock and reset |
    | `noise` | in | :class:`NoiseSignature` | only with ``noise`` |
    """

    def __init__(self, layer: Layer, rows: int, noise: "int | None" = None):
        self.layer, self.noise_index = layer, noise
        self.plan = TwinPlan(layer, rows, noise is not None)
        noisy = {} if noise is None else {"noise": In(NoiseSignature())}
        super().__init__({"array": In(ArraySignature(layer)), **noisy})

    @property
    def latency(self) -> int:
        """Cycles from a time step's first ``convert`` to its ``done``."""
        return self.plan.conversion - 1

    def model(
        self, network_data: LayerData, drive: np.ndarray, noise: "IntegerNoise | None" = None, step: int = 0
    ) -> np.ndarray:
        """Codes (M, K) of each conversion for a time step's ``drive`` (rows,), 0 where a row is not driven.

        With ``noise``, of time step ``step`` since the count was begun.
        """
        if noise is not None and self.noise_index is not None:
            codes = noisy_codes(noise, self.noise_index, self.layer, network_data, drive[None], np.array([step]))[0]
            return codes[logical_columns(self.layer)]
        sums = ColumnSums(self.plan)
        bank = AdcBank(self.plan, sums.sum_bits)
        columns = sums.model(network_data.weights, drive)[logical_columns(self.layer)]
        return np.stack([bank.model(column, network_data.mult, network_data.shift) for column in columns])

    def elaborate(self, platform):
        m = Module()
        layer, array = self.layer, self.array
        read, setup = array.read, array.setup
        m.submodules.sums = sums = ColumnSums(self.plan)
        m.submodules.bank = bank = AdcBank(self.plan, sums.sum_bits)

        asked, ready, ahead = Signal(), Signal(), Signal()
        following = Signal(range(max(layer.conversions, 2)))  # column, computed ahead
        start, handed, dropped, drop = Signal(), Signal(), Signal(), Signal()
        # Codes that nobody has asked for stay, and what was computed ahead of them is lost.
        wait = ready & ~handed & bank.enters
        m.d.comb += [
            start.eq(read.convert & ~(ahead & (read.select == following))),
            drop.eq(wait & ~start),
            sums.row_codes.eq(read.row_codes),
            sums.hidden_drive.eq(read.hidden_drive if layer.hidden else 0),
            sums.column.eq(read.select),
            sums.start.eq(start & ~setup.cancel),
            sums.stop.eq(setup.cancel | drop),
            bank.sums.eq(sums.sums),
            bank.take.eq(sums.valid),
            bank.mult.eq(setup.mult),
            bank.shift.eq(setup.shift),
            bank.keep.eq(wait),
            bank.clear.eq(start | setup.cancel | drop),
            read.codes.eq(bank.codes),
        ]
        if layer.diagnostics and layer.bias_rows:
            m.d.comb += sums.bias_drive.eq(read.bias_drive)
        self._answer(m, asked & ready, handed)
        with m.If(handed):
            m.d.sync += [asked.eq(0), ready.eq(0)]
        with m.If(bank.complete):
            m.d.sync += ready.eq(1)
        with m.If(read.convert):
            m.d.sync += [
                asked.eq(1),
                ahead.eq((read.select != layer.conversions - 1) & (start | ~(dropped | drop))),
                following.eq(read.select + 1),
            ]
        with m.If(drop):
            m.d.sync += dropped.eq(~asked)
            with m.If(asked):  # their fixed time is not over
                m.d.sync += ahead.eq(0)
        with m.If(start | setup.cancel):
            m.d.sync += [ready.eq(0), dropped.eq(0)]
        with m.If(setup.cancel):
            m.d.sync += asked.eq(0)
        if self.plan.noisy:
            self._converter_noise(m, bank, handed)
        programming = self._program(m, sums)
        with m.If(setup.cancel | setup.program_strobe | programming):
            m.d.sync += ahead.eq(0)
        if layer.diagnostics:
            with m.If(~asked & ~read.convert):
                m.d.sync += ahead.eq(0)
        return m

    def _answer(self, m: Module, there: Value, handed: Signal) -> None:
        """``handed``: the periphery takes the codes in this cycle, at once or at the fixed time."""
        read, cycles = self.array.read, self.layer.conversion_cycles
        if not cycles:
            m.d.comb += [handed.eq(there), read.done.eq(there)]
            return
        elapsed = Signal(range(cycles))
        m.d.sync += elapsed.eq(Mux(read.convert, 1, elapsed + 1))
        m.d.comb += handed.eq(there & (elapsed == cycles - 1))

    def _program(self, m: Module, sums: ColumnSums) -> Value:
        """Write cells and the seal. The result is high while a cell is written, until its ``program_done``."""
        setup, plan, layer = self.array.setup, self.plan, self.layer
        row = Signal(range(max(plan.groups * plan.word_rows, 2)))
        first = plan.segments[0]
        m.d.comb += row.eq(setup.program_row)
        if plan.padding:
            with m.If(setup.program_row >= first.rows):
                m.d.comb += row.eq(setup.program_row + plan.padding)
        word = _Quotient(m, row, plan.word_rows, setup.program_strobe, "word")
        adc = _Quotient(m, setup.program_column, layer.conversions, setup.program_strobe, "adc")
        programming = Signal()
        level, drawn = self._noisy_level(m, programming) if plan.noisy else (setup.program_level, 1)
        m.d.comb += [
            sums.write.eq(programming & word.found & adc.found & drawn),
            sums.write_adc.eq(adc.quotient),
            sums.write_column.eq(adc.rest),
            sums.write_word.eq(word.quotient),
            sums.write_position.eq(word.rest),
            sums.write_level.eq(level),
        ]
        m.d.sync += setup.program_done.eq(sums.write | setup.seal | setup.unseal)
        sealed = Signal(reset_less=True)
        m.d.comb += setup.sealed.eq(sealed)
        with m.If(setup.seal | setup.unseal):
            m.d.sync += sealed.eq(setup.seal)
        with m.If(setup.program_strobe):
            m.d.sync += programming.eq(1)
        with m.If(sums.write):
            m.d.sync += programming.eq(0)
        return programming

    def _converter_noise(self, m: Module, bank: AdcBank, handed: Value) -> None:
        """Counts time steps whose last codes were handed over, and tells the converters."""
        read, noise, steps, last = self.array.read, self.noise, Signal(32), Signal()
        with m.If(read.convert):
            m.d.sync += last.eq(read.select == self.layer.conversions - 1)
        with m.If(handed & last):
            m.d.sync += steps.eq(steps + 1)
        with m.If(noise.restart):
            m.d.sync += steps.eq(0)
        m.d.comb += [
            bank.noise.low.eq(noise.seed[:16] ^ steps[16:]),
            bank.noise.high.eq(noise.seed[16:] ^ self.noise_index),
            bank.noise.step.eq(steps[:16]),
            bank.noise.column.eq(read.select),
            bank.noise.amplitude.eq(noise.adc),
        ]

    def _noisy_level(self, m: Module, programming: Value) -> tuple[Value, Value]:
        """What a cell holds for its level, and whether its noise has been drawn."""
        setup, noise = self.array.setup, self.noise
        m.submodules.noise = source = NoiseSource()
        m.d.comb += [
            source.first.eq(setup.program_row),
            source.second.eq(setup.program_column),
            source.low.eq(noise.seed[:16] ^ PROGRAMMING),
            source.high.eq(noise.seed[16:] ^ self.noise_index),
        ]
        waited = Signal(range(source.latency + 2))
        with m.If(setup.program_strobe):
            m.d.sync += waited.eq(0)
        with m.Elif(programming & (waited != source.latency + 1)):
            m.d.sync += waited.eq(waited + 1)
        level = setup.program_level
        if len(level) == 1:
            level = Cat(Const(1, 1), level)
        error = Signal(signed(AMPLITUDE_BITS + 7 - AMPLITUDE_SHIFT), reset_less=True)
        m.d.sync += error.eq((noise.programming * source.draw) >> AMPLITUDE_SHIFT)
        held = saturate((level.as_signed() << CELL_FRACTION) + error, self.plan.cell_bits)
        return held.as_unsigned(), waited == source.latency + 1


class _Quotient:
    """A number divided by a constant: by wiring, or by a subtraction a cycle after the strobe until ``found``."""

    def __init__(self, m: Module, number: Value, divisor: int, strobe: Value, name: str):
        bits = divisor.bit_length() - 1
        if divisor == 1 << bits:
            self.quotient, self.rest, self.found = number[bits:], number[:bits], 1
            return
        self.quotient = Signal(len(number), name=f"{name}_quotient", reset_less=True)
        self.rest = Signal(len(number), name=f"{name}_rest", reset_less=True)
        self.found = self.rest < divisor
        with m.If(strobe):
            m.d.sync += [self.quotient.eq(0), self.rest.eq(number)]
        with m.Elif(~self.found):
            m.d.sync += [self.quotient.eq(self.quotient + 1), self.rest.eq(self.rest - divisor)]
