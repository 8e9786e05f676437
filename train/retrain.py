"""Retraining a network for one chip, around the cells that are known to be stuck.

Where healthy cells cannot take up what a stuck one does, a weight has only a part of its range. Training knows
nothing of cells: it takes each weight's lowest and highest code (:func:`ohmgate.analog.inference.reachable`), keeps
weights within them in every forward pass, and lets all others make up for it.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..model.formats import DesignError
from .config import TrainConfig
from .data.datasets import SequenceDataset
from .training import TrainResult, fit

EPOCHS, LEARNING_RATE = 0.25, 0.1  #: of retraining, as shares of those of the training
KEPT = (
    "floating",
    "quantiser",
    "range_noise",
    "per_gate",
    "learn_range",
    "learn_input",
    "learn_tables",
    "forget_ceiling",
    "leak",
    "input_range",
    "deviations",
)  #: fields that decide what the network is


def retrain(
    trained: TrainResult, dataset: SequenceDataset, reach: Sequence[np.ndarray], config: TrainConfig | None = None
) -> TrainResult:
    """Train on from a trained network with every weight's code within its reach; ``trained`` stays as it is.

    ``reach`` has for each layer the lowest and the highest codes (2, rows, columns) in logical order. ``config`` None
    is that of the training with a quarter of its epochs and a tenth of its learning rate; another has ranges of the
    same kind. Raises :class:`DesignError` for a float network and for a reach that does not fit.
    """
    if trained.network is None:
        raise DesignError("only a quantised network can be retrained around stuck cells, not a float one")
    config = config or gentle(trained.config)
    for name in KEPT:
        had, has = getattr(trained.config, name), getattr(config, name)
        if has != had:
            raise DesignError(f"retraining must have the training's {name.replace('_', ' ')}, {had!r}, not {has!r}")
    model = copy.deepcopy(trained.model)
    if len(reach) != len(model.layers):
        raise DesignError(f"the reach of weights must be given for {len(model.layers)} layers, not {len(reach)}")
    for index, (module, limits) in enumerate(zip(model.layers, reach)):
        shape = (2, *module.cells.shape)
        if limits.shape != shape or limits.dtype.kind not in "iu" or (limits[0] > limits[1]).any():
            raise DesignError(
                f"layer {index}: the reach of weights must be ascending integers of shape {shape}, "
                f"not {limits.dtype} of {limits.shape}"
            )
        module.confine(limits)
        module.fast = config.fast
    return fit(model, dataset, config)


def gentle(config: TrainConfig) -> TrainConfig:
    """The configuration of a training, shortened and slowed for retraining."""
    return replace(
        config,
        epochs=max(1, round(config.epochs * EPOCHS)),
        learning_rate=config.learning_rate * LEARNING_RATE,
        float_epochs=0.0,
        patience=0,
        noise_ramp=0.0,
        distil=0.0,
    )
