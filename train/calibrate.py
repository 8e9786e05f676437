"""Ranges of a model's arrays from typical data: full-scale inputs and ADCs."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from ..model.formats import DesignError, check_integer, full_scale, quantise_symmetric
from .data.input_range import least_error_range, without_outliers
from .layers.array import ArrayModule
from .layers.config import FLOAT
from .layers.recurrent import RecurrentArray
from .layers.recurrent_modules import QuantRecurrent
from .layers.sequence import Trace
from .layers.whole_model import arrays_of, evaluating, listen_to_inputs, listening

SAMPLES = 50_000  #: inputs of an array that its full scale is found from, at most
THINNING = 1.7  #: no integer, nor are its powers: a sample that is thinned favours no channel and no sequence
MOST_CLIPPED, MOST_ZERO = 0.05, 0.8  #: shares of an array's inputs beyond which a calibration warns


class _Inputs:
    """Sizes of an array's inputs: the largest, and an evenly spaced sample."""

    def __init__(self) -> None:
        self.largest, self.sizes = 0.0, np.zeros(0)
        self._stride, self._skipped = 1.0, 0.0

    def add(self, values: torch.Tensor) -> None:
        sizes = values.detach().abs().flatten()
        largest = float(sizes.max()) if sizes.numel() else 0.0
        if not math.isfinite(largest):
            raise DesignError("inputs of a calibration must be finite numbers, but some are not")
        self.largest = max(self.largest, largest)
        picked = np.arange(self._skipped, sizes.numel(), self._stride)
        picked = picked[picked < sizes.numel()]  # arange may round its last one up to the end
        self._skipped += len(picked) * self._stride - sizes.numel()
        taken = sizes[torch.from_numpy(picked.astype(np.int64)).to(sizes.device)]
        self.sizes = np.concatenate([self.sizes, taken.double().cpu().numpy()])
        while len(self.sizes) > SAMPLES:
            self.sizes = self.sizes[np.arange(0, len(self.sizes), THINNING).astype(np.int64)]
            self._stride *= THINNING

    def full_scale(self, bits: int) -> float:
        """1 for inputs within [-1, 1], else the range of least error of their codes, but at least 1."""
        if self.largest <= 1:
            return 1.0
        found = least_error_range(without_outliers(self.sizes), bits)
        return self.largest if math.isclose(found, self.largest) else max(1.0, found)

    def shares(self, scale: float, bits: int) -> tuple[float, float]:
        """Of those that clip by more than they are rounded, and of those other than 0 that get code 0."""
        sizes, top = self.sizes[self.sizes > 0] / scale, full_scale(bits)
        if not len(sizes):
            return 0.0, 0.0
        beyond = sizes * top > top + (1 if bits == 1 else 0.5)
        return float(beyond.sum() / len(self.sizes)), float((quantise_symmetric(sizes, bits) == 0).mean())


def calibrate(model: nn.Module, run: Callable[[], object], *, percentile: float = 99.9, passes: int = 2) -> None:
    """Set every array's ranges from what it sees in ``run()``, which must call the model on typical inputs.

    A layer's full-scale input becomes the range of least error of its inputs' codes, but at least 1; it stays 1 for
    inputs within [-1, 1]. A warning tells where over 5 % clip, or over 80 % of those other than 0 get code 0. In an
    LSTM or RNN the input weights in the cells grow by the full scale, as hidden rows keep their scale; an
    ``input_drive`` near it leaves them as they are. A learned range of weights starts anew in the first calibration,
    and later only widens with its weights. An ADC's range, one for each gate, becomes the ``percentile`` of its
    voltages' absolute values, those of all its row tiles together. A range feeds back on what follows, so it is
    measured ``passes`` times.
    """
    if type(percentile) not in (int, float) or not 0 < percentile <= 100:
        raise DesignError(f"percentile must be a number above 0 and at most 100, not {percentile!r}")
    check_integer("calibration passes", passes, 1, 100)
    arrays, calls = arrays_of(model), []
    if not arrays:
        raise DesignError("a model to calibrate must have at least one quantised layer, but it has none")
    if any(array.holds_integers for array in arrays):
        raise DesignError("a model to calibrate must have real weights, not the integers of a loaded network")
    new = {array for array in arrays if float(array.full_scale.detach()) == 1}
    seen: dict[ArrayModule, _Inputs] = {}
    for _ in range(passes):
        with evaluating(model):
            seen = _set_full_scale(model, run, new)
        calls.clear()
        with listening(model, arrays, lambda *call: calls.append(call)):
            run()
        if not calls:
            raise DesignError("the run of a calibration must call the model, but it reached no array")
        for array in arrays:
            traces = [trace for module, _, trace in calls if module is array]
            if traces and array.config.adc_bits != FLOAT:
                _set_adc_range(array, traces, percentile)
    names = {module: name for name, module in model.named_modules()}
    for array, inputs in seen.items():
        _warn(f"layer {names[array]}" if names[array] else "the layer", array, inputs)


