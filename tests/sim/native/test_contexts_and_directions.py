"""Interleaved sequences, both directions and row tiles at native speed: the reference's integers, and what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig
from ohmgate.hdl.reverse_layer import ReverseLayerCore
from ohmgate.hdl.sequences import InterleavedSequences
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.reference import run
from ohmgate.sim import compare
from ohmgate.sim.compare import compare_seen
from ohmgate.sim.interleaving import busy_share
from ohmgate.sim.native import build as native
from ohmgate.sim.native import simulator as module
from ohmgate.sim.native.pieces import Runner, Sequences
from ohmgate.sim.native.simulator import Loading, Simulator
from tests.designs import random_inputs, random_network

LENGTHS = np.array([9, 1, 4, 2, 7, 9, 3, 5])


@pytest.fixture(scope="module")
def codes(turned_network):
    return random_inputs(turned_network.design, np.random.default_rng(6), batch=8, steps=9)[0]


def ran(built, network, codes, lengths, folder, loading=None, fed=None):
    with Simulator(built, network, folder, loading) as simulator:
        return simulator.run(np.arange(len(lengths)), codes, lengths, fed)


def verdict(built, network, codes, folder):
    return compare_seen(network, ran(built, network, codes, LENGTHS, folder).seen, ideal=True)


def test_every_integer_is_the_references(turned_built, turned_network, codes, tmp_path):
    got = ran(turned_built, turned_network, codes, LENGTHS, tmp_path, Loading((2, 6)))
    comparison = compare_seen(turned_network, got.seen, ideal=True)
    rows, columns, units = 3 + 4 + 1, 16, 4
    lstm = rows + 2 * columns + columns + 2 * units  # two row tiles' codes, then gates, cell states, hidden codes
    head = (8 + 1) + 4 + (4 + 2)
    assert str(comparison) == f"{LENGTHS.sum() * (2 * lstm + head)} integers compared, 0 differ"
    assert comparison.agrees


def test_arrays_are_never_idle_where_two_contexts_have_inputs(turned_built, turned_network, codes, tmp_path):
    """Their two conversions of 16 cycles are longer than the head's four of 3; all sequences are of one length."""
    layers = turned_network.design.layers
    got = ran(turned_built, turned_network, np.tile(codes, (2, 1, 1)), np.full(16, 9), tmp_path, Loading((16, 16)))
    assert compare_seen(turned_network, got.seen, ideal=True).agrees
    assert got.busy[:2] == (16 * 9 * 2 * 16,) * 2
    for layer, record in zip(layers[:2], got.seen.layers):
        assert sorted(record.busy.tolist()) == [step * 2 * 16 for step in range(16 * 9)]
        busy, cycles = busy_share(layer, record, skip=18)
        assert busy == cycles == (16 * 9 - 1 - 2 * 18) * 2 * 16


def test_codes_that_are_fed_go_to_the_sequence_and_step_they_are_of(turned_built, turned_network, codes, tmp_path):
    rng = np.random.default_rng(8)
    fed = [rng.integers(-8, 8, (8, 9, 32)), rng.integers(-8, 8, (8, 9, 32)), rng.integers(-32, 32, (8, 9, 4))]
    got = ran(turned_built, turned_network, codes, LENGTHS, tmp_path, fed=fed)
    assert got.seen.violations == []
    at = [0, 0, 0]

    def convert(index, drive, fresh):
        reading = at[index]
        at[index] += 1
        step = np.maximum(LENGTHS - 1 - reading, 0) if index == 1 else np.full(8, reading)
        return fed[index][np.arange(8), step]

    expected = run(turned_network, codes, LENGTHS, convert)
    used = np.arange(9) < LENGTHS[:, None]
    assert np.array_equal(got.seen.out[:, :-2], expected.layers[2].out[used])
    assert np.array_equal(got.seen.layers[1].hidden.reshape(-1, 4)[0], expected.layers[1].hidden[0, 8])
    assert compare_seen(turned_network, got.seen, ideal=False).agrees


def swapped(monkeypatch):
    """The bench gives one step the number of the other context."""
    words = module.stream_words

    def wrong(layer, codes, lengths, sent, contexts):
        sent = sent.copy()
        sent[5, 1] ^= 1
        return words(layer, codes, lengths, sent, contexts)

    monkeypatch.setattr(module, "stream_words", wrong)


def exchanged(monkeypatch):
    """The bench sends each context the other's inputs."""
    words = module.stream_words

    def wrong(layer, codes, lengths, sent, contexts):
        return words(layer, codes, lengths, sent ^ [0, 1, 0], contexts)

    monkeypatch.setattr(module, "stream_words", wrong)


def forward(monkeypatch):
    """A layer in reverse is taken for a forward one."""
    monkeypatch.setattr(compare, "reads", lambda layer, *given: np.argwhere(compare.steps_read(layer, *given)).T)


def unsorted(monkeypatch):
    """Steps are left in the order in which they were seen."""
    monkeypatch.setattr(
        module, "by_sequence", lambda layers, records, seen, *_: (records, np.arange(len(seen[-1])), [])
    )


