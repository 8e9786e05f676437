"""What an import makes: a float model whose layers ``convert`` finds, and whose forward is a list of steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ...model.formats import DesignError

Function = Callable[..., Any]


@dataclass(frozen=True)
class Step:
    """``outputs`` = ``function(inputs)``, or ``function(layer, inputs)``; an input "" is not given."""

    function: Function
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layer: str | None = None


class ImportedModel(nn.Module):
    """A float model whose layers are ``lstm0``, ``lstm1``, ``linear0`` and so on, in the order in which they run.

    Its arguments and its outputs are those of the original, in their order; a single output comes by itself.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        outputs: Sequence[str],
        steps: Sequence[Step],
        layers: Mapping[str, nn.Module],
        constants: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__()
        self.inputs, self.outputs, self.steps = tuple(inputs), tuple(outputs), tuple(steps)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._constants: dict[str, torch.Tensor | str] = {}  # whole numbers stay on the CPU: shapes, axes, indices
        for index, (name, value) in enumerate(constants.items()):
            if value.is_floating_point():
                self.register_buffer(f"constant{index}", value)
            self._constants[name] = f"constant{index}" if value.is_floating_point() else value

    def forward(self, *inputs: torch.Tensor):
        if len(inputs) != len(self.inputs):
            raise DesignError(f"the model must be given {', '.join(self.inputs)}, not {len(inputs)} inputs")
        values = {name: getattr(self, at) if isinstance(at, str) else at for name, at in self._constants.items()}
        values |= dict(zip(self.inputs, inputs))
        for step in self.steps:
            given = [values[name] if name else None for name in step.inputs]
            layer = [] if step.layer is None else [getattr(self, step.layer)]
            results = step.function(*layer, *given)
            values |= zip(step.outputs, results if isinstance(results, tuple) else (results,))
        found = tuple(values[name] for name in self.outputs)
        return found[0] if len(found) == 1 else found


class Layers(dict[str, nn.Module]):
    """The layers of a model under their names: kind and number."""

    def enter(self, kind: str, layer: nn.Module) -> str:
        """The name of a new layer."""
        name = f"{kind}{sum(each.startswith(kind) for each in self)}"
        self[name] = layer
        return name


def needed(package: str, function: str) -> ModuleType:
    """An optional package, or a :class:`DesignError` that says what to install."""
    try:
        return import_module(package)
    except ImportError as error:
        missing = error.name or package  # a package's own, such as the backend that Keras is told to take
        raise DesignError(f"{function} must have the package {missing}: pip install 'ohmgate[{package}]'") from None


def set_parameters(layer: nn.Module, **values: torch.Tensor) -> None:
    """Give a float layer its parameters, of their type. Raises :class:`DesignError` for whole numbers."""
    dtype = next(iter(values.values())).dtype
    if not dtype.is_floating_point:
        raise DesignError(f"weights to import must be floating-point numbers, not {dtype}")
    layer.to(dtype)
    with torch.no_grad():
        for name, value in values.items():
            getattr(layer, name).copy_(value)
