"""Any PyTorch model with LSTM, RNN, Linear and Conv2d layers made arrays, and a loud report of what was not."""

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from ..model.formats import DesignError
from .layers.array import ArrayModule
from .layers.config import QuantConfig, check_config
from .layers.conv import QuantConv2d
from .layers.modules import QuantLinear, QuantLSTM, QuantRNN
from .layers.recurrent_modules import QuantRecurrent
from .layers.whole_model import set_noise

PLAIN = (nn.LSTM, nn.RNN, nn.Linear, nn.Conv2d)  #: layers that have arrays
READERS = (nn.TransformerEncoderLayer, nn.MultiheadAttention)  #: their fast paths take weights, not outputs


@dataclass(frozen=True)
class ConversionReport:
    """What :func:`convert` did: names of modules in the model."""

    converted: tuple[tuple[str, str], ...]  #: name and kind
    float_layers: tuple[tuple[str, str], ...]  #: modules with parameters that stay float: name and why
    untied: tuple[tuple[str, str], ...] = ()  #: parameters of converted layers that had been another layer's, too
    unhooked: tuple[str, ...] = ()  #: converted layers whose hooks the arrays do not have
    unfrozen: tuple[str, ...] = ()  #: frozen parameters that share an array with others, and train again

    def __str__(self) -> str:
        lines = [f"converted {len(self.converted)} layers: {', '.join(n for n, _ in self.converted) or 'none'}"]
        lines += [f"STAYS FLOAT: {name}: {why}" for name, why in self.float_layers]
        lines += [f"NO LONGER TIED: {name} and {other}" for name, other in self.untied]
        lines += [f"WITHOUT ITS HOOKS: {name}" for name in self.unhooked]
        lines += [f"NO LONGER FROZEN: {name}" for name in self.unfrozen]
        return "\n".join(lines)


def convert(
    model: nn.Module,
    config: QuantConfig | None = None,
    *,
    skip: tuple[str, ...] = (),
    layers: Mapping[str, QuantConfig] | None = None,
) -> tuple[nn.Module, ConversionReport]:
    """A copy of ``model`` with arrays for its ``nn.LSTM``, ``nn.RNN``, ``nn.Linear`` and ``nn.Conv2d`` layers, and a
    report.

    ``config`` holds for all; ``layers`` gives single ones another by name; ``skip`` names what to leave float, with
    all that is in it. A layer that the model uses under several names stays one. Every module with parameters that
    stays float is in the report and in a warning, as are weights that were tied to another layer's, for a copy has
    its own, layers whose hooks are left behind, and frozen parameters whose array has others that train.
    Calibrate afterwards (:func:`.calibrate.calibrate`): inputs may leave [-1, 1].
    """
    if not isinstance(layers or {}, Mapping):
        raise DesignError(f"layers must be a mapping from layers' names to a QuantConfig, not {layers!r}")
    if not isinstance(skip, tuple | list | set | frozenset):
        raise DesignError(f"skip must be a tuple of layers' names, not {skip!r}")
    config, layers = check_config(config) or QuantConfig(), dict(layers or {})
    for each in layers.values():
        check_config(each)
    modules = dict(model.named_modules(remove_duplicate=False))
    for name in (*skip, *layers):
        if name not in modules:
            raise DesignError(f"the model must have a layer {name!r} to treat apart, but it has none")
    converted, stays, made, arrays_before = [], {}, {}, []
    unfrozen: list[str] = []
    arrays: dict[nn.Module, nn.Module] = {}  # of a layer that is used under several names there is one
    for name, module in modules.items():
        if any(_within(name, done) for done in (*made, *arrays_before)):
            continue
        if isinstance(module, ArrayModule | QuantRecurrent):  # it is one already
            arrays_before.append(name)
            continue
        _check_plain(name, module)
        why = _obstacle(module, any(_within(name, outer) for outer in skip), _reader(name, modules))
        if why is None:
            if module not in arrays:
                arrays[module] = _array(module, layers.get(name, config))
                unfrozen += [f"{name}.{each}" if name else each for each in _freeze(module, arrays[module])]
            made[name] = arrays[module]
            converted.append((name or "(the model)", type(module).__name__))
        elif any(True for _ in module.parameters(recurse=False)):
            stays.setdefault(module, (name or "(the model)", why))
    for name in layers:
        if name not in made:
            raise DesignError(
                f"layer {name!r} must be an LSTM, an RNN, a Linear or a Conv2d that is converted to have a "
                f"configuration of its own, not {type(modules[name]).__name__}"
            )
    unhooked = tuple(name or "(the model)" for name in made if _has_hooks(modules[name]))
    report = ConversionReport(
        tuple(converted), tuple(stays.values()), _untied(model, arrays), unhooked, tuple(unfrozen)
    )
    if stays or report.untied or unhooked or unfrozen:
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


