"""Weights that are programmed by pulses: the Verilog and a chip without it give every cell the same pulses."""

from dataclasses import replace

import pytest

from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.memory.writers import reram
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.simulators import missing_tools
from tests.sim.test_diagnosis import job

PULSED = {"diagnostics": True, "programming": "pulse"}
SMALL = Design("small", (
    LstmLayer(inputs=1, hidden=1, adcs=4, adc_bits=5, weight_bits=3, input_drive=2, **PULSED),
    DenseLayer(inputs=1, outputs=4, adcs=2, weight_bits=3, adc_bits=3, conversion_cycles=3, output_bits=3,
               bias_rows=0, spares=1, **PULSED),
))  # fmt: skip
RERAM = preset("reram")
CELLS = replace(RERAM, cells=replace(RERAM.cells, writer=reram(), stuck_on=0.05, stuck_off=0.05))


@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.full)])
def test_the_verilog_and_the_chip_without_it_give_the_same_words(simulator, tmp_path):
    if problem := missing_tools(simulator):
        pytest.skip(problem)
    chips = build([SMALL, replace(SMALL, name="other")], tmp_path, simulator)
    jobs = [
        job(replace(SMALL, name=chip), 3, array=array) for chip, array in (("small", CELLS), ("other", ArrayConfig()))
    ]
    for result in simulate(chips, jobs):
        assert result.comparison.agrees, str(result.comparison)
        assert result.record.facts["conversions"] > 100
