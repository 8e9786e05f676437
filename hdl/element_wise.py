"""One lane of the element-wise pipeline: cell update, tanh of the cell state, hidden code."""

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib.wiring import In, Out

from ..model.layers import LstmLayer
from ..model.reference import cell_update
from ..model.tables import cell_tanh_table
from .arithmetic import fits, round_shift, saturate, times_full_scale
from .component import Component


def half_bits(layer: LstmLayer) -> int:
    """Bits of a half of the cell state: the low half has them all, the high one is sign-extended to them."""
    return (layer.cell_bits + 1) // 2


class ElementWiseLane(Component):
    """Ma et al., equations 5 and 6, for one hidden unit at a time, in the integers of docs/numerics.md.

    A set of operands is held for two cycles, as no two conversions end in cycles that follow each other. So one
    multiplier of half the cell state's width serves for f*c: ``c`` is its low half in the first cycle, and its high
    half in the second, in which ``high`` says so.

    Stages (each but the last ends in a register): 0 multiply f and the low half, i*g; 1 multiply f and the high
    half, round and add the rest; 2 add, saturate, tanh table; 3 multiply o*tanh(c); 4 scale. ``cell`` and
    ``saturated`` follow the first cycle of the operands by three (``cell_latency``) and stay until the next ones.
    ``hidden`` and ``value`` follow it by four; they are not registered here but in the banks behind.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `f`, `i`, `o` | in | A bits | entries of the sigmoid gates |
    | `g` | in | signed A bits | entry of the candidate's tanh |
    | `c` | in | H bits | half of the cell state before the time step; H is C/2, rounded up |
    | `high` | in | 1 bit | it is the high half, signed |
    | `first` | in | 1 bit | of a sequence: c counts as 0 |
    | `cell` | out | signed C bits | cell state after it |
    | `saturated` | out | 1 bit | the cell state is at an end of its range because it would be beyond |
    | `hidden` | out | D bits | hidden code, as a wire pattern |
    | `value` | out | signed A bits | hidden value; only where it is the layer's output |
    """

    cell_latency = 3
    latency = 4

    def __init__(self, layer: LstmLayer):
        self.layer = layer
        a = layer.activation_bits
        members = {
            "f": In(unsigned(a)),
            "i": In(unsigned(a)),
            "o": In(unsigned(a)),
            "g": In(signed(a)),
            "c": In(half_bits(layer)),
            "high": In(1),
            "first": In(1),
            "cell": Out(signed(layer.cell_bits)),
            "saturated": Out(1),
            "hidden": Out(layer.dac_bits),
        }
        if layer.output == "value":
            members["value"] = Out(signed(a))
        super().__init__(members)

    def model(self, f, i, o, g, c, first):
        """New cell states, hidden codes and outputs (as numbers), saturation flags; arrays of equal shape (n,)."""
        return cell_update(self.layer, np.stack([f, i, o, g]), np.where(first, 0, c))

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        a, fraction, half = layer.activation_bits, layer.cell_fraction, len(self.c)

        # Stages 0 and 1: products. The zero of a first step is in place of f*c, not of f: the memory of cell states
        # holds X in a netlist's simulation until it is written.
        kept = Signal(signed(a + half + 1), reset_less=True)
        added = Signal(signed(2 * a), reset_less=True)
        o = Signal(a, name="kept_o", reset_less=True)
        m.d.sync += [
            kept.eq(Mux(self.first, 0, self.f * Cat(self.c, self.c[-1] & self.high).as_signed())),
            added.eq(self.i * self.g),
        ]

        # Stage 1: align, add. The half that rounds f*c stands in the low bits, which i*g leaves free.
        candidate = round_shift(added, 2 * a - 1 - fraction)
        exact = kept[: a + half] + Cat(Const(1 << (a - 1), a), candidate).as_signed()
        dropped = min(a, half)
        rest = Signal(signed(len(exact) - dropped), reset_less=True)
        with m.If(self.high):
            m.d.sync += [rest.eq(exact >> dropped), o.eq(self.o)]

        # Stage 2: add, saturate.
        adds, multiplies = Signal(), Signal()  # stages 2 and 3 are at work
        m.d.sync += [adds.eq(self.high), multiplies.eq(adds)]
        total = Signal(signed(layer.cell_bits + 1))
        whole = Cat(rest[: half - dropped], kept + rest[half - dropped :].as_signed()).as_signed()
        cell, saturated = Signal.like(self.cell, reset_less=True), Signal(reset_less=True)
        m.d.comb += [total.eq(whole >> (a - dropped)), self.cell.eq(cell), self.saturated.eq(saturated)]

        # tanh, odd, so half of the table is there: entry(-1 - t) = -entry(t). From here sign and magnitude. The table
        # is read before it is known whether the index is beyond its range, where the last entry holds.
        beyond = total[fraction - layer.tanh_fraction :].as_signed()
        bits = min(layer.tanh_bits, len(beyond) - 1)  # that can be reached
        table = cell_tanh_table(layer.tanh_bits, layer.tanh_fraction, a)[2 ** (layer.tanh_bits - 1) :].tolist()
        entry, tanh = Signal(a - 1), Signal(a - 1, reset_less=True)
        negative, below = Signal(reset_less=True), Signal(reset_less=True)
        with m.Switch((beyond ^ beyond[bits - 1].replicate(len(beyond)))[: max(bits - 1, 1)]):
            for position, value in enumerate(table[: 2 ** (bits - 1)]):
                with m.Case(position):
                    m.d.comb += entry.eq(value)
        with m.If(adds):
            m.d.sync += [
                cell.eq(saturate(total, layer.cell_bits)),
                saturated.eq(~fits(total, layer.cell_bits)),
                tanh.eq(Mux(fits(beyond, bits), entry, table[2 ** (bits - 1) - 1])),
                negative.eq(total[-1]),
            ]

        # Stage 3: o * |tanh(c)|, which is below 2^(2A-1), so that no code can be beyond the full scale.
        product = Signal(2 * a - 1, reset_less=True)
        with m.If(multiplies):
            m.d.sync += [product.eq(o * tanh), below.eq(negative)]

        # Stage 4, into the hidden state's register: scaled to DAC codes and rounded. As L is odd, and o and |tanh(c)|
        # have less than A and A - 1 factors of 2, no product is half way between two codes, where the sign matters.
        if layer.dac_bits == 1:
            m.d.comb += self.hidden.eq(below & product.any())  # the pattern of one bit is the sign
        else:
            halves = times_full_scale(product, layer.dac_bits) >> (2 * a - 2)
            signs = below.replicate(layer.dac_bits)
            m.d.comb += self.hidden.eq((halves >> 1 ^ signs) + (halves[0] ^ below))
        if layer.output == "value":
            twos_complement = Cat(below, product ^ below.replicate(2 * a - 1), below).as_signed()
            m.d.comb += self.value.eq((twos_complement + Const(2**a + 1)) >> (a + 1))
        return m
