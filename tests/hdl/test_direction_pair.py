"""What stands before and behind two joined layers: steps go to both, outputs of a step are joined."""

import numpy as np
import pytest

from ohmgate.hdl.direction_pair import DirectionPair
from ohmgate.hdl.sequence_store import SequenceStore
from ohmgate.model.bit_fields import pack
from ohmgate.model.directions import both_directions
from ohmgate.model.layers import LstmLayer
from tests.hdl.simulate import simulate

FORWARD, REVERSE = both_directions(LstmLayer(inputs=1, hidden=1, adcs=4), max_steps=4)


@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_outputs_of_a_step_are_joined_whenever_they_come(gaps):
    """Pretended layers: the forward one gives x, the other 15 - x when a sequence is whole."""
    dut, rng = DirectionPair(FORWARD, REVERSE), np.random.default_rng(0)
    lengths = [3, 1, 4, 6, 2, 5, 4]
    sequences = [rng.integers(0, 16, n).tolist() for n in lengths]
    kept = [s for s in sequences if len(s) <= 4]
    assert dut.latency == SequenceStore.latency
    taken = {"forward": [], "reverse": []}
    got = []

    async def source(ctx):
        for sequence in sequences:
            for t, value in enumerate(sequence):
                ctx.set(dut.x.payload.as_value(), value | (t == 0) << 4 | (t == len(sequence) - 1) << 5)
                ctx.set(dut.x.valid, 1)
                await ctx.tick().until(dut.x.ready)
                ctx.set(dut.x.valid, 0)
                while rng.random() < gaps:
                    await ctx.tick()

    def layer(name):
        """Takes a step when chance has it, gives it after some cycles, or a whole sequence's at its end."""
        x, y = getattr(dut, f"{name}_x"), getattr(dut, f"{name}_y")

        async def takes(ctx):
            while True:
                ctx.set(x.ready, int(rng.random() >= gaps and len(waiting) < 40))
                _, _, valid, ready, value = await ctx.tick().sample(x.valid, x.ready, x.payload.as_value())
                if not (valid and ready):
                    continue
                taken[name].append(value)
                if name == "forward":
                    waiting.append(value)
                    continue
                gathered.append(value ^ 15)
                if value >> 5:
                    waiting.extend(gathered if len(gathered) <= 4 else [])
                    gathered.clear()

        async def gives(ctx):
            while True:
                while not waiting or rng.random() < gaps:
                    await ctx.tick()
                ctx.set(y.payload.as_value(), waiting.pop(0))
                ctx.set(y.valid, 1)
                await ctx.tick().until(y.ready)
                ctx.set(y.valid, 0)

        waiting, gathered = [], []
        return takes, gives

    async def sink(ctx):
        while len(got) < sum(map(len, kept)):
            ctx.set(dut.y.ready, int(rng.random() >= gaps))
            _, _, valid, ready, value = await ctx.tick().sample(dut.y.valid, dut.y.ready, dut.y.payload.as_value())
            if valid and ready:
                got.append(value)
        for _ in range(20):
            assert not ctx.get(dut.y.valid)
            await ctx.tick()
        assert not ctx.get(dut.busy)

    simulate(dut, source, sink, background=[*layer("forward"), *layer("reverse")])
    sent = [v | (t == 0) << 4 | (t == len(s) - 1) << 5 for s in sequences for t, v in enumerate(s)]
    assert taken == {"forward": sent, "reverse": sent}
    joined = [(v, dut.model(np.array([[[v]]]), np.array([[[15 - v]]]))[0, 0].tolist(), t, len(s))
              for s in kept for t, v in enumerate(s)]  # fmt: skip
    assert got == [pack(both, 4) | (t == 0) << 8 | (t == n - 1) << 9 for _, both, t, n in joined]
