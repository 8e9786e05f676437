"""How often each code of an array occurs in an evaluation, how much clips, and what is dead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from ..model.formats import full_scale, signed_range
from .data.datasets import Sequences
from .layers.array import ArrayModule
from .layers.sequence import Trace
from .layers.whole_model import listen_to_inputs, listening
from .network import DesignNetwork


@dataclass(frozen=True, eq=False)
class CodeUsage:
    """Counts of one array's codes, lowest code first: DAC and weight codes -L..L, ADC codes by group of columns.

    Groups are the gates f, i, o, g of an LSTM; another array has one.
    """

    name: str  #: of the array in the model
    weights: np.ndarray  #: (2L + 1,)
    inputs: np.ndarray  #: (2L + 1,)
    hidden: np.ndarray | None  #: (2L + 1,) of an LSTM's hidden codes, which never clip
    adc: np.ndarray  #: (groups, 2^bits)
    inputs_clipped: float  #: share of inputs beyond full scale
    adc_clipped: np.ndarray  #: (groups,) share of conversions beyond the lowest or highest code
    dead: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    #: (columns,) did all conversions of a column clip, or all give the same code?


@dataclass(frozen=True)
class UsageSummary:
    """One array's :class:`CodeUsage` in numbers; of its kinds ``weights``, ``inputs``, ``hidden`` and ``adc``."""

    name: str
    columns: int
    dead: int  #: columns all of whose conversions clipped or gave the same code
    inputs_clipped: float  #: share (0..1)
    adc_clipped: float  #: share (0..1) of the conversions of all groups
    inputs_zero: float  #: share (0..1) of inputs with code 0
    used: dict[str, float]  #: share (0..1) of the codes that occur
    entropy: dict[str, float]  #: in bits, at most the width of the codes


def summary(usages: Sequence[CodeUsage]) -> list[UsageSummary]:
    """What of each array is dead, clipped or unused."""
    found = []
    for usage in usages:
        kinds = {"weights": usage.weights, "inputs": usage.inputs, "hidden": usage.hidden, "adc": usage.adc.sum(0)}
        counts = {kind: _possible(values) for kind, values in kinds.items() if values is not None}
        conversions = np.maximum(usage.adc.sum(1), 1)
        found.append(
            UsageSummary(
                name=usage.name,
                columns=len(usage.dead),
                dead=int(usage.dead.sum()),
                inputs_clipped=usage.inputs_clipped,
                adc_clipped=float(np.average(usage.adc_clipped, weights=conversions)),
                inputs_zero=float(usage.inputs[len(usage.inputs) // 2] / max(usage.inputs.sum(), 1)),
                used={kind: float((values > 0).mean()) for kind, values in counts.items()},
                entropy={kind: _entropy(values) for kind, values in counts.items()},
            )
        )
    return found


def _possible(counts: np.ndarray) -> np.ndarray:
    """Without the code 0 that one-bit DACs and weights do not have: of -1, 0, 1 it never occurs."""
    return counts[::2] if len(counts) == 3 and counts[0] + counts[2] == counts.sum() > 0 else counts


def _entropy(counts: np.ndarray) -> float:
    share = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(share * np.log2(share)).sum()) + 0.0


def code_usage(model: nn.Module, run: Callable[[], object]) -> list[CodeUsage]:
    """Usage of every array without float parts in ``run()``, which must call the model. Noise of evaluation acts."""
    arrays = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, ArrayModule) and not module.config.is_float
    }
    counters = {module: _Counter(module) for module in arrays.values()}
    hooks = [
        listen_to_inputs(module, lambda module, values: counters[module].see_inputs(values)) for module in counters
    ]
    try:
        with listening(model, list(counters), lambda array, *call: counters[array].see(*call)):
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return [counters[module].usage(name) for name, module in arrays.items()]


def usage_of_sequences(
    model: DesignNetwork, data: Sequences, scale: Sequence[float], offset: Sequence[float], batch: int = 128
) -> list[CodeUsage]:
    """:func:`code_usage` on real inputs, ``features * scale + offset``; padding is left out."""

    def run() -> None:
        for length in np.unique(data.lengths):
            features = data.features[data.lengths == length, :length]
            for start in range(0, len(features), batch):
                inputs = features[start : start + batch].astype(np.float64) * scale + offset
                model(torch.from_numpy(inputs))

    return code_usage(model, run)


class _Counter:
    def __init__(self, array: ArrayModule) -> None:
        self.array, config = array, array.config
        self.top, self.input_top = full_scale(config.dac_bits), full_scale(array.input_bits)
        self.low, self.high = signed_range(config.adc_bits)
        self.inputs = np.zeros(2 * self.input_top + 1, dtype=np.int64)
        self.hidden = np.zeros(2 * self.top + 1, dtype=np.int64)
        self.adc = np.zeros((array.groups, 2**config.adc_bits), dtype=np.int64)
        self.beyond = np.zeros(array.groups, dtype=np.int64)  # conversions that clip
        self.seen = np.zeros(2, dtype=np.int64)  # inputs that clip, inputs
        columns = array.row_tiles * array.cells.shape[1]
        self.lowest, self.highest = np.full(columns, np.inf), np.full(columns, -np.inf)  # codes of each column
        self.alive = np.zeros(columns, dtype=bool)  # has a conversion been inside?

    def see_inputs(self, values: torch.Tensor) -> None:
        beyond = values.detach().abs() > float(self.array.full_scale.detach())
        self.seen += [int(beyond.sum()), beyond.numel()]

    def see(self, codes: torch.Tensor, trace: Trace) -> None:
        self.inputs += _count(codes, -self.input_top, len(self.inputs))
        if self.array.groups > 1:
            self.hidden += _count(trace.hidden, -self.top, len(self.hidden))
        steps = trace.voltage.floor().flatten(0, -2)
        clipped = steps.clamp(self.low, self.high)
        if len(steps):
            self.lowest = np.minimum(self.lowest, clipped.amin(0).cpu().numpy())
            self.highest = np.maximum(self.highest, clipped.amax(0).cpu().numpy())
            self.alive |= (clipped == steps).any(0).cpu().numpy()
        steps, clipped = self.array.grouped(steps), self.array.grouped(clipped)
        self.beyond += (clipped != steps).sum(1).cpu().numpy()
        for group, values in enumerate(clipped):
            self.adc[group] += _count(values, self.low, self.adc.shape[1])

    def usage(self, name: str) -> CodeUsage:
        weights = self.array.layer_data().weights
        top = full_scale(self.array.config.weight_bits)
        return CodeUsage(
            name=name,
            weights=np.bincount(weights.ravel() + top, minlength=2 * top + 1),
            inputs=self.inputs,
            hidden=self.hidden if self.array.groups > 1 else None,
            adc=self.adc,
            inputs_clipped=float(self.seen[0] / max(self.seen[1], 1)),
            adc_clipped=self.beyond / np.maximum(self.adc.sum(1), 1),
            dead=~self.alive | (self.lowest == self.highest),
        )


def _count(codes: torch.Tensor, low: int, size: int) -> np.ndarray:
    return torch.bincount(codes.flatten().long() - low, minlength=size).cpu().numpy()
