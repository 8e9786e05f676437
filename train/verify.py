"""Is every integer of a PyTorch evaluation the integer reference's?"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..model import reference
from ..model.formats import DesignError
from ..model.network import Network
from .export import export
from .network import DesignNetwork, evaluate_codes
from .sequence import Trace
from .whole_model import arrays_of, listening

STAGES = ("adc", "gates", "cell", "hidden", "out")


@dataclass(frozen=True)
class Difference:
    """Where evaluation and reference part; ``unit`` is the index within the stage (gates: gate * n + unit)."""

    layer: int
    step: int
    stage: str
    sequence: int
    unit: int
    expected: int
    got: float


@dataclass(frozen=True)
class Report:
    """Result of :func:`verify`."""

    compared: int  #: integers
    mismatches: int
    first: Difference | None

    def __str__(self) -> str:
        text = f"{self.compared} integers compared, {self.mismatches} differ"
        if self.first is None:
            return text
        d = self.first
        return (
            f"{text}; first: layer {d.layer}, step {d.step}, unit {d.unit}, stage {d.stage} of sequence "
            f"{d.sequence}: expected {d.expected}, got {d.got:g}"
        )


def verify(model: DesignNetwork, codes, lengths=None, network: Network | None = None, batch: int = 512) -> Report:
    """Compare all ADC codes, gates, cell values, hidden codes and outputs with :func:`.reference.run`.

    ``codes`` (B, T, m) DAC codes, ``lengths`` (B,). ``network`` is the description to compare with; default: the
    model's own export. Evaluation noise that is set takes part, and shows.
    """
    network = model.export() if network is None else network
    codes, lengths = reference.check_inputs(network, codes, lengths)
    reports = []
    for start in range(0, len(codes), batch):
        part, size = codes[start : start + batch], lengths[start : start + batch]
        traces: list[Trace] = []
        evaluate_codes(model, part, size, traces)
        result = reference.run(network, part, size)
        reports.append(_compare(network.design.layers, result.layers, traces, size, part.shape[1], start))
    return _total(reports)


def verify_modules(model: nn.Module, *inputs) -> Report:
    """Run any model on ``inputs`` in evaluation and compare each of its arrays with the reference.

    Every array is compared on the codes that it got, all padded steps included, so stacks, both directions and
    whatever lies between arrays are covered. ``layer`` of a difference counts the arrays' calls.
    """
    calls = []
    arrays = arrays_of(model)
    if not arrays:
        raise DesignError("a model to verify must have at least one quantised layer, but it has none")
    with listening(model, arrays, lambda *call: calls.append(call)):
        model(*inputs)
    if any(trace.given_state for _, _, trace in calls):
        raise DesignError("only sequences without an initial state can be verified: the hardware has none")
    reports = []
    for index, (array, codes, trace) in enumerate(calls):
        network = export([array])
        drive = codes.transpose(0, 1).round().to(torch.int64).cpu().numpy()
        lengths = np.full(len(drive), drive.shape[1])
        result = reference.run(network, drive, lengths)
        reports.append(_compare(network.design.layers, result.layers, [trace], lengths, drive.shape[1], 0, index))
    return _total(reports)


def _total(reports: list[Report]) -> Report:
    first = next((report.first for report in reports if report.first is not None), None)
    return Report(sum(r.compared for r in reports), sum(r.mismatches for r in reports), first)


def _compare(layers, expected, traces: list[Trace], lengths, steps: int, sequence: int, layer: int = 0) -> Report:
    """Traces against the reference's; ``sequence`` and ``layer`` are the numbers of the first ones."""
    valid = np.arange(steps) < lengths[:, None]
    compared, mismatches, differences = 0, 0, []
    for index, (description, want_all, trace) in enumerate(zip(layers, expected, traces)):
        live = valid
        if description.kind == "dense" and description.emit == "end":
            live = valid & ~np.pad(valid[:, 1:], ((0, 0), (0, 1)))
        for stage, have in _integers(description, trace).items():
            want = getattr(want_all, stage).reshape(*valid.shape, -1)
            if description.kind == "dense" and description.emit == "end":  # traced at the end only
                have = np.where(live[:, :, None], have, 0)
            wrong = (want != have) & live[:, :, None]
            compared += int(live.sum()) * want.shape[2]
            mismatches += int(wrong.sum())
            for t, b, u in np.argwhere(wrong.transpose(1, 0, 2))[:1]:
                place = (layer + index, int(t), stage, sequence + int(b), int(u))
                differences.append(Difference(*place, int(want[b, t, u]), float(have[b, t, u])))
    first = min(differences, key=_moment, default=None)
    return Report(compared, mismatches, first)


def _moment(d: Difference) -> tuple:
    return d.layer, d.step, STAGES.index(d.stage), d.sequence, d.unit


def _integers(layer, trace: Trace) -> dict[str, np.ndarray]:
    """Stages of a trace as (B, T, units) integers in float64; T is 1 where the array is read at the end only."""
    adc = _over_time(trace.adc)
    if layer.kind == "lstm":
        a = layer.activation_bits
        scale = torch.tensor([2.0**a] * 3 + [2.0 ** (a - 1)], dtype=torch.float64)[:, None]
        stages = {
            "adc": adc,
            "gates": (torch.stack(trace.gates).double().cpu() * scale).flatten(2),
            "cell": torch.stack(trace.cell).double() * 2.0**layer.cell_fraction,
            "hidden": torch.stack(trace.hidden),
        }
        if layer.output == "value":
            stages["out"] = torch.stack(trace.out)
    else:
        stages = {"adc": adc}
        if layer.output == "argmax":
            stages["out"] = torch.from_numpy(adc.cpu().numpy().argmax(-1))[..., None]
        elif layer.output == "table":
            stages["out"] = _over_time(trace.out)
    return {name: values.transpose(0, 1).double().cpu().numpy() for name, values in stages.items()}


def _over_time(values: list[torch.Tensor]) -> torch.Tensor:
    """(T, B, units): an LSTM traces every step, a dense layer all steps (or the last one) at once."""
    return torch.stack(values) if values[0].dim() == 2 else values[0]
