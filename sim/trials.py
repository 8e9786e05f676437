"""Trials of a verification: one seed decides a trial's stalls, times, scenario, inputs and whatever else is open."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..model.design import Design
from ..model.network import Network
from .cosim import DeviceResult, build, simulate
from .job import DeviceJob, Timing
from .random_designs import (
    perhaps_diagnosable,
    perhaps_directed,
    perhaps_shared,
    perhaps_simple,
    perhaps_tiled,
    perhaps_voted,
    random_design,
    random_inputs,
    random_network,
)
from .user_verilog import UserVerilog

#: by the remainder of the seed; designs without diagnostics have inference in their place
TURNS = ("inference", "diagnostics", "inference", "reset_sweep", "refusal")
RESETS = 3  #: of a trial with resets, each way
STEPS = 12  #: of a random sequence, at most
TOGETHER = 8  #: random designs that one build has


@dataclass(frozen=True)
class Trial:
    """A seed, what it decided, and what came of it."""

    seed: int
    job: DeviceJob
    result: DeviceResult


@dataclass(frozen=True)
class Inputs:
    """Sequences that trials choose from: DAC codes (B, T, m) and lengths (B,)."""

    codes: np.ndarray
    lengths: np.ndarray


def random_timing(rng: np.random.Generator) -> Timing:
    """Conversion and programming times, and stalls of both streams; often none."""
    least = int(rng.integers(2, 7))
    return Timing(
        conversion=(least, least + int(rng.integers(0, 8))),
        programming=(2, 2 + int(rng.integers(0, 4))),
        input_gaps=int(rng.choice([0, 3, 30])),
        output_gaps=int(rng.choice([0, 3, 40])),
    )


def scenario_of(seed: int, scenario: str | None, design: Design) -> str:
    """``scenario``, else the seed's."""
    turn = TURNS[seed % len(TURNS)]
    return scenario or ("inference" if turn == "diagnostics" and not design.diagnostics else turn)


def random_case(seed: int, steps: int, votes: bool = True) -> tuple[Network, np.random.Generator]:
    """The random design of a seed, with random weights, and the generator of all else of a trial.

    It may have tiles, contexts, ``votes``, and layers in reverse or in both directions, which keep ``steps`` or a few
    more.
    """
    rng = np.random.default_rng([2026, seed])
    design = perhaps_simple(random_design(rng), np.random.default_rng([2033, seed]))
    if seed % 3 == 2:
        design = perhaps_directed(design, np.random.default_rng([2031, seed]), steps)
    if not design.max_steps:
        design = replace(design, data_registers=seed % 2 == 1)  # which leave the streams as they are
    design = perhaps_diagnosable(design, np.random.default_rng([2028, seed]))
    if not design.diagnostics:
        design = perhaps_tiled(design, np.random.default_rng([2029, seed]))
    if not design.data_registers:
        design = perhaps_shared(design, np.random.default_rng([2030, seed]))
    if votes:
        design = perhaps_voted(design, np.random.default_rng([2034, seed]))
    return random_network(design, rng), rng


def random_job(seed: int, scenario: str | None = None, count: int = 4) -> DeviceJob:
    """A random design with a random network and ``count`` sequences, or results of votes, as the seed has it."""
    network, rng = random_case(seed, steps=5)
    codes, lengths = random_inputs(network.design, rng, batch=count * network.design.votes, steps=5)
    timing = random_timing(rng)
    kind = scenario_of(seed, scenario, network.design)
    return DeviceJob(network, codes, lengths, timing=timing, seed=seed, scenario=kind, resets=RESETS)


def job_of(
    design: Design, network: Network | None, inputs: Inputs | None, count: int, seed: int, scenario: str | None = None
) -> DeviceJob:
    """``count`` sequences of ``inputs`` for ``network``; what is None is random, as the seed has it.

    With votes so many results, each of several sequences, which are not alike: so every vote counts.
    """
    count *= design.votes
    rng = np.random.default_rng([2027, seed])
    network = network or random_network(design, rng)
    if inputs is None:
        codes, lengths = random_inputs(design, rng, batch=count, steps=STEPS)
    else:
        chosen = rng.permutation(len(inputs.lengths))[:count]
        chosen = np.resize(chosen, len(chosen) + -len(chosen) % design.votes)
        codes, lengths = inputs.codes[chosen], inputs.lengths[chosen]
    timing = random_timing(rng)
    kind = scenario_of(seed, scenario, design)
    return DeviceJob(network, codes, lengths, timing=timing, seed=seed, scenario=kind, resets=RESETS)


def run_random(
    make: Callable[[int], DeviceJob], seeds: Sequence[int], folder: Path, simulator: str, waves: bool = False
) -> Iterator[Trial]:
    """A trial for each seed, of the design that ``make`` makes of it; some share a build, which no chip notices."""
    for first in range(0, len(seeds), TOGETHER):
        jobs = [make(seed) for seed in seeds[first : first + TOGETHER]]
        built = build([job.network.design for job in jobs], folder, simulator, waves=waves)
        for job, result in zip(jobs, simulate(built, jobs)):
            yield Trial(job.seed, job, result)


def run_design(
    design: Design,
    make: Callable[[int], DeviceJob],
    seeds: Sequence[int],
    folder: Path,
    simulator: str,
    waves: bool = False,
    own: UserVerilog | None = None,
) -> Iterator[Trial]:
    """A trial of one design for each seed: the job that ``make`` makes of it, all on one build."""
    built = build([design], folder, simulator, waves=waves, own=own)
    for seed in seeds:
        job = make(seed)
        [result] = simulate(built, [job])
        yield Trial(seed, job, result)
