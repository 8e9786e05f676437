"""Training a design to classify sequences or to forecast values: one run, seeded and resumable (docs/training.md)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..model.design import Design
from ..model.formats import DesignError
from ..model.metrics import softmax
from ..model.network import Network
from . import checkpoint as checkpoints
from .config import TrainConfig
from .course import Course
from .data.datasets import CONTENTS, SequenceDataset
from .epochs import Epoch, epochs_of, stopped_early
from .evaluation import outputs_of, predictions_of, scores_of
from .layers.lstm import LstmArray
from .layers.threads import single_thread
from .layers.whole_model import set_curve
from .network import DesignNetwork
from .recipe import usual_config
from .warm import check_start, weights_hash

Progress = Callable[[int, int, Epoch], None]  #: finished epochs, of all epochs, what the last one gave


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A trained network. ``predictions`` are those of the test set: classes (B,), or values in their units.

    ``scores`` say how good they are: accuracy and balanced_accuracy (0..1), or rmse and mae in the values' units.
    """

    config: TrainConfig
    model: DesignNetwork
    network: Network | None  #: the description with the host's input scale; None for a float network
    losses: tuple[float, ...]  #: mean training loss of the epochs that this call ran
    epochs: tuple[Epoch, ...]  #: what all epochs gave, those before it was gone on with, too
    outputs: np.ndarray  #: of the test set (B, k) or (B, T, k), in the model's own units
    predictions: np.ndarray
    scores: dict[str, float]

    @property
    def accuracy(self) -> float:
        """Share (0..1) of the test set's classes that are right."""
        return self.scores["accuracy"]

    @property
    def confidences(self) -> np.ndarray:
        """(B, k) in 0..1, 1 in sum: the softmax of ``outputs``, what the network gives each class of the test set.

        Raises :class:`DesignError` for values to forecast.
        """
        if "accuracy" not in self.scores:
            raise DesignError("confidences are of classes, not of values to forecast")
        return softmax(self.outputs)


