"""A device that machines without a GPU have: its tensors live on the CPU and refuse to meet the CPU's.

Under :class:`PretendedDevice` the device ``meta`` computes. As on a GPU a tensor there has no ``numpy()``, and an
operation on tensors of both devices is an error, but for copies, indices and scalars.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_iter, tree_map

aten = torch.ops.aten
INDEXED = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)  # what is there, by indices of the CPU
PACKED = (aten._pack_padded_sequence.default, aten._pad_packed_sequence.default)  # sizes stay on the CPU
MAY_MIX = (aten._to_copy.default, aten.copy_.default, *INDEXED, *PACKED)


class There(torch.Tensor):
    """A tensor on the pretended device."""

    @staticmethod
    def __new__(cls, here: torch.Tensor):
        return torch.Tensor._make_wrapper_subclass(
            cls, here.shape, strides=here.stride(), storage_offset=here.storage_offset(), dtype=here.dtype,
            device="meta",
        )  # fmt: skip

    def __init__(self, here: torch.Tensor) -> None:
        self.here = here

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


class PretendedDevice(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


def _run(function, args, kwargs):
    tensors = [value for value in tree_iter((args, kwargs)) if isinstance(value, torch.Tensor)]
    there = any(isinstance(value, There) for value in tensors)
    if there and function not in MAY_MIX:
        _refuse(function, tensors)
    elif there and function in INDEXED:
        _refuse(function, [args[0], *args[2:3]], strict=True)
    asked = kwargs.get("device")
    if asked is not None:
        there = torch.device(asked).type == "meta"
        kwargs = kwargs | {"device": torch.device("cpu")}
    result = function(*tree_map(_here, args), **tree_map(_here, kwargs))
    if not there:
        return result
    if function in PACKED:
        return There(result[0]), result[1]
    wrapped = tree_map(lambda value: There(value) if isinstance(value, torch.Tensor) else value, result)
    return return_and_correct_aliasing(function, args, kwargs, wrapped)


def _refuse(function, tensors, strict: bool = False) -> None:
    """Raise for a tensor of the CPU, which only a scalar may be, and with ``strict`` not even that."""
    for value in tensors:
        if not isinstance(value, There) and (strict or value.dim()):
            raise RuntimeError(f"{function}: tensors of two devices, one on the CPU of {tuple(value.shape)}")


def _here(value):
    return value.here if isinstance(value, There) else value
