"""Monte Carlo over chips: scores and code errors by draws, resumable, in any number of processes.

Draw i is a chip with all its reads. It depends on the study's seed and on i only, so the file of a study has the
same bytes whatever the number of workers, and however often it was interrupted. Where wires are solved, the last
digits depend on the number of BLAS threads too: for the same bytes set OPENBLAS_NUM_THREADS=1 before numpy is
imported, as the ``ohmgate`` command does.
"""

import hashlib
import re
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...model import reference
from ...model.executors import LOCAL, check_executor, prepared_workers
from ...model.formats import DesignError, check_choice, check_integer, signed_range
from ...model.layers import MAX_VOTES
from ...model.layout import code_order
from ...model.locks import sole_use
from ...model.metrics import VOTES, Metric, accuracy, is_values, metric_of, rmse, vote
from ...model.network import Network
from ...model.records import signature
from ...model.seeds import Seed, child
from ..array import Array
from ..config import ArrayConfig
from ..fast_network import FastNetwork, why_not_network
from ..inference import (
    build_arrays,
    check_labels,
    check_values,
    classifier,
    classify,
    forecast,
    forecaster,
    head_codes,
)
from .draws_file import Draw, DrawsFile
from .sources import isolated, present, without
from .summaries import Summary, summary

SHARE = 64  #: sequences that see one course of slow noise where only the mean over chips is asked for
SAMPLE = 4096  #: drives of each layer on which a chip's codes are compared
LAW = 2  #: raised when the same study gives other draws than before: 2 has ADC calibration without a half-step
WIRED_LAW = 3  #: the same for cells behind wires: 3 has noise that the wires weaken
VOTE_OVER = ("reads", "chips")
Progress = Callable[[int, int], None]  #: draws done, of all


@dataclass(frozen=True, eq=False)
class Study:
    """A network, the sequences to classify or to forecast, and the chips to draw."""

    network: Network
    codes: np.ndarray  #: (B, T, m) DAC codes
    lengths: np.ndarray  #: (B,)
    labels: np.ndarray  #: (B,) classes; or values to forecast, float (B, k) or on every step (B, T, k)
    config: ArrayConfig
    seed: int = 0
    share: int = 1  #: sequences of a chip that see one course of slow noise (:class:`..array.Array`)
    votes: int = 1  #: reads of each sequence that a draw has; a score is then the mean over single reads
    vote_over: str = "reads"  #: of one chip, or of as many "chips"

    def __post_init__(self) -> None:
        (forecaster if is_values(self.labels) else classifier)(self.network)
        check_integer("seed", self.seed, 0, 2**63 - 1)
        check_integer("sequences that share noise", self.share, 1, 1_000_000)
        check_integer("votes", self.votes, 1, MAX_VOTES)
        check_choice("votes over", self.vote_over, VOTE_OVER)
        if self.votes > 1 and is_values(self.labels):
            raise DesignError(f"votes are of classes: votes of a network that forecasts must be 1, not {self.votes}")
        reference.check_inputs(self.network, self.codes, self.lengths)
        if is_values(self.labels):
            check_values(self.network, self.labels, self.lengths, self.codes.shape[1])
        else:
            check_labels(self.network, self.labels, len(self.codes))

    @property
    def metric(self) -> Metric:
        """What a chip's score is."""
        return metric_of(self.labels)

    @property
    def voters(self) -> str:
        """Who votes, in words."""
        return f"{self.votes} {'reads of a chip' if self.vote_over == 'reads' else 'chips'}"

    @property
    def sequences(self) -> int:
        """How many classes an accuracy is of; 0 for values."""
        return 0 if is_values(self.labels) else len(self.labels)

    def fingerprint(self) -> str:
        """16 hexadecimal digits of all that decides the draws."""
        shared = f" {self.share}" if self.share > 1 else ""
        shared += f" {self.votes} {self.vote_over}" if self.votes > 1 else ""
        law, told = _signed(self.config)
        digest = hashlib.sha256(f"{law} {self.network.design.fingerprint} {told} {self.seed}{shared}".encode())
        if self.config.cells and self.config.cells.wires:  # which end where a column tile does
            cuts = [(k, x.tile_columns) for k, x in enumerate(self.network.design.layers) if x.column_tiles > 1]
            digest.update(repr(cuts).encode() if cuts else b"")
        parts = [part for data in self.network.layers for part in (data.weights, data.mult, data.shift, data.tables)]
        for part in (*parts, self.codes, self.lengths, self.labels):
            number = "<f8" if part is self.labels and is_values(part) else "<i8"
            digest.update(b"none" if part is None else np.ascontiguousarray(part, dtype=number).tobytes())
        if is_values(self.labels):
            digest.update(repr((self.network.output_scale, self.network.output_offset)).encode())
        return digest.hexdigest()[:16]


