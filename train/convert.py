"""Any PyTorch model with its LSTM and Linear layers replaced by arrays, and a loud report of what was not."""

import copy
import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from ..model.formats import DesignError
from .array import ArrayModule
from .config import FLOAT, QuantConfig
from .linear import LinearArray
from .modules import QuantLinear, QuantLSTM
from .sequence import Trace


@dataclass(frozen=True)
class ConversionReport:
    """What :func:`convert` did: names of modules in the model."""

    converted: tuple[tuple[str, str], ...]  #: name and kind
    float_layers: tuple[tuple[str, str], ...]  #: modules with parameters that stay float: name and why

    def __str__(self) -> str:
        lines = [f"converted {len(self.converted)} layers: {', '.join(n for n, _ in self.converted) or 'none'}"]
        lines += [f"STAYS FLOAT: {name}: {why}" for name, why in self.float_layers]
        return "\n".join(lines)


def convert(
    model: nn.Module,
    config: QuantConfig | None = None,
    *,
    skip: tuple[str, ...] = (),
    layers: Mapping[str, QuantConfig] | None = None,
) -> tuple[nn.Module, ConversionReport]:
    """A copy of ``model`` with arrays for its ``nn.LSTM`` and ``nn.Linear`` layers, and a report.

    ``config`` holds for all; ``layers`` gives single ones another by name; ``skip`` names layers to leave float.
    Every module with parameters that stays float is in the report and in a warning. Calibrate afterwards
    (:func:`calibrate`): inputs of linear layers may leave [-1, 1].
    """
    config, layers = config or QuantConfig(), dict(layers or {})
    names = {name for name, _ in model.named_modules()}
    for name in (*skip, *layers):
        if name not in names:
            raise DesignError(f"the model must have a layer {name!r} to treat apart, but it has none")
    converted, stays, made = [], [], {}
    for name, module in model.named_modules():
        if any(name == done or name.startswith(done + ".") for done in made if done):
            continue
        why = _obstacle(module, name in skip)
        if why is None:
            made[name] = _array(module, layers.get(name, config))
            converted.append((name or "(the model)", type(module).__name__))
        elif why and any(True for _ in module.parameters(recurse=False)):
            stays.append((name or "(the model)", why))
    report = ConversionReport(tuple(converted), tuple(stays))
    if stays:
        warnings.warn(str(report), stacklevel=2)
    if "" in made:
        return made[""], report
    result = copy.deepcopy(model)
    for name, module in made.items():
        parent, _, child = name.rpartition(".")
        setattr(result.get_submodule(parent), child, module)
    return result, report


def _obstacle(module: nn.Module, skipped: bool) -> str | None:
    """None where ``module`` can be converted, else why not."""
    if skipped:
        return "skipped as asked"
    if type(module) is nn.LSTM:
        return "its projection (proj_size) has no array" if module.proj_size else None
    if type(module) is nn.Linear:
        return None
    return f"{type(module).__name__} has no array"


def _array(module: nn.Module, config: QuantConfig) -> nn.Module:
    if type(module) is nn.Linear:
        array = QuantLinear(module.in_features, module.out_features, module.bias is not None, config=config)
    else:
        array = QuantLSTM(
            module.input_size, module.hidden_size, module.num_layers, bias=module.bias,
            batch_first=module.batch_first, dropout=module.dropout, bidirectional=module.bidirectional, config=config,
        )  # fmt: skip
    array.load_state_dict(module.state_dict())
    return array.train(module.training)


def calibrate(model: nn.Module, run: Callable[[], object], *, percentile: float = 99.9, passes: int = 2) -> None:
    """Set every array's ranges from what it sees in ``run()``, which must call the model on typical inputs.

    A linear layer's full-scale input becomes the largest input, but at least 1; an ADC's range, one for each gate,
    the ``percentile`` of its voltages' absolute values. A range feeds back on what follows, so it is measured
    ``passes`` times.
    """
    if type(percentile) not in (int, float) or not 0 < percentile <= 100:
        raise DesignError(f"percentile must be a number above 0 and at most 100, not {percentile!r}")
    arrays = [module for module in model.modules() if isinstance(module, ArrayModule)]
    for _ in range(passes):
        _set_full_scale([array for array in arrays if isinstance(array, LinearArray)], run)
        with _recorded(model, arrays) as calls, torch.no_grad():
            run()
        for array in arrays:
            traces = [trace for module, _, trace in calls if module is array]
            if traces and array.config.adc_bits != FLOAT:
                _set_adc_range(array, traces, percentile)


def _set_full_scale(arrays: list[LinearArray], run) -> None:
    seen = {}
    hooks = [
        array.register_forward_pre_hook(
            lambda module, args: seen.update(
                {module: max(seen.get(module, 1.0), float(args[0].detach().abs().max()))}
            )
        )
        for array in arrays
    ]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    for array, largest in seen.items():
        with torch.no_grad():
            if array.config.bias_rows:  # bias rows are driven at full scale: keep their real value
                array.cells[-array.config.bias_rows :] *= float(array.full_scale) / largest
            array.full_scale.fill_(largest)


def _set_adc_range(array: ArrayModule, traces: list[Trace], percentile: float) -> None:
    if array.config.tables == "constant":
        return
    voltages = torch.cat([v.flatten(0, -2) for trace in traces for v in trace.voltage]).double()
    steps = torch.tensor(array.converter(array.alpha()).step, dtype=torch.float64)
    grouped = voltages.unflatten(-1, (array.groups, -1)).transpose(0, 1).flatten(1).abs() * steps[:, None]
    rank = max(1, round(grouped.shape[1] * percentile / 100))
    step = grouped.kthvalue(rank, dim=1).values.clamp_min(1e-6) * 2 / 2**array.config.adc_bits
    with torch.no_grad():
        if hasattr(array, "log_step"):
            array.log_step.copy_(step.log())
        else:
            array.nominal_step.copy_(step)


@contextmanager
def _recorded(model: nn.Module, arrays: list[ArrayModule]):
    """The model in evaluation, its arrays' calls collected."""
    calls, training = [], model.training
    model.eval()
    try:
        for array in arrays:
            array.recorder = lambda *call: calls.append(call)
        yield calls
    finally:
        for array in arrays:
            array.recorder = None
        model.train(training)
