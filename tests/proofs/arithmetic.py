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
    bench = Bench()
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


def cell(layer: LstmLayer, halves: bool = False) -> Bench:
    """The lane's cell state and saturation. With ``halves`` the reference's f*c is f*(low half) + f*(high half).

    That is the distributive law, which needs no proof here; without it the solver does not end at 32 bits.
    """
    bench = Bench()
    dut = ElementWiseLane(layer)
    bench.surround(dut)
    a, fraction, bits = layer.activation_bits, layer.cell_fraction, layer.cell_bits
    f, i, g, c, first = (bench.past(v, dut.cell_latency) for v in (dut.f, dut.i, dut.g, dut.c, dut.first))
    before = Signal(signed(bits))
    bench.m.d.comb += before.eq(Mux(first, 0, c))
    low = bits // 2 if halves else 0
    product = f * before[:low] + (f * before[low:].as_signed() << low)
    exact = half_up(product, a) + half_up(i * g, 2 * a - 1 - fraction)
    contract = clip(exact, *signed_limits(bits))
    full = bench.settled(dut.cell_latency)
    bench.show("contract", contract)
    bench.claim("the cell state is the contract's", ~full | (dut.cell == contract))
    bench.claim("saturated says whether it is limited", ~full | (dut.saturated == (exact != contract)))
    bench.reach("a cell state is limited", full & dut.saturated)
    return bench


def hidden(layer: LstmLayer) -> Bench:
    """The lane's hidden code, and its value where that is handed on, from the cell state that it shows."""
    bench = Bench()
    dut = ElementWiseLane(layer)
    bench.surround(dut)
    a, fraction = layer.activation_bits, layer.tanh_fraction
    o, state = bench.past(dut.o, dut.latency), bench.past(dut.cell, dut.latency - dut.cell_latency)
    low, high = signed_limits(layer.tanh_bits)
    index = Signal(signed(layer.tanh_bits))
    bench.m.d.comb += index.eq(clip(state >> (layer.cell_fraction - fraction), low, high))
    entries = Array(tanh_entry(k if k <= high else k - 2**layer.tanh_bits, fraction, a) for k in range(2 * high + 2))
    tanh = Signal(signed(a))
    bench.m.d.comb += tanh.eq(entries[Cat(index)])
    product = o * tanh
    full = bench.settled(dut.latency)
    bench.show("tanh", tanh)
    if layer.dac_bits == 1:
        code = product < 0  # the pattern of one bit: 1 stands for -1
    else:
        top = 2 ** (layer.dac_bits - 1) - 1
        code = clip(half_up(product * top, 2 * a - 1), -top, top)
    bench.claim("the hidden code is the contract's", ~full | (dut.hidden == Cat(code)[: layer.dac_bits]))
    if layer.output == "value":
        bench.claim("so is the hidden value", ~full | (dut.value == half_up(product, a)))
    bench.reach("a hidden code at its end", full & dut.hidden.all())
    return bench
