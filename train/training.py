"""Training a design to classify sequences or to forecast values: one run, seeded and resumable (docs/training.md)."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..model.design import Design
from ..model.formats import DesignError
from ..model.network import Network
from . import checkpoint as checkpoints
from .config import TrainConfig
from .data.datasets import CONTENTS, SequenceDataset
from .epochs import run_epoch, tensors_of
from .evaluation import predict, scores_of
from .network import DesignNetwork
from .warm import continued, float_twin, quantise, typical

Progress = Callable[[int, int, float], None]  #: finished epochs, of all epochs, mean loss of the last one


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A trained network. ``predictions`` are those of the test set: classes (B,), or values in their units.

    ``scores`` say how good they are: accuracy (0..1); or rmse and mae, in the units of the values.
    """

    config: TrainConfig
    model: DesignNetwork
    network: Network | None  #: the description with the host's input scale; None for a float network
    losses: tuple[float, ...]  #: mean training loss of the epochs that this call ran
    predictions: np.ndarray
    scores: dict[str, float]

    @property
    def accuracy(self) -> float:
        """Share (0..1) of the test set's classes that are right."""
        return self.scores["accuracy"]


def train(
    design: Design,
    dataset: SequenceDataset,
    config: TrainConfig,
    *,
    checkpoint=None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train ``design`` on ``dataset``; the same seed gives the same weights to the bit.

    ``checkpoint`` is a file, written after every epoch; a run that finds its own goes on from there. Raises
    :class:`DesignError` where data and design do not fit or the checkpoint is another run's.
    """
    check_fit(design, dataset)
    with single_thread():
        model = _initial(design, config)
    return fit(model, dataset, config, checkpoint=checkpoint, progress=progress)


def fit(
    model: DesignNetwork,
    dataset: SequenceDataset,
    config: TrainConfig,
    *,
    checkpoint=None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train ``model`` from where it is, as :func:`train` does."""
    with single_thread():
        if not config.floating:  # the baseline has no array that could be noisy
            model.set_noise(train=config.train_noise, evaluate=config.eval_noise)
        host = _host(dataset, config)
        run = {"design": model.design.to_dict(), "dataset": dataset.content, "config": config.to_dict()}
        state = None if checkpoint is None else checkpoints.state_of(checkpoint, run, _known(dataset))
        done = 0 if state is None else state.epoch
        now = model if done > config.floats or not config.floats else float_twin(model)  # what is trained
        optimiser = torch.optim.Adam(now.parameters(), lr=config.learning_rate)
        if state is not None:
            state.restore(now, optimiser)
            if state.host is None:
                checkpoints.save(checkpoint, now, optimiser, run, host, done)
        tensors = tensors_of(dataset.train, host)
        losses = []
        for epoch in range(done, config.epochs):
            if now is not model and epoch == config.floats:
                quantise(model, now, *typical(*tensors[:2]))
                optimiser, now = continued(optimiser, now, model, config.learning_rate), model
            losses.append(run_epoch(now, optimiser, tensors, config, epoch))
            if checkpoint is not None:
                checkpoints.save(checkpoint, now, optimiser, run, host, epoch + 1)
            if progress is not None:
                progress(epoch + 1, config.epochs, losses[-1])
        network = None if config.floating else model.export(**host)
        model.set_noise(train=None if config.floating else config.train_noise, seed=config.seed)
        predictions = predict(model, dataset.test, host)
    return TrainResult(config, model, network, tuple(losses), predictions, scores_of(dataset.test, predictions))


def _known(dataset: SequenceDataset) -> str | None:
    """The name of a data set of the package, where it is unchanged."""
    return dataset.name if CONTENTS.get(dataset.name) == dataset.content else None


def _host(dataset: SequenceDataset, config: TrainConfig) -> dict[str, Any]:
    """What lies between the user's numbers and the model's, as :meth:`DesignNetwork.export` takes it."""
    scale, offset = dataset.input_range(config.deviations)
    host = {"input_scale": scale.tolist(), "input_offset": offset.tolist()}
    if not dataset.has_values:
        return host | {"labels": list(dataset.classes)}
    scale, offset = dataset.output_range()
    units = {"output_scale": scale.tolist(), "output_offset": offset.tolist()}
    return host | units | {"labels": list(dataset.outputs)}


def trained_network(checkpoint: str | Path) -> Network:
    """The network of a finished run, from its checkpoint alone.

    Raises :class:`DesignError` for a run that is not at its end, and for a float one.
    """
    state, name = checkpoints.read_state(checkpoint), Path(checkpoint).name
    config = TrainConfig.from_dict(state.run["config"])
    if config.floating:
        raise DesignError(f"checkpoint {name!r} must be of a quantised run, not of a float one")
    if state.epoch < config.epochs:
        raise DesignError(
            f"checkpoint {name!r} must be of a finished run, but it stopped after epoch {state.epoch} "
            f"of {config.epochs}; go on with the same train command"
        )
    if state.host is None:
        raise DesignError(
            f"checkpoint {name!r} must hold input units and labels, but an older version left them out; "
            "the same train command adds them without training again"
        )
    with single_thread():
        model = _initial(Design.from_dict(state.run["design"]), config)
        state.restore(model)
        return model.export(**state.host)


@contextmanager
def single_thread():
    """One thread: sums in one order, so the same bytes; small networks are no slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def check_fit(design: Design, dataset: SequenceDataset) -> None:
    """Raise :class:`DesignError` where the design is not for such data."""
    first, last = design.layers[0], design.layers[-1]
    channels = dataset.train.features.shape[2]
    if first.inputs != channels:
        raise DesignError(f"a design for {dataset.name} must have {channels} inputs, not {first.inputs}")
    if dataset.has_values:
        outputs = dataset.train.labels.shape[-1]
        wanted = "dense", "codes", outputs, "end" if dataset.train.labels.ndim == 2 else "step"
        found = last.kind, last.output, last.outputs, getattr(last, "emit", "step")
        if found != wanted:
            said = "{0} layer with output {1!r}, {2} outputs and emit {3!r}"
            raise DesignError(
                f"a design for the values of {dataset.name} must end in a {said.format(*wanted)}, "
                f"not in a {said.format(*found)}"
            )
        return
    if last.kind != "dense" or last.emit != "end" or last.outputs != len(dataset.classes):
        raise DesignError(
            f"a design for {dataset.name} must end in a dense layer of {len(dataset.classes)} outputs "
            f"that emits at the end, not {last.outputs} of {last.kind}"
        )


def _initial(design: Design, config: TrainConfig) -> DesignNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return DesignNetwork(
            design,
            floating=config.floating,
            fast=config.fast,
            quantiser=config.quantiser,
            range_noise=config.range_noise,
            per_gate=config.per_gate,
            learn_range=config.learn_range and not config.floating,
            learn_tables=config.learn_tables,
            forget_ceiling=config.forget_ceiling,
        )
