"""Layers that take a sequence from its last step to its first, alone or beside one that runs forwards.

A description's chain of layers is flat: one entry for each array. ``direction = "both"`` of a TOML file stands for
two entries, a forward one and one in reverse that is ``joined`` to it. The two take the same inputs. What they hand
on of a time step is one vector: the forward layer's outputs, then the other's.

>>> from ohmgate.model.layers import LstmLayer
>>> pair = both_directions(LstmLayer(inputs=3, hidden=2, adcs=4), max_steps=20)
>>> [layer.direction for layer in pair], groups_of(pair)
(['forward', 'reverse'], ((0, 1),))
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from .formats import DesignError
from .layers import KINDS, Layer, LstmLayer, RecurrentLayer, RnnLayer

BOTH = "both"  #: of a TOML file: a layer in each direction
RECURRENT = tuple(name for name, kind in KINDS.items() if issubclass(kind, RecurrentLayer))


_L = TypeVar("_L", bound=LstmLayer | RnnLayer)


def both_directions(layer: _L, max_steps: int) -> tuple[_L, _L]:
    """``layer`` in either direction, with an array for each; the outputs are joined."""
    return layer, replace(layer, direction="reverse", max_steps=max_steps, joined=True)


def expanded(entries: Sequence[Any]) -> list[Any]:
    """Tables of a TOML file's layers, those of :data:`BOTH` directions as the two layers that they stand for."""
    found = []
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("kind") not in RECURRENT or entry.get("direction") != BOTH:
            found.append(entry)
            continue
        forward = {name: value for name, value in entry.items() if name not in ("direction", "max_steps")}
        found += [forward, {**entry, "direction": "reverse", "joined": True}]
    return found


def groups_of(layers: Sequence[Layer]) -> tuple[tuple[int, ...], ...]:
    """Numbers of the layers that take the same inputs, on the way of the data: one, or two that are joined."""
    groups: list[tuple[int, ...]] = []
    for index, layer in enumerate(layers):
        if layer.joined:
            groups[-1] += (index,)
        else:
            groups.append((index,))
    return tuple(groups)


def check_directions(layers: Sequence[Layer]) -> None:
    """Raise :class:`DesignError` for the first layer that cannot be joined to the one before, or keeps other
    sequences than the layers before."""
    kept = None
    for index, layer in enumerate(layers):
        if layer.joined:
            _check_joined(index, layers)
        if not layer.reverse:
            continue
        if kept is not None and layer.max_steps != layers[kept].max_steps:
            raise DesignError(
                f"layer {index}: max steps must be the {layers[kept].max_steps} of layer {kept}, as sequences are as "
                f"long in all layers, not {layer.max_steps}"
            )
        kept = index if kept is None else kept


def _check_joined(index: int, layers: Sequence[Layer]) -> None:
    layer = layers[index]
    before = layers[index - 1] if index else None
    if before is None or before.kind != layer.kind or before.reverse:
        raise DesignError(f"layer {index}: a joined layer must follow an {layer.kind.upper()} of direction 'forward'")
    if index == len(layers) - 1:
        raise DesignError(f"layer {index}: a layer must follow, which takes the joined outputs of both directions")
    for name, what in (
        ("inputs", "inputs"),
        ("input_bits", "bits of the inputs' DACs"),
        ("output_bits", "output bits"),
    ):
        mine, its = getattr(layer, name), getattr(before, name)
        if mine != its:
            raise DesignError(f"layer {index}: {what} must be the {its} of layer {index - 1}, to which it is joined, "
                              f"not {mine}")  # fmt: skip


def turned(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """``values`` (B, T, ...) with each sequence's steps in the opposite order; what is past its length stays.

    Its own inverse.
    """
    steps, lengths = np.arange(values.shape[1]), np.asarray(lengths)[:, None]
    order = np.where(steps < lengths, lengths - 1 - steps, steps)
    return values[np.arange(len(values))[:, None], order]


def step_times(layers: Sequence[Layer], lengths: np.ndarray, steps: int, first_sequence: int = 0) -> list[np.ndarray]:
    """In which order layers compute the steps of sequences that go through one after the other: (B, ``steps``) each.

    A layer in reverse begins when it has a whole sequence, and the layers behind it when that is done.
    ``first_sequence`` is the number of the first of ``lengths`` (B,), where these are part of more.
    """
    at, lengths = np.arange(steps), np.asarray(lengths)[:, None]
    times, stages = [at] * len(layers), 0
    for group in groups_of(layers):
        for index in group:
            turned_at = np.where(at < lengths, lengths - 1 - at, at)
            times[index] = (stages + 1) * steps + turned_at if layers[index].reverse else stages * steps + at
        stages += 2 * any(layers[index].reverse for index in group)
    return [(first_sequence + np.arange(len(lengths)))[:, None] * (stages + 1) * steps + each for each in times]
