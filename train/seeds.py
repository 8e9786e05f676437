"""The same training from several seeds, float and quantised, on all cores."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..model.design import Design
from ..model.formats import DesignError, check_integer
from ..model.locks import sole_use
from ..model.metrics import RMSE, is_values, metric_of
from ..model.network import Network
from ..model.processes import process_pool
from .config import TrainConfig
from .data.datasets import SequenceDataset
from .recipe import usual_config
from .training import train

Progress = Callable[[int, int, str], None]  #: finished runs, of all runs, one line about the last


@dataclass(frozen=True, eq=False)
class SeedsResult:
    """Test scores in the order of ``seeds``, accuracies (0..1) or RMSEs; ``network`` is the first seed's."""

    seeds: tuple[int, ...]
    floating: tuple[float, ...]
    quantised: tuple[float, ...]
    network: Network
    losses: tuple[float, ...]  #: of the first seed's quantised run, by epoch; empty where it was resumed at its end
    predictions: np.ndarray  #: of the first seed's quantised run on the test set

    @property
    def difference(self) -> float:
        """Mean quantised less mean float score: in percentage points of accuracy, or in units of the values."""
        factor = 1 if is_values(self.predictions) else 100
        return factor * float(np.mean(self.quantised) - np.mean(self.floating))


def train_seeds(
    design: Design,
    dataset: SequenceDataset,
    config: TrainConfig | None = None,
    *,
    seeds: Sequence[int] = range(5),
    folder: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> SeedsResult:
    """Train float and quantised networks from each of ``seeds`` in ``workers`` processes (default: all cores).

    ``folder`` takes checkpoints (``float_0.safetensors``, ``quantised_0.safetensors``, ...): a call that was
    killed goes on, and a finished run is not repeated. Raises :class:`DesignError` where another run has the folder.
    """
    config, seeds = config or usual_config(design, dataset), tuple(seeds)
    if not seeds:
        raise DesignError("seeds must be at least one integer, but there is none")
    jobs = [replace(config, seed=seed, floating=floating) for seed in seeds for floating in (False, True)]
    workers = os.cpu_count() or 1 if workers is None else check_integer("workers", workers, 1, 1024)
    done = {}
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(sole_use(folder))
        pool = stack.enter_context(process_pool(min(workers, len(jobs)), _prepare, (design, dataset, folder)))
        futures = {pool.submit(_run, job): job for job in jobs}
        for future in as_completed(futures):
            job = futures[future]
            done[job.seed, job.floating] = future.result()
            if progress is not None:
                kind = "float" if job.floating else "quantised"
                score, metric = done[job.seed, job.floating].score, metric_of(dataset.test.labels)
                said = f"RMSE {metric.text(score)}" if metric is RMSE else f"{100 * score:.2f} %"
                progress(len(done), len(jobs), f"seed {job.seed} {kind}: {said}")
    first = done[seeds[0], False]
    return SeedsResult(
        seeds,
        tuple(done[seed, True].score for seed in seeds),
        tuple(done[seed, False].score for seed in seeds),
        first.network,
        first.losses,
        first.predictions,
    )


@dataclass(frozen=True, eq=False)
class _Run:
    score: float
    network: Network | None
    losses: tuple[float, ...]
    predictions: np.ndarray


def _prepare(design: Design, dataset: SequenceDataset, folder: str | Path | None) -> None:
    """In a worker."""
    global _common
    _common = design, dataset, folder


def _run(config: TrainConfig) -> _Run:
    design, dataset, folder = _common
    kind = "float" if config.floating else "quantised"
    checkpoint = None if folder is None else Path(folder) / f"{kind}_{config.seed}.safetensors"
    result = train(design, dataset, config, checkpoint=checkpoint)
    score = result.scores[metric_of(dataset.test.labels).key]
    return _Run(score, result.network, result.losses, result.predictions)
