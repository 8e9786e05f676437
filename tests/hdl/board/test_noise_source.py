"""Draws in gateware: those of the model, one a cycle."""

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
        seen = []
        for first, second in [*places, *places[: source.latency - 1]]:
            ctx.set(source.first, first)
            ctx.set(source.second, second)
            await ctx.tick()
            seen.append(ctx.get(source.draw))
        assert seen[source.latency - 1 :] == expected

    simulate(source, testbench)
