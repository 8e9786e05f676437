"""Whole designs with layers in reverse: every integer, sequences that are too long, resets in any cycle."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.hdl.accelerator import Accelerator
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.payloads import output_numbers, step_payload
from ohmgate.model.reference import run
from ohmgate.model.registers import BY_NAME
from tests.designs import random_inputs, random_network
from tests.hdl.simulate import simulate
from tests.hdl.test_whole_design import Device, check

LSTM = LstmLayer(inputs=2, hidden=2, adcs=8, cell_bits=9, cell_fraction=7, tanh_fraction=4)
HEAD = DenseLayer(inputs=5, outputs=3, adcs=3, output="argmax", emit="end")
PAIR = both_directions(replace(LSTM, inputs=4), 5)
DESIGN = Design("both", (*both_directions(LSTM, 5), PAIR[0], replace(PAIR[1], hidden=3, adcs=4), HEAD))
ALONE = Design("alone", (replace(LSTM, direction="reverse", max_steps=5, output="value"),))


class Turned(Device):
    """A device whose layers in reverse read a sequence's last step first."""

    def results(self, layer=None):
        found = super().results(layer)
        if layer is not None and layer.reverse:
            return [(b, int(self.lengths[b]) - 1 - t) for b, t in found]
        return found


class TooLong(Turned):
    """One that is sent a sequence of 7 steps, which is 2 too many, in front of each of its sequences."""

    async def send(self, ctx, codes, length):
        for t in range(length):
            word = step_payload(self.layers[0][0], codes[t % len(codes)], t == 0, t == length - 1)
            self.dut_set(ctx, word)
            await ctx.tick().until(self.dut.x.ready)
            ctx.set(self.dut.x.valid, 0)

    def dut_set(self, ctx, word):
        ctx.set(self.dut.x.payload.as_value(), word)
        ctx.set(self.dut.x.valid, 1)

    async def source(self, ctx):
        await self.load(ctx)
        self.told = [await self.access(ctx, BY_NAME["SEQUENCES"])]
        for codes, length in zip(self.codes, self.lengths):
            await self.send(ctx, codes, 7)
            await self.send(ctx, codes, int(length))

    async def sink(self, ctx):
        y = self.dut.y
        while len(self.out) < len(self.results()):
            ctx.set(y.ready, int(self.rng.random() >= self.gaps))
            _, _, ready, valid, value = await ctx.tick().sample(y.ready, y.valid, y.payload.as_value())
            if ready and valid:
                self.out.append(output_numbers(self.layers[-1][0], value).tolist())
        await ctx.tick().repeat(300)
        assert not ctx.get(y.valid), "results of a sequence that is too long"
        self.busy["after"] = await self.status(ctx)
        self.told.append(await self.access(ctx, BY_NAME["SEQUENCES"]))
        await self.access(ctx, BY_NAME["CONTROL"], BY_NAME["CONTROL"].pack(ENABLE=1, CLEAR=1))
        self.told.append(await self.access(ctx, BY_NAME["SEQUENCES"]))


def device(kind: type, design: Design, gaps: float, lengths) -> Device:
    rng = np.random.default_rng(1)
    network = random_network(design, rng)
    codes, _ = random_inputs(design, rng, len(lengths), 5)
    return kind(network, codes, np.array(lengths), 0, gaps)


@pytest.mark.parametrize("design, gaps", [(DESIGN, 0.4), (ALONE, 0.0), (ALONE, 0.5)])
def test_every_integer(design, gaps):
    one = device(Turned, design, gaps, [5, 1, 3, 2])
    if design is ALONE:  # nothing is busy before a sequence is whole
        one.run()
        result = run(one.network, one.codes, one.lengths)
        at = np.array(one.results())
        assert [row[:-2] for row in one.out] == result.out[tuple(at.T)].tolist()
        assert one.busy == {"before": 0, "within": 0, "after": 0}
    else:
        check(one)


@pytest.mark.parametrize("design, gaps", [(DESIGN, 0.0), (ALONE, 0.4)], ids=["both", "alone"])
def test_a_sequence_that_is_too_long_has_no_results_and_is_told(design, gaps):
    one = device(TooLong, design, gaps, [5, 2])
    one.run()
    result = run(one.network, one.codes, one.lengths)
    at = np.array(one.results())
    out = result.out.reshape(2, 1, -1)[at[:, 0], 0] if result.out.ndim == 2 else result.out[tuple(at.T)]
    assert [row[:-2] for row in one.out] == out.tolist()
    assert one.told == [5, 5 | 1 << 16, 5]
    assert one.busy["after"] == 0


@pytest.mark.parametrize(
    "moments", [range(5, 120, 19), pytest.param(range(1, 120), marks=pytest.mark.full)], ids=["some", "all"]
)
def test_a_reset_in_any_cycle_leaves_nothing_behind(moments):
    """Through the register bus, wherever three sequences are: what comes next is whole, and right."""
    design = Design("both", (*both_directions(replace(LSTM, conversion_cycles=2), 3), replace(HEAD, inputs=4)))
    rng = np.random.default_rng(2)
    network = random_network(design, rng)
    codes, lengths = random_inputs(design, rng, 4, 3)[0], np.array([3, 2, 3, 3])
    want = run(network, codes[3:], lengths[3:]).out[0].tolist()
    one = Device(network, codes, lengths, 0, 0.0)
    control, seen = BY_NAME["CONTROL"].pack(ENABLE=1, RESET=1), []

    async def send(ctx, sequences, cycles=None):
        """Steps of ``sequences``, for ``cycles`` at most; what comes out."""
        steps = [(b, t) for b in sequences for t in range(lengths[b])]
        out, sent, cycle, x, y = [], 0, 0, one.dut.x, one.dut.y
        ctx.set(y.ready, 1)
        while cycle != cycles and not (cycles is None and out):
            ctx.set(x.valid, int(sent < len(steps)))
            if sent < len(steps):
                b, t = steps[sent]
                ctx.set(
                    x.payload.as_value(), step_payload(design.layers[0], codes[b, t], t == 0, t == lengths[b] - 1)
                )
            _, _, ready, valid, value = await ctx.tick().sample(x.ready, y.valid, y.payload.as_value())
            sent, cycle = sent + ready, cycle + 1
            out += [output_numbers(design.layers[-1], value).tolist()[:-2]] * valid
        ctx.set(x.valid, 0)
        return out

    async def testbench(ctx):
        await one.load(ctx)
        for cycles in moments:
            await send(ctx, [0, 1, 2], cycles)
            await one.access(ctx, BY_NAME["CONTROL"], control)
            seen.append(await send(ctx, [3]))

    beside = [a.serve for a in one.arrays] + [one.program(k) for k in range(3)]
    simulate(one.dut, testbench, background=beside, cycles=60_000)
    assert seen == [[want]] * len(moments)


def test_only_designs_with_layers_in_reverse_have_the_register():
    one = device(Device, Design("plain", (LSTM,)), 0.0, [1])
    refused = []

    async def testbench(ctx):
        bus = one.dut.bus
        for name, level in (("adr", BY_NAME["SEQUENCES"].address // 4), ("sel", 15), ("cyc", 1), ("stb", 1)):
            ctx.set(getattr(bus, name), level)
        [err] = await ctx.tick().sample(bus.err).until(bus.ack | bus.err)
        refused.append(err)

    simulate(one.dut, testbench)
    assert refused == [1]
    assert not hasattr(Accelerator(DESIGN), "too_long")
