"""Weights that are programmed by pulses: the Verilog and a chip without it give every cell the same pulses."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.memory.writers import reram
from ohmgate.firmware.chip.pulses import program_by_pulses
from ohmgate.firmware.loader import load, stop
from ohmgate.firmware.transactions import run
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.simulated_chip import SimulatedChip
from ohmgate.sim.simulators import missing_tools
from tests.designs import random_design, random_inputs, random_network
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
    arrays = (CELLS,) if simulator == "icarus" else (CELLS, ArrayConfig())
    designs = [replace(SMALL, name=f"small{number}") for number in range(len(arrays))]
    chips = build(designs, tmp_path, simulator)
    jobs = [job(design, 3, array=array) for design, array in zip(designs, arrays)]
    for result in simulate(chips, jobs):
        assert result.comparison.agrees, str(result.comparison)
        assert result.record.facts["conversions"] > 100


def pulsed(seed: int) -> Design:
    """A random design that is programmed by pulses, with spares."""
    rng = np.random.default_rng([seed, 1])
    while True:
        made = random_design(rng, layers=int(rng.integers(1, 3)), max_inputs=2, max_outputs=3, max_bits=5)
        spares = rng.integers(0, 3, len(made.layers)).tolist()
        with suppress(DesignError):  # of DACs of 1 bit, weights of 1 bit, too few ADC bits, several bias rows
            layers = tuple(replace(layer, spares=s, **PULSED) for layer, s in zip(made.layers, spares))
            return replace(made, name=f"pulsed{seed}", layers=layers)


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, 16, 4))
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_random_designs_that_are_programmed_by_pulses(simulator, first, tmp_path):
    if problem := missing_tools(simulator):
        pytest.skip(problem)
    seeds = range(first, first + 4)
    chips = build([pulsed(seed) for seed in seeds], tmp_path, simulator)
    jobs = [job(pulsed(seed), seed, array=(CELLS, ArrayConfig())[seed % 2]) for seed in seeds]
    for seed, result in zip(seeds, simulate(chips, jobs)):
        assert result.comparison.agrees, f"seed {seed}: {result.comparison}"
        assert result.record.facts["conversions"] > 50


LONE = Design("lone", (DenseLayer(inputs=4, outputs=12, adcs=4, adc_bits=5, output="codes", spares=1, **PULSED),))


def test_a_chip_lists_the_weights_that_its_stuck_cells_keep_from_their_levels():
    """With ideal converters all others are within half a level."""
    layer, seed = LONE.layers[0], 5
    config = ArrayConfig(cells=replace(RERAM.cells, writer=reram(), stuck_on=0.06, stuck_off=0.06))
    levels = np.random.default_rng(seed).integers(-7, 8, (layer.rows, layer.columns))
    chip = SimulatedChip(LONE, config, seed)

    def steps():
        yield from stop(LONE)
        return (yield from program_by_pulses(layer, levels))

    done = run(steps(), chip)
    array = chip.arrays[0]
    stuck, error = array.cell_array.stuck, np.abs(array.effective() - levels)
    for row, column in np.ndindex(levels.shape):
        level = levels[row, column]
        mine, other = stuck[:: -1 if level < 0 else 1, row, column]  # the cell that is pulsed; the one that is erased
        there = -7 * (other > 0) + np.arange(8) if mine == 0 else [7 * (mine > 0) - 7 * (other > 0)]
        failed = [row, column] in done.failed.tolist()
        assert failed == (abs(level) not in there), (row, column)
        assert failed or error[row, column] < 0.5
    assert len(done.failed) > 3
    assert done.pulses == array.cell_array.pulsed.pulses.sum()


@pytest.mark.parametrize("config", [ArrayConfig(), ArrayConfig(cells=replace(RERAM.cells, writer=reram()))])
def test_a_chip_that_is_loaded_by_pulses_runs(config):
    """With ideal cells it gives the reference's integers, from a loader that knows of no pulses."""
    network = random_network(LONE, np.random.default_rng(1))
    chip = SimulatedChip(LONE, config, 3)
    run(load(network), chip)
    assert chip.network().layers == network.layers
    codes, lengths = random_inputs(LONE, np.random.default_rng(2))
    out, _ = chip.run(codes, lengths)
    expected = reference.run(network, codes, lengths).out
    assert np.array_equal(out, expected) == (config.cells is None)
    assert chip.read(BY_NAME["FAILURES"].address) == 0
