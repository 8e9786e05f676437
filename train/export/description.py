"""From arrays to the network description: a chain of arrays becomes a design with its data."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from ...model.design import Design
from ...model.formats import DesignError
from ...model.layers import DenseLayer, Layer, LstmLayer
from ...model.network import Network
from ..layers.array import ArrayModule
from ..layers.config import LSTM_FIELDS
from ..layers.linear import LinearArray
from ..layers.lstm import LstmArray
from ..layers.modules import QuantLinear, QuantLSTM
from ..layers.whole_model import arrays_of, without_noise
from ..units import described
from .chain import Chain, check_fit, check_model, record_chain

ALONE = (QuantLSTM, QuantLinear, LstmArray, LinearArray)  #: modules whose forward is known


def export(
    model: nn.Module | Sequence[ArrayModule], *inputs, name: str = "exported", lengths=None, **network
) -> Network:
    """The description of a model whose arrays form one chain, in the order in which its forward runs them.

    ``inputs`` are those of an evaluation, as for ``torch.jit.trace``: several sequences of several steps show most.
    A module's list of parts does not say what its forward does with them, so the forward is run (:mod:`.chain`).
    Every array must run once, on exactly the codes that the one before it gave; all else is refused. A head that gets
    the last step of each sequence alone is exported with ``emit="end"``. ``lengths`` (B,) are those of padded
    sequences; of packed ones they are known, and else every sequence is as long as the inputs.

    Without inputs: a ``QuantLSTM`` or ``QuantLinear`` by itself, whose forward is known, and a list of arrays
    (``ArrayModule``), of which the caller knows that they follow each other.

    What is ahead of the first array is the host's: the network is given the codes that this array gets. So is what
    follows the last one. ``network`` are labels and the host's units, as in :func:`.units.described`: by default the
    model's own inputs and outputs. Raises :class:`DesignError` where a part is float, where the arrays form no chain,
    and where a layer is bidirectional: its directions are two networks, exported one by one.
    """
    if isinstance(model, nn.Module) and not isinstance(model, nn.ModuleList):
        if inputs or not _is_alone(model):
            with without_noise(model):
                chain = record_chain(model, inputs, lengths)
            return of_chain(chain, name, **network)
        check_model(model)
        arrays = arrays_of(model)
    else:
        arrays = list(model)
        if inputs:
            raise DesignError("arrays in a given order are not run: they must come without inputs (a name is name=)")
        if not arrays:
            raise DesignError("a model to export must have at least one quantised layer, but it has none")
        for array in arrays:
            if not isinstance(array, ArrayModule):
                raise DesignError(f"what is exported in the order given must be arrays, not a {type(array).__name__}")
    if lengths is not None:
        raise DesignError("lengths must come with the example inputs that have them, but there are none")
    check_fit(arrays, [f"array {index}" for index in range(len(arrays))])
    return _network(arrays, "step", name, network)


def of_chain(chain: Chain, name: str = "exported", **network) -> Network:
    """The description of the arrays of a forward that was recorded; arguments are those of :func:`export`."""
    return _network(chain.arrays, chain.emit, name, network)


def _is_alone(model: nn.Module) -> bool:
    """Is it a single layer, whose forward nobody changes?"""
    return type(model) in ALONE and not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def _network(arrays: list[ArrayModule], emit: str, name: str, fields: dict) -> Network:
    layers = [_layer(array) for array in arrays]
    if emit == "end":
        layers[-1] = replace(layers[-1], emit=emit)
    return described(Design(name, tuple(layers)), arrays, **fields)


def _layer(array: ArrayModule) -> Layer:
    """The layer's description, with as many ADCs as columns. A head gives its ADC codes."""
    config = array.config
    shared: dict[str, Any] = {
        "inputs": array.inputs,
        "adcs": array.cells.shape[1],
        "dac_bits": config.dac_bits,
        "weight_bits": config.weight_bits,
        "adc_bits": config.adc_bits,
        "bias_rows": config.bias_rows,
        "adc_range": float(config.adc_range),
        "tables": config.tables,
    }
    if isinstance(array, LstmArray):
        return LstmLayer(hidden=array.hidden, **shared, **{name: getattr(config, name) for name in LSTM_FIELDS})
    if array.function is None:
        return DenseLayer(outputs=array.outputs, output="codes", **shared)
    return DenseLayer(
        outputs=array.outputs, output="table", output_bits=array.output_bits, function=array.function, **shared
    )
