"""The parts that a regression falls into: blocks of a network's sequences, or random designs. Each is run alone.

What a part gives depends on the work and the part's number only: not on who runs it, nor on what ran before.
"""

import hashlib
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from ...analog.array import Array
from ...analog.config import PRESETS, ArrayConfig
from ...analog.inference import build_arrays, network_of_chip, run_in_chunks
from ...firmware.image import pack
from ...model.caches import cache_home
from ...model.compare import Comparison
from ...model.formats import DesignError, check_integer
from ...model.network import Network
from ...model.records import signature
from ...model.reference import check_inputs, check_votes
from ..compare import compare_seen
from ..job import Timing, check_noise
from ..random_designs import MOST_VOTES, random_inputs
from ..trials import random_case, random_timing
from .build import NativeBuild, build
from .simulator import Loading, Ran, Simulator

LAW = 3  #: raised when the same work gives other results than before
NUMBERS = 2**23  #: that the reference of a block holds, at most, about 64 MB
STEPS = 40  #: of a random sequence, at most
FEWEST = 2 * MOST_VOTES  #: time steps of a random design whose head may add up sequences


@dataclass(frozen=True)
class Result:
    """What one part gave."""

    sequences: int
    steps: int
    integers: int
    mismatches: int
    cycles: int  #: clock cycles from the first input to the last result
    busy: tuple[int, ...]  #: of these, cycles in which each layer's array converted; () for a random design
    first: str = ""  #: the integer that differed first, or nothing
    violations: tuple[str, ...] = ()  #: broken rules of the ports
    right: int = 0  #: sequences whose class is the label, where there are labels
    differing: dict[str, int] = field(default_factory=dict)  #: integers that differ, by layer and stage

    @property
    def agrees(self) -> bool:
        """Did all integers agree, and were all rules kept?"""
        return self.integers > 0 and not self.mismatches and not self.violations


class Piece(Protocol):
    """A part, with all that it needs."""

    def run(self, runner: "Runner") -> Result:
        """Run it, with what ``runner`` keeps."""
        ...


class Runner:
    """Runs parts one at a time, in one process, and keeps what they share: a chip's arrays, a loaded simulation."""

    def __init__(self, work: "Work", scratch: Path | None = None) -> None:
        """``scratch`` is a folder for files of parts that run; None: one of its own."""
        self._work, self._lock = work, Lock()
        self._temporary = tempfile.TemporaryDirectory(prefix="ohmgate_native_", dir=scratch)
        self.scratch = Path(self._temporary.name)
        self._simulator: Simulator | None = None
        self._chip: tuple[Network, list[Array]] | None = None

    def run(self, number: int) -> Result:
        """Part ``number``."""
        with self._lock:  # a scheduler's worker may have several threads
            return self._work.piece(number).run(self)

    def close(self) -> None:
        """End the simulation, remove its files."""
        if self._simulator is not None:
            self._simulator.stop()
        self._temporary.cleanup()

    def chip(self, network: Network, array: ArrayConfig, seed: int) -> tuple[Network, list[Array]]:
        """The network with the gains of the work's chip, and its arrays."""
        if self._chip is None:
            loaded = network_of_chip(network, array, seed)
            self._chip = loaded, build_arrays(loaded, replace(array, gains="as_trained"), seed)
        return self._chip

    def simulator(self, network: Network, loading: Loading, program: Path | None) -> Simulator:
        """The work's simulation, with ``network`` loaded; compiled here where ``program`` is not on this machine."""
        if self._simulator is None:
            if program is not None and program.exists():
                built = NativeBuild(network.design, program, True)
            else:
                built = build(network.design, programs())
            self._simulator = Simulator(built, network, self.scratch / "chip", loading)
        return self._simulator


class Work(Protocol):
    """What a regression runs."""

    @property
    def sizes(self) -> list[int]:
        """Time steps of each part."""
        ...

    def piece(self, number: int) -> Piece:
        """Part ``number``."""
        ...

    def fingerprint(self) -> str:
        """16 hexadecimal digits of all that decides the results."""
        ...


