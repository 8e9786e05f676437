"""Arrays run as Python, never as somebody's graph: their integers and their kernel are no operators of PyTorch's.

``torch.compile`` calls them as they are, so that codes and gradients stay the same. What keeps a graph without
Python, such as a trace, would keep today's integers as constants: it is refused.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import torch

from ...model.formats import DesignError

REASON = (
    "a quantised layer has no graph for torch.jit, torch.fx, torch.export or ONNX, as its codes and roundings are no "
    "operators of theirs: ohmgate.export describes it, and its image and integer reference run it"
)


def eager(method: Callable[..., Any]) -> Any:
    """A module's method that ``torch.compile`` calls as it is, and that raises :class:`DesignError` in a trace."""
    undisturbed = []  # by torch._dynamo, which takes a second to load and is not loaded for this

    def called(*arguments, **fields):
        if "torch._dynamo" not in sys.modules:
            return run(*arguments, **fields)
        if not undisturbed:
            undisturbed.append(torch.compiler.disable(run, reason=REASON))
        return undisturbed[0](*arguments, **fields)

    def run(*arguments, **fields):
        traced = any(isinstance(each, torch.fx.Proxy) for each in arguments)
        if traced or torch.jit.is_tracing() or torch.compiler.is_exporting():
            refuse_graph()
        return method(*arguments, **fields)

    called.__code__ = called.__code__.replace(co_name=method.__name__)  # torch.compile counts by code
    return wraps(method)(called)


class EagerFunction(torch.autograd.Function):
    """A function whose gradient is :func:`eager`, too: a compiled training step calls it by itself."""

    def __init_subclass__(cls, **fields) -> None:
        super().__init_subclass__(**fields)
        cls.backward = staticmethod(eager(cls.backward))


def refuse_graph(*_) -> NoReturn:
    """Raise :class:`DesignError` for a layer that is to become a graph."""
    raise DesignError(REASON)
