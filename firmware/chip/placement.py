"""Where the weights of a network go in the array of one chip: around its stuck cells, and into its spare columns."""

from dataclasses import dataclass

import numpy as np

from ...model.layers import Layer
from ...model.layout import row_drive, row_top
from .faults import around, held


@dataclass(frozen=True)
class Placement:
    """What an array is programmed to, in physical order."""

    levels: np.ndarray  #: weight codes (rows, all_columns)
    spares: np.ndarray  #: step in which each spare is read in place of its ADC's column, -1: none; (K, S)
    weights: np.ndarray  #: weight codes (rows, columns) that are wanted
    holds: np.ndarray  #: that are read with these spares, where healthy cells are exact


def place(layer: Layer, weights: np.ndarray, kinds: np.ndarray | None) -> Placement:
    """Place ``weights`` (rows, columns), in physical order, around cells of these ``kinds`` (rows, all_columns).

    Of an ADC's columns, those that lose most by their faults go into its spares, if they lose less there. What is
    lost is the sum of squares of what the weights' errors do at full scale of their rows. A later spare may take a
    column from an earlier one, which is then free. ``kinds`` None: nothing is known.
    """
    steps, adcs = layer.conversions, layer.adcs
    own, beside = slice(0, layer.columns), slice(layer.columns, None)
    levels = np.zeros((layer.rows, layer.all_columns), dtype=np.int64)
    chosen = np.full((adcs, layer.spares), -1)
    if kinds is None:
        levels[:, own] = weights
        return Placement(levels, chosen, weights, np.array(weights))
    levels[:, own] = around(layer, weights, kinds[:, own])
    holds = held(layer, levels[:, own], kinds[:, own])
    power = (row_drive(layer) * row_top(layer)) ** 2
    lost = power @ (holds - weights) ** 2
    spare_kinds = kinds[:, beside].reshape(layer.rows, adcs, layer.spares)
    for adc in range(adcs):
        columns = np.arange(adc * steps, (adc + 1) * steps)
        for spare in range(layer.spares):
            faulty = np.broadcast_to(spare_kinds[:, adc, spare, None], (layer.rows, steps))
            moved = around(layer, weights[:, columns], faulty)
            there = held(layer, moved, faulty)
            gain = lost[columns] - power @ (there - weights[:, columns]) ** 2
            best = int(gain.argmax())
            if gain[best] <= 0:
                continue
            chosen[adc, chosen[adc] == best] = -1
            chosen[adc, spare] = best
            levels[:, layer.columns + adc * layer.spares + spare] = moved[:, best]
            holds[:, columns[best]] = there[:, best]
            lost[columns[best]] -= gain[best]
    return Placement(levels, chosen, weights, holds)
