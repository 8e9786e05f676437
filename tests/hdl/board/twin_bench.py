"""A twin alone in the Amaranth simulator, as the periphery uses it: cells, gains, time steps, broken-off ones."""

import numpy as np
from amaranth.hdl import Value

from ohmgate.hdl.board.array_twin import ArrayTwin
from ohmgate.model.bit_fields import pack, signed, unpack
from ohmgate.model.design import Design
from ohmgate.model.formats import full_scale, symmetric_codes, to_wire
from ohmgate.model.integer_noise import noisy_codes
from ohmgate.model.layers import Layer
from ohmgate.model.layout import logical_columns, physical_order
from ohmgate.model.network import LayerData, Network
from ohmgate.model.reference import exact_codes
from tests.hdl.simulate import simulate


class TwinBench:
    """``cycle`` counts; ``run(testbench)`` simulates ``testbench(bench)``, whose accesses are the methods here.

    ``component`` is the twin, or what has it inside.
    """

    def __init__(self, layer: Layer, rows: int, data: LayerData, rng: np.random.Generator, noise=None):
        self.layer, self.data, self.rng = layer, data, rng
        self.noise, self.steps = noise, 0
        self.twin = ArrayTwin(layer, rows, None if noise is None else 0)
        self.columns = logical_columns(layer)
        self.cycle, self.answers = 0, 0

    def run(self, testbench, component=None) -> None:
        async def whole(ctx):
            self.ctx = ctx
            await testbench(self)

        simulate(component or self.twin, whole)

    async def tick(self) -> tuple[int, int, int]:
        """One cycle: ``done`` (0 with fixed conversions), ``program_done`` and ``codes`` in it."""
        read, setup = self.twin.array.read, self.twin.array.setup
        done = Value.cast(0 if self.layer.conversion_cycles else read.done)
        _, _, *shown = await self.ctx.tick().sample(done, setup.program_done, read.codes.as_value())
        self.cycle += 1
        return tuple(shown)

    def drive(self) -> np.ndarray:
        """Random rows of a time step: DAC codes, 0 for hidden rows of a sequence's first."""
        layer = self.layer
        inputs = self.rng.choice(symmetric_codes(layer.input_bits), size=layer.inputs)
        hidden = self.rng.choice(symmetric_codes(layer.dac_bits), size=layer.hidden) * int(self.rng.random() < 0.7)
        return np.concatenate([inputs, hidden, np.full(layer.bias_rows, full_scale(layer.dac_bits))])

    def show(self, drive: np.ndarray) -> None:
        """Put a time step on the rows. Hidden rows that are not driven show nonsense."""
        layer, read = self.layer, self.twin.array.read
        inputs, hidden = drive[: layer.inputs], drive[layer.inputs : layer.inputs + layer.hidden]
        if layer.hidden:
            self.ctx.set(read.hidden_drive, int(hidden.any()))
            if not hidden.any():
                hidden = self.rng.choice(symmetric_codes(layer.dac_bits), size=layer.hidden)
        if layer.diagnostics and layer.bias_rows:
            self.ctx.set(read.bias_drive, int(drive[-1] != 0))
        words = [pack(to_wire(c, b), b) for c, b in ((inputs, layer.input_bits), (hidden, layer.dac_bits))]
        self.ctx.set(read.row_codes.as_value(), words[0] | words[1] << layer.inputs * layer.input_bits)

    def expected(self, drive: np.ndarray) -> np.ndarray:
        """Codes (M, K) of the reference; with noise, of the next time step."""
        if self.noise is not None:
            self.steps += 1
            at = np.array([self.steps - 1])
            return noisy_codes(self.noise, 0, self.layer, self.data, drive[None], at)[0][self.columns]
        network = Network(Design("one", (self.layer,)), (self.data,))
        return exact_codes(network)(0, drive[None], np.zeros(1, dtype=bool))[0][self.columns]

    async def load(self) -> None:
        """Gains and all cells, in random order."""
        setup = self.twin.array.setup
        if self.noise is not None:
            for name in ("seed", "programming", "adc"):
                self.ctx.set(getattr(self.twin.noise, name), getattr(self.noise, name))
        self.ctx.set(setup.mult.as_value(), pack(self.data.mult, 8))
        self.ctx.set(setup.shift.as_value(), pack(self.data.shift, 6))
        levels = to_wire(self.data.weights[:, physical_order(self.layer)], self.layer.weight_bits)
        for place in self.rng.permutation(levels.size).tolist():
            row, column = divmod(place, self.layer.columns)
            await self.program(row, column, int(levels[row, column]))

    async def program(self, row: int, column: int, level: int) -> None:
        setup = self.twin.array.setup
        for name, value in (("row", row), ("column", column), ("level", level), ("strobe", 1)):
            self.ctx.set(getattr(setup, f"program_{name}"), value)
        assert (await self.tick())[1] == 0
        self.ctx.set(setup.program_strobe, 0)
        for _ in range(row + column + 13):
            if (await self.tick())[1]:
                break
        else:
            raise AssertionError("no program_done")
        for name in ("row", "column", "level"):
            self.ctx.set(getattr(setup, f"program_{name}"), 0)

    async def convert(self, step: int, until: "int | None" = None) -> "np.ndarray | None":
        """A conversion's codes (K,); None where ``until`` cycles, that of ``convert`` included, are not enough."""
        read, fixed = self.twin.array.read, self.layer.conversion_cycles
        begun, bound = self.cycle, 4 * self.twin.plan.conversion
        self.ctx.set(read.select, step)
        self.ctx.set(read.convert, 1)
        while until is None or self.cycle < begun + until:
            done, _, codes = await self.tick()
            self.ctx.set(read.convert, 0)
            assert not done or self.cycle > begun + 1, "done in the cycle of convert"
            if done or self.cycle == begun + fixed:
                self.answers += 1
                return signed(unpack(codes, self.layer.adc_bits, self.layer.adcs), self.layer.adc_bits)
            assert self.cycle < begun + bound, "no done"
        return None

    async def idle(self, cycles: int) -> None:
        for _ in range(cycles):
            assert (await self.tick())[0] == 0, "done without convert"
