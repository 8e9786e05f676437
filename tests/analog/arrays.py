"""Arrays of ideal cells, or of cells with one flaw."""

import numpy as np

from ohmgate.analog.array import Array
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.memory import devices
from ohmgate.analog.memory.cells import Cells
from ohmgate.model.formats import symmetric_codes
from ohmgate.model.layers import DenseLayer

IDEAL = devices.Device(name="ideal", g_min=1e-6, g_max=50e-6, levels=16, read_voltage=0.2)
LAYER = DenseLayer(inputs=19, outputs=400, adcs=40, adc_bits=16)


def programmed(device, layer=LAYER, seed=0, data_seed=1, levels=None, **cells):
    array = Array(layer, ArrayConfig(cells=Cells(device=device, **cells)), seed)
    if levels is None:
        rng = np.random.default_rng(data_seed)
        levels = rng.choice(symmetric_codes(layer.weight_bits), (layer.rows, layer.columns))
    array.program(levels)
    return array
