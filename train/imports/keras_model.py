"""A Keras model as a float model: a chain of LSTM and Dense layers with what stands between them.

Keras's LSTM has gates in the order i, f, c, o, which is nn.LSTM's; a kernel (m, 4n), a recurrent one (n, 4n) and one
bias (4n).
"""

import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn

from ...model.formats import DesignError
from .imported import Function, ImportedModel, Layers, Step, needed, set_parameters

ACTIVATIONS: dict[str, Function | None] = {
    "linear": None,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softmax": partial(torch.softmax, dim=-1),
    "tanh": torch.tanh,
}
#: fields of Keras's LSTM, and what they must be
FIXED = {"activation": "tanh", "recurrent_activation": "sigmoid", "return_state": False, "stateful": False}


def import_keras(model: Any) -> ImportedModel:
    """The float model of a Keras 3 model, or of its file (``.keras``, ``.h5``), with its weights.

    >>> model = import_keras("model.keras")
    >>> quantised, report = convert(model, QuantConfig())

    It takes sequences (B, T, m), as in Keras. The model must be a chain, Sequential or functional, of ``LSTM``,
    ``Bidirectional`` of it (concatenated), ``Dense``, ``TimeDistributed`` of it, ``Activation`` and ``Dropout``.
    Dropout within an LSTM is left out, with a warning: in an inference it does nothing. A file is read by Keras
    with whatever backend is set, and with PyTorch if none is (``KERAS_BACKEND``).

    Raises :class:`DesignError` for a file that Keras cannot read, and for the first layer that cannot be imported, by
    its name.
    """
    if isinstance(model, str | Path):
        os.environ.setdefault("KERAS_BACKEND", "torch")
        keras = needed("keras", "import_keras")
        try:
            model = keras.saving.load_model(model, compile=False)
        except (ValueError, TypeError, OSError, KeyError) as error:
            said = next(iter(str(error).splitlines()))
            raise DesignError(f"{model} must be a file with a Keras model, but Keras says: {said}") from None
    return _Import().model(model)


class _Import:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.layers = Layers()

    def model(self, model) -> ImportedModel:
        try:
            (at,), (end,) = model.inputs, model.outputs
        except (AttributeError, ValueError, TypeError):
            raise DesignError(
                "a Keras model must be Sequential or functional, built, and of one input and one output, not "
                f"{type(model).__name__} {getattr(model, 'name', '')!r}"
            ) from None
        functional = hasattr(model, "operations")  # else it is a chain by its kind
        for each in model.operations if functional else model.layers:
            kind = type(each).__name__
            if kind == "InputLayer":
                continue
            reader = {
                "LSTM": self._lstm,
                "Bidirectional": self._bidirectional,
                "Dense": self._dense,
                "TimeDistributed": self._every_step,
                "Activation": self._activation,
                "Dropout": self._dropout,
            }.get(kind)
            if reader is None:
                _refuse(each, "be LSTM, Bidirectional, Dense, TimeDistributed, Activation or Dropout")
            if functional and each.input is not at:
                _refuse(each, "take what the layer before it gives, and that alone")
            at = each.output
            reader(each)
        if functional and end is not at:
            raise DesignError(f"a Keras model must run each of its layers once, but {model.name!r} does not")
        return ImportedModel(["x0"], [self._at], self.steps, self.layers, {})

    @property
    def _at(self) -> str:
        """The value that the next step takes."""
        return f"x{len(self.steps)}"

    def _step(self, function: Function, layer: str | None = None) -> None:
        self.steps.append(Step(function, (self._at,), (f"x{len(self.steps) + 1}",), layer))

    def _lstm(self, layer) -> None:
        self._recurrent([layer], layer.return_sequences)

    def _bidirectional(self, layer) -> None:
        both = [layer.forward_layer, layer.backward_layer]
        if any(type(each).__name__ != "LSTM" for each in both) or layer.merge_mode != "concat":
            _refuse(layer, "be of an LSTM and merge by concat")
        self._recurrent(both, layer.forward_layer.return_sequences)

    def _recurrent(self, directions: list[Any], sequences: bool) -> None:
        first = directions[0]
        for each in directions[1:]:
            if (each.units, each.use_bias) != (first.units, first.use_bias):
                _refuse(each, f"have units {first.units} and use_bias {first.use_bias}, as the other direction")
        weights = []
        for each, end in zip(directions, ("", "_reverse")):
            config = each.get_config()
            for field, wanted in {**FIXED, "go_backwards": bool(end)}.items():
                if config[field] != wanted:
                    _refuse(each, f"have {field} {wanted}, not {config[field]}")
            for field in ("dropout", "recurrent_dropout"):
                if config[field]:
                    warnings.warn(f"Keras layer {each.name!r} is imported without its {field}", stacklevel=5)
            weights.append((end, [torch.tensor(value) for value in each.get_weights()]))
        inputs = weights[0][1][0].shape[0]
        layer = nn.LSTM(inputs, first.units, bias=first.use_bias, batch_first=True, bidirectional=len(directions) > 1)
        for end, (kernel, recurrent, *bias) in weights:
            values = {"weight_ih": kernel.T, "weight_hh": recurrent.T}
            for value in bias:
                values |= {"bias_ih": value, "bias_hh": torch.zeros_like(value)}
            set_parameters(layer, **{f"{name}_l0{end}": value for name, value in values.items()})
        self._step(_sequences if sequences else _last, self.layers.enter("lstm", layer))

    def _dense(self, layer) -> None:
        if getattr(layer, "lora_enabled", False):
            _refuse(layer, "have no LoRA adapter")
        kernel, *bias = (torch.tensor(value) for value in layer.get_weights())
        linear = nn.Linear(*kernel.shape, bias=layer.use_bias)
        set_parameters(linear, weight=kernel.T, **dict(zip(["bias"], bias)))
        self._step(_apply, self.layers.enter("linear", linear))
        self._activation(layer)

    def _every_step(self, layer) -> None:
        if type(layer.layer).__name__ != "Dense":
            _refuse(layer, "be of a Dense layer")
        self._dense(layer.layer)

    def _activation(self, layer) -> None:
        name = layer.get_config()["activation"]
        if not isinstance(name, str) or name not in ACTIVATIONS:
            _refuse(layer, f"have one of the activations {', '.join(ACTIVATIONS)}, not {name}")
        if (function := ACTIVATIONS[name]) is not None:
            self._step(function)

    def _dropout(self, layer) -> None:
        self._step(_apply, self.layers.enter("dropout", nn.Dropout(layer.rate)))


def _refuse(layer, must: str) -> NoReturn:
    raise DesignError(f"Keras layer {layer.name!r} ({type(layer).__name__}) must {must}")


def _apply(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return layer(x)


def _sequences(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return layer(x)[0]


def _last(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The last output of each direction."""
    hidden = layer(x)[1][0]
    return torch.cat(list(hidden), dim=-1)
