"""ONNX operators without weights of an array, of opset 13 and above: what models have around their LSTMs.

Each takes an operator's inputs by place and its attributes by name. Whole numbers that are shapes, axes or indices
are tensors on the CPU.
"""

import inspect
import math
import operator

import torch

from ...model.formats import DesignError
from .imported import Function


def cast(x: torch.Tensor, *, to: torch.dtype) -> torch.Tensor:
    return x.to(to)


def divide(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of whole numbers, towards zero."""
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def dropout(x: torch.Tensor, ratio=None, training=None, *, seed: int = 0) -> torch.Tensor:
    """Nothing, as in an inference."""
    if training is not None and bool(training):
        raise DesignError("an ONNX Dropout must not be in training: export the model in evaluation")
    return x


def identity(x: torch.Tensor) -> torch.Tensor:
    return x


def softmax(x: torch.Tensor, *, axis: int = -1) -> torch.Tensor:
    return x.softmax(axis)


def log_softmax(x: torch.Tensor, *, axis: int = -1) -> torch.Tensor:
    return x.log_softmax(axis)


def argmax(x: torch.Tensor, *, axis: int = 0, keepdims: int = 1) -> torch.Tensor:
    return x.argmax(axis, keepdim=bool(keepdims))


def transpose(x: torch.Tensor, *, perm: list[int] | None = None) -> torch.Tensor:
    return x.permute(perm or tuple(range(x.dim()))[::-1])


def squeeze(x: torch.Tensor, axes: torch.Tensor | None = None) -> torch.Tensor:
    if axes is None:
        return x.squeeze()
    for axis in axes.tolist():
        if x.shape[axis] != 1:
            raise DesignError(f"an ONNX Squeeze must have an axis of 1, not axis {axis} of {tuple(x.shape)}")
    return x.squeeze(tuple(axes.tolist()))


def unsqueeze(x: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    dimensions = x.dim() + axes.numel()
    for axis in sorted(a % dimensions for a in axes.flatten().tolist()):
        x = x.unsqueeze(axis)
    return x


def reshape(x: torch.Tensor, shape: torch.Tensor, *, allowzero: int = 0) -> torch.Tensor:
    """0 keeps an axis, unless zeros are allowed; -1 is what is left."""
    wanted = shape.tolist()
    return x.reshape([x.shape[i] if n == 0 and not allowzero else n for i, n in enumerate(wanted)])


def flatten(x: torch.Tensor, *, axis: int = 1) -> torch.Tensor:
    ahead = x.shape[: axis if axis >= 0 else x.dim() + axis]
    return x.reshape(math.prod(ahead), -1)


def shape(x: torch.Tensor, *, start: int = 0, end: int | None = None) -> torch.Tensor:
    return torch.tensor(x.shape[start:end], dtype=torch.int64)


def gather(x: torch.Tensor, indices: torch.Tensor, *, axis: int = 0) -> torch.Tensor:
    """Along an axis; negative indices count from the end."""
    size, axis = x.shape[axis], axis % x.dim()
    places = indices.long().to(x.device)
    taken = x.index_select(axis, torch.where(places < 0, places + size, places).flatten())
    return taken.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def cut(x: torch.Tensor, starts: torch.Tensor, ends: torch.Tensor, axes=None, steps=None) -> torch.Tensor:
    """ONNX's Slice, whose ends and steps are Python's."""
    names = range(len(starts)) if axes is None else axes.tolist()
    widths = [1] * len(starts) if steps is None else steps.tolist()
    for axis, *bounds in zip(names, starts.tolist(), ends.tolist(), widths):
        places = torch.tensor(range(x.shape[axis])[slice(*bounds)], dtype=torch.int64, device=x.device)
        x = x.index_select(axis, places)
    return x


def concat(*parts: torch.Tensor, axis: int) -> torch.Tensor:
    return torch.cat(parts, axis)


def constant_of_shape(shape: torch.Tensor, *, value: torch.Tensor | None = None) -> torch.Tensor:
    value = torch.zeros(1) if value is None else value
    return value.reshape(()).expand(shape.tolist()).clone()


def expand(x: torch.Tensor, shape: torch.Tensor) -> torch.Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist())))


FUNCTIONS: dict[str, Function] = {
    "Add": operator.add,
    "ArgMax": argmax,
    "Cast": cast,
    "Concat": concat,
    "ConstantOfShape": constant_of_shape,
    "Div": divide,
    "Dropout": dropout,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Identity": identity,
    "LogSoftmax": log_softmax,
    "Mul": operator.mul,
    "Relu": torch.relu,
    "Reshape": reshape,
    "Shape": shape,
    "Sigmoid": torch.sigmoid,
    "Slice": cut,
    "Softmax": softmax,
    "Squeeze": squeeze,
    "Sub": operator.sub,
    "Tanh": torch.tanh,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}


def attributes(function: Function) -> list[str]:
    """Names of the attributes that a function of the table takes."""
    return inspect.getfullargspec(function).kwonlyargs if inspect.isfunction(function) else []