def _signed(config: ArrayConfig) -> tuple[int, str]:
    """The law of a configuration's draws and its text; a time that decides nothing is the one it always was."""
    cells = config.cells
    if cells is None:
        return LAW, signature(config)
    slow = cells.device.telegraph or cells.device.flicker or cells.device.read_seconds
    step = cells.step_seconds or (0.0 if slow else 1.6e-6)
    band = cells.bandwidth or 1 / (2 * cells.conversion_seconds)
    told = replace(config, cells=replace(cells, bandwidth=band, step_seconds=step))
    return WIRED_LAW if cells.wires else LAW, signature(told)


def chip_seed(study: Study, number: int) -> np.random.SeedSequence:
    """Seed of the chip of one draw, for :func:`..inference.build_arrays`."""
    return child(study.seed, number)


def _read_seed(study: Study, number: int) -> np.random.SeedSequence:
    """Seed of a chip's read noise, where reads are fast ones."""
    return child(study.seed, number, 1 << 20)


def ideal_score(study: Study) -> float:
    """Score of the noiseless network."""
    return _score(study, build_arrays(study.network))


def on_threshold(study: Study) -> list[float]:
    """Share of each layer's readings, without noise, that lie exactly on a threshold of the converter.

    The least noise flips the code of half of them, so code errors begin there. Of the inputs of :class:`Sampler`;
    readings beyond the range are none, as their code does not change.
    """
    shares = []
    for array, drives in zip(build_arrays(study.network), Sampler(study).drives):
        low, high = signed_range(array.layer.adc_bits)
        level = array.analog(drives)
        shares.append(float(((level == np.floor(level)) & (level > low) & (level <= high)).mean()))
    return shares


def _score(study: Study, arrays: list[Array], reads: Seed = 0) -> float:
    """By fast reads where they apply, with noise from the seed ``reads``."""
    network, codes, lengths = study.network, study.codes, study.lengths
    fast = None if why_not_network(network, arrays) else FastNetwork(network, arrays, seed=reads)
    if is_values(study.labels):
        read = forecast(network, codes, lengths, arrays) if fast is None else fast.forecast(codes, lengths)
        return rmse(network.decode(read), study.labels, lengths)
    return accuracy(
        classify(network, codes, lengths, arrays) if fast is None else fast.classify(codes, lengths), study.labels
    )


def _read_heads(study: Study, arrays: list[Array], seed: Seed, reads: int) -> np.ndarray:
    """Codes (reads, B, outputs) of the head, by fast reads where they apply; of these less the lowest code."""
    network, codes, lengths = study.network, study.codes, study.lengths
    if why_not_network(network, arrays):
        return head_codes(network, codes, lengths, arrays, reads)
    fast = FastNetwork(network, arrays, seed=seed)
    return np.stack([fast.head_codes(codes, lengths) for _ in range(reads)])


