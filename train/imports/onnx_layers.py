"""Weights of ONNX nodes as ``nn.LSTM`` and ``nn.Linear``, and how the nodes' inputs and outputs become theirs.

ONNX's LSTM: gates i, o, f, c; W (D, 4n, m), R (D, 4n, n), B (D, 8n) = [Wb, Rb], P (D, 3n), with D directions.
X (T, B, m), Y (T, D, B, n), states (D, B, n); with ``layout`` 1 sequences come first in each.
https://onnx.ai/onnx/operators/onnx__LSTM.html
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .imported import Function, set_parameters

GATE_ORDER = (0, 2, 3, 1)  #: nn.LSTM's i, f, g, o among ONNX's i, o, f, c
ACTIVATIONS = ("sigmoid", "tanh", "tanh")
Refuse = Callable[[str], NoReturn]  #: raises the sentence that a node must ...


def lstm(
    given: list[torch.Tensor | None],
    peepholes: torch.Tensor | None,
    attributes: dict[str, Any],
    lengths: bool,
    refuse: Refuse,
) -> tuple[nn.LSTM, Function]:
    """The layer of a node with the constants ``given``, W, R and B, and the function that runs it.

    ``lengths``: is the node given sequence_lens?
    """
    direction = attributes.pop("direction", "forward")
    layout, hidden = attributes.pop("layout", 0), attributes.pop("hidden_size", None)
    activations = [name.lower() for name in attributes.pop("activations", ())]
    if direction not in ("forward", "reverse", "bidirectional"):
        refuse(f"have direction forward, reverse or bidirectional, not {direction!r}")
    if layout not in (0, 1):
        refuse(f"have layout 0 or 1, not {layout}")
    directions = 2 if direction == "bidirectional" else 1
    if activations not in ([], [*ACTIVATIONS] * directions):
        refuse(f"have the activations Sigmoid, Tanh, Tanh, not {', '.join(activations)}")
    if attributes.pop("input_forget", 0):
        refuse("have a forget gate of its own (input_forget 0)")
    for name, value in attributes.items():  # clip, activation_alpha, activation_beta
        if value != []:
            refuse(f"have no {name}, but has {value}")
    if peepholes is not None and peepholes.any():
        refuse("have no peepholes (P), but some are not 0")
    if direction == "reverse" and lengths:
        refuse("have no sequence_lens where its direction is reverse")
    w, r, b = given
    assert w is not None
    assert r is not None
    n = r.shape[-1]
    shapes = [(directions, 4 * n, w.shape[-1]), (directions, 4 * n, n), (directions, 8 * n)]
    if hidden not in (None, n) or any(v is not None and v.shape != s for v, s in zip(given, shapes)):
        refuse(f"have W, R and B of the shapes of {directions} directions and one hidden_size")
    layer = nn.LSTM(w.shape[-1], n, bias=b is not None, bidirectional=directions == 2)
    for index, end in enumerate(("", "_reverse")[:directions]):
        values = {"weight_ih": w[index], "weight_hh": r[index]}
        if b is not None:
            values |= zip(("bias_ih", "bias_hh"), b[index].chunk(2))
        set_parameters(layer, **{f"{name}_l0{end}": _gates(value) for name, value in values.items()})
    return layer, partial(run_lstm, reverse=direction == "reverse", layout=layout)


def _gates(values: torch.Tensor) -> torch.Tensor:
    """Rows of the four gates in nn.LSTM's order."""
    parts = values.chunk(4)
    return torch.cat([parts[gate] for gate in GATE_ORDER])


def run_lstm(layer: nn.Module, x, lengths=None, hidden=None, cell=None, *, reverse: bool, layout: int):
    """Y, Y_h and Y_c. A state of zeros counts as none: so it is for the layer, and for its array."""
    state, given = None, [part for part in (hidden, cell) if part is not None]
    if any(part.any() for part in given):
        parts = [torch.zeros_like(given[0]) if part is None else part for part in (hidden, cell)]
        state = tuple(part.transpose(0, 1) for part in parts) if layout else tuple(parts)
    if layout:
        x = x.transpose(0, 1)
    if reverse:
        x = x.flip(0)
    if lengths is None:
        out, states = layer(x, state)
    else:
        packed = pack_padded_sequence(x, lengths.long().cpu(), enforce_sorted=False)
        out, states = layer(packed, state)
        out = pad_packed_sequence(out, total_length=len(x))[0]
    if reverse:
        out = out.flip(0)
    out = out.unflatten(-1, (len(states[0]), -1)).transpose(1, 2)
    if layout:
        return out.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in states)
    return out, *states


def linear(weight: torch.Tensor, bias: torch.Tensor | None, refuse: Refuse) -> nn.Linear:
    """The layer of ``weight`` (inputs, outputs) and of a bias that is the same for all rows."""
    if weight.dim() != 2:
        refuse(f"have weights of 2 axes, not of shape {tuple(weight.shape)}")
    inputs, outputs = weight.shape
    layer, values = nn.Linear(inputs, outputs, bias is not None), {"weight": weight.T}
    if bias is not None:
        if not is_bias(bias, outputs):
            refuse(f"have a bias of {outputs} outputs, not of shape {tuple(bias.shape)}")
        values["bias"] = bias.flatten().expand(outputs)
    set_parameters(layer, **values)
    return layer


def is_bias(values: torch.Tensor, outputs: int) -> bool:
    """Is it one number for each output, or one for all, and the same for all rows?"""
    return values.numel() in (1, outputs) and values.numel() == (values.shape[-1] if values.dim() else 1)


def run_linear(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return layer(x)