@dataclass(frozen=True, eq=False)
class Block:
    """Some sequences of a network."""

    network: Network
    number: int
    first: int  #: number of the first sequence
    codes: np.ndarray  #: (B, T, m) int8
    lengths: np.ndarray
    labels: np.ndarray | None  #: of each result
    array: ArrayConfig
    seed: int
    loading: Loading
    program: Path | None

    def run(self, runner: Runner) -> Result:
        """Through the Verilog; with noise, the codes that noisy arrays give the reference are those of the chip's."""
        ideal, codes = self.array == PRESETS["ideal"], self.codes.astype(np.int64)
        network, fed = self.network, None
        if not ideal:
            network, arrays = runner.chip(self.network, self.array, self.seed)
            for array in arrays:
                array.begin_reads(self.number)
            parts = [result.layers for result, _ in run_in_chunks(network, codes, self.lengths, arrays)]
            fed = [np.concatenate([trace.adc for trace in traces]) for traces in zip(*parts)]
        simulator = runner.simulator(network, self.loading, self.program)
        ran = simulator.run(self.first + np.arange(len(codes)), codes, self.lengths, fed)
        comparison = compare_seen(network, ran.seen, ideal)
        right = 0
        if self.labels is not None:
            ends = ran.seen.out[ran.seen.out[:, -1] == 1][:, :-2]
            classes = ends[:, 0] if network.design.layers[-1].output == "argmax" else ends.argmax(axis=1)
            right = int((classes == self.labels).sum()) if len(classes) == len(self.labels) else 0
        return _result(ran, comparison, ran.busy, right)


def _result(ran: Ran, comparison: Comparison, busy: tuple[int, ...] = (), right: int = 0, of: str = "") -> Result:
    """What a part gave; ``of`` begins the sentences."""
    lengths, first = ran.seen.lengths, comparison.first
    return Result(
        sequences=len(lengths),
        steps=int(lengths.sum()),
        integers=comparison.integers,
        mismatches=comparison.mismatches,
        cycles=ran.cycles,
        busy=busy,
        first=f"{of}{first}" if first else "",
        violations=tuple(of + sentence for sentence in comparison.violations),
        right=right,
        differing={f"layer {layer}, {stage}": n for (layer, stage), (_, n) in comparison.stages.items() if n},
    )


