"""The top level: its ports written out by hand, and a run with open macros."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ohmgate.hdl.array_port import ArraySignature
from ohmgate.hdl.chip import Chip, chip_ports
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.designs import random_inputs, random_network
from tests.hdl.test_whole_design import Device, check

LSTM = LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=5, weight_bits=3, adc_bits=6, bias_rows=2, cell_bits=20,
                 cell_fraction=15, activation_bits=9)  # fmt: skip
HEAD = DenseLayer(inputs=4, outputs=6, adcs=2, dac_bits=5, weight_bits=1, adc_bits=7, output="codes",
                  conversion_cycles=4, bias_rows=0)  # fmt: skip

BUS = [("bus__adr", "input", 5), ("bus__dat_w", "input", 32), ("bus__dat_r", "output", 32), ("bus__sel", "input", 4),
       ("bus__cyc", "input", 1), ("bus__stb", "input", 1), ("bus__we", "input", 1), ("bus__ack", "output", 1),
       ("bus__err", "output", 1)]  # fmt: skip
TRACE = [("gates_valid", 1), ("gates", 72), ("cell_valid", 1), ("cell", 40), ("hidden_valid", 1), ("hidden", 10)]


@pytest.mark.parametrize("trace", [False, True])
def test_ports_of_a_chip(trace):
    design = Design("two", (LSTM, HEAD))
    expected = [("clk", "input", 1), ("rst", "input", 1), *BUS,
                ("x__payload", "input", 17), ("x__valid", "input", 1), ("x__ready", "output", 1),
                ("y__payload", "output", 44), ("y__valid", "output", 1), ("y__ready", "input", 1)]  # fmt: skip
    if trace:
        expected += [(f"trace_0__{name}", "output", width) for name, width in TRACE]
    assert sorted(port[:3] for port in chip_ports(design, trace)) == sorted(expected)


TWO = Design("two", (
    DenseLayer(inputs=1, outputs=2, adcs=1, tables="constant"), LstmLayer(inputs=2, hidden=1, adcs=4, adc_bits=2),
))  # fmt: skip


class OpenMacro(wiring.Component):
    """In the place of a macro: a port that a test bench drives."""

    def __init__(self, layer):
        super().__init__({"array": In(ArraySignature(layer))})

    def elaborate(self, platform):
        return Module()


class ChipDevice(Device):
    """A chip with open macros."""

    def make(self, design: Design) -> Chip:
        self.macros = [OpenMacro(layer) for layer in design.layers]
        return Chip(design, trace=True)

    def port(self, index: int):
        return self.macros[index].array


def test_a_chip_is_its_periphery_and_a_macro_for_each_layer(monkeypatch):
    rng = np.random.default_rng(5)
    network = random_network(TWO, rng)
    codes, lengths = random_inputs(TWO, rng, batch=2, steps=3)
    device = ChipDevice(network, codes, lengths, seed=0, gaps=0.3)
    macros = iter(device.macros)
    monkeypatch.setattr("ohmgate.hdl.chip.ArrayMacro", lambda layer: next(macros))
    check(device)
    assert next(macros, None) is None
