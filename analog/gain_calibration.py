"""Calibration of gains: the registers make good for what drift or temperature does to all cells of an array alike."""

from dataclasses import replace

import numpy as np

from ..model.formats import check_choice
from ..model.gain import nearest_gain
from ..model.layout import gate_of_column, physical_order
from ..model.network import Network
from .array import Array
from .config import GAINS

PARTS = GAINS[1:]


def calibrate_gains(network: Network, arrays: list[Array], part: str = "gate") -> Network:
    """Set the gains of a chip's arrays anew, one factor for each ``part``: the whole "array" or each "gate".

    The factor is that by which the cells, as they are now, hold the weights that were programmed (least squares). A
    chip finds it by reading known inputs, several times where reads are noisy; here it is read exactly. It then goes
    into the gain's registers, whose rounding is part of the result. What differs from cell to cell stays. Returns
    ``network`` with these gains: the chip's own.
    """
    check_choice("part that shares a gain", part, PARTS)
    layers = []
    for array, data in zip(arrays, network.layers):
        gates = gate_of_column(array.layer)[physical_order(array.layer)]
        held, gains = array.effective(), []
        for gate in range(array.layer.gates):
            columns = gates == gate if part == "gate" else np.ones_like(gates, dtype=bool)
            wanted = array.levels[:, columns]
            power = float((wanted * held[:, columns]).sum())
            factor = float((wanted**2).sum()) / power if power > 0 else 1.0
            gains.append(nearest_gain(factor * int(data.mult[gate]) * 2.0 ** -int(data.shift[gate])))
            array.set_gain(gate, *gains[-1])
        mult, shift = np.array(gains, dtype=np.int64).T
        layers.append(replace(data, mult=mult, shift=shift))
    return replace(network, layers=tuple(layers))
