"""Adders behind a layer's row tiles: the codes of their converters become the code of a column."""

import numpy as np
from amaranth.hdl import Cat, Const, Module
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from ..model.layers import Layer
from .component import Component


class TileSums(Component):
    """Sums of the R codes of each of K columns, counted from the lowest: 0..U * (2^N - 1).

    A code counts 2^shift in them (``tile_shifts`` of the layer), and U is the sum of these. So sums are addresses of
    the tables, and a code's top bit inverted is what is added up. Combinational.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `codes` | in | R x K x N bits | ADC codes of a conversion: all of the first row tile, then of the next |
    | `sums` | out | K x sum bits | code of each column, less the lowest there is |
    """

    latency = 0

    def __init__(self, layer: Layer):
        self.layer = layer
        super().__init__(
            {
                "codes": In(data.ArrayLayout(layer.adc_bits, layer.codes_at_once)),
                "sums": Out(data.ArrayLayout(layer.sum_bits, layer.adcs)),
            }
        )

    def model(self, codes: np.ndarray) -> np.ndarray:
        """Sums (K,) of ADC codes (R * K,), less the lowest one."""
        tiles = np.asarray(codes).reshape(self.layer.row_tiles, self.layer.adcs)
        return self.layer.summed(tiles) - self.layer.sum_range[0]

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        for adc in range(layer.adcs):
            terms = []
            for tile, shift in enumerate(layer.tile_shifts):
                code = self.codes[tile * layer.adcs + adc]
                terms.append(Cat(Const(0, shift), code[:-1], ~code[-1]))
            while len(terms) > 1:
                odd = [terms[-1]] if len(terms) % 2 else []
                terms = [a + b for a, b in zip(terms[::2], terms[1::2])] + odd
            m.d.comb += self.sums[adc].eq(terms[0])
        return m
