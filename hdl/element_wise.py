"""One lane of the element-wise pipeline: cell update, tanh of the cell state, hidden code."""

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
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

        # Stage 1: products; a clear of the register costs less than a zero before the multiplier.
        kept = Signal(signed(a + layer.cell_bits), reset_less=True)
        added = Signal(signed(2 * a), reset_less=True)
        o1, o2, o3 = (Signal(a, name=f"o{k}", reset_less=True) for k in (1, 2, 3))
        m.d.sync += [kept.eq(self.f * self.c), added.eq(self.i * self.g), o1.eq(self.o)]
        with m.If(self.first):
            m.d.sync += kept.eq(0)

        # Stage 2: align, add, saturate. The half that rounds f*c is the last bit of the other operand.
        candidate = round_shift(added, 2 * a - 1 - fraction)
        exact = ((kept >> (a - 1)) + Cat(1, candidate).as_signed()) >> 1
        total = Signal(signed(len(exact) - 1))
        m.d.comb += total.eq(exact)
        m.d.sync += [
            self.cell.eq(saturate(total, layer.cell_bits)),
            self.saturated.eq(~fits(total, layer.cell_bits)),
            o2.eq(o1),
        ]

        # Stage 3: tanh, odd, so half of the table is there: entry(-1 - t) = -entry(t).
        index = Signal(signed(layer.tanh_bits))
        m.d.comb += index.eq(saturate(self.cell >> (fraction - layer.tanh_fraction), layer.tanh_bits))
        negative = index < 0
        half = cell_tanh_table(layer.tanh_bits, layer.tanh_fraction, a)[2 ** (layer.tanh_bits - 1) :]
        magnitude = Signal(a - 1)
        tanh = Signal(signed(a), reset_less=True)
        with m.Switch(Mux(negative, ~index, index)[: max(layer.tanh_bits - 1, 1)]):
            for position, value in enumerate(half.tolist()):
                with m.Case(position):
                    m.d.comb += magnitude.eq(value)
        m.d.sync += [tanh.eq(Mux(negative, -magnitude, magnitude)), o3.eq(o2)]

        # Stage 4: o * tanh(c), whose magnitude is below 2^(2A-1), so that no code can be beyond the full scale.
        product = Signal(signed(2 * a), reset_less=True)
        m.d.sync += product.eq(o3 * tanh)

        # Into the hidden state's register: scaled to DAC codes and rounded.
        if layer.dac_bits == 1:
            m.d.comb += self.hidden.eq(product < 0)  # the pattern of one bit is the sign
        else:
            m.d.comb += self.hidden.eq(round_shift(times_full_scale(product, layer.dac_bits), 2 * a - 1))
        if layer.output == "value":
            m.d.comb += self.value.eq(round_shift(product, a))
        return m
