"""Heads that add up the codes of several sequences, in a co-simulation: noise, stalls, contexts, resets, native runs."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.inference import build_arrays
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import run as run_steps
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.hdl.flow.generate import generated
from ohmgate.model.design import Design
from ohmgate.model.directions import both_directions
from ohmgate.model.files import write_together
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.payloads import output_numbers
from ohmgate.model.reference import repeated
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.interleaving import dealt, gathered, in_turns
from ohmgate.sim.job import DeviceJob, Timing
from ohmgate.sim.native.pieces import Runner, Sequences, whole_votes
from ohmgate.sim.random_designs import perhaps_voted
from ohmgate.sim.simulated_chip import SimulatedChip
from ohmgate.sim.testbench import bench_files
from ohmgate.sim.trials import random_job, run_random
from tests.designs import random_design, random_inputs, random_network
from tests.sim.test_testbench import simulated

LSTM = LstmLayer(inputs=2, hidden=3, adcs=4)
HEAD = DenseLayer(inputs=3, outputs=4, adcs=2, output="argmax", emit="end", votes=3)
DESIGN = Design("votes", (LSTM, HEAD))
SHARED = Design(
    "shared_votes",
    (*both_directions(LSTM, 4), replace(HEAD, inputs=6, tile_rows=4, votes=2)),
    contexts=2,
)
NOISE = ArrayConfig(adc_noise="paper")
STALLS = Timing(conversion=(2, 5), input_gaps=4, output_gaps=9)


def job_of(design: Design, results: int, array: ArrayConfig = NOISE, **options) -> DeviceJob:
    rng = np.random.default_rng(3)
    network = random_network(design, rng)
    codes, lengths = random_inputs(design, rng, results * design.votes, steps=3)
    return DeviceJob(network, codes, lengths, array, STALLS, seed=8, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build([DESIGN, SHARED], tmp_path_factory.mktemp("votes"), "icarus")


def labels(job: DeviceJob, record) -> list[int]:
    """By plain additions of the head's codes, as the array gave them."""
    head = job.network.design.layers[-1]
    seen = record.layers[-1].adc.reshape(-1, head.conversions, head.row_tiles, head.adcs).sum(2)
    sums = seen.reshape(-1, head.votes, head.outputs).sum(1)  # conversion s has the columns from s * K on
    return [row.tolist().index(max(row)) for row in sums]


def test_votes_of_noisy_reads_are_the_verilogs(built):
    """Each sequence so often as it has votes, which draw noise of their own."""
    jobs = [job_of(DESIGN, 5), job_of(SHARED, 6)]
    jobs[0] = replace(
        jobs[0], codes=np.repeat(jobs[0].codes[::3], 3, axis=0), lengths=np.repeat(jobs[0].lengths[::3], 3)
    )
    for job, result in zip(jobs, simulate(built, jobs)):
        assert result.comparison.agrees, str(result.comparison)
        votes, record = job.network.design.votes, result.record
        assert len(record.out) == len(job.lengths) // votes
        given = [output_numbers(job.network.design.layers[-1], payload)[0] for payload in record.out]
        assert given == labels(job, record)
        assert record.registers["STEPS"] == job.lengths.sum()
        if job.network.design is not SHARED:
            codes = record.layers[-1].adc.reshape(-1, votes, 4)
            assert (codes != codes[:, :1]).any(), "the votes of a sequence have noise of their own"


def test_a_reset_begins_the_votes_anew(built):
    """In any cycle of all votes; also long behind those that take the least time."""
    slow = replace(STALLS, conversion=(2, 60))
    jobs = [job_of(design, 2 * design.contexts, scenario="reset_sweep", resets=3) for design in (DESIGN, SHARED)]
    jobs = [replace(job, timing=slow) for job in jobs]
    for job, result in zip(jobs, simulate(built, jobs)):
        assert result.comparison.agrees, str(result.comparison)
        design = job.network.design
        assert len(result.record.out) == 2 * 3 * design.contexts
        assert result.record.facts["cycles"] >= 3 * design.votes * sum(x.conversions * 60 for x in design.layers)


def test_a_result_needs_all_its_sequences():
    network = random_network(DESIGN, np.random.default_rng(1))
    codes, lengths = random_inputs(DESIGN, np.random.default_rng(1), 7, steps=2)
    sentence = "the head adds up the codes of 3 sequences, so the number of sequences must be a multiple of 3, not 7"
    for make in (DeviceJob, Sequences, bench_files):
        with pytest.raises(DesignError) as error:
            make(network, codes, lengths)
        assert str(error.value) == sentence


def test_boards_have_no_votes():
    with pytest.raises(DesignError, match=r"^a board has a result for each sequence: votes must be 1, not 3$"):
        BoardConfig("icebreaker", 12_000_000, (1, 1)).check(DESIGN)


def test_the_votes_of_a_result_go_to_one_context():
    lengths = np.array([2, 1, 1, 3, 2, 1])
    steps = [*dealt(range(6), lengths, 2, None, votes=2)]
    of = {sequence: context for sequence, context, _ in steps}
    assert [of[k] for k in range(6)] == [0, 0, 1, 1, 0, 0]
    assert np.array_equal(in_turns(lengths, 2, 2), steps)
    assert [(s, t) for s, c, t in steps if c == 0] == [(0, 0), (0, 1), (1, 0), (4, 0), (4, 1), (5, 0)]


