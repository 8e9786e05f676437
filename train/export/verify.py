"""Is every integer of a PyTorch evaluation the integer reference's?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ...model import reference
from ...model.compare import Check, Comparison, check_layers, compare
from ...model.design import Design
from ...model.directions import turned
from ...model.formats import DesignError
from ...model.layers import Layer
from ...model.network import Network
from ..layers.sequence import Trace
from ..layers.whole_model import arrays_of, listening
from ..network import DesignNetwork, evaluate_codes
from .chain import record_chain
from .description import export, of_chain


def verify(model: DesignNetwork, codes, lengths=None, network: Network | None = None, batch: int = 512) -> Comparison:
    """Compare all ADC codes, gates, cell values, hidden codes and outputs with :func:`ohmgate.model.reference.run`.

    ``codes`` (B, T, m) DAC codes, ``lengths`` (B,). ``network`` is the description to compare with; default: the
    model's own export. Evaluation noise that is set takes part, and shows.
    """
    network = model.export() if network is None else network
    codes, lengths = reference.check_inputs(network, codes, lengths)

    def checks() -> Iterator[Check]:
        for start in range(0, len(codes), batch):
            part, size = codes[start : start + batch], lengths[start : start + batch]
            yield from _checks(network, part, size, _traces(model, part, size), first_sequence=start)

    return compare(checks())


def _traces(model: DesignNetwork, codes, lengths) -> list[Trace]:
    """Of every layer, evaluating DAC codes."""
    traces: list[Trace] = []
    with listening(model, arrays_of(model), lambda array, codes, trace: traces.append(trace)):
        evaluate_codes(model, codes, lengths)
    return traces


@dataclass(frozen=True)
class ArraysComparison(Comparison):
    """Result of :func:`verify_modules`."""

    def __str__(self) -> str:
        return f"each array by itself, not the network that they form: {super().__str__()}"


def verify_export(model: nn.Module, *inputs, network: Network | None = None, lengths=None) -> Comparison:
    """Is the exported network what the whole model computes on ``inputs``?

    The model is run in evaluation, the reference runs ``network`` on the codes that the model's first array got, and
    every array's integers are compared. ``network`` is by default the model's own export; ``lengths`` (B,) are those
    of padded sequences. Raises :class:`DesignError` where the forward on these inputs is no chain of its arrays
    (:func:`.description.export`), or not one of the network's layers. Noise as in :func:`verify`.
    """
    chain = record_chain(model, inputs, lengths)
    own = of_chain(chain)
    network = own if network is None else network
    _check_layers(network.design, own.design)
    codes, lengths = chain.codes(), chain.lengths.numpy()
    return compare(_checks(network, codes, lengths, chain.traces()))


def _check_layers(design: Design, own: Design) -> None:
    """Raise :class:`DesignError` where a design's layers are not as many, of the sizes and of the directions, of the
    model's own."""
    have, want = ([_described(layer) for layer in each.layers] for each in (design, own))
    if have != want:
        one, other = ", ".join(want), ", ".join(have)
        raise DesignError(f"the network to compare with must have the model's layers, {one}, not {other}")
    ends = [each.layers[-1].at_end for each in (own, design)]
    if ends == [True, False]:
        raise DesignError("the network to compare with must emit at the end, as the model reads its head there alone")


def _described(layer: Layer) -> str:
    direction = " in reverse" * layer.reverse + ", joined" * layer.joined
    return f"{layer.kind} {layer.inputs} to {layer.outputs}{direction}"


def verify_modules(model: nn.Module, *inputs) -> ArraysComparison:
    """Run any model on ``inputs`` in evaluation and compare each of its arrays with the reference.

    Every array is compared on the codes that it got, all padded steps included, so stacks, both directions and
    whatever lies between arrays are covered. ``layer`` of a difference counts the arrays' calls. It says nothing of
    what an export of the model computes: :func:`verify_export` does.
    """
    calls = []
    arrays = arrays_of(model)
    if not arrays:
        raise DesignError("a model to verify must have at least one quantised layer, but it has none")
    with listening(model, arrays, lambda *call: calls.append(call)):
        model(*inputs)
    if any(trace.given_state for _, _, trace in calls):
        raise DesignError("only sequences without an initial state can be verified: the hardware has none")

    def checks() -> Iterator[Check]:
        for index, (array, codes, trace) in enumerate(calls):
            drive = codes.transpose(0, 1).round().to(torch.int64).cpu().numpy()
            yield from _checks(
                export([array]), drive, np.full(len(drive), drive.shape[1]), [trace], first_layer=index
            )

    return ArraysComparison(**vars(compare(checks())))


def _checks(network: Network, codes, lengths, traces: list[Trace], **first: int) -> Iterator[Check]:
    """What PyTorch traced of DAC codes (B, T, m), against the reference; ``first`` as in :func:`check_layers`."""
    layers, expected = network.design.layers, reference.run(network, codes, lengths).layers
    got = [_integers(layer, trace, lengths, codes.shape[1]) for layer, trace in zip(layers, traces)]
    return check_layers(layers, expected, got, lengths, **first)


def _integers(layer: Layer, trace: Trace, lengths: np.ndarray, steps: int) -> dict[str, np.ndarray]:
    """Stages of a trace, by field name of the reference's, as (B, T, units) integers in float64."""
    stages = {"adc": trace.adc}
    if layer.kind == "lstm":
        a = layer.activation_bits
        scale = torch.tensor([2.0**a] * 3 + [2.0 ** (a - 1)], dtype=torch.float64)[:, None]
        stages["gates"] = (trace.gates.double().cpu() * scale).flatten(2)
        stages["cell"] = trace.cell.double() * 2.0**layer.cell_fraction
        stages["hidden"] = trace.hidden
        if layer.output == "value":
            stages["out"] = trace.out
    elif layer.output == "argmax":
        codes = reference.column_codes(layer, trace.adc.cpu().numpy())
        stages["out"] = torch.from_numpy(codes.argmax(-1))[..., None]
    elif layer.has_table:
        stages["out"] = trace.out
    found = {name: values.transpose(0, 1).double().cpu().numpy() for name, values in stages.items()}
    if layer.reverse:  # traced in the order of computing
        found = {name: turned(values, lengths) for name, values in found.items()}
    if layer.at_end:  # traced on that step alone
        return {
            name: np.broadcast_to(values, (len(lengths), steps, values.shape[2])) for name, values in found.items()
        }
    return found
