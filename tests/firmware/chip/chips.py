"""Simulated chips for the tests of what a host does with one."""

from dataclasses import replace

import numpy as np

from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.firmware.chip.diagnosis import Diagnosis
from ohmgate.firmware.chip.faults import STUCK
from ohmgate.firmware.loader import load, stop
from ohmgate.firmware.transactions import run
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.sim.simulated_chip import SimulatedChip
from tests.designs import random_network

LSTM = LstmLayer(inputs=12, hidden=16, adcs=16, input_dac_bits=5, input_drive=2, diagnostics=True, spares=2)
HEAD = DenseLayer(inputs=16, outputs=9, adcs=3, adc_bits=8, output="argmax", emit="end", diagnostics=True)
DESIGN = Design("chip", (LSTM, HEAD))
RERAM = preset("reram")


def worn(stuck: float, **adc) -> ArrayConfig:
    """The ReRAM preset with a share of cells stuck, half of them on, and ADCs that are not trimmed in the factory."""
    cells = replace(RERAM.cells, stuck_on=stuck / 2, stuck_off=stuck / 2)
    return replace(RERAM, cells=cells, adc=replace(RERAM.adc, calibrate=False, **adc))


def network_of(design: Design, seed: int = 1):
    return random_network(design, np.random.default_rng(seed))


def stopped(
    design: Design, config: ArrayConfig | None = None, seed: int = 3
) -> tuple[SimulatedChip, list[Diagnosis]]:
    """A chip that was never loaded, unlocked; and its layers, of which the first is selected."""
    chip = SimulatedChip(design, config, seed)
    run(stop(design), chip)
    parts = [Diagnosis(layer, index) for index, layer in enumerate(design.layers)]
    for part in reversed(parts):
        run(part.begin(), chip)
    return chip, parts


def loaded(network, config: ArrayConfig | None = None, seed: int = 3, **options) -> SimulatedChip:
    chip = SimulatedChip(network.design, config, seed)
    run(load(network, **options), chip)
    return chip


def own_kinds(chip: SimulatedChip, index: int) -> np.ndarray:
    """Kinds of a layer's weights by the model's own list of stuck cells: (rows, all_columns)."""
    array = chip.arrays[index]
    stuck = [part.cell_array.stuck for part in (array, array.spares) if part]
    positive, negative = np.concatenate(stuck, axis=2)
    kinds = np.full(positive.shape, -1, dtype=np.int8)
    for kind, cells in STUCK.items():
        kinds[(positive == cells[0]) & (negative == cells[1])] = kind
    kinds[(positive == 1) & (negative == 1)] = 5  # both alike
    assert (kinds >= 0).all()
    return kinds
