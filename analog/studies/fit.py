"""Does an array fit its cells? What wires would take that a configuration leaves out, and what to say of it."""

import numpy as np

from ...model.layers import Layer
from ...model.layout import physical_order
from ...model.network import Network
from ..circuit.wires import WireConfig, column_loss
from ..config import ArrayConfig
from ..memory.mapping import Mapping
from ..tiled_array import tile_layer
from .cures import sensed_matrix

ONE_OHM = WireConfig(row_segment=1.0, column_segment=1.0)
WORTH_SAYING = 0.05  #: share of a column's current; an array that loses less reads well without wires in its model


def without_wires(wires: WireConfig | None) -> bool:
    """Are all resistances of the array 0?"""
    return wires is None or (wires.row.ideal and wires.column.ideal)


def one_ohm_loss(layer: Layer, config: ArrayConfig, levels: np.ndarray) -> float:
    """Share of the worst column's current that wires of 1 ohm a segment would take of a layer's array.

    ``levels`` (rows, columns) are weight codes in physical order, in cells without errors. All of a plane's cells are
    taken for their mean, in the plane that conducts most, with all rows on; of column tiles, in the widest one.
    """
    assert config.cells is not None
    mapping = Mapping(layer, config.cells)
    planes = mapping.conductances(mapping.nominal(levels))
    width = layer.column_slices[0].stop if layer.column_tiles > 1 else planes.shape[2]
    even = np.full((planes.shape[1], width), planes.mean(axis=(1, 2)).max())
    return float(column_loss(even, sensed_matrix(even, ONE_OHM, config.cells.tile)).max())


def wires_left_out(network: Network, config: ArrayConfig) -> str:
    """A sentence on the layer that wires would hurt most, where there are none in ``config``; empty if none would."""
    if config.cells is None or not without_wires(config.cells.wires):
        return ""
    losses = [
        max(
            one_ohm_loss(tile_layer(layer, rows), config, data.weights[rows, physical_order(layer)])
            for rows in layer.row_slices
        )
        for layer, data in zip(network.design.layers, network.layers)
    ]
    worst = int(np.argmax(losses))
    if losses[worst] < WORTH_SAYING:
        return ""
    layer = network.design.layers[worst]
    return (
        f"the array of {config.cells.device.name} cells has no wires; 1 ohm a segment would take "
        f"{losses[worst]:.0%} of a column's current in layer {worst}, {layer.row_slices[0].stop} x "
        f"{layer.column_slices[0].stop}"
    )