def _untied(model: nn.Module, converted) -> tuple[tuple[str, str], ...]:
    """Pairs of names of one parameter in different modules, one of which is ``converted``: a copy has its own."""
    owners: dict[nn.Parameter, tuple[str, nn.Module]] = {}
    pairs = []
    for path, module in model.named_modules():  # a module that is used twice comes once
        for name, parameter in module.named_parameters(path, recurse=False, remove_duplicate=False):
            first, owner = owners.setdefault(parameter, (name, module))
            if owner is not module and (owner in converted or module in converted):
                pairs.append((first, name))
    return tuple(pairs)


def _has_hooks(module: nn.Module) -> bool:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, kind) for kind in kinds)


def _check_plain(name: str, module: nn.Module) -> None:
    """Raise :class:`DesignError` for a layer whose weights follow from other tensors: not even torch can copy it."""
    if type(module) not in PLAIN:
        return
    plain = module._flat_weights_names if isinstance(module, nn.RNNBase) else ("weight", "bias")
    if not set(module.state_dict()) <= set(plain):
        raise DesignError(
            f"layer {name!r} must have weights of its own: make its pruning or weight norm permanent first "
            "(torch.nn.utils.prune.remove, remove_weight_norm)"
        )


def _reader(name: str, modules: dict[str, nn.Module]) -> str | None:
    """The kind of a module around ``name`` that computes with its layers' weights, past what they do."""
    readers = {outer: type(each).__name__ for outer, each in modules.items() if isinstance(each, READERS)}
    return next((kind for outer, kind in readers.items() if _within(name, outer)), None)


def _obstacle(module: nn.Module, skipped: bool, reader: str | None) -> str | None:
    """None where ``module`` can be converted, else why not."""
    if skipped:
        return "skipped as asked"
    if reader is not None:
        return f"{reader} reads its weights itself"
    if type(module) not in PLAIN:
        return f"{type(module).__name__} has no array"
    if getattr(module, "proj_size", 0):
        return "its projection (proj_size) has no array"
    if getattr(module, "nonlinearity", "tanh") != "tanh":
        return f"its nonlinearity ({module.nonlinearity}) has no array"
    if getattr(module, "groups", 1) != 1:
        return "its groups have no array"
    return None


def _array(module: nn.Module, config: QuantConfig) -> nn.Module:
    if type(module) is nn.Linear:
        array = QuantLinear(module.in_features, module.out_features, module.bias is not None, config=config)
    elif type(module) is nn.Conv2d:
        array = QuantConv2d(
            module.in_channels,
            module.out_channels,
            module.kernel_size,
            module.stride,
            module.padding,
            module.dilation,
            bias=module.bias is not None,
            padding_mode=module.padding_mode,
            config=config,
        )
    else:
        array = (QuantLSTM if type(module) is nn.LSTM else QuantRNN)(
            module.input_size,
            module.hidden_size,
            module.num_layers,
            bias=module.bias,
            batch_first=module.batch_first,
            dropout=module.dropout,
            bidirectional=module.bidirectional,
            config=config,
        )
    parameter = next(module.parameters())
    array.to(parameter.device, parameter.dtype)
    array.load_state_dict(module.state_dict())
    return array.train(module.training)


def _freeze(module: nn.Module, converted: nn.Module) -> list[str]:
    """Freeze every array whose parameters were all frozen, and return the names of the other frozen ones."""
    arrays = {"": converted} if isinstance(converted, ArrayModule) else converted.by_suffix()
    left = []
    for suffix, array in arrays.items():
        own = {name: each.requires_grad for name, each in module.named_parameters() if name.endswith(suffix)}
        if not any(own.values()):
            array.requires_grad_(False)
        else:
            left += [name for name, trains in own.items() if not trains]
    return left