def train(
    design: Design,
    dataset: SequenceDataset,
    config: TrainConfig | None = None,
    *,
    start: DesignNetwork | str | Path | None = None,
    checkpoint=None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train ``design`` on ``dataset``; the same seed gives the same weights to the bit.

    ``config`` None is what :func:`.recipe.usual_config` chooses.
    ``start`` is a network of like layers, or a training's checkpoint, float or quantised, whose weights it takes.
    ``checkpoint`` is a file, written after every epoch; a run that finds its own goes on from there. Raises
    :class:`DesignError` where data and design do not fit or the checkpoint is another run's.
    """
    check_fit(design, dataset)
    config = config or usual_config(design, dataset)
    with single_thread():
        model = initial(design, config)
        source = start if start is None or isinstance(start, DesignNetwork) else float_network(start)
    return fit(model, dataset, config, start=source, checkpoint=checkpoint, progress=progress)


def fit(
    model: DesignNetwork,
    dataset: SequenceDataset,
    config: TrainConfig,
    *,
    start: DesignNetwork | None = None,
    checkpoint=None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train ``model`` from where it is, as :func:`train` does."""
    split = check_training(dataset, config)
    with single_thread():
        if not config.floating:  # the baseline has no array that could be noisy
            model.set_noise(train=config.train_noise, evaluate=config.eval_noise)
            set_curve(model, config.curve)
        host = host_units(model.design, split, config)
        run: dict[str, Any] = {
            "design": model.design.to_dict(),
            "dataset": dataset.content,
            "config": config.to_dict(),
        }
        check_signals(config, start)
        check_teacher(dataset, config, start)
        if start is not None:
            check_start(model, start)
            run["start"] = weights_hash(start)
        state = None if checkpoint is None else checkpoints.state_of(checkpoint, run, _known(dataset))
        course = Course(model, split, config, host, start if config.distil else None)
        if start is not None and (state is None or config.snr is not None):  # the noise is by the start's signals
            course.start(start)
        if state is not None:
            course.resume(state)
        if checkpoint is not None and state is not None and state.host is None:
            course.save(checkpoint, run)
        losses = []
        while not course.over:
            losses.append(course.advance().loss)
            if checkpoint is not None:
                course.save(checkpoint, run)
            if progress is not None:
                progress(course.done, config.epochs, course.epochs[-1])
        course.finish()
        network = None if config.floating else model.export(**host)
        full = None if config.floating or config.snr is not None else config.train_noise  # after a ramp
        model.set_noise(train=full, seed=config.seed)
        outputs = outputs_of(model, dataset.test, host)
        predictions = predictions_of(outputs, dataset.test, host)
    scores = scores_of(dataset.test, predictions)
    return TrainResult(config, model, network, tuple(losses), course.epochs, outputs, predictions, scores)


def check_training(dataset: SequenceDataset, config: TrainConfig) -> SequenceDataset:
    """What ``config`` trains on and, as the test set, what it judges the epochs by: all and the test set by default.

    Raises :class:`DesignError` for what cannot be learned so: one class alone, weights of classes for values.
    """
    split = dataset.validation(config.validation) if config.validation else dataset
    if dataset.has_values:
        if config.class_weights != "none":
            raise DesignError(f"class weights must be 'none' for values to forecast, not {config.class_weights!r}")
        return split
    there = np.unique(split.train.labels)
    if len(there) == 1:
        raise DesignError(
            f"the training set must have sequences of at least 2 classes, but all {len(split.train)} are of "
            f"{dataset.classes[there[0]]!r}"
        )
    return split


def check_signals(config: TrainConfig, start: DesignNetwork | str | Path | None) -> None:
    """Raise :class:`DesignError` where noise is to be as strong as the signals of a start that there is not."""
    if start is None and config.snr is not None and config.snr_power == "fixed":
        raise DesignError("a training at an SNR of fixed power must start from a network that has signals")


def check_teacher(dataset: SequenceDataset, config: TrainConfig, start: DesignNetwork | None) -> None:
    """Raise :class:`DesignError` where there is nothing to distil."""
    if not config.distil:
        return
    if start is None or not start.floating:
        raise DesignError("a training that distils must start from a float network, which is the teacher")
    if dataset.has_values:
        raise DesignError(f"distil must be 0 for values to forecast, not {config.distil:g}")


def _known(dataset: SequenceDataset) -> str | None:
    """The name of a data set of the package, where it is unchanged."""
    return dataset.name if CONTENTS.get(dataset.name) == dataset.content else None


def host_units(design: Design, dataset: SequenceDataset, config: TrainConfig) -> dict[str, Any]:
    """What lies between the user's numbers and the model's, as :meth:`DesignNetwork.export` takes it."""
    bits = design.layers[0].input_bits if config.input_range == "error" else None
    scale, offset = dataset.input_range(config.deviations, bits=bits)
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
    if state.host is None:
        raise DesignError(
            f"checkpoint {name!r} must hold input units and labels, but an older version left them out; "
            "the same train command adds them without training again"
        )
    if state.epoch < config.epochs and not stopped_early(epochs_of(state), config, "output_scale" in state.host):
        raise DesignError(
            f"checkpoint {name!r} must be of a finished run, but it stopped after epoch {state.epoch} "
            f"of {config.epochs}; go on with the same train command"
        )
    with single_thread():
        model = initial(Design.from_dict(state.run["design"]), config)
        checkpoints.restore_weights(model, state.weights)
        return model.export(**state.host)


def float_network(checkpoint: str | Path) -> DesignNetwork:
    """A float network with the weights of a training's checkpoint, finished or not: what another may start from."""
    state = checkpoints.read_state(checkpoint)
    if "tokens" in (state.host or {}):
        raise DesignError(f"checkpoint {Path(checkpoint).name!r} must be of sequences, but is of a language model")
    config = TrainConfig.from_dict(state.run["config"])
    model = initial(Design.from_dict(state.run["design"]), replace(config, floating=True))
    checkpoints.restore_weights(model, state.weights)
    return model


def check_fit(design: Design, dataset: SequenceDataset) -> None:
    """Raise :class:`DesignError` where the design is not for such data."""
    first, last = design.layers[0], design.layers[-1]
    channels = dataset.train.features.shape[2]
    if first.inputs != channels:
        raise DesignError(f"a design for {dataset.name} must have {channels} inputs, not {first.inputs}")
    longest = max(int(data.lengths.max()) for data in (dataset.train, dataset.test))
    if 0 < design.max_steps < longest:
        raise DesignError(
            f"a design for {dataset.name} must keep its {longest} steps in layers in reverse (max_steps), "
            f"not {design.max_steps}"
        )
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


def initial(design: Design, config: TrainConfig) -> DesignNetwork:
    """A new network of ``design`` as ``config`` has it, from its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = DesignNetwork(
            design,
            floating=config.floating,
            fast=config.fast,
            quantiser=config.quantiser,
            range_noise=config.range_noise,
            per_gate=config.per_gate,
            learn_range=config.learn_range and not config.floating,
            learn_input=config.learn_input,
            learn_tables=config.learn_tables,
            forget_ceiling=config.forget_ceiling,
            leak=config.leak,
        )
        for layer in model.layers:
            if isinstance(layer, LstmArray):
                layer.start_forgetting(config.forget_bias)
    return model
