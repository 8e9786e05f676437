"""Draws in gateware: those of the model, one a cycle, with stalls."""

import numpy as np

from ohmgate.hdl.board.noise_source import NoiseSource
from ohmgate.model.integer_noise import draws
from tests.hdl.simulate import simulate


def test_a_draw_a_cycle():
    source, rng = NoiseSource(), np.random.default_rng(0)
    places = rng.integers(0, 2**16, size=(200, 2)).tolist()
    low, high = 0x1234, 0xFEDC
    expected = [source.model(low, high, *place) for place in places]
    assert expected == draws(low, high, *np.transpose(places)).tolist()

    async def testbench(ctx):
        ctx.set(source.low, low)
        ctx.set(source.high, high)
        seen, moved = [], 0
        while len(seen) < len(places):
            run = int(rng.random() < 0.7)
            ctx.set(source.run, run)
            first, second = places[min(moved, len(places) - 1)]
            ctx.set(source.first, first)
            ctx.set(source.second, second)
            await ctx.tick()
            moved += run
            if run and moved >= source.latency:
                seen.append(ctx.get(source.draw))
        assert seen == expected

    simulate(source, testbench)
