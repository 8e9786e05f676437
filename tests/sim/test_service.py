"""The Verilog itself measured and trimmed over its bus: its stuck cells are the model's, its record the chip's without."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import preset
from ohmgate.analog.converters import AdcErrors
from ohmgate.analog.inference import build_arrays
from ohmgate.firmware.chip.faults import NAMES, STUCK
from ohmgate.firmware.chip.service import serviced
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import run
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.job import DeviceJob, Timing
from ohmgate.sim.simulated_chip import SimulatedChip
from ohmgate.sim.simulators import missing_tools
from tests.designs import random_inputs, random_network

TINY = Design("tiny", (
    LstmLayer(inputs=2, hidden=2, adcs=4, diagnostics=True, spares=1),
    DenseLayer(inputs=2, outputs=3, adcs=3, adc_bits=6, output="argmax", emit="end", diagnostics=True),
))  # fmt: skip
RERAM = preset("reram")
WORN = replace(
    RERAM,
    cells=replace(RERAM.cells, stuck_on=0.06, stuck_off=0.06),
    adc=AdcErrors(kind="flash", offset_sigma=0.7, gain_sigma=0.03, mismatch=0.1),
)


def job(**changes) -> DeviceJob:
    rng = np.random.default_rng(4)
    network = random_network(TINY, rng)
    codes, lengths = random_inputs(TINY, rng, batch=2, steps=2)
    timing = Timing(conversion=(2, 4), programming=(2, 3))
    return DeviceJob(network, codes, lengths, array=WORN, seed=6, timing=timing, **changes)


def test_stuck_cells_found_through_the_verilog_are_the_models(tmp_path):
    if problem := missing_tools("icarus"):
        pytest.skip(problem)
    one = job(service="all")
    [result] = simulate(build([TINY], tmp_path, "icarus"), [one])
    assert result.comparison.agrees, str(result.comparison)
    record = result.record.facts["record"]
    arrays = build_arrays(one.network, WORN, one.seed)
    found = 0
    for array, layer in zip(arrays, record["layers"]):
        expected = []
        stuck = np.concatenate([part.cell_array.stuck for part in (array, array.spares) if part], axis=2)
        by_cells = {cells: NAMES[kind] for kind, cells in STUCK.items()} | {(1, 1): "both alike"}
        for row, column in np.argwhere(stuck.any(axis=0)).tolist():
            expected.append([row, column, by_cells[tuple(stuck[:, row, column].tolist())]])
        assert layer["faults"] == expected
        found += len(expected)
    assert found >= 5
    chip = SimulatedChip(TINY, WORN, one.seed)
    run(load(one.network), chip)  # as the bench does first
    assert record == run(serviced(one.network, "all"), chip).to_dict()


def test_a_service_needs_diagnostics():
    layers = tuple(replace(layer, diagnostics=False, spares=0) for layer in TINY.layers)
    network = random_network(Design("x", layers), np.random.default_rng(0))
    codes, lengths = random_inputs(network.design, np.random.default_rng(0))
    with pytest.raises(DesignError) as error:
        DeviceJob(network, codes, lengths, service="trims")
    assert str(error.value) == "a service needs a design whose layers have diagnostics = true"
