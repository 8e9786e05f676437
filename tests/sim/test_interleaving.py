"""Interleaved sequences in a co-simulation: whole chips with stalls and resets, the array's busy share, and refusals."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import PRESETS, ArrayConfig
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.hdl.handoff.folder import handoff_files
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.interleaving import busy_share, dealt, order
from ohmgate.sim.job import DeviceJob, Timing, check_noise
from ohmgate.sim.random_designs import perhaps_diagnosable, random_design, random_inputs, random_network
from ohmgate.sim.testbench import bench_files
from ohmgate.sim.trials import RESETS, random_timing, run_random, scenario_of
from ohmgate.sim.user_verilog import UserVerilog

LSTM = LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=3, cell_bits=10, cell_fraction=7, tanh_fraction=4)
HEAD = DenseLayer(inputs=4, outputs=6, adcs=3, dac_bits=3, output="argmax")
DESIGN = Design("shared", (LSTM, HEAD), contexts=3)


def job_of(seed: int, batch: int = 9) -> DeviceJob:
    """A random design with two to four contexts, perhaps with diagnostics, and all that a trial draws."""
    rng = np.random.default_rng([77, seed])
    design = perhaps_diagnosable(random_design(rng, max_outputs=6), rng)
    design = replace(design, contexts=int(rng.integers(2, 5)))
    network = random_network(design, rng)
    codes, lengths = random_inputs(design, rng, batch, steps=5)
    scenario, timing = scenario_of(seed, None, design), random_timing(rng)
    return DeviceJob(network, codes, lengths, timing=timing, seed=seed, scenario=scenario, resets=RESETS)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One chip of three contexts on Icarus, without stalls and with them."""
    rng = np.random.default_rng(5)
    network = random_network(DESIGN, rng)
    codes, _ = random_inputs(DESIGN, rng, batch=7, steps=8)
    lengths = np.array([8, 3, 5, 1, 8, 8, 2])
    built = build([DESIGN], tmp_path_factory.mktemp("shared"), "icarus")
    steady, stalls = Timing(conversion=(3, 3)), Timing(conversion=(2, 5), input_gaps=6, output_gaps=9)
    jobs = [DeviceJob(network, codes, lengths, timing=timing, seed=1) for timing in (steady, stalls)]
    return jobs, [simulate(built, [job])[0] for job in jobs]


def test_every_integer_of_interleaved_sequences_is_the_references(shared):
    jobs, results = shared
    for job, result in zip(jobs, results):
        assert result.comparison.agrees, str(result.comparison)
        assert sorted(result.record.facts["sequences"]) == list(range(7))
        assert set(result.record.facts["contexts"]) == {0, 1, 2}
        assert result.record.registers["STEPS"] == job.lengths.sum()
        assert result.comparison.stages[0, "hidden code"][0] == job.lengths.sum() * 4


def test_the_counter_sees_an_array_that_is_never_idle(shared):
    """Behind the first steps and before the last, where a context has no sequence any more."""
    _, (steady, stalls) = shared
    busy, cycles = busy_share(LSTM, steady.record.layers[0], skip=3)
    assert busy == cycles > 100
    busy, cycles = busy_share(LSTM, stalls.record.layers[0], skip=3)
    assert busy < cycles


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("first", [pytest.param(k, marks=pytest.mark.full) for k in range(0, 96, 8)])
def test_random_designs_with_contexts(simulator, first, tmp_path):
    trials = [*run_random(job_of, range(first, first + 8), tmp_path, simulator)]
    assert len(trials) == 8
    for trial in trials:
        assert trial.result.comparison.agrees, f"seed {trial.seed}: {trial.result.comparison}"


def test_contexts_go_through_layers_in_both_directions(tmp_path):
    """Their sequences are turned round side by side; no array waits for one that is whole in another context."""
    pair = both_directions(LSTM, 8)
    after = replace(LSTM, inputs=8, direction="reverse", max_steps=8)
    design = Design("turned", (*pair, after, HEAD), contexts=2)
    rng = np.random.default_rng(6)
    network = random_network(design, rng)
    codes, _ = random_inputs(design, rng, batch=14, steps=8)
    steady, stalls = Timing(conversion=(3, 3)), Timing(conversion=(2, 5), input_gaps=6, output_gaps=9)
    built = build([design], tmp_path, "icarus")
    for timing, lengths in ((steady, np.full(14, 8)), (stalls, rng.integers(1, 9, 14))):
        [result] = simulate(built, [DeviceJob(network, codes, lengths, timing=timing, seed=1)])
        assert result.comparison.agrees, str(result.comparison)
        assert set(result.record.facts["contexts"]) == {0, 1}
        for index, layer in enumerate(design.layers[:3]):
            assert result.comparison.stages[index, "hidden code"][0] == lengths.sum() * layer.hidden
        if timing is steady:
            for layer, record in zip(design.layers[:2], result.record.layers):
                busy, cycles = busy_share(layer, record, skip=24)
                assert busy == cycles > 200


