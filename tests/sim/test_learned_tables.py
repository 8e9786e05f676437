"""Tables that were learned are data like any other: the Verilog reads what training computed with."""

import numpy as np
import pytest
import torch

from ohmgate.model import reference
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.job import DeviceJob
from ohmgate.sim.simulators import missing_tools
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from ohmgate.train.layers.modules import QuantLSTM


@pytest.mark.slow
def test_the_verilog_agrees_on_every_integer(tmp_path):
    problem = missing_tools("verilator")
    if problem:
        pytest.skip(problem)
    torch.manual_seed(0)
    module = QuantLSTM(2, 4, learn_tables=True, forget_ceiling=True, adc_bits=3)
    torch.nn.init.normal_(module.arrays[0].table_shift, std=0.7)
    x = torch.rand(12, 2, 2) * 2 - 1
    network = export(module.eval(), x, adcs=8)
    assert verify_export(module, x, network=network).mismatches == 0
    job = DeviceJob(network, network.encode(x.transpose(0, 1).numpy()), np.array([12, 7]))
    [result] = simulate(build([network.design], tmp_path, "verilator"), [job])
    assert result.comparison.agrees, str(result.comparison)
    assert result.comparison.integers > 300
    gates = reference.run(network, job.codes, job.lengths).layers[0].gates[0]
    assert len({tuple(row) for row in gates[:, 0]}) > 1, "the gates move"
