"""Tensors that other code may read but not change, because they are computed from something else."""

import torch

from ...model.formats import DesignError

CHANGES = ("__setitem__", "__set__", "__iadd__", "__isub__", "__imul__", "__itruediv__")


class ReadOnly(torch.Tensor):
    """A tensor that refuses to be changed in place, as do its views: the change would be lost.

    >>> nn.init.zeros_(QuantLinear(2, 2).weight)
    Traceback (most recent call last):
    ...
    DesignError: weight is computed from an array's cells: it can be read, not changed; load a state dict instead
    """

    named: str = ""

    @classmethod
    def of(cls, name: str, values: torch.Tensor) -> "ReadOnly":
        """``values`` as the read-only tensor ``name``; gradients flow as before."""
        result = values.as_subclass(cls)
        result.named = name
        return result

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), fields=None):
        fields = fields or {}
        done = getattr(function, "__name__", "")
        target = next((each for each in (fields.get("out"), *arguments[:1]) if isinstance(each, cls)), None)
        in_place = (done.endswith("_") and not done.endswith("__")) or done in CHANGES
        if target is not None and (in_place or fields.get("out") is target):
            raise DesignError(
                f"{target.named} is computed from an array's cells: it can be read, not changed; "
                "load a state dict instead"
            )
        with torch._C.DisableTorchFunctionSubclass():
            result = function(*arguments, **fields)
            if target is not None and isinstance(result, torch.Tensor) and _share(result, target):
                return cls.of(target.named, result)
        return result


def _share(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
