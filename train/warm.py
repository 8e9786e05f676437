"""From a float network to a quantised one: its weights, ranges that suit them, and Adam's moments."""

import math
from functools import partial
from itertools import pairwise

import numpy as np
import torch

from .calibrate import calibrate
from .layers.array import ArrayModule
from .layers.lstm import LstmArray
from .network import DesignNetwork

SEQUENCES, STEPS = 256, 2**15  #: that ranges are calibrated on, at most
LINEAR = ("relu", "identity")  #: functions without a bound, of which a share of the input gives that share


def float_twin(model: DesignNetwork) -> DesignNetwork:
    """A float network of the same design with the weights of ``model``."""
    with torch.random.fork_rng(devices=[]):
        twin = DesignNetwork(model.design, floating=True, fast=bool(model.layers[0].fast))
    _copy_weights(twin, model)
    return twin


def quantise(model: DesignNetwork, floating: DesignNetwork, inputs: torch.Tensor, lengths: torch.Tensor) -> None:
    """Give ``model`` the weights of ``floating``, a network of like layers, and calibrate its ranges.

    ``inputs`` (B, T, m) in [-1, 1] with ``lengths`` (B,) are typical ones. What a table of ``relu`` or ``identity``
    gives is brought to -1..1 by its own weights, and the rows that follow undo it.
    """
    runs = [inputs[lengths == length, : int(length)] for length in lengths.unique()]
    _copy_weights(model, floating)
    _scale_outputs(model, floating, runs)
    for array in model.layers:
        array.start_ranges()
    calibrate(model, lambda: [model(part) for part in runs])


def typical(inputs: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sequences from all over a training set, few enough to calibrate on; what the DACs clip is clipped."""
    count = max(1, min(SEQUENCES, STEPS // inputs.shape[1], len(inputs)))
    index = torch.linspace(0, len(inputs) - 1, count).long()
    return inputs[index].clamp(-1, 1), lengths[index]


def continued(
    optimiser: torch.optim.Adam, before: DesignNetwork, model: DesignNetwork, learning_rate: float
) -> torch.optim.Adam:
    """An optimiser of ``model`` with the moments of the weights that it has from ``before``."""
    made = torch.optim.Adam(model.parameters(), lr=learning_rate)
    weights = dict(before.named_parameters())
    for name, value in model.named_parameters():
        if name in weights:
            made.state[value] = optimiser.state[weights[name]]
    return made


def _copy_weights(model: DesignNetwork, source: DesignNetwork) -> None:
    with torch.no_grad():
        for array, other in zip(model.layers, source.layers):
            array.cells.copy_(_real_cells(other))


def _real_cells(array: ArrayModule) -> torch.Tensor:
    """Weights as they are for inputs that are not divided by the array's full scale."""
    cells, scale = array.cells.detach().clone(), array.full_scale.item()
    if isinstance(array, LstmArray):
        cells[: array.inputs] /= scale
    elif array.config.bias_rows:
        cells[-array.config.bias_rows :] *= scale
    return cells


def _scale_outputs(model: DesignNetwork, floating: DesignNetwork, runs: list[torch.Tensor]) -> None:
    chain = zip(model.design.layers, model.layers, floating.layers)
    for (layer, array, source), (_, following, _) in pairwise(chain):
        if layer.kind != "dense" or not layer.has_table or layer.function not in LINEAR:
            continue
        given: list[np.ndarray] = []
        with source.register_forward_hook(partial(_keep, given)), torch.no_grad():
            for part in runs:
                floating.eval()(part)
        largest = max(float(np.percentile(np.concatenate(given), 99.9)), math.ulp(1.0))
        with torch.no_grad():
            array.cells /= largest
            following.cells[: following.inputs] *= largest


def _keep(given: list[np.ndarray], module, inputs, outputs: torch.Tensor) -> None:
    given.append(outputs.abs().numpy().ravel())
