"""Two joined layers that contexts share: outputs of a step are joined, and no context holds up another."""

import numpy as np
import pytest

from ohmgate.hdl.context_pair import ADMITTED, ContextPair
from ohmgate.hdl.sequence_store import SequenceStore
from ohmgate.model.directions import both_directions
from ohmgate.model.layers import LstmLayer
from tests.hdl.simulate import simulate

FORWARD, REVERSE = both_directions(LstmLayer(inputs=1, hidden=1, adcs=4), max_steps=4)


def play(contexts: int, steps, gaps: float, seed: int = 0, slow: float = 0.0):
    """Pretended layers: the forward one gives x, the other 15 - x when a sequence is whole.

    ``slow`` is the chance that the latter waits for a cycle. Returns joined outputs (value, first, last, context), and the most sequences of a context that were under way.
    """
    dut, rng = ContextPair(FORWARD, REVERSE, contexts), np.random.default_rng(seed)
    assert dut.latency == SequenceStore.latency
    got, open_now, most, sent = [], dict.fromkeys(range(contexts), 0), [0], []

    async def source(ctx):
        for value, first, last, context, whole in steps:
            ctx.set(dut.x.payload.as_value(), value | first << 4 | last << 5 | context << 6)
            ctx.set(dut.x.valid, 1)
            await ctx.tick().until(dut.x.ready)
            ctx.set(dut.x.valid, 0)
            open_now[context] += first and whole
            most[0] = max(most[0], *open_now.values())
            sent.append(value)
            while rng.random() < gaps:
                await ctx.tick()

    def layer(name):
        """Takes steps; gives each step's output, or a whole sequence's, that of any context first."""
        x, y = getattr(dut, f"{name}_x"), getattr(dut, f"{name}_y")
        waiting, gathered = [], {k: [] for k in range(contexts)}

        async def takes(ctx):
            while True:
                ctx.set(x.ready, int(rng.random() >= gaps))
                _, _, valid, ready, word = await ctx.tick().sample(x.valid, x.ready, x.payload.as_value())
                if not (valid and ready):
                    continue
                if name == "forward":
                    waiting.append([word])
                    continue
                mine = gathered[word >> 6]
                if word >> 4 & 1:
                    mine.clear()
                mine.append(word ^ 15)
                if word >> 5 & 1:
                    waiting.extend([mine.copy()] if len(mine) <= 4 else [])
                    mine.clear()

        async def gives(ctx):
            while True:
                while not waiting or rng.random() < gaps or (name == "reverse" and rng.random() < slow):
                    await ctx.tick()
                firsts = {words[0] >> 6: place for place, words in reversed([*enumerate(waiting)])}
                words = waiting.pop(0 if name == "forward" else firsts[int(rng.choice([*firsts]))])
                for word in words:
                    ctx.set(y.payload.as_value(), word)
                    ctx.set(y.valid, 1)
                    await ctx.tick().until(y.ready)
                    ctx.set(y.valid, 0)

        return takes, gives

    async def sink(ctx):
        idle = 0
        while idle < 150 or len(sent) < len(steps):
            ctx.set(dut.y.ready, int(rng.random() >= gaps))
            _, _, valid, ready, word = await ctx.tick().sample(dut.y.valid, dut.y.ready, dut.y.payload.as_value())
            idle = 0 if valid else idle + 1
            assert idle < 2000, "nothing moves"
            if valid and ready:
                step = word & 0xFF, word >> 8 & 1, word >> 9 & 1, word >> 10
                got.append(step)
                open_now[step[3]] -= step[2]
        assert not ctx.get(dut.busy)

    simulate(dut, source, sink, background=[*layer("forward"), *layer("reverse")])
    return got, most[0]


def interleaved(rng, contexts: int, lengths):
    """Steps (value, first, last, context, whole) of a sequence for each of ``lengths``, contexts in any order."""
    left = {k: [int(n) for n in lengths[k::contexts]] for k in range(contexts)}
    steps, at = [], dict.fromkeys(range(contexts), 0)
    while any(left.values()):
        k = int(rng.choice([k for k in left if left[k]]))
        length, t = left[k][0], at[k]
        last = t == length - 1
        steps.append((int(rng.integers(16)), int(t == 0), int(last), k, length <= 4))
        at[k], left[k] = (0, left[k][1:]) if last else (t + 1, left[k])
    return steps


def joined(steps, context: int):
    """What a context's whole sequences give, by the twin."""
    found, one = [], []
    for value, first, last, k, whole in steps:
        if k == context and whole:
            one = [] if first else one
            one.append((value | (value ^ 15) << FORWARD.output_bits, first, last, k))
            found += one if last else []
    return found


@pytest.mark.parametrize("gaps", [0.0, 0.5])
@pytest.mark.parametrize("contexts", [2, 3])
def test_outputs_of_a_step_are_joined_whenever_they_come(contexts, gaps):
    rng = np.random.default_rng(contexts)
    steps = interleaved(rng, contexts, [3, 1, 4, 6, 2, 5, 4, 1, 1, 5, 7, 2, 4, 4, 3, 1, 2, 4])
    got, most = play(contexts, steps, gaps)
    for k in range(contexts):
        assert [step for step in got if step[3] == k] == joined(steps, k)
    assert 1 < most <= ADMITTED


def test_one_context_that_runs_ahead_does_not_stop_the_others():
    """Whole sequences of one context wait for the layer in reverse, whichever context it does first."""
    for seed in range(12):
        ahead = [(k, int(k == 0), int(k == 1), 0, True) for _ in range(9) for k in range(2)]
        behind = [(9, 1, 0, 1, True), *ahead, (9, 0, 1, 1, True)]
        got, _ = play(2, behind, 0.0, seed, slow=0.95)
        assert sorted(got) == sorted(joined(behind, 0) + joined(behind, 1))


def test_a_sequence_that_is_begun_anew_or_too_long_takes_no_place():
    rng = np.random.default_rng(3)
    cut = [(int(rng.integers(16)), 1, 0, 0, False) for _ in range(7)]
    long = [(1, int(t == 0), int(t == 5), 0, False) for t in range(6)] * 4
    whole = [(int(rng.integers(16)), int(t == 0), int(t == 2), 0, True) for _ in range(6) for t in range(3)]
    steps = [*cut, *long, *whole, *cut, *whole]
    got, most = play(2, steps, 0.2)
    assert got == joined(steps, 0)
    assert most == ADMITTED
