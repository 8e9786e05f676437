"""From arrays to the network description: a chain of arrays becomes a design with its data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from torch import nn

from ...model.design import Design
from ...model.formats import DesignError, check_choice, check_integer
from ...model.layers import MAX_ADCS, MAX_STEPS, DenseLayer, Layer, LstmLayer, RnnLayer
from ...model.network import Network
from ..layers.array import ArrayModule
from ..layers.config import LSTM_FIELDS, RNN_FIELDS
from ..layers.linear import LinearArray
from ..layers.lstm import LstmArray
from ..layers.modules import QuantLinear, QuantLSTM, QuantRNN
from ..layers.recurrent_modules import QuantRecurrent
from ..layers.rnn import RnnArray
from ..layers.whole_model import arrays_of, without_noise
from ..units import described
from .chain import Chain, check_fit, check_model, record_chain

ALONE = (QuantLSTM, QuantRNN, QuantLinear, LstmArray, RnnArray, LinearArray)  #: modules whose forward is known


def export(
    model: nn.Module | Sequence[ArrayModule],
    *inputs,
    name: str = "exported",
    lengths=None,
    adcs: int | Sequence[int] | None = None,
    emit: str | None = None,
    output: str | None = None,
    max_steps: int | None = None,
    **network,
) -> Network:
    """The description of a model whose arrays form one chain, in the order in which its forward runs them.

    ``inputs`` are those of an evaluation, as for ``torch.jit.trace``: several sequences of several steps show most.
    A module's list of parts does not say what its forward does with them, so the forward is run (:mod:`.chain`).
    Every array must run once, on exactly the codes that the one before it gave; all else is refused. A head that gets
    the last step of each sequence alone is exported with ``emit="end"``. ``lengths`` (B,) are those of padded
    sequences; of packed ones they are known, and else every sequence is as long as the inputs.

    Without inputs: a ``QuantLSTM``, ``QuantRNN`` or ``QuantLinear`` by itself, whose forward is known, and a list of
    arrays (``ArrayModule``), of which the caller knows that they follow each other.

    ``adcs`` are the most ADCs that an array may have, or a list of each array's: of an LSTM 4 times a divisor of its
    units, of an RNN or a dense layer a divisor of its outputs. The default is one for each column, as far as a
    description may have so many. ``emit="end"`` reads a head that the model reads on every step at the end of each
    sequence alone.
    ``output="argmax"`` makes a head give the number of its largest output; "codes", the default, are its ADCs'.

    A bidirectional ``QuantLSTM`` or ``QuantRNN`` becomes two arrays for each of its layers, forward before reverse,
    and another array takes the outputs of both. Sequences of several lengths must come packed. ``max_steps`` are
    those of the longest sequence that hardware keeps to run it backwards; the default is the longest of ``inputs``.

    What is ahead of the first array is the host's: the network is given the codes that this array gets. So is what
    follows the last one. ``network`` are labels and the host's units, as in :func:`.units.described`: by default the
    model's own inputs and outputs. Raises :class:`DesignError` where a part is float, where the arrays form no chain,
    and for choices that the layers do not have.
    """
    choices = {"adcs": adcs, "emit": emit, "output": output, "max_steps": max_steps}
    if isinstance(model, nn.Module) and not isinstance(model, nn.ModuleList):
        if inputs or not _is_alone(model):
            with without_noise(model):
                chain = record_chain(model, inputs, lengths)
            return of_chain(chain, name, choices, **network)
        check_model(model)
        arrays = arrays_of(model)
        if isinstance(model, QuantRecurrent) and model.bidirectional:
            check_fit([tuple(arrays)], ["the model"])
    else:
        arrays: list[Any] = list(model)
        if inputs:
            raise DesignError("arrays in a given order are not run: they must come without inputs (a name is name=)")
        if not arrays:
            raise DesignError("a model to export must have at least one quantised layer, but it has none")
        for array in arrays:
            if not isinstance(array, ArrayModule):
                raise DesignError(f"what is exported in the order given must be arrays, not a {type(array).__name__}")
    if lengths is not None:
        raise DesignError("lengths must come with the example inputs that have them, but there are none")
    groups: list[tuple[ArrayModule, ...]] = [(array,) for array in arrays]
    check_fit(groups, [f"array {index}" for index in range(len(arrays))])
    return described(_design(groups, "step", 0, name, **choices), arrays, **network)


def of_chain(chain: Chain, name: str = "exported", choices: Mapping[str, Any] | None = None, **network) -> Network:
    """The description of the arrays of a forward that was recorded; arguments are those of :func:`export`."""
    arrays = [array for group in chain.groups for array in group]
    design = _design(chain.groups, chain.emit, int(chain.lengths.max()), name, **(choices or {}))
    return described(design, arrays, **network)


def _is_alone(model: nn.Module) -> bool:
    """Is it a single layer, whose forward nobody changes?"""
    return type(model) in ALONE and not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def _design(
    groups: Sequence[tuple[ArrayModule, ...]],
    seen: str,
    steps: int,
    name: str,
    adcs=None,
    emit=None,
    output=None,
    max_steps=None,
) -> Design:
    """The design of arrays, the last of which the model reads on every "step", or at the "end": ``seen``.

    ``groups`` are those that take the same codes, one or two directions. ``steps`` are those of the longest sequence.
    """
    arrays = [array for group in groups for array in group]
    if not isinstance(adcs, Sequence):
        adcs = [_most_adcs(array, adcs) for array in arrays]
    if isinstance(adcs, str) or len(adcs) != len(arrays):
        raise DesignError(f"adcs must be a number, or one for each of the {len(arrays)} arrays, not {adcs!r}")
    layers = [_layer(array, count) for array, count in zip(arrays, adcs)]
    _turn(layers, [len(group) for group in groups], steps, max_steps)
    last = layers[-1]
    if isinstance(last, DenseLayer):
        check_choice("emit", emit or seen, ("step", "end"))
        if (seen, emit) == ("end", "step"):
            raise DesignError("emit must be 'end', or left out, as the model reads its head there alone")
        layers[-1] = last = replace(last, emit=emit or seen)
    elif emit is not None:
        raise DesignError(
            f"emit must be left out where the last layer is an {last.kind.upper()}, which has no choice, not {emit!r}"
        )
    if output is not None:
        check_choice("output", output, ("codes", "argmax"))
        if not isinstance(last, DenseLayer) or last.has_table:
            raise DesignError(f"output must be left out where the last layer is no head, not {output!r}")
        layers[-1] = replace(last, output=output)
    return Design(name, tuple(layers))


def _turn(layers: list[Layer], sizes: Sequence[int], steps: int, most: int | None) -> None:
    """Make the second layer of each group of two run in reverse, on sequences of ``most`` steps or ``steps``."""
    if len(layers) == len(sizes):
        if most is not None:
            raise DesignError(f"max_steps must be left out where no layer is bidirectional, not {most!r}")
        return
    if most is not None and check_integer("max_steps", most, 1, MAX_STEPS) < steps:
        raise DesignError(f"max_steps must be the {steps} of the longest example sequence or more, not {most}")
    for index, size in zip(accumulate(sizes), sizes):
        if size > 1:
            layers[index - 1] = replace(layers[index - 1], direction="reverse", max_steps=most or steps, joined=True)


def _most_adcs(array: ArrayModule, most: int | None) -> int:
    """The largest number of ADCs, ``most`` or less, that the columns of all gates can share."""
    most = MAX_ADCS if most is None else check_integer("adcs", most, 1, MAX_ADCS)
    units = array.cells.shape[1] // array.groups
    counts = [count for count in range(1, most // array.groups + 1) if units % count == 0]
    if not counts:
        raise DesignError(f"adcs must be {array.groups} or more for an LSTM, one for each gate, not {most}")
    return array.groups * counts[-1]


def _layer(array: ArrayModule, adcs: int) -> Layer:
    """The layer's description. A head gives its ADC codes."""
    config = array.config
    shared: dict[str, Any] = {
        "inputs": array.inputs,
        "adcs": adcs,
        "dac_bits": config.dac_bits,
        "weight_bits": config.weight_bits,
        "adc_bits": config.adc_bits,
        "bias_rows": config.bias_rows,
        "adc_range": float(config.adc_range),
        "tables": config.tables,
        "tile_rows": config.tile_rows,
    }
    if isinstance(array, LstmArray):
        return LstmLayer(hidden=array.hidden, **shared, **{name: getattr(config, name) for name in LSTM_FIELDS})
    if isinstance(array, RnnArray):
        own = {name: getattr(config, name) for name in RNN_FIELDS}
        return RnnLayer(hidden=array.hidden, function=array.function, **shared, **own)
    if array.function is None:
        return DenseLayer(outputs=array.outputs, output="codes", **shared)
    return DenseLayer(
        outputs=array.outputs, output="table", output_bits=array.output_bits, function=array.function, **shared
    )