def test_sequences_are_dealt_step_by_step():
    lengths = np.array([2, 1, 3])
    assert list(dealt([0, 1, 2], lengths, 1, None)) == [
        (0, 0, 0),
        (0, 0, 1),
        (1, 0, 0),
        (2, 0, 0),
        (2, 0, 1),
        (2, 0, 2),
    ]
    assert list(dealt([0, 1, 2], lengths, 2, None)) == [
        (0, 0, 0),
        (1, 1, 0),
        (0, 0, 1),
        (2, 1, 0),
        (2, 1, 1),
        (2, 1, 2),
    ]
    shuffled = list(dealt([0, 1, 2], lengths, 2, np.random.default_rng(0)))
    for sequence in range(3):
        assert [step for which, _, step in shuffled if which == sequence] == list(range(lengths[sequence]))


def test_what_is_seen_is_put_in_the_order_of_sequences():
    """Sequences 0 and 2 in context 0, sequence 1 in context 1; then one step too many and one too few."""
    sent, lengths = [(0, 0), (1, 1), (2, 0)], np.array([2, 2, 1])
    at, wrong = order(LSTM, [0, 1, 0, 0, 1], sent, lengths)
    assert (at.tolist(), wrong) == ([0, 2, 1, 4, 3], [])
    at, wrong = order(LSTM, [0, 1, 1, 0, 1], sent, lengths)
    assert at.tolist() == [0, 3, 1, 2, 4]
    assert wrong == ["context 0 has 2 steps, not 3", "context 1 has 3 steps, not 2"]
    ending = replace(HEAD, emit="end")
    at, wrong = order(ending, [1, 0, 0], sent, lengths)
    assert (at.tolist(), wrong) == ([1, 0, 2], [])


def network_of(design: Design):
    return random_network(design, np.random.default_rng(0))


REFUSALS = {
    "test bench": (
        lambda: bench_files(network_of(DESIGN), np.zeros((1, 1, 3), int), np.array([1])),
        "the test bench sends one sequence after the other: contexts must be 1, not 3",
    ),
    "hand-off": (
        lambda: handoff_files(DESIGN),
        "the hand-off's wrappers have one sequence at a time: contexts must be 1, not 3",
    ),
    "board": (
        lambda: BoardConfig("board", 25_000_000, (1, 1)).check(DESIGN),
        "a board runs one sequence at a time: contexts must be 1, not 3",
    ),
    "noise that lasts": (
        lambda: DeviceJob(network_of(DESIGN), np.zeros((1, 1, 3), int), np.array([1]), PRESETS["paper"]),
        "the array's noise must be none that lasts for a sequence where sequences interleave: "
        "contexts must be 1 for it, not 3",
    ),
    "no trace ports": (
        lambda: build([DESIGN], "unused", "icarus", trace=False),
        "the Verilog of shared must have trace ports, which say whose step is converted: its contexts are 3, not 1",
    ),
    "no trace ports of their own": (
        lambda: build([DESIGN], "unused", "icarus", own=UserVerilog((), False, [])),
        "the Verilog of shared must have trace ports, which say whose step is converted: its contexts are 3, not 1",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_contexts_do_not_go_together_with_is_refused(what):
    call, sentence = REFUSALS[what]
    with pytest.raises(DesignError) as error:
        call()
    assert str(error.value) == sentence


def test_a_network_of_other_contexts_than_the_chip_is_refused(shared, tmp_path):
    network = network_of(replace(DESIGN, contexts=1))
    built = build([DESIGN], tmp_path, "icarus")
    with pytest.raises(DesignError, match=r"^job 0 must have a network of 3 contexts, as the chip has, not of 1$"):
        simulate(built, [DeviceJob(network, np.zeros((1, 1, 3), int), np.array([1]))])


def test_noise_that_lasts_is_found_in_row_tiles():
    design = Design("tiles", (LstmLayer(inputs=3, hidden=4, adcs=4, tile_rows=4),), contexts=2)
    check_noise(ArrayConfig(weight_noise=0.1, redraw="per_step"), design)
    with pytest.raises(DesignError, match="^the array's noise must be none that lasts for a sequence"):
        check_noise(ArrayConfig(weight_noise=0.1, redraw="per_sequence"), design)


def test_noise_that_lasts_for_a_step_or_for_good_goes_with_contexts():
    for config in (ArrayConfig(adc_noise="paper"), ArrayConfig(weight_noise=0.1), PRESETS["paper_cells"]):
        job = DeviceJob(network_of(DESIGN), np.zeros((1, 1, 3), int), np.array([1]), config)
        assert job.network.design.contexts == 3
