"""Is every integer of a PyTorch evaluation the integer reference's?"""

from dataclasses import dataclass

import numpy as np
import torch

from ..model import reference
from ..model.network import Network
from .network import DesignNetwork, evaluate_codes
from .sequence import Trace

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
    compared, mismatches, first = 0, 0, None
    for start in range(0, len(codes), batch):
        part, size = codes[start : start + batch], lengths[start : start + batch]
        n, bad, difference = _compare(model, network, part, size, start)
        compared, mismatches = compared + n, mismatches + bad
        first = first or difference
    return Report(compared, mismatches, first)


def _compare(model, network, codes, lengths, start):
    traces: list[Trace] = []
    evaluate_codes(model, codes, lengths, traces)
    result = reference.run(network, codes, lengths)
    valid = np.arange(codes.shape[1]) < lengths[:, None]
    compared, mismatches, first = 0, 0, None
    for index, (layer, expected, trace) in enumerate(zip(network.design.layers, result.layers, traces)):
        got = _integers(layer, trace)
        live = valid
        if layer.kind == "dense" and layer.emit == "end":
            live = valid & ~np.pad(valid[:, 1:], ((0, 0), (0, 1)))
        for stage in STAGES:
            if stage not in got:
                continue
            want = getattr(expected, stage).reshape(*valid.shape, -1)
            have = got[stage]
            if have.shape[1] != want.shape[1]:  # read at the end only
                full = np.zeros_like(want, dtype=np.float64)
                full[np.arange(len(full)), lengths - 1] = have[:, 0]
                have = full
            wrong = (want != have) & live[:, :, None]
            compared += int(live.sum()) * want.shape[2]
            mismatches += int(wrong.sum())
            if wrong.any():
                step, _, sequence, unit = min(
                    (int(t), STAGES.index(stage), int(b), int(u)) for b, t, u in np.argwhere(wrong)
                )
                found = Difference(
                    index, step, stage, start + sequence, unit,
                    int(want[sequence, step, unit]), float(have[sequence, step, unit]),
                )  # fmt: skip
                if first is None or (found.layer, found.step) < (first.layer, first.step):
                    first = found
    return compared, mismatches, first


def _integers(layer, trace: Trace) -> dict[str, np.ndarray]:
    """Stages of a trace as (B, T, units) integers in float64; T is 1 where the array is read at the end only."""
    adc = _over_time(trace.adc)
    if layer.kind == "lstm":
        a = layer.activation_bits
        scale = torch.tensor([2.0**a] * 3 + [2.0 ** (a - 1)], dtype=torch.float64)[:, None]
        stages = {
            "adc": adc,
            "gates": (torch.stack(trace.gates).double() * scale).flatten(2),
            "cell": torch.stack(trace.cell).double() * 2.0**layer.cell_fraction,
            "hidden": torch.stack(trace.out),
        }
    else:
        stages = {"adc": adc}
        if layer.output == "argmax":
            stages["out"] = torch.from_numpy(adc.numpy().argmax(-1))[..., None]
        elif layer.output == "table":
            stages["out"] = _over_time(trace.out)
    return {name: values.transpose(0, 1).double().numpy() for name, values in stages.items()}


def _over_time(values: list[torch.Tensor]) -> torch.Tensor:
    """(T, B, units): an LSTM traces every step, a dense layer all steps (or the last one) at once."""
    return torch.stack(values) if values[0].dim() == 2 else values[0]
