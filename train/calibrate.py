"""Ranges of a model's arrays from typical data: full-scale inputs and ADCs."""

import math
from collections.abc import Callable

import torch
from torch import nn

from ..model.formats import DesignError, check_integer
from .layers.array import ArrayModule
from .layers.config import FLOAT
from .layers.lstm import LstmArray
from .layers.sequence import Trace
from .layers.whole_model import arrays_of, evaluating, listen_to_inputs, listening


def calibrate(model: nn.Module, run: Callable[[], object], *, percentile: float = 99.9, passes: int = 2) -> None:
    """Set every array's ranges from what it sees in ``run()``, which must call the model on typical inputs.

    A layer's full-scale input becomes the largest input, but at least 1. In an LSTM the input weights in the cells
    grow by it, as hidden rows keep their scale; an ``input_drive`` near the full scale leaves them as they are. A
    learned range of weights starts anew in the first calibration, and later only widens with its weights. An ADC's
    range, one for each gate, becomes the ``percentile`` of its voltages' absolute values. A range feeds back on what
    follows, so it is measured ``passes`` times.
    """
    if type(percentile) not in (int, float) or not 0 < percentile <= 100:
        raise DesignError(f"percentile must be a number above 0 and at most 100, not {percentile!r}")
    check_integer("calibration passes", passes, 1, 100)
    arrays, calls = arrays_of(model), []
    if not arrays:
        raise DesignError("a model to calibrate must have at least one quantised layer, but it has none")
    if any(array.holds_integers for array in arrays):
        raise DesignError("a model to calibrate must have real weights, not the integers of a loaded network")
    new = {array for array in arrays if float(array.full_scale) == 1}
    for _ in range(passes):
        with evaluating(model):
            _set_full_scale(arrays, run, new)
        calls.clear()
        with listening(model, arrays, lambda *call: calls.append(call)):
            run()
        if not calls:
            raise DesignError("the run of a calibration must call the model, but it reached no array")
        for array in arrays:
            traces = [trace for module, _, trace in calls if module is array]
            if traces and array.config.adc_bits != FLOAT:
                _set_adc_range(array, traces, percentile)


def _set_full_scale(arrays: list[ArrayModule], run, new: set[ArrayModule]) -> None:
    """Full scale of every array with DACs that ``run`` reaches; ``new`` ones had none before this calibration."""
    seen = {}

    def see(array: ArrayModule, values: torch.Tensor) -> None:
        largest = float(values.detach().abs().max()) if values.numel() else 0.0
        if not math.isfinite(largest):
            raise DesignError("inputs of a calibration must be finite numbers, but some are not")
        seen[array] = max(seen.get(array, 1.0), largest)

    hooks = [listen_to_inputs(array, see) for array in arrays if array.config.dac_bits != FLOAT]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    for array, largest in seen.items():
        before = float(array.full_scale)
        if isinstance(array, LstmArray):
            _scale_inputs(array, largest / before, array in new)
        elif array.config.bias_rows:  # bias rows are driven at full scale: keep their real value
            array.cells[-array.config.bias_rows :] *= before / largest
        array.full_scale.fill_(largest)


def _scale_inputs(array: LstmArray, factor: float, new: bool) -> None:
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
    grouped = voltages.unflatten(-1, (array.groups, -1)).transpose(0, 1).flatten(1).abs() * steps[:, None]
    if not grouped.numel():
        raise DesignError("inputs of a calibration must be of 1 sequence or more, but there is none")
    rank = max(1, round(grouped.shape[1] * percentile / 100))
    step = grouped.kthvalue(rank, dim=1).values.clamp_min(1e-6) * 2 / 2**array.config.adc_bits
    with torch.no_grad():
        if hasattr(array, "log_step"):
            array.log_step.copy_(step.log())
        else:
            array.nominal_step.copy_(step)
