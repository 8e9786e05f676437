"""Rounding, saturation and the element-wise lane are docs/numerics.md, for all operands.

The reference here is the page written down once more, in integers that are wide enough for everything: it shares no
code with ``hdl/arithmetic.py`` or ``model/``.
"""

import math

from amaranth.hdl import Array, Cat, Mux, Signal, Value, signed

from ohmgate.hdl import arithmetic
from ohmgate.hdl.element_wise import ElementWiseLane
from ohmgate.model.layers import LstmLayer

from .bench import Bench


def clip(value: Value, low: int, high: int) -> Value:
    return Mux(value < low, low, Mux(value > high, high, value))


def signed_limits(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def half_up(value: Value, shift: int) -> Value:
    """``floor(value / 2^shift + 1/2)``; a negative ``shift`` multiplies."""
    return (value + 2 ** (shift - 1)) >> shift if shift > 0 else value << -shift


def tanh_entry(index: int, fraction: int, bits: int) -> int:
    """The integer nearest to tanh((index + 1/2) / 2^fraction) * 2^(bits - 1), at most full scale."""
    scale = 2 ** (bits - 1)
    return max(-(scale - 1), min(scale - 1, round(math.tanh((index + 0.5) / 2**fraction) * scale)))


def functions(width: int) -> Bench:
    """The functions of ``hdl/arithmetic.py`` for every value of ``width`` bits, every shift and every limit."""
    bench = Bench(anywhere=True)
    value = bench.free("value", signed(width))
    for shift in range(-2, width + 1):
        bench.claim(f"round_shift by {shift}", arithmetic.round_shift(value, shift) == half_up(value, shift))
    for bits in range(1, width + 1):
        low, high = signed_limits(bits)
        bench.claim(f"saturate to {bits} bits", arithmetic.saturate(value, bits) == clip(value, low, high))
        bench.claim(f"fits in {bits} bits", arithmetic.fits(value, bits) == ((value >= low) & (value <= high)))
    for bits in range(2, 9):
        product = value * (2 ** (bits - 1) - 1)
        bench.claim(f"times the full scale of {bits} bits", arithmetic.times_full_scale(value, bits) == product)
    return bench


class _Lane:
    """A lane and its operands: the low half of c in the first cycle, the high half in the second.

    What comes behind is free, as far as ``high`` may be: not in the third cycle.
    """

    def __init__(self, layer: LstmLayer):
        self.bench, self.dut = Bench(anywhere=True), ElementWiseLane(layer)
        bench, dut = self.bench, self.dut
        bench.surround(dut, driven=("high",))
        second = bench.settled(1) & ~bench.settled(2)
        bench.m.d.comb += dut.high.eq(second)
        bench.assume(~second | bench.unchanged(Cat(dut.f, dut.i, dut.o, dut.g, dut.first)))
        self.before = Cat(bench.past(dut.c), dut.c)[: layer.cell_bits].as_signed()  # in the second cycle


def cell(layer: LstmLayer) -> Bench:
    """The lane's cell state and saturation."""
    lane = _Lane(layer)
    bench, dut = lane.bench, lane.dut
    a, fraction, bits, later = layer.activation_bits, layer.cell_fraction, layer.cell_bits, dut.cell_latency - 1
    f, i, g, c, first = (bench.past(v, later) for v in (dut.f, dut.i, dut.g, lane.before, dut.first))
    exact = half_up(Mux(first, 0, f * c), a) + half_up(i * g, 2 * a - 1 - fraction)
    contract = clip(exact, *signed_limits(bits))
    there = bench.settled(dut.cell_latency) & bench.past(dut.high, later)
    bench.show("contract", contract)
    bench.claim("the cell state is the contract's", ~there | (dut.cell == contract))
    bench.claim("saturated says whether it is limited", ~there | (dut.saturated == (exact != contract)))
    bench.reach("a cell state is limited", there & dut.saturated)
    return bench


def hidden(layer: LstmLayer) -> Bench:
    """The lane's hidden code, and its value where that is handed on, from the cell state that it shows."""
    lane = _Lane(layer)
    bench, dut = lane.bench, lane.dut
    a, fraction, later = layer.activation_bits, layer.tanh_fraction, dut.latency - 1
    o, state = bench.past(dut.o, later), bench.past(dut.cell, dut.latency - dut.cell_latency)
    low, high = signed_limits(layer.tanh_bits)
    index = Signal(signed(layer.tanh_bits))
    bench.m.d.comb += index.eq(clip(state >> (layer.cell_fraction - fraction), low, high))
    entries = Array(tanh_entry(k if k <= high else k - 2**layer.tanh_bits, fraction, a) for k in range(2 * high + 2))
    tanh = Signal(signed(a))
    bench.m.d.comb += tanh.eq(entries[Cat(index)])
    product = o * tanh
    there = bench.settled(dut.latency) & bench.past(dut.high, later)
    bench.show("tanh", tanh)
    if layer.dac_bits == 1:
        code = product < 0  # the pattern of one bit: 1 stands for -1
    else:
        top = 2 ** (layer.dac_bits - 1) - 1
        code = clip(half_up(product * top, 2 * a - 1), -top, top)
    bench.claim("the hidden code is the contract's", ~there | (dut.hidden == Cat(code)[: layer.dac_bits]))
    if layer.output == "value":
        bench.claim("so is the hidden value", ~there | (dut.value == half_up(product, a)))
    bench.reach("a hidden code at its end", there & dut.hidden.all())
    return bench
