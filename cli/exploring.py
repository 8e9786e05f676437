"""Training variants of a design: what the trials of ``explore`` share, what a worker does, and who gets them done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..cost.estimate import STEPS
from ..cost.explore import TRAINED, Choice, Point, Value, explore, integers, standing, trained_choice, variant
from ..hdl.accelerator import layer_latency
from ..model.design import Design
from ..model.executors import executor_for
from ..report.explore import score_text
from ..report.results import versions
from ..train.experiments.reports import reporter
from ..train.experiments.search import Outcome, Proposal, Search
from .console import Steps
from .tasks import SequenceTask, TextTask, task_of
from .trials import RunningTrials

JOURNAL, NETWORKS = "trials.journal", "networks"  #: within the output folder


@dataclass(frozen=True)
class Shared:
    """What all trials of an exploration share."""

    design: Design  #: as it stands; its protocol is that of all variants
    dataset: str
    data: Path | None  #: folder, as the workers see it
    seed: int
    protocol: Mapping[str, Any]  #: fields that differ from the data set's protocol
    noise: Mapping[str, Any]  #: of training and of evaluation, where it differs
    unselected: str = "grounded"  #: columns that wait, in what a variant costs

    def task(self) -> SequenceTask | TextTask:
        """What the design as it stands is to learn."""
        return task_of(self.design, self.dataset, self.data)

    def config(self, task: SequenceTask | TextTask) -> Any:
        """Of the training. Noise that was asked for is in the evaluation, too."""
        config: Any = task.config(self.seed, False, dict(self.protocol), dict(self.noise))
        if self.noise and isinstance(task, SequenceTask):
            return replace(config, eval_noise=config.train_noise)
        return config

    def variant(self, proposal: Proposal) -> Design:
        """The design that is trained."""
        return variant(self.design, self.choice(proposal), f"{self.design.name}_{proposal.name}")

    def choice(self, proposal: Proposal) -> dict[str, Value]:
        """The variant that is trained and priced."""
        return trained_choice(self.design, dict(zip(TRAINED, proposal.choice)))


@dataclass(frozen=True)
class Training:
    """What the trials gave, in the order in which they were proposed."""

    metric: str  #: accuracy (0..1), rmse or perplexity
    results: list[tuple[Proposal, dict[str, float]]]
    about: dict[str, Any]  #: for JSON: what they share

    def loss(self, score: float) -> float:
        """Of a score: the less, the better."""
        return 1 - score if self.metric == "accuracy" else score

    def judged(self, point: Point) -> tuple[float, ...]:
        """All four figures of a trained point, the less, the better."""
        assert point.score is not None
        return (*point.figures, self.loss(point.score))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        trials = [
            {"name": proposal.name, **dict(zip(TRAINED, proposal.choice)), **scores}
            for proposal, scores in self.results
        ]
        return self.about | {
            "metric": self.metric,
            "versions": versions() | {"optuna": metadata.version("optuna")},
            "trials": trials,
        }

    def told(self, points: Sequence[Point], best: Sequence[Point]) -> str:
        """In a sentence."""
        scores = sorted(scores[self.metric] for _, scores in self.results)
        lowest, highest = (score_text(self.metric, score) for score in (scores[0], scores[-1]))
        count = sum(point.score is not None for point in points)
        return (
            f"{len(self.results)} trained, {self.metric} {lowest} to {highest}; they stand for {count} variants, "
            f"{len(best)} of which no other trained one beats in any of the four"
        )

    def scored(self, points: Sequence[Point]) -> list[Point]:
        """``points``, each with the score of the trial of its integers, if there is one."""
        found = {proposal.choice: (proposal.name, scores[self.metric]) for proposal, scores in self.results}
        shared = [found.get(integers(point.choice), (None, None)) for point in points]
        return [replace(point, trial=trial, score=score) for point, (trial, score) in zip(points, shared)]


def train_variant(shared: Shared, reports: Path, proposal: Proposal) -> Outcome:
    """In a worker: train from the beginning."""
    task = shared.task()
    if isinstance(task, SequenceTask):
        config = shared.config(task)  # the protocol of the design as it stands, not what rules say of each variant
        task.design = shared.variant(proposal)
    else:
        task.design = shared.variant(proposal)
        config = shared.config(task)
    with TemporaryDirectory(prefix="ohmgate_trial_") as folder:
        checkpoint = Path(folder) / "network.safetensors"
        trained = task.train(config, checkpoint, reporter(reports, proposal.name), None)
        return Outcome(trained.scores, checkpoint.read_bytes())


def train_some(
    shared: Shared, choices: Sequence[Choice], out: Path, count: int, executor: str, workers: int, bars: Steps
) -> Training:
    """Train variants until ``count`` are trained, or all; those that the journal in ``out`` has are not repeated."""
    task = shared.task()
    about = {
        "design": shared.design.fingerprint,
        "dataset": task.name,
        "data_sha256": task.checksum,
        "seed": shared.seed,
        "train": task.common(shared.config(task)),
    }
    if shared.unselected != "grounded":
        about["unselected"] = shared.unselected
    axes = {field: list(dict.fromkeys(choice[field] for choice in choices)) for field in TRAINED}
    there = integers(standing(shared.design))
    is_choice = all(value in values for value, values in zip(there, axes.values()))
    first = there if is_choice else integers(choices[0])
    metric = task.scores[0]
    known = Training(metric, [], about)

    def judged(proposal: Proposal, scores: dict[str, float]) -> tuple[float, ...]:
        [point] = explore(shared.design, [shared.choice(proposal)], layer_latency, STEPS, shared.unselected)
        return (known.loss(scores[metric]), *point.figures)

    with TemporaryDirectory(prefix="ohmgate_reports_") as reports, executor_for(executor, workers) as pool:
        search = Search(out / JOURNAL, axes, first, shared.seed, about)
        count = min(count, search.size)
        with bars.step(f"Training {count} variants", count) as step:
            watch = RunningTrials(bars, Path(reports)).look
            work = partial(train_variant, shared, Path(reports))
            search.run(count, pool, work, judged, out / NETWORKS, step.update, watch)
    return replace(known, results=search.results())