BENCH = {
    swapped: (["layer 0: context 0 has 19 steps, not 18", "layer 0: context 1 has 21 steps, not 22"], 0),
    exchanged: (["layer 0: context 0 has 22 steps, not 18", "output stream: context 1 has 18 steps, not 22"], 0),
    forward: ([], 1),
    unsorted: ([], 1),
}


@pytest.mark.parametrize("fault", BENCH, ids=lambda fault: fault.__name__)
def test_a_faulty_bench_is_noticed(fault, turned_built, turned_network, codes, tmp_path, monkeypatch):
    sentences, layer = BENCH[fault]
    fault(monkeypatch)
    comparison = verdict(turned_built, turned_network, codes, tmp_path)
    assert comparison.mismatches > 0
    assert comparison.first.layer == layer
    assert set(sentences) <= set(comparison.violations), str(comparison)
    assert bool(sentences) == bool(comparison.violations)


@pytest.mark.parametrize("noise", [ArrayConfig(weight_noise=0.1), ArrayConfig(adc_noise="paper")])
def test_noisy_codes_reach_the_sequence_and_step_they_were_read_for(
    noise, turned_built, turned_network, codes, tmp_path
):
    work = Sequences(turned_network, codes, LENGTHS, array=noise, seed=3, program=turned_built.program)
    runner = Runner(work, tmp_path)
    result = runner.run(0)
    runner.close()
    assert (result.mismatches, result.violations, result.steps) == (0, (), 40)
    assert result.integers == 40 * (2 * (8 + 16 + 8) + 9 + 6)  # all but the ADC codes


def same_cells(monkeypatch):
    """All contexts have the same cell states."""
    follow = InterleavedSequences.follow

    def wrong(self, m, step):
        follow(self, m, step)
        self.place[:] = step

    monkeypatch.setattr(InterleavedSequences, "follow", wrong)


def straight_on(monkeypatch):
    """A layer in reverse takes its inputs as they come."""
    store = ReverseLayerCore._store

    def wrong(self, *given):
        made = store(self, *given)
        made.backwards = False
        return made

    monkeypatch.setattr(ReverseLayerCore, "_store", wrong)


@pytest.mark.full
@pytest.mark.parametrize(
    "fault, layer, stage", [(same_cells, 0, "cell state"), (straight_on, 1, "row")], ids=["cells", "order"]
)
def test_a_fault_of_the_verilog_is_named(fault, layer, stage, turned_network, codes, tmp_path, monkeypatch):
    fault(monkeypatch)
    faulty = replace(turned_network, design=replace(turned_network.design, name=f"faulty_{fault.__name__}"))
    built = native.build(faulty.design, tmp_path, cycles=1)
    comparison = verdict(built, faulty, codes, tmp_path / "run")
    assert comparison.mismatches > 0
    assert (comparison.first.layer, comparison.first.stage) == (layer, stage)


LSTM = LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=3)
CODES = DenseLayer(inputs=4, outputs=6, adcs=2, dac_bits=3, output="codes", tile_rows=3)
PAIR = both_directions(LSTM, 12)
KINDS = {
    "contexts, a label at the end": Design("kind", (LSTM, replace(CODES, output="argmax", emit="end")), contexts=4),
    "contexts and diagnostics": Design("kind", (replace(LSTM, diagnostics=True, spares=1),), contexts=3),
    "reverse": Design("kind", (replace(LSTM, direction="reverse", max_steps=12, tile_rows=4), CODES)),
    "both directions twice": Design(
        "kind", (*PAIR, *both_directions(replace(LSTM, inputs=8), 12), replace(CODES, inputs=8))
    ),
    "all at once": Design(
        "kind",
        (*PAIR, *both_directions(replace(LSTM, inputs=8, tile_rows=5), 12), replace(CODES, inputs=8)),
        contexts=3,
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_designs_of_all_kinds_agree(kind, tmp_path):
    rng = np.random.default_rng(9)
    network = random_network(KINDS[kind], rng)
    codes, lengths = random_inputs(network.design, rng, batch=30, steps=12)
    got = ran(native.build(network.design, tmp_path, cycles=1), network, codes, lengths, tmp_path / "run")
    comparison = compare_seen(network, got.seen, ideal=True)
    assert comparison.agrees, comparison


@pytest.mark.full
@pytest.mark.parametrize("contexts, cycles", [(1, 37), (2, 32), (4, 32)])
def test_the_array_of_vowels_is_never_idle_with_contexts(contexts, cycles, tmp_path):
    network = random_network(replace(Design.load("vowels"), contexts=contexts), np.random.default_rng(2))
    codes, _ = random_inputs(network.design, np.random.default_rng(3), batch=40, steps=20)
    got = ran(native.build(network.design, tmp_path), network, codes, np.full(40, 20), tmp_path / "run")
    assert compare_seen(network, got.seen, ideal=True).agrees
    busy, of = busy_share(network.design.layers[0], got.seen.layers[0], skip=2 * contexts)
    assert (busy, of) == ((800 - 4 * contexts - 1) * 32, (800 - 4 * contexts - 1) * cycles)