def test_votes_of_a_result_are_gathered_in_the_order_of_their_begins():
    sent = [(0, 0), (2, 1), (1, 0), (4, 0), (3, 1), (5, 0), (6, 1)]
    assert gathered(sent, 2) == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 0), (5, 0), (6, 1)]
    assert gathered(sent, 1) == sent


def test_the_plain_test_bench_waits_for_all_votes(tmp_path):
    network = random_network(DESIGN, np.random.default_rng(2))
    lengths = np.array([3, 1, 2, 1, 4, 1])
    codes, _ = random_inputs(DESIGN, np.random.default_rng(3), 6, steps=4)
    files = {**generated(DESIGN), **bench_files(network, codes, lengths)}
    write_together(tmp_path, files)
    assert re.match(r"PASS: 2 results of 12 time steps", simulated("icarus", tmp_path))
    label = files["votes_tb_results.hex"].split()
    wrong = f"{int(label[1], 16) ^ 1:x}"
    (tmp_path / "votes_tb_results.hex").write_text(f"{label[0]}\n{wrong}\n")
    assert simulated("icarus", tmp_path).startswith("first difference: sequence 5, time step 0")


def test_a_chip_without_verilog_adds_up_too():
    """With the codes that its arrays gave, read again by an equal chip whose head hands them on."""
    network = random_network(DESIGN, np.random.default_rng(4))
    codes, lengths = repeated(3, *random_inputs(DESIGN, np.random.default_rng(5), 6, steps=3))
    chip = SimulatedChip(DESIGN, NOISE, 7)
    run_steps(load(network), chip)
    out, classes = chip.run(codes, lengths)
    assert (out.shape, out[:, 0].tolist()) == ((6, 1), classes.tolist())
    open_head = replace(HEAD, output="codes", votes=1)
    told = replace(network, design=replace(DESIGN, layers=(LSTM, open_head)))
    other = SimulatedChip(told.design, NOISE, 7)
    run_steps(load(told), other)
    each = other.run(codes, lengths)[0].reshape(6, 3, 4)
    assert (each != each[:, :1]).any()
    assert classes.tolist() == each.sum(1).argmax(1).tolist()
    with pytest.raises(DesignError, match=r"^the head adds up the codes of 3 sequences"):
        chip.run(codes[:4], lengths[:4])


def test_lengths_of_whole_votes_keep_their_sum():
    lengths = np.array([7, 2, 5, 9, 9, 9])
    assert whole_votes(lengths, 4, 3) == 6
    assert lengths.tolist() == [7, 2, 5, 7, 1, 1]
    assert whole_votes(lengths, 6, 3) == 6
    assert lengths.tolist() == [7, 2, 5, 7, 1, 1]


def test_random_designs_have_votes_by_chance():
    made = [perhaps_voted(random_design(np.random.default_rng(k)), np.random.default_rng(k)) for k in range(200)]
    assert {design.votes for design in made} == {1, 2, 3, 4, 5}
    dense = [design for design in made if design.layers[-1].kind == "dense"]
    assert 0.4 < np.mean([design.votes > 1 for design in dense]) < 0.8
    seeds = [k for k in range(40) if random_job(k, count=1).network.design.votes > 1]
    assert len(seeds) > 5
    assert {random_job(k, count=2).lengths.size // random_job(k, count=1).network.design.votes for k in seeds} == {2}


@pytest.mark.slow
def test_a_regression_counts_results_by_their_labels(tmp_path, monkeypatch):
    """Native, in blocks, with noise and contexts; labels are what the arrays' codes say."""
    design = replace(DESIGN, contexts=2)
    network = random_network(design, np.random.default_rng(6))
    codes, lengths = repeated(3, *random_inputs(design, np.random.default_rng(7), 10, steps=3))
    monkeypatch.setattr("ohmgate.sim.native.pieces.NUMBERS", (4 * 3 + 1) * 3 * (6 + 24 + 12 + 4 + 8 + 4))
    work = Sequences(network, codes, lengths, np.arange(10) % 4, NOISE, seed=2)
    assert [len(work.piece(k).lengths) for k in range(len(work.sizes))] == [12, 12, 6]
    runner = Runner(work, tmp_path)
    try:
        results = [runner.run(k) for k in range(3)]
        assert all(result.agrees for result in results), [str(result) for result in results]
        block = work.piece(1)
        arrays = build_arrays(network, NOISE, 2)
        for array in arrays:
            array.begin_reads(1)
        _, classes = voted_classes(network, block, arrays)
        assert results[1].right == (classes == block.labels).sum()
        assert block.labels.tolist() == [0, 1, 2, 3]
    finally:
        runner.close()


def voted_classes(network, block, arrays):
    from ohmgate.analog.inference import run_in_chunks

    [(result, _)] = run_in_chunks(network, block.codes.astype(np.int64), block.lengths, arrays)
    codes = result.layers[-1].adc[np.arange(len(block.lengths)), block.lengths - 1]
    return codes, codes.reshape(-1, 3, 4).sum(1).argmax(1)


def voting_seeds(first: int, count: int) -> list[int]:
    """The next ``count`` seeds from ``first`` on whose random design has votes."""
    seeds, seed = [], first
    while len(seeds) < count:
        seeds += [seed] if random_job(seed, count=1).network.design.votes > 1 else []
        seed += 1
    return seeds


@pytest.mark.full
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_many_random_designs_with_votes(simulator, tmp_path):
    for trial in run_random(random_job, voting_seeds(0, 28), tmp_path, simulator):
        assert trial.result.comparison.agrees, f"seed {trial.seed}: {trial.result.comparison}"
