"""Cells that take pulses, and an array of them behind a port of the RTL: what both sides of a test look at."""

from collections import Counter

import numpy as np
from amaranth.hdl import Value

from ohmgate.model.bit_fields import pack, signed, unpack
from ohmgate.model.design import Design
from ohmgate.model.formats import full_scale
from ohmgate.model.layers import Layer
from ohmgate.model.layout import row_drive


class PulsedCells:
    """Pairs of cells of every layer of a design, in levels. What a pulse does depends on the cell and its count.

    ``stuck`` has cells that keep their level; ``spare`` is the spare of each ADC that is read in step 0, or None.
    ``noise`` is added to every reading, in LSB, by its number.
    """

    def __init__(self, design: Design, seed: int, noise: float = 0.0):
        self.design, self.seed, self.noise = design, seed, noise
        rng = np.random.default_rng(seed)
        self.held = [
            rng.random((2, layer.rows, layer.all_columns)) * full_scale(layer.weight_bits) for layer in design.layers
        ]
        self.stuck: dict[tuple[int, int, int, int], float] = {}
        self.pulses: list[tuple[int, ...]] = []
        self.counts: Counter[tuple[int, int, int, int]] = Counter()
        self.spare: int | None = None
        self.readings = 0

    def stick(self, layer: int, row: int, column: int, cell: int, level: float) -> None:
        self.stuck[layer, row, column, cell] = level
        self.held[layer][cell, row, column] = level

    def pulse(self, layer: int, row: int, column: int, cell: int, up: int, strong: int) -> None:
        self.pulses.append((layer, row, column, cell, up, strong))
        at = layer, row, column, cell
        self.counts[at] += 1
        if at in self.stuck:
            return
        top = full_scale(self.design.layers[layer].weight_bits)
        share = (0.25 if strong else 0.02) * np.random.default_rng([self.seed, *at, self.counts[at]]).uniform(
            0.5, 1.5
        )
        held = self.held[layer]
        now = held[cell, row, column]
        held[cell, row, column] += share * (top - now) if up else -share * now

    def weights(self, layer: int) -> np.ndarray:
        return self.held[layer][0] - self.held[layer][1]

    def codes(self, index: int, drive: np.ndarray, step: int, gain: tuple[int, int]) -> np.ndarray:
        """(K,) for DAC codes (rows,)."""
        layer = self.design.layers[index]
        columns = np.arange(layer.adcs) * layer.conversions + step
        if self.spare is not None and step == 0:
            columns = layer.columns + np.arange(layer.adcs) * layer.spares + self.spare
        sums = (drive * row_drive(layer)) @ self.weights(index)[:, columns]
        self.readings += 1
        noise = np.random.default_rng([self.seed, self.readings]).standard_normal(layer.adcs) * self.noise
        top = 2 ** (layer.adc_bits - 1)
        return np.clip(np.floor(sums * gain[0] * 2.0 ** -gain[1] + noise), -top, top - 1).astype(int)


class PulsedPort:
    """Serves a layer's ``array_K`` and ``setup_K`` of ``dut``, and checks how the cells are asked."""

    def __init__(self, dut, index: int, layer: Layer, cells: PulsedCells, rng: np.random.Generator, reset):
        self.dut, self.index, self.layer, self.cells, self.rng, self.reset = dut, index, layer, cells, rng, reset
        self.read, self.setup = getattr(dut, f"array_{index}"), getattr(dut, f"setup_{index}")
        self.conversions = 0
        self.answer = 0  #: cycles of a pulse; 0: at random

    def drive(self, row_codes: int, bias: int) -> np.ndarray:
        layer = self.layer
        split = layer.inputs * layer.input_bits
        inputs = signed(unpack(row_codes % 2**split, layer.input_bits, layer.inputs), layer.input_bits)
        hidden = signed(unpack(row_codes >> split, layer.dac_bits, layer.hidden), layer.dac_bits)
        return np.array([*inputs, *hidden, *[full_scale(layer.dac_bits) * bias] * layer.bias_rows], dtype=int)

    async def reads(self, ctx):
        read, layer, left, codes, held = self.read, self.layer, 0, None, None
        ports = [read.row_codes.as_value(), read.select, read.bias_drive if layer.bias_rows else Value.cast(0)]
        setup = self.setup
        gains = [Value.cast(setup.mult[-1]), Value.cast(setup.shift[-1])]
        while True:
            if left < 2:  # nonsense but when they are valid
                shown = codes if left == 1 else self.rng.integers(0, 2**layer.adc_bits, layer.adcs)
                ctx.set(Value.cast(read.codes), pack(shown, layer.adc_bits))
            if not layer.conversion_cycles:
                ctx.set(read.done, left == 1 or (left == 0 and self.rng.random() < 0.3))
            _, _, convert, cancel, pulsing, *now = await ctx.tick().sample(
                read.convert, setup.cancel | self.reset, self.dut.pulsing, *ports, *gains
            )
            if left:
                assert (convert, now) == (0, held), "not held until the codes are taken"
            left = max(left - 1, 0)
            if convert and not cancel:
                assert pulsing
                row_codes, step, bias, *gain = held = now
                codes = self.cells.codes(self.index, self.drive(row_codes, bias), step, tuple(gain))
                left = (layer.conversion_cycles or int(self.rng.integers(2, 6))) - 1
                self.conversions += 1
            if cancel:
                left = 0

    async def pulses(self, ctx):
        setup, left, held, kind = self.setup, 0, None, 0
        ports = [setup.program_row, setup.program_column, setup.program_cell, setup.program_up, setup.program_strong]
        while True:
            ctx.set(setup.program_done, left == 1)
            _, _, strobe, seal, unseal, reset, *now = await ctx.tick().sample(
                setup.program_strobe, setup.seal, setup.unseal, self.reset, *ports
            )
            if left:
                assert strobe + seal + unseal == 0
                assert kind != 1 or now == held, "not held until it is done"
            left = max(left - 1, 0)
            if strobe + seal + unseal:
                held, kind, left = now, strobe, (self.answer - 1) if self.answer else int(self.rng.integers(1, 4))
                if strobe:
                    self.cells.pulse(self.index, *now)
                else:
                    ctx.set(setup.sealed, seal)
            if reset:
                left = 0
