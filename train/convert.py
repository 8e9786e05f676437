"""Any PyTorch model with its LSTM and Linear layers replaced by arrays, and a loud report of what was not."""

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from ..model.formats import DesignError
from .array import ArrayModule
from .config import FLOAT, QuantConfig
from .lstm import LstmArray
from .modules import QuantLinear, QuantLSTM
from .sequence import Trace
from .whole_model import arrays_of, evaluating, listening, set_noise


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

    ``config`` holds for all; ``layers`` gives single ones another by name; ``skip`` names what to leave float, with
    all that is in it. A layer that the model uses under several names stays one. Every module with parameters that
    stays float is in the report and in a warning. Calibrate afterwards (:func:`calibrate`): inputs may
    leave [-1, 1].
    """
    config, layers = config or QuantConfig(), dict(layers or {})
    modules = dict(model.named_modules(remove_duplicate=False))
    for name in (*skip, *layers):
        if name not in modules:
            raise DesignError(f"the model must have a layer {name!r} to treat apart, but it has none")
    converted, stays, made = [], {}, {}
    arrays: dict[nn.Module, nn.Module] = {}  # of a layer that is used under several names there is one
    for name, module in modules.items():
        if any(_within(name, done) for done in made):
            continue
        why = _obstacle(module, any(_within(name, outer) for outer in skip))
        if why is None:
            if module not in arrays:
                arrays[module] = _array(module, layers.get(name, config))
            made[name] = arrays[module]
            converted.append((name or "(the model)", type(module).__name__))
        elif any(True for _ in module.parameters(recurse=False)):
            stays.setdefault(module, (name or "(the model)", why))
    for name in layers:
        if name not in made:
            raise DesignError(
                f"layer {name!r} must be an LSTM or a Linear that is converted to have a configuration of its own, "
                f"not {type(modules[name]).__name__}"
            )
    report = ConversionReport(tuple(converted), tuple(stays.values()))
    if stays:
        warnings.warn(str(report), stacklevel=2)
    result = made[""] if "" in made else copy.deepcopy(model)
    for name, module in made.items():
        if name:
            parent, _, child = name.rpartition(".")
            setattr(result.get_submodule(parent), child, module)
    if made:
        set_noise(result)  # none, from one stream for all
    return result, report


def _within(name: str, outer: str) -> bool:
    return not outer or name == outer or name.startswith(outer + ".")


def _obstacle(module: nn.Module, skipped: bool) -> str | None:
    """None where ``module`` can be converted, else why not."""
    if skipped:
        return "skipped as asked"
    if type(module) not in (nn.LSTM, nn.Linear):
        return f"{type(module).__name__} has no array"
    if getattr(module, "proj_size", 0):
        return "its projection (proj_size) has no array"
    return None


def _array(module: nn.Module, config: QuantConfig) -> nn.Module:
    if type(module) is nn.Linear:
        array = QuantLinear(module.in_features, module.out_features, module.bias is not None, config=config)
    else:
        array = QuantLSTM(
            module.input_size, module.hidden_size, module.num_layers, bias=module.bias,
            batch_first=module.batch_first, dropout=module.dropout, bidirectional=module.bidirectional, config=config,
        )  # fmt: skip
    parameter = next(module.parameters())
    if parameter.dtype != torch.get_default_dtype():
        array.to(parameter.dtype)
    array.load_state_dict(module.state_dict())
    if not any(each.requires_grad for each in module.parameters()):
        array.requires_grad_(False)
    return array.train(module.training)


def calibrate(model: nn.Module, run: Callable[[], object], *, percentile: float = 99.9, passes: int = 2) -> None:
    """Set every array's ranges from what it sees in ``run()``, which must call the model on typical inputs.

    A layer's full-scale input becomes the largest input, but at least 1. In an LSTM the input weights in the cells
    grow by it, as hidden rows keep their scale; an ``input_drive`` near the full scale leaves them as they are. An
    ADC's range, one for each gate, becomes the ``percentile`` of its voltages' absolute values. A range feeds back on
    what follows, so it is measured ``passes`` times.
    """
    if type(percentile) not in (int, float) or not 0 < percentile <= 100:
        raise DesignError(f"percentile must be a number above 0 and at most 100, not {percentile!r}")
    arrays, calls = arrays_of(model), []
    for _ in range(passes):
        with evaluating(model):
            _set_full_scale(arrays, run)
        calls.clear()
        with listening(model, arrays, lambda *call: calls.append(call)):
            run()
        for array in arrays:
            traces = [trace for module, _, trace in calls if module is array]
            if traces and array.config.adc_bits != FLOAT:
                _set_adc_range(array, traces, percentile)


def _set_full_scale(arrays: list[ArrayModule], run) -> None:
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
        run()
    finally:
        for hook in hooks:
            hook.remove()
    for array, largest in seen.items():
        if isinstance(array, LstmArray):
            if largest != float(array.full_scale):
                array.cells[: array.inputs] *= largest / float(array.full_scale)
                array.start_ranges()
        elif array.config.bias_rows:  # bias rows are driven at full scale: keep their real value
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
