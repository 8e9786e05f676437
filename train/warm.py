"""From a float network to a quantised one: its weights, ranges that suit them, and Adam's moments."""

import math
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from ..model.formats import DesignError
from ..model.layers import DenseLayer
from .calibrate import calibrate
from .data.content import content_hash
from .layers.array import ArrayModule
from .layers.recurrent import RecurrentArray
from .layers.whole_model import arrays_of, without_noise
from .network import DesignNetwork

SEQUENCES, STEPS = 256, 2**15  #: that ranges are calibrated on, at most
LINEAR = ("relu", "identity")  #: functions without a bound, of which a share of the input gives that share


def float_twin(model: DesignNetwork) -> DesignNetwork:
    """A float network of the same design with the weights of ``model``."""
    with torch.random.fork_rng(devices=[]):
        twin = DesignNetwork(model.design, floating=True, fast=arrays_of(model)[0].fast)
    copy_weights(twin, model)
    return twin


def quantise(model: DesignNetwork, floating: DesignNetwork, inputs: torch.Tensor, lengths: torch.Tensor) -> None:
    """Give ``model`` the weights of ``floating``, a network of like layers, and calibrate its ranges.

    ``inputs`` (B, T, m) in [-1, 1] with ``lengths`` (B,) are typical ones. What a table of ``relu`` or ``identity``
    gives is brought to -1..1 by its own weights, and the rows that follow undo it.
    """
    runs = [inputs[lengths == length, : int(length)] for length in lengths.unique()]
    copy_weights(model, floating)
    _scale_outputs(model, floating, runs)
    for array in arrays_of(model):
        array.start_ranges()
    with without_noise(model):
        calibrate(model, lambda: [model(part) for part in runs])


def start_from(model: DesignNetwork, source: DesignNetwork, inputs: torch.Tensor, lengths: torch.Tensor) -> None:
    """Begin ``model`` with the weights of ``source``, float or quantised; ranges as :func:`quantise`."""
    if model.floating:
        copy_weights(model, source)
    else:
        quantise(model, float_twin(source), inputs, lengths)


def check_start(model: DesignNetwork, source: DesignNetwork) -> None:
    """Raise :class:`DesignError` where ``source`` has other layers than ``model``."""
    wanted, found = (
        [
            f"{layer.kind} {array.cells.shape[0]} x {array.cells.shape[1]}"
            for layer, array in zip(one.design.layers, arrays_of(one))
        ]
        for one in (model, source)
    )
    if wanted != found:
        raise DesignError(f"a start must have the layers of the design, {', '.join(wanted)}, not {', '.join(found)}")
    if source.loaded is not None:
        raise DesignError("a start must have real weights, not the integers of a description")


def weights_hash(model: nn.Module) -> str:
    """SHA-256 of all real weights: what a run knows its start by."""
    return content_hash([_real_cells(array).numpy() for array in arrays_of(model)], ())


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


def copy_weights(model: nn.Module, source: nn.Module) -> None:
    """Give the arrays of ``model`` the real weights of those of ``source``, whose shapes are the same."""
    with torch.no_grad():
        for array, other in zip(arrays_of(model), arrays_of(source)):
            cells = _real_cells(other)
            if isinstance(array, RecurrentArray) and array.config.input_gain != other.config.input_gain:
                cells[: array.inputs] *= other.config.input_gain / array.config.input_gain
            array.cells.copy_(cells)


def _real_cells(array: ArrayModule) -> torch.Tensor:
    """Weights as they are for inputs that are not divided by the array's full scale."""
    cells, scale = array.cells.detach().clone(), float(torch.as_tensor(array.full_scale).detach())
    if isinstance(array, RecurrentArray):
        cells[: array.inputs] /= scale
    elif array.config.bias_rows:
        cells[-array.config.bias_rows :] *= scale
    return cells


def _scale_outputs(model: DesignNetwork, floating: DesignNetwork, runs: list[torch.Tensor]) -> None:
    chain = zip(model.design.layers, arrays_of(model), arrays_of(floating))
    for (layer, array, source), (_, following, _) in pairwise(chain):
        if not isinstance(layer, DenseLayer) or not layer.has_table or layer.function not in LINEAR:
            continue
        given: list[np.ndarray] = []
        with source.register_forward_hook(partial(_keep, given)), torch.no_grad():
            for part in runs:
                floating.eval()(part)
        largest = max(float(np.percentile(np.concatenate(given), 99.9)), math.ulp(1.0))
        with torch.no_grad():
            array.cells.div_(largest)
            following.cells[: following.inputs].mul_(largest)


def _keep(given: list[np.ndarray], module, inputs, outputs: torch.Tensor) -> None:
    given.append(outputs.abs().numpy().ravel())
