"""What the Python reader takes, the C reader takes; what only one of them takes is what C has no way to know."""

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.firmware import image
from ohmgate.firmware.image import ImageError
from ohmgate.model.design import Design
from ohmgate.model.formats import full_scale
from ohmgate.model.layers import DenseLayer, LstmLayer, RnnLayer
from ohmgate.model.network import LayerData, Network, table_range
from tests.designs import seeds
from tests.firmware.both_readers import DESIGN, c_has_to_refuse, example, parts, sealed
from tests.firmware.damage import damaged, forged
from tests.firmware.fake_device import FakeDevice


def test_the_example_itself_is_taken_by_both(driver):
    assert image.pack(image.unpack(example())) == sealed(parts()) == example()
    device = FakeDevice(DESIGN)
    assert driver.load(device, example()) == "OK"
    assert tuple(device.layer_data(k) for k in range(2)) == image.unpack(example()).layers


def extreme(layer, top: bool) -> LayerData:
    """Every number at the upper or lower end of its range."""
    scale = full_scale(layer.weight_bits)
    tables = None
    if layer.kind == "lstm":
        ends = np.array([table_range(layer, gate)[top] for gate in range(4)])
        tables = np.repeat(ends[:, None], layer.table_entries, axis=1)
    elif layer.has_table:
        code = full_scale(layer.output_bits)
        tables = np.full((1, layer.table_entries), code if top else -code)
    return LayerData(
        np.full((layer.rows, layer.columns), scale if top else -scale),
        np.full(layer.gates, 255 if top else 1),
        np.full(layer.gates, 63 if top else 0),
        tables,
    )


EXTREME_LAYERS = [
    *(LstmLayer(inputs=1, hidden=2, adcs=8, dac_bits=bits, weight_bits=bits, adc_bits=bits, activation_bits=width,
                bias_rows=bias, tables="loaded")
      for bits, width, bias in ((1, 2, 0), (8, 16, 64), (8, 2, 0), (1, 16, 1))),
    *(LstmLayer(inputs=2, hidden=2, adcs=4, dac_bits=bits, input_dac_bits=own) for bits, own in ((1, 8), (8, 1), (4, 4))),
    *(DenseLayer(inputs=1, outputs=3, adcs=adcs, dac_bits=bits, weight_bits=bits, adc_bits=bits, output_bits=width,
                 bias_rows=bias)
      for bits, width, bias, adcs in ((1, 1, 0, 1), (8, 8, 64, 3), (8, 1, 0, 3), (1, 8, 2, 1))),
    *(RnnLayer(inputs=1, hidden=2, adcs=2, dac_bits=bits, weight_bits=bits, adc_bits=bits, input_dac_bits=own)
      for bits, own in ((1, 0), (8, 0), (8, 1), (1, 8))),
    DenseLayer(inputs=1, outputs=1, adcs=1, output="argmax", output_bits=16, bias_rows=0),
    LstmLayer(inputs=1, hidden=2, adcs=4, adc_bits=8, bias_rows=13, tile_rows=1),
    DenseLayer(inputs=15, outputs=3, adcs=3, adc_bits=8, tile_rows=1),
    DenseLayer(inputs=3, outputs=3, adcs=3, adc_bits=1, tile_rows=2),
]  # fmt: skip


@pytest.mark.parametrize("layer", EXTREME_LAYERS)
@pytest.mark.parametrize("top", [False, True])
def test_the_ends_of_every_range_are_taken_by_both(driver, layer, top):
    network = Network(Design("ends", (layer,)), (extreme(layer, top),))
    data = image.pack(network)
    assert image.unpack(data) == network
    assert driver.check_digest(data) == "OK"
    device = FakeDevice(network.design)
    assert driver.load(device, data) == "OK"
    assert device.layer_data(0) == network.layers[0]


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_neither_takes_what_the_other_has_to_refuse(driver, seed):
    rng = np.random.default_rng(seed)
    data = forged(example(), rng) if rng.random() < 0.9 else damaged(example(), rng)
    try:
        image.unpack(data)
        words = ""
    except ImageError as error:
        words = str(error)
    if words == "":
        assert driver.check_digest(data) == "OK"
    elif c_has_to_refuse(data, words, example()):
        assert driver.check_digest(data) != "OK", words
