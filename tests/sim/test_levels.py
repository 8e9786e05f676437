"""Levels of a network of values: one error at every level, in the units of the values."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model import reference
from ohmgate.model.compare import Comparison
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.cosim import DeviceResult
from ohmgate.sim.levels import Sequences, rtl_level, rtl_values, software_levels
from tests.sim.test_compare import ideal_record, job

AGREES = Comparison(1, 0, None, {})


@pytest.mark.parametrize("emit", ["end", "step"])
def test_every_level_has_the_same_error_in_units_of_the_values(emit):
    head = DenseLayer(inputs=4, outputs=2, adcs=2, adc_bits=8, output="codes", emit=emit)
    one = job((LstmLayer(inputs=3, hidden=4, adcs=4), head))
    network = one.network.in_units(output_scale=[2.0, 30.0], output_offset=[0.0, 100.0])
    one = replace(one, network=network)
    decoded = network.decode(reference.run(network, one.codes, one.lengths).out)
    data = Sequences(one.codes, one.lengths, decoded + 4.0)
    levels, _ = software_levels(network, data)
    record = ideal_record(one)
    levels.append(rtl_level("Verilog", "what", network, data, DeviceResult(record, AGREES)))
    assert [level.score for level in levels] == [pytest.approx(4.0, rel=1e-12)] * 4
    assert all(level.agrees for level in levels)
    assert levels[1].to_dict() == {
        "name": "Integer reference", "what": "numpy integers, on the programming image read back",
        "rmse": pytest.approx(4.0),
    }  # fmt: skip
    got = rtl_values(network, data, DeviceResult(record, AGREES))
    valid = slice(None) if emit == "end" else np.arange(4) < one.lengths[:, None]
    assert np.array_equal(got[valid], decoded[valid])
    record.out.pop()
    assert rtl_level("Verilog", "what", network, data, DeviceResult(record, AGREES)).score == math.inf