class Sampler:
    """Makes draws of a study; holds what they share."""

    def __init__(self, study: Study) -> None:
        self._study = study
        network = study.network
        few = slice(0, max(1, SAMPLE // study.codes.shape[1]))
        result = reference.run(network, study.codes[few], study.lengths[few])
        self.drives: list[np.ndarray] = []  #: DAC codes of each layer (SAMPLE or fewer, rows), as without noise
        self._exact = []
        for layer, trace in zip(network.design.layers, result.layers):
            read = reference.steps_read(layer, study.lengths[few], study.codes.shape[1])
            self.drives.append(trace.drive[read][:SAMPLE])
            self._exact.append(trace.adc[read][:SAMPLE])

    def draw(self, number: int) -> Draw:
        """Draw a chip, or several that vote, and read it. Of several the first one's codes are compared."""
        study = self._study
        chips = study.votes if study.vote_over == "chips" else 1
        arrays, heads, score = self._chip(number * chips), [], 0.0
        if study.votes == 1:
            score = _score(study, arrays, _read_seed(study, number))
        for chip in range(number * chips, (number + 1) * chips) if study.votes > 1 else ():
            read = arrays if chip == number * chips else self._chip(chip)
            heads.append(_read_heads(study, read, _read_seed(study, chip), study.votes // chips))
        errors = []
        for array, drives, exact in zip(arrays, self.drives, self._exact):
            array.new_sequence(np.ones(len(drives), dtype=bool))
            errors.append(float((array.convert_all(drives)[:, code_order(array.layer)] != exact).mean()))
        if not heads:
            return Draw(number, score, tuple(errors))
        codes = np.concatenate(heads)
        score = float((codes.argmax(axis=2) == study.labels).mean())
        return Draw(number, score, tuple(errors), tuple(accuracy(vote(codes, how), study.labels) for how in VOTES))

    def _chip(self, number: int) -> list[Array]:
        """The arrays of a chip."""
        study = self._study
        return build_arrays(study.network, study.config, chip_seed(study, number), study.share)


def run(
    study: Study,
    draws: int,
    file: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    executor: str = LOCAL,
) -> list[Draw]:
    """Draws 0 .. ``draws`` - 1. ``file`` takes a line for each as it is made; what it holds already is not redone.

    They are drawn by ``workers`` processes, or by a scheduler's (:func:`~ohmgate.model.executors.executor_for`).
    Raises :class:`DesignError` where another run has the file's folder, or the file is another study's.
    """
    check_integer("draws", draws, 1, 1_000_000)
    check_integer("workers", workers, 1, 1024)
    check_executor(executor)
    with ExitStack() as stack:
        if file is not None:
            stack.enter_context(sole_use(Path(file).parent))
        return _run(study, draws, file, workers, progress, executor)


def _run(
    study: Study, draws: int, file: str | Path | None, workers: int, progress: Progress | None, executor: str
) -> list[Draw]:
    kept = None
    if file is not None:
        kept = DrawsFile(Path(file), study.fingerprint(), len(study.network.layers), study.metric)
    made = list(kept.found) if kept else []
    with closing(_make(study, range(len(made), draws), workers, executor)) as rest:  # an interrupt ends its processes
        for draw in rest:
            made.append(draw)
            if kept:
                kept.append(draw)
            if progress is not None:
                progress(len(made), draws)
    return made[:draws]


@dataclass(frozen=True)
class Sensitivity:
    """Scores with one source alone, and with all but it."""

    source: str
    alone: Summary
    without: Summary


def sensitivity(
    study: Study,
    draws: int,
    folder: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    executor: str = LOCAL,
) -> list[Sensitivity]:
    """Each source of the study's configuration, one at a time, with the same chips' seeds for all.

    ``folder`` takes a file of draws for each source alone and taken out, which later calls go on with. Sequences
    share slow noise by ``SHARE`` or more: a chip's score then spreads more, but its mean over chips is the same.
    """
    sources = present(study.config)
    study = replace(study, share=max(study.share, SHARE), votes=1)
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    found, total = [], 2 * len(sources) * draws
    for source in sources:
        pair = []
        for side, config in (("alone", isolated(study.config, source)), ("without", without(study.config, source))):
            before = draws * (2 * len(found) + len(pair))
            file = folder and Path(folder) / f"{side}-{re.sub('[^a-z0-9]+', '-', source.lower())}.jsonl"
            step = progress and (lambda done, _, before=before: progress(before + done, total))
            pair.append(summary(run(replace(study, config=config), draws, file, workers, step, executor)))
        found.append(Sensitivity(source, *pair))
    return found


def _make(study: Study, numbers: range, workers: int, executor: str) -> Generator[Draw, None, None]:
    if not numbers:
        return
    if executor == LOCAL and (workers == 1 or len(numbers) == 1):
        yield from map(Sampler(study).draw, numbers)
        return
    with prepared_workers(executor, workers, Sampler, (study,), Sampler.draw) as submit:
        for future in [submit(number) for number in numbers]:
            yield future.result()
