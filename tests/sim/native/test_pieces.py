"""How a regression falls into parts, and what decides what they give. No simulator is needed."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import PRESETS
from ohmgate.analog.inference import build_arrays, convert_through
from ohmgate.model.compare import Comparison, Mismatch
from ohmgate.model.formats import DesignError
from ohmgate.model.reference import run
from ohmgate.sim.compare import Seen
from ohmgate.sim.native import pieces
from ohmgate.sim.native.pieces import RandomDesign, RandomDesigns, Sequences
from ohmgate.sim.native.simulator import Loading, Ran
from ohmgate.sim.trials import random_job


@pytest.fixture
def work(network, sequences, monkeypatch):
    monkeypatch.setattr(pieces, "NUMBERS", 2 * 9 * (8 + 3 * 16 + 5 + 4 * 6) + 17)  # two sequences of nine steps
    return Sequences(network, *sequences)


def test_blocks_are_all_sequences_in_order(work, sequences):
    codes, lengths = sequences
    assert work.sizes == [10, 6, 7]
    blocks = [work.piece(number) for number in range(3)]
    assert [block.first for block in blocks] == [0, 2, 4]
    assert np.array_equal(np.concatenate([block.lengths for block in blocks]), lengths)
    used = np.arange(9) < lengths[:, None]
    assert np.array_equal(np.concatenate([block.codes for block in blocks])[used], codes[used])


def test_the_fingerprint_tells_all_that_decides(work, network, sequences):
    codes, lengths = sequences
    other = codes.copy()
    other[1, 0, 0] += 1 if other[1, 0, 0] < 15 else -1
    beyond = codes.copy()
    beyond[1, 5, 0] += 1 if beyond[1, 5, 0] < 15 else -1  # past the sequence's end
    weights = network.layers[0].weights.copy()
    weights[0, 0] += 1 if weights[0, 0] < 7 else -1
    changed = replace(network, layers=(replace(network.layers[0], weights=weights), network.layers[1]))
    works = [
        work,
        Sequences(network, other, lengths),
        Sequences(network, codes, lengths, labels=np.arange(5)),
        Sequences(network, codes, lengths, labels=np.arange(5) % 2),
        Sequences(network, codes, lengths, array=PRESETS["paper"]),
        Sequences(network, codes, lengths, seed=1),
        Sequences(network, codes, lengths, loading=Loading((5, 5))),
        Sequences(network, codes, lengths, loading=Loading(back_door=True)),
        Sequences(changed, codes, lengths),
        Sequences(replace(network, design=replace(network.design, contexts=2)), codes, lengths),
    ]
    assert len({each.fingerprint() for each in works}) == len(works)
    assert Sequences(network, beyond, lengths).fingerprint() == work.fingerprint()
    assert work.with_program(pieces.Path("x")).fingerprint() == work.fingerprint()


def test_noise_that_lasts_is_refused_where_sequences_interleave(network, sequences):
    shared = replace(network, design=replace(network.design, contexts=2))
    with pytest.raises(DesignError) as error:
        Sequences(shared, *sequences, array=PRESETS["paper"])
    assert str(error.value) == (
        "the array's noise must be none that lasts for a sequence where sequences interleave: "
        "contexts must be 1 for it, not 2"
    )


def test_random_designs_are_those_of_verify_for_longer_sequences():
    seen = set()
    for seed in range(48):
        network, _ = RandomDesign(seed, 100).case()
        design, other = network.design, random_job(seed).network
        layers = tuple(
            replace(layer, max_steps=layer.max_steps - pieces.STEPS + 5) if layer.max_steps else layer
            for layer in design.layers
        )
        assert replace(design, layers=layers) == other.design
        assert all(np.array_equal(one.weights, two.weights) for one, two in zip(network.layers, other.layers))
        assert design.max_steps == 0 or 40 <= design.max_steps <= 43
        tiled = any(layer.row_tiles > 1 for layer in design.layers)
        seen.add((tiled, design.contexts > 1, bool(design.max_steps), len(design.groups) < len(design.layers)))
    assert {(True, True, True, True), (False, True, True, False), (True, True, False, False)} <= seen


def test_random_designs_share_the_steps():
    assert RandomDesigns(3, 11).sizes == [4, 4, 3]
    assert [RandomDesigns(3, 11, seed=7).piece(k).seed for k in range(3)] == [7, 8, 9]
    assert [RandomDesigns(3, 11).piece(k).steps for k in range(3)] == [4, 4, 3]
    assert RandomDesigns(3, 11).fingerprint() != RandomDesigns(3, 11, seed=1).fingerprint()


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: RandomDesigns(0, 5), "designs must be an integer from 1 to 100000, not 0"),
        (lambda: RandomDesigns(5, 4), "steps must be an integer from 5 to 1000000000000, not 4"),
        (lambda: RandomDesigns(5, 5, -1), "seed must be an integer from 0 to 2147483642, not -1"),
    ],
)
def test_random_designs_that_cannot_be(make, sentence):
    with pytest.raises(DesignError) as error:
        make()
    assert str(error.value) == sentence


class FakeSimulator:
    """Gives the reference's results for the codes that it is fed with, and keeps them."""

    def __init__(self, network):
        self.network, self.fed = network, []

    def run(self, sequences, codes, lengths, fed):
        self.fed.append(fed)
        out = np.zeros((len(lengths), 8), int)
        out[:, 2] = 1  # class 2 wins
        out[:, -1] = 1
        return Ran(Seen(sequences, codes, lengths, [], out, np.zeros(0)), 100, (60, 70))


@pytest.fixture
def fake(network, monkeypatch):
    simulator = FakeSimulator(network)
    monkeypatch.setattr(pieces.Runner, "simulator", lambda *_: simulator)
    first = Mismatch(0, 3, 1, 2, "cell state", 5, 6)
    stages = {(0, "cell state"): (40, 2), (1, "output"): (60, 0)}
    verdict = Comparison(100, 2, first, stages, (), ("a rule",))
    monkeypatch.setattr(pieces, "compare_seen", lambda *_: verdict)
    return simulator


def test_a_blocks_result_is_the_comparisons(fake, work, tmp_path):
    result = pieces.Runner(replace(work, labels=np.array([2, 0, 2, 2, 1])), tmp_path).run(1)
    assert result == pieces.Result(
        2, 6, 100, 2, 100, (60, 70), "layer 0, sequence 3, step 1, unit 2, cell state: expected 5, got 6",
        ("a rule",), right=2, differing={"layer 0, cell state": 2},
    )  # fmt: skip
    assert not result.agrees
    assert fake.fed == [None]


def test_noisy_codes_are_those_of_one_chip_with_reads_of_each_blocks_own(fake, work, tmp_path):
    noisy = replace(work, array=PRESETS["paper"], seed=4)
    runner = pieces.Runner(noisy, tmp_path)
    for number in (0, 1, 0):
        runner.run(number)
    first, second, again = fake.fed
    assert all(np.array_equal(one, other) for one, other in zip(first, again))
    assert first[0].shape == (2, 9, 16)
    assert not np.array_equal(first[0], second[0])
    block = noisy.piece(1)
    arrays = build_arrays(work.network, PRESETS["paper"], 4)
    for array in arrays:
        array.begin_reads(1)
    expected = run(work.network, block.codes.astype(int), block.lengths, convert_through(arrays))
    assert all(np.array_equal(trace.adc, fed) for trace, fed in zip(expected.layers, second))
