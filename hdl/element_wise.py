"""One lane of the element-wise pipeline: cell update, tanh of the cell state, hidden code."""

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib.wiring import In, Out

from ..model.layers import LstmLayer
from ..model.reference import cell_update
from ..model.tables import cell_tanh_table
from .arithmetic import fits, round_shift, saturate, times_full_scale
from .component import Component


class ElementWiseLane(Component):
    """Ma et al., equations 5 and 6, for one hidden unit at a time, in the integers of docs/numerics.md.

    Stages (each ends in a register): 1 multiply f*c and i*g; 2 round, add, saturate; 3 tanh table; 4 multiply
    o*tanh(c). ``cell`` and ``saturated`` follow the operands by two cycles (``cell_latency``), ``hidden`` and
    ``value`` by four; their rounding is not registered here but in the banks behind them.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `f`, `i`, `o` | in | A bits | entries of the sigmoid gates |
    | `g` | in | signed A bits | entry of the candidate's tanh |
    | `c` | in | signed C bits | cell state before the time step |
    | `first` | in | 1 bit | of a sequence: c counts as 0 |
    | `cell` | out | signed C bits | cell state after it |
    | `saturated` | out | 1 bit | the cell state is at an end of its range because it would be beyond |
    | `hidden` | out | D bits | hidden code, as a wire pattern |
    | `value` | out | signed A bits | hidden value; only where it is the layer's output |
    """

    cell_latency = 2
    latency = 4

    def __init__(self, layer: LstmLayer):
        self.layer = layer
        a = layer.activation_bits
        members = {
            "f": In(unsigned(a)),
            "i": In(unsigned(a)),
            "o": In(unsigned(a)),
            "g": In(signed(a)),
            "c": In(signed(layer.cell_bits)),
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
        a, fraction = layer.activation_bits, layer.cell_fraction

        # Stage 1: products, f*c of each half of c. The zero of a first step is in place of c, not of f: the memory of
        # cell states holds X in a netlist's simulation until it is written. Registers without a reset go into the
        # multiplier blocks of an FPGA.
        low = layer.cell_bits // 2
        kept_low = Signal(a + low, reset_less=True)
        kept_high = Signal(signed(a + layer.cell_bits - low), reset_less=True)
        added = Signal(signed(2 * a), reset_less=True)
        o1, o2, o3 = (Signal(a, name=f"o{k}", reset_less=True) for k in (1, 2, 3))
        before = Signal(signed(layer.cell_bits))
        m.d.comb += before.eq(Mux(self.first, 0, self.c))
        m.d.sync += [
            kept_low.eq(self.f * before[:low]),
            kept_high.eq(self.f * before[low:].as_signed()),
            added.eq(self.i * self.g),
            o1.eq(self.o),
        ]

        # Stage 2: align, add, saturate. The half that rounds f*c stands in the low bits, which i*g leaves free.
        candidate = round_shift(added, 2 * a - 1 - fraction)
        exact = kept_low + Cat(Const(1 << (a - 1), a), candidate).as_signed()
        without_high, total = Signal(signed(len(exact))), Signal(signed(layer.cell_bits + 1))
        m.d.comb += [
            without_high.eq(exact),
            total.eq(Cat(without_high[:low], kept_high + without_high[low:].as_signed()).as_signed() >> a),
        ]
        m.d.sync += [
            self.cell.eq(saturate(total, layer.cell_bits)),
            self.saturated.eq(~fits(total, layer.cell_bits)),
            o2.eq(o1),
        ]

        # Stage 3: tanh, odd, so half of the table is there: entry(-1 - t) = -entry(t). From here sign and magnitude.
        index = Signal(signed(layer.tanh_bits))
        m.d.comb += index.eq(saturate(self.cell >> (fraction - layer.tanh_fraction), layer.tanh_bits))
        half = cell_tanh_table(layer.tanh_bits, layer.tanh_fraction, a)[2 ** (layer.tanh_bits - 1) :]
        tanh = Signal(a - 1, reset_less=True)
        negative, below = Signal(reset_less=True), Signal(reset_less=True)
        with m.Switch(Mux(index < 0, ~index, index)[: max(layer.tanh_bits - 1, 1)]):
            for position, value in enumerate(half.tolist()):
                with m.Case(position):
                    m.d.sync += tanh.eq(value)
        m.d.sync += [negative.eq(index < 0), o3.eq(o2)]

        # Stage 4: o * |tanh(c)|, which is below 2^(2A-1), so that no code can be beyond the full scale.
        product = Signal(2 * a - 1, reset_less=True)
        m.d.sync += [product.eq(o3 * tanh), below.eq(negative)]

        # Into the hidden state's register: scaled to DAC codes and rounded. As L is odd, and o and |tanh(c)| have
        # less than A and A - 1 factors of 2, no product is half way between two codes, where the sign would matter.
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
