"""Turns of contexts: the twin's choice in every state, the rows of the chosen one, and none that waits in vain."""

import numpy as np
import pytest

from ohmgate.hdl.context_turns import ContextTurns
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.hdl.simulate import simulate

DENSE = DenseLayer(inputs=2, outputs=2, adcs=1, dac_bits=4)
LSTM = LstmLayer(inputs=2, hidden=2, adcs=4, dac_bits=4, cell_bits=8, cell_fraction=6, tanh_fraction=4)


def test_the_twin_takes_the_first_behind_the_present_one():
    turns = ContextTurns(DENSE, 4)
    assert turns.model(1, [True] * 4) == 2
    assert turns.model(3, [True] * 4) == 0
    assert turns.model(1, [True, True, False, False]) == 0
    assert turns.model(1, [False, True, False, False]) == 1
    assert turns.model(1, [False] * 4) is None


@pytest.mark.parametrize("layer", [DENSE, LSTM], ids=["dense", "lstm"])
@pytest.mark.parametrize("contexts", [2, 3, 5])
def test_turns_rows_and_marks_are_the_twins_at_any_time(layer, contexts):
    """Inputs, ends and hidden codes that are whole come at random; the expected state is kept in Python."""
    rng = np.random.default_rng(contexts)
    dut = ContextTurns(layer, contexts)
    seen = set()

    async def testbench(ctx):
        held: dict[int, int] = {}
        claimed: set[int] = set()
        context, ready = 0, False
        for _ in range(1500):
            can_run = [k in held and k not in claimed for k in range(contexts)]
            assert (ctx.get(dut.ready), ctx.get(dut.busy)) == (ready, bool(held))
            hidden = [int(v) for v in rng.integers(0, 256, contexts)]
            if layer.hidden:
                for k, value in enumerate(hidden):
                    ctx.set(dut.hidden[k], value)
            if ready:
                assert ctx.get(dut.context) == context
                codes = held[context] & 0xFF | (hidden[context] << 8 if layer.hidden else 0)
                assert ctx.get(dut.row_codes) == codes
                assert ctx.get(dut.first) | ctx.get(dut.last) << 1 == held[context] >> 8
            offered, payload, wanted = int(rng.integers(contexts)), int(rng.integers(1 << 10)), rng.random() < 0.8
            ctx.set(dut.x.payload.as_value(), payload | offered << 10)
            ctx.set(dut.x.valid, offers := int(rng.random() < 0.4))
            ctx.set(dut.wanted, wanted)
            assert ctx.get(dut.x.ready) == (offered not in held)
            ended = ready and rng.random() < 0.4
            ctx.set(dut.ended, ended)
            over = context if ended else None
            if layer.hidden:
                tails = sorted(claimed - ({context} if ready else set()))
                over = int(rng.choice(tails)) if tails and rng.random() < 0.5 else None
                ctx.set(dut.whole, over is not None)
                ctx.set(dut.whole_context, over or 0)
            await ctx.tick()
            taken = offers and offered not in held and wanted
            if ended:
                del held[context]
            if over is not None:
                claimed.discard(over)
            if not ready or ended:
                chosen = dut.model(context, can_run)
                ready = chosen is not None
                if chosen is not None:
                    seen.add((context, chosen))
                    context = chosen
                    claimed.add(chosen)
            if taken:
                held[offered] = payload

    simulate(dut, testbench)
    assert len(seen) >= contexts * (contexts - 1), "every change from one context to another was made"


def test_a_context_that_waits_is_at_most_a_turn_of_all_others_away():
    dut = ContextTurns(DENSE, 4)
    turns = []

    async def testbench(ctx):
        ctx.set(dut.x.valid, 1)
        for cycle in range(60):
            ctx.set(dut.x.payload.context, cycle % 4)
            ctx.set(dut.ended, ctx.get(dut.ready) & (cycle % 2))
            if ctx.get(dut.ended):
                turns.append(ctx.get(dut.context))
            await ctx.tick()

    simulate(dut, testbench)
    assert all(set(turns[k : k + 4]) == {0, 1, 2, 3} for k in range(4, len(turns) - 4))
    assert len(turns) > 20
