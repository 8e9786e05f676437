"""The converters of an array's twin: column sums to codes."""

from itertools import pairwise

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

from ...model.integer_noise import ADC_FRACTION, AMPLITUDE_BITS, AMPLITUDE_SHIFT, CELL_FRACTION, ROUNDS
from ...model.network import MULT_BITS, SHIFT_BITS
from ...model.reference import adc_codes
from ..arithmetic import saturate
from ..component import Component
from .noise_source import NoiseSource
from .twin_plan import TwinPlan

COARSE = 3  #: the shift's low bits: what they ask for is done a cycle after the rest
GUARD = 3  #: bits above a code that hold the largest noise


class ConverterNoise(Signature):
    """What the noise of an array's converters depends on, named from the side that says it."""

    def __init__(self, conversions: int):
        super().__init__(
            {
                "low": Out(16),  #: key
                "high": Out(16),
                "step": Out(16),  #: time step
                "column": Out(range(max(conversions, 2))),  #: first one, with ``clear``
                "amplitude": Out(AMPLITUDE_BITS),
            }
        )


class AdcBank(Component):
    """``clip(floor(S * mult / 2^shift))`` of each ADC's sum S, by gain units that serve a block of ADCs each.

    The sums of a column move through a unit one after the other. A unit multiplies a sum with some bits of the gain's
    mult in a cycle, the highest first; in the next cycle it shifts by the multiple of 8 in shift, then by the rest,
    and clips. The next sums may be taken as soon as the last of these is in the unit: ``slots`` cycles after.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `sums` | in | K x signed | a column's sums |
    | `take` | in | 1 bit | they are valid in this cycle |
    | `mult`, `shift` | in | gates x 8, gates x 6 bits | gain of each gate |
    | `noise` | in | :class:`ConverterNoise` | only of a noisy twin: place and size of the noise |
    | `keep` | in | 1 bit | ``codes`` stay as they are |
    | `clear` | in | 1 bit | drops what is under way |
    | `enters` | out | 1 bit | ``codes`` change with this cycle's end |
    | `complete` | out | 1 bit | and are the column's then |
    | `codes` | out | K x N bits | ADC codes |
    """

    def __init__(self, plan: TwinPlan, sum_bits: int):
        self.plan, self.sum_bits = plan, sum_bits
        layer = plan.layer
        noise = {"noise": In(ConverterNoise(layer.conversions))} if plan.noisy else {}
        super().__init__(
            {
                **noise,
                "sums": In(data.ArrayLayout(signed(sum_bits), layer.adcs)),
                "take": In(1),
                "mult": In(data.ArrayLayout(MULT_BITS, layer.gates)),
                "shift": In(data.ArrayLayout(SHIFT_BITS, layer.gates)),
                "keep": In(1),
                "clear": In(1),
                "enters": Out(1),
                "complete": Out(1),
                "codes": Out(data.ArrayLayout(layer.adc_bits, layer.adcs)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from ``take`` to the first in which all codes are there."""
        return self.plan.block * self.plan.digits + 3 + ROUNDS * self.plan.noisy

    def model(self, sums: np.ndarray, mult: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Codes (K,) of ``sums`` (K,) with the gains (gates,)."""
        layer = self.plan.layer
        gate = np.arange(layer.adcs) // (layer.adcs // layer.gates)
        return adc_codes(sums, mult[gate], shift[gate], layer.adc_bits)

    def elaborate(self, platform):
        m = Module()
        plan = self.plan
        position, digit, busy = Signal(range(max(plan.block, 2))), Signal(range(max(plan.digits, 2))), Signal()
        leaves, last = Signal(), Signal()  # the sum at the unit's door
        m.d.comb += [leaves.eq(busy & (digit == plan.digits - 1)), last.eq(position == plan.block - 1)]
        with m.If(busy):
            m.d.sync += digit.eq(digit + 1)
        with m.If(leaves):
            m.d.sync += [digit.eq(0), position.eq(position + 1), busy.eq(~last)]
        with m.If(self.take):
            m.d.sync += [busy.eq(1), position.eq(0), digit.eq(0)]
        flags = [leaves, leaves & last]
        for _ in range(2 + ROUNDS * plan.noisy):
            later = [Signal(), Signal()]
            m.d.sync += [b.eq(a) for a, b in zip(flags, later)]
            with m.If(self.clear):
                m.d.sync += [b.eq(0) for b in later]
            flags = later
        with m.If(self.clear):
            m.d.sync += busy.eq(0)
        m.d.comb += [self.enters.eq(flags[0]), self.complete.eq(flags[1])]
        column = Signal(range(max(plan.layer.conversions, 2)))
        if plan.noisy:
            with m.If(leaves & last):
                m.d.sync += column.eq(column + 1)
            with m.If(self.clear):
                m.d.sync += column.eq(self.noise.column)
        for unit in range(plan.units):
            self._unit(m, unit, leaves, position, digit, column)
        return m

    def _unit(self, m: Module, unit: int, leaves: Value, position: Value, digit: Value, column: Value):
        plan, layer = self.plan, self.plan.layer
        adcs = range(unit * plan.block, (unit + 1) * plan.block)
        waiting = [Signal(signed(self.sum_bits), name=f"sum_{adc}", reset_less=True) for adc in adcs]
        with m.If(self.take):
            m.d.sync += [value.eq(self.sums[adc]) for adc, value in zip(adcs, waiting)]
        with m.Elif(leaves):
            m.d.sync += [value.eq(following) for value, following in pairwise(waiting)]

        gates = [adc // (layer.adcs // layer.gates) for adc in adcs]
        gate = Array(gates)[position] if gates[0] != gates[-1] else gates[0]
        mult, shift = Signal(MULT_BITS, name=f"mult_{unit}"), Signal(SHIFT_BITS, name=f"shift_{unit}")
        m.d.comb += [mult.eq(self.mult[gate]), shift.eq(self.shift[gate])]
        product = Signal(signed(self.sum_bits + MULT_BITS), name=f"product_{unit}", reset_less=True)
        digits = [mult.word_select(k, plan.digit_bits) for k in reversed(range(plan.digits))]
        part = waiting[0] * Array(digits)[digit] if plan.digit_bits > 1 else Mux(Array(digits)[digit], waiting[0], 0)
        before = Mux(digit == 0, 0, product << plan.digit_bits) if plan.digits > 1 else 0
        shifts = [Signal(SHIFT_BITS, name=f"shift_{unit}_1", reset_less=True)]
        m.d.sync += [product.eq(before + part), shifts[0].eq(shift)]

        kept = layer.adc_bits + (ADC_FRACTION + GUARD) * plan.noisy
        coarse = _Shifted([*[Const(0, 1)] * ((ADC_FRACTION - CELL_FRACTION) * plan.noisy), *product], kept)
        coarse.shift(shifts[0], range(COARSE, SHIFT_BITS))
        held = Signal(len(coarse.bits) + 2, name=f"coarse_{unit}", reset_less=True)
        shifts.append(Signal(COARSE, name=f"shift_{unit}_2", reset_less=True))
        m.d.sync += [held.eq(Cat(coarse.bits, coarse.sign, coarse.over)), shifts[1].eq(shifts[0])]
        fine = _Shifted(list(held[:-2]), kept, sign=held[-2], over=held[-1])
        fine.shift(shifts[1], range(COARSE))
        made = fine.clipped()
        if plan.noisy:
            made = self._noisy(m, unit, made, column, adcs.start + position)

        codes = [self.codes[adc] for adc in adcs]
        with m.If(self.enters & ~self.keep):
            m.d.sync += [code.eq(following) for code, following in zip(codes, [*codes[1:], made])]

    def _noisy(self, m: Module, unit: int, value: Value, column: Value, adc: Value) -> Value:
        """The code of a value of more bits, with the noise of its place."""
        noise, step_bits = self.noise, self.plan.step_bits
        m.submodules[f"noise_{unit}"] = source = NoiseSource()
        m.d.comb += [
            source.first.eq(noise.step),
            source.second.eq(Cat(column[:step_bits], adc)),
            source.low.eq(noise.low),
            source.high.eq(noise.high),
        ]
        error = Signal(signed(AMPLITUDE_BITS + 7 - AMPLITUDE_SHIFT), name=f"error_{unit}", reset_less=True)
        stages = [Signal(len(value), name=f"value_{unit}_{k}", reset_less=True) for k in range(ROUNDS)]
        m.d.sync += error.eq((noise.amplitude * source.draw) >> AMPLITUDE_SHIFT)
        m.d.sync += [later.eq(before) for before, later in zip([value, *stages], stages)]
        return saturate((stages[-1].as_signed() + error) >> ADC_FRACTION, self.plan.layer.adc_bits)


class _Shifted:
    """A number that is shifted right, the largest shift first: the bits that can still count, and what is above."""

    def __init__(self, bits: list[Value], kept: int, sign: "Value | None" = None, over: "Value | int" = 0):
        self.bits, self.kept, self.over = bits, kept, over
        self.sign = bits[-1] if sign is None else sign

    def shift(self, amount: Signal, stages: range) -> None:
        """Shift by the bits ``stages`` of ``amount``."""
        for stage in reversed(stages):
            moved = self.bits[2**stage :] + [self.sign] * min(2**stage, len(self.bits))
            bits = [Mux(amount[stage], later, bit) for bit, later in zip(self.bits, moved)]
            width = 2**stage - 1 + self.kept  # a lower bit's shift can still bring these down
            bits += [self.sign] * (self.kept - len(bits))
            self.bits, above = bits[:width], bits[width:]
            if above:
                self.over = self.over | (Cat(above) != Cat([self.sign] * len(above)))

    def clipped(self) -> Value:
        """The code: the bits kept, or the end of their range."""
        over = self.over | (self.bits[-1] != self.sign)
        return Mux(over, Cat([~self.sign] * (self.kept - 1), self.sign), Cat(self.bits))