def _set_full_scale(model: nn.Module, run, new: set[ArrayModule]) -> dict[ArrayModule, _Inputs]:
    """Full scale of every array with DACs that ``run`` reaches, and what it is found from.

    ``new`` ones had none before this calibration. A layer's two directions have that of the forward one: hardware
    gives both the same codes.
    """
    seen: dict[ArrayModule, _Inputs] = {}

    def see(array: ArrayModule, values: torch.Tensor) -> None:
        seen.setdefault(array, _Inputs()).add(values)

    hooks = [listen_to_inputs(array, see) for array in arrays_of(model) if array.config.dac_bits != FLOAT]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    for layer in model.modules():
        if isinstance(layer, QuantRecurrent):
            seen |= {
                array: seen[other] for array, other in layer.forward_of().items() if array in seen and other in seen
            }
    for array, inputs in seen.items():
        before, after = float(array.full_scale.detach()), inputs.full_scale(array.input_bits)
        if isinstance(array, RecurrentArray):
            _scale_inputs(array, after / before, array in new)
        elif array.config.bias_rows:  # bias rows are driven at full scale: keep their real value
            array.cells[-array.config.bias_rows :] *= before / after
        array.full_scale.fill_(after)
    return seen


def _warn(name: str, array: ArrayModule, inputs: _Inputs) -> None:
    scale, bits = float(array.full_scale.detach()), array.input_bits
    clipped, zero = inputs.shares(scale, bits)
    if clipped > MOST_CLIPPED:
        warnings.warn(f"{clipped:.1%} of the inputs of {name} clip at its full scale of {scale:g}", stacklevel=3)
    if zero > MOST_ZERO:
        warnings.warn(
            f"{zero:.1%} of the inputs of {name} that are not 0 get code 0 at its full scale of {scale:g}",
            stacklevel=3,
        )


def _scale_inputs(array: RecurrentArray, factor: float, new: bool) -> None:
    if factor == 1:
        return
    before = array.cells.clone()
    array.cells[: array.inputs] *= factor
    if new:
        array.start_ranges()
    elif hasattr(array, "log_alpha"):
        array.log_alpha += array.widening(before, array.cells)


def _set_adc_range(array: ArrayModule, traces: list[Trace], percentile: float) -> None:
    if array.config.tables == "constant":
        return
    voltages = torch.cat([trace.voltage.flatten(0, -2) for trace in traces]).double()
    steps = array.real_steps().to(voltages)
    grouped = array.grouped(voltages).abs() * steps[:, None]
    if not grouped.numel():
        raise DesignError("inputs of a calibration must be of 1 sequence or more, but there is none")
    rank = max(1, round(grouped.shape[1] * percentile / 100))
    step = grouped.kthvalue(rank, dim=1).values.clamp_min(1e-6) * 2 / 2**array.config.adc_bits
    with torch.no_grad():
        if hasattr(array, "log_step"):
            array.log_step.copy_(step.log())
        else:
            array.nominal_step.copy_(step)
