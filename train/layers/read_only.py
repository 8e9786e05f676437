"""Tensors that other code may read but not change, because they are computed from something else."""

import torch

from ...model.formats import DesignError

CHANGES = ("__setitem__", "__set__", "__iadd__", "__isub__", "__imul__", "__itruediv__")
ALLOWED = ("requires_grad_", "detach_", "retain_grad")  #: change no number


def refuse(name: str) -> None:
    """Raise :class:`DesignError` for a change of the view ``name``."""
    raise DesignError(
        f"{name} is computed from an array's cells: it can be read, not changed; load a state dict instead"
    )


def read_only(name: str, values: torch.Tensor) -> torch.Tensor:
    """A copy of ``values`` that refuses to be changed in place as ``name``; gradients flow as before.

    What a user makes of it (a result, a detached or saved tensor, a deep copy) is a tensor as any other.
    """
    if torch.compiler.is_compiling():  # Dynamo sees no changes in place of what it computes anew
        return values
    return ReadOnly.of(name, values.clone())


class ReadOnly(torch.Tensor):
    """What :func:`read_only` gives, and views of it: a change in place would be lost.

    >>> nn.init.zeros_(QuantLinear(2, 2).weight)
    Traceback (most recent call last):
    ...
    DesignError: weight is computed from an array's cells: it can be read, not changed; load a state dict instead
    """

    named: str = ""

    @classmethod
    def of(cls, name: str, values: torch.Tensor) -> "ReadOnly":
        result = values.as_subclass(cls)
        result.named = name
        return result

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), fields=None):
        fields = fields or {}
        done = getattr(function, "__name__", "")
        # what a function changes is its first argument, which torch.nn.init passes by name, or out=
        places = (*arguments[:1], *(fields.get(place) for place in ("input", "self", "tensor", "out")))
        target = next((each for each in places if isinstance(each, cls)), None)
        in_place = (done.endswith("_") and not done.endswith("__") and done not in ALLOWED) or done in CHANGES
        if target is not None and (in_place or fields.get("out") is target):
            refuse(target.named)
        with torch._C.DisableTorchFunctionSubclass():
            result = function(*arguments, **fields)
            if target is not None and done != "detach" and _is_view(result, target):
                return cls.of(target.named, result)
        return result

    def __deepcopy__(self, memo):
        return self._plain().__deepcopy__(memo)

    def __reduce_ex__(self, protocol):
        return self._plain().__reduce_ex__(protocol)

    def _plain(self) -> torch.Tensor:
        with torch._C.DisableTorchFunctionSubclass():
            return self.as_subclass(torch.Tensor).detach().clone()


def _is_view(result, target: torch.Tensor) -> bool:
    """Do two tensors share their numbers? Not where a tensor has none: on meta, under vmap."""
    if type(result) is not torch.Tensor or result.is_meta:
        return False
    try:
        return result.untyped_storage().data_ptr() == target.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):
        return False