@dataclass(frozen=True, eq=False)
class Sequences:
    """A network's sequences, in blocks whose size its design decides."""

    network: Network
    codes: np.ndarray  #: (B, T, m) DAC codes
    lengths: np.ndarray
    labels: np.ndarray | None = None  #: (B,) classes, if the head tells some; with v votes (B // v,)
    array: ArrayConfig = field(default_factory=ArrayConfig)
    seed: int = 0
    loading: Loading = field(default_factory=Loading)
    program: Path | None = None  #: the compiled simulation, where the parts run on this machine

    def __post_init__(self) -> None:
        check_noise(self.array, self.network.design)
        codes, lengths = check_inputs(self.network, self.codes, self.lengths)
        check_votes(self.network.design, len(lengths))
        object.__setattr__(self, "codes", codes.astype(np.int8))
        object.__setattr__(self, "lengths", lengths)
        if self.loading.back_door and self.network.design.pulsed:
            raise DesignError("cells that are programmed by pulses must be loaded over the bus, not by a back door")

    def with_program(self, program: Path) -> "Sequences":
        """The same, with its compiled simulation."""
        return replace(self, program=program)

    @property
    def block(self) -> int:
        """Sequences of a block: all votes of each of its results."""
        layers, steps, votes = self.network.design.layers, self.codes.shape[1], self.network.design.votes
        numbers = steps * sum(layer.rows + 2 * layer.columns + layer.all_codes for layer in layers)
        return max(1, NUMBERS // (numbers * votes)) * votes

    @property
    def sizes(self) -> list[int]:
        """Time steps of each block."""
        return [int(self.lengths[k : k + self.block].sum()) for k in range(0, len(self.lengths), self.block)]

    def piece(self, number: int) -> Block:
        """Block ``number``."""
        first = number * self.block
        part = slice(first, first + self.block)
        votes = self.network.design.votes
        labels = None if self.labels is None else self.labels[first // votes : (first + self.block) // votes]
        given = self.codes[part], self.lengths[part], labels, self.array, self.seed, self.loading, self.program
        return Block(self.network, number, first, *given)

    def fingerprint(self) -> str:
        """16 hexadecimal digits of all that decides the results."""
        timing = [layer.conversion_cycles for layer in self.network.design.layers]
        told = LAW, NUMBERS, signature(self.array), self.seed, self.loading, timing, self.labels is not None
        digest = hashlib.sha256(repr(told).encode())
        for part in (pack(self.network), self.codes.tobytes(), self.lengths.tobytes()):
            digest.update(part)
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels, dtype="<i8").tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class RandomDesign:
    """A random design with random weights and random sequences, as its seed has them."""

    seed: int
    steps: int

    def case(self) -> tuple[Network, Timing]:
        """A design and network as those of ``ohmgate verify random``, but for longer sequences; its times."""
        network, rng = random_case(self.seed, STEPS, votes=self.steps >= FEWEST)
        return network, random_timing(rng)

    def run(self, runner: Runner) -> Result:
        """Built, loaded over the bus and run."""
        network, timing = self.case()
        rng = np.random.default_rng([2032, self.seed])
        codes, lengths = random_inputs(network.design, rng, batch=self.steps, steps=min(STEPS, self.steps))
        total = lengths.cumsum()
        count = int(np.searchsorted(total, self.steps)) + 1
        lengths[count - 1] -= total[count - 1] - self.steps
        count = whole_votes(lengths, count, network.design.votes)
        codes, lengths = codes[:count], lengths[:count]
        with tempfile.TemporaryDirectory(prefix="design_", dir=runner.scratch) as place:
            folder = Path(place)
            cycles = sum(layer.conversions for layer in network.design.layers) * timing.conversion[1] * self.steps
            built = build(network.design, folder, cycles)
            with Simulator(built, network, folder / "run", Loading(timing.conversion)) as simulator:
                ran = simulator.run(np.arange(count), codes, lengths)
        comparison = compare_seen(network, ran.seen, ideal=True)
        return _result(ran, comparison, of=f"design of seed {self.seed}: ")


@dataclass(frozen=True)
class RandomDesigns:
    """Random designs of the seeds from ``seed`` on, which share ``steps`` time steps."""

    designs: int
    steps: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_integer("designs", self.designs, 1, 100_000)
        check_integer("steps", self.steps, self.designs, 10**12)
        check_integer("seed", self.seed, 0, 2**31 - 1 - self.designs)

    @property
    def sizes(self) -> list[int]:
        """Time steps of each design."""
        even, more = divmod(self.steps, self.designs)
        return [even + (k < more) for k in range(self.designs)]

    def piece(self, number: int) -> RandomDesign:
        """Design ``number``."""
        return RandomDesign(self.seed + number, self.sizes[number])

    def fingerprint(self) -> str:
        """16 hexadecimal digits of all that decides the results."""
        return hashlib.sha256(repr((LAW, self)).encode()).hexdigest()[:16]


def whole_votes(lengths: np.ndarray, count: int, votes: int) -> int:
    """``count`` or a few more sequences: a multiple of ``votes``. Those added have one step, which longer ones lose.

    ``lengths`` are changed in place. Their sum, that of the first ``count``, stays; it is twice the votes or more.
    """
    more = -count % votes
    lengths[count : count + more] = 1
    for _ in range(more):
        lengths[lengths[:count].argmax()] -= 1
    return count + more


def programs() -> Path:
    """Folder of compiled simulations, in the user's cache."""
    return cache_home() / "ohmgate"
