"""The noise budget: the paper's numbers, formulas of each source, names and plots."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.array import Array
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.column_errors import ColumnErrors
from ohmgate.analog.config import PRESETS, ArrayConfig, preset
from ohmgate.analog.converters import AdcErrors
from ohmgate.analog.memory import devices, noise
from ohmgate.analog.memory.amplifiers import Amplifiers
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.programming import WriteVerify
from ohmgate.analog.studies import montecarlo
from ohmgate.analog.studies.budget import enob, noise_budget
from ohmgate.analog.studies.datasheet import characterise
from ohmgate.analog.studies.sources import SOURCES, isolated, present, without
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.report.montecarlo import write_report
from tests.designs import random_inputs, random_network

LAYER = LstmLayer(inputs=12, hidden=32, adcs=16)
HEAD = DenseLayer(inputs=32, outputs=4, adcs=4, output="argmax", emit="end")
GAIN = (12, 9)


def shares(config, layer=LAYER, **options):
    return {share.source: share for share in noise_budget(layer, config, GAIN, **options).shares}


def test_section_five_of_the_paper():
    """2 bits over +-1 V: 0.144 V of quantisation noise, against which thermal and shot noise are nothing."""
    layer = LstmLayer(inputs=12, hidden=32, adcs=16, adc_bits=2)
    found = shares(preset("paper_cells"), layer)
    assert found["quantisation"].volts == pytest.approx(0.144, abs=0.0005)
    assert found["thermal"].power < 1e-4
    assert found["shot"].power < 1e-3
    assert found["converter noise"].volts == pytest.approx(0.144, rel=0.02)
    assert found["read noise"].lsb > 30 * max(found["thermal"].lsb, found["shot"].lsb)


def test_shares_follow_their_formulas():
    rng = np.random.default_rng(1)
    levels, drives = rng.integers(-7, 8, (45, 128)), rng.integers(-7, 8, (500, 45))
    squares = (drives**2).sum(axis=1).mean()
    scale = 12 / 2**9
    found = shares(preset("paper"), levels=levels, drives=drives)
    assert found["weight noise"].lsb == pytest.approx(1.4 * np.sqrt(squares) * scale, rel=0.02)
    cells = replace(preset("reram").cells, device=replace(devices.reram(), g_min=10e-6, g_max=49e-6))
    device = replace(cells.device, program_sigma=(2 / 49, 0.0, 0.0))  # 2 uS, far from clipping at 0
    config = replace(preset("reram"), cells=replace(cells, device=device))
    found = shares(config, levels=levels, drives=drives)
    unit = 39 / 7  # uS of a level
    assert found["programming"].lsb == pytest.approx(np.sqrt(2) * 2 / unit * np.sqrt(squares) * scale, rel=0.03)
    g = 10 + unit * np.stack([np.maximum(levels, 0), np.maximum(-levels, 0)])
    law = devices.reram().telegraph
    expected = np.sqrt(law.variance * ((drives**2) @ ((g / unit) ** 2).sum(axis=0)).mean()) * scale
    assert found["telegraph"].lsb == pytest.approx(expected, rel=0.05)
    thermal = np.sqrt(noise.thermal_noise(300, 5e6) * g.sum(axis=(0, 1)).mean() * 1e-6) / (0.2 / 7 * unit * 1e-6)
    assert found["thermal"].lsb == pytest.approx(thermal * scale, rel=0.02)
    assert found["comparator"].lsb == pytest.approx(0.1, rel=0.03)
    assert found["ADC mismatch"].lsb < 0.2


def test_converters_errors_are_those_of_the_chip_that_is_drawn():
    """Offsets without a trim: the rms of those drawn; gains: over a range that is spread evenly, g - 1 of the level."""
    adc = AdcErrors(offset_sigma=0.4, gain_sigma=0.05)
    found = {seed: shares(ArrayConfig(adc=adc), seed=seed) for seed in (1, 1, 2)}
    for seed, share in found.items():
        drawn = Array(LAYER, ArrayConfig(adc=adc), seed).adcs
        assert share["ADC offset"].lsb == pytest.approx(np.sqrt((drawn.offset**2).mean()), rel=0.03)
        drawn = Array(LAYER, ArrayConfig(adc=replace(adc, offset_sigma=0.0)), seed).adcs
        level = np.linspace(-7, 7, 1001)
        expected = np.sqrt((((drawn.gain - 1)[:, None] * level) ** 2).mean())
        assert share["ADC gain"].lsb == pytest.approx(expected, rel=0.1)
    assert found[1]["ADC offset"].lsb != found[2]["ADC offset"].lsb


def test_volts_powers_and_bits_follow_from_the_lsb():
    """At 5 bits over 0 to 0.8 V a step is 25 mV; SNR = 6.02 ENOB + 1.76 dB with the power of quantisation, 1/12."""
    layer = replace(LAYER, adc_bits=5)
    budget = noise_budget(layer, preset("reram"), GAIN, volts=(0.0, 0.8))
    total = sum(share.lsb**2 for share in budget.shares)
    for share in budget.shares:
        assert share.volts == pytest.approx(share.lsb * 0.025)
        assert share.power == pytest.approx(share.lsb**2 / total)
        alone = 0.0 if share.source == "quantisation" else share.lsb
        assert share.enob == pytest.approx(5 - 0.5 * np.log2(1 + 12 * alone**2))
    assert budget.bits == 5
    assert budget.enob == pytest.approx(5 - 0.5 * np.log2(12 * total))
    line = budget.table().splitlines()[-1]
    assert line == f"| all | {np.sqrt(total):.3g} | | 100.00% | {budget.enob:.2f} |"


def test_one_bit_rows_are_always_driven():
    """There is no code 0: every row carries +1 or -1."""
    layer = replace(LAYER, dac_bits=1)
    found = shares(ArrayConfig(weight_noise=0.1), layer)
    assert found["weight noise"].lsb == pytest.approx(1.4 * np.sqrt(layer.rows) * 12 / 2**9, rel=0.03)


def test_each_gate_is_measured_with_its_own_gain():
    """The error of a layer is the mean square over its gates; 4 times the gain is 4 times the error."""
    config = ArrayConfig(weight_noise=0.1)
    gains = np.array([[12, 9], [12, 9], [12, 9], [12, 7]])
    found = noise_budget(LAYER, config, gains).shares
    alone = noise_budget(LAYER, config, GAIN).shares
    expected = alone[0].lsb * np.sqrt((3 + 16) / 4)
    assert [found[0].source, alone[0].source] == ["weight noise"] * 2
    assert found[0].lsb == pytest.approx(expected, rel=0.03)


def test_the_budget_of_a_network_has_the_gains_of_its_gates(tmp_path):
    network = random_network(Design("one", (LAYER, HEAD)), np.random.default_rng(0))
    data = replace(network.layers[0], mult=np.array([12, 12, 12, 12]), shift=np.array([9, 9, 9, 7]))
    network = replace(network, layers=(data, network.layers[1]))
    config = PRESETS["paper_cells"]
    sheet = characterise(network.design, network, 0, config)
    expected = noise_budget(LAYER, config, [[12, 9], [12, 9], [12, 9], [12, 7]], sheet.array.levels)
    assert sheet.budget == expected
    codes, lengths = random_inputs(network.design, np.random.default_rng(1), 2, 3)
    made = montecarlo.Study(network, codes, lengths, np.zeros(2, int), config)
    write_report(tmp_path, made, montecarlo.run(made, 1))
    told = json.loads((tmp_path / "montecarlo.json").read_text())["budgets"][0]["lsb"]
    assert told == {share.source: share.lsb for share in expected.shares}


def test_powers_add_up_and_bits_are_lost():
    budget = noise_budget(LAYER, preset("reram"), GAIN)
    assert sum(share.power for share in budget.shares) == pytest.approx(1)
    assert budget.enob < min(share.enob for share in budget.shares)
    assert [share.lsb for share in budget.shares] == sorted((s.lsb for s in budget.shares), reverse=True)
    assert enob(4, 0.0) == 4
    assert enob(4, 12**-0.5) == pytest.approx(3.5)  # twice the noise power, half a bit


def test_an_ideal_array_has_quantisation_only():
    budget = noise_budget(LAYER, preset("ideal"), GAIN)
    assert [share.source for share in budget.shares] == ["quantisation"]
    assert budget.enob == 4


def test_a_table():
    budget = noise_budget(LAYER, preset("mram"), GAIN)
    table = budget.table().splitlines()
    assert len(table) == len(budget.shares) + 3
    assert table[0] == "| source | LSB rms | mV rms at -1 to 1 V | share of power | effective bits, alone |"
    narrow = noise_budget(LAYER, preset("mram"), GAIN, volts=(0.0, 0.5)).table().splitlines()
    assert "| mV rms at 0 to 0.5 V |" in narrow[0]
    assert narrow[2].startswith("| quantisation | 0.289 | 9.02 |")
    assert table[2].startswith("| quantisation | 0.289 | 36.1 |")


@pytest.mark.parametrize("name", PRESETS)
def test_sources_partition_a_configuration(name):
    config = preset(name)
    found = present(config)
    stripped = config
    for source in found:
        assert isolated(config, source) != isolated(config, None)
        assert source not in present(without(config, source))
        stripped = without(stripped, source)
    assert present(stripped) == []
    assert (found == []) == (name == "ideal")


ADC_SOURCES = ["ADC offset", "ADC gain", "ADC mismatch", "comparator"]
PRESENT = {
    "ideal": [],
    "paper": ["weight noise", "converter noise"],
    "paper_adc": ["converter noise"],
    "paper_cells": ["converter noise", "read noise", "thermal", "shot"],
    "paper_wires": ["converter noise", "read noise", "wires"],
    "reram": ["programming", "telegraph", "1/f", "thermal", "shot", "DAC", *ADC_SOURCES],
    "pcm": ["programming", "read noise", "thermal", "shot", "drift", "DAC", *ADC_SOURCES],
    "aimc": ["weight noise", "converter noise", "programming", "read noise", "drift"],
    "mram": ["device to device", "thermal", "shot", "DAC", *ADC_SOURCES],
    "nor_flash": ["programming", "1/f", "thermal", "shot", "DAC", *ADC_SOURCES],
}


@pytest.mark.parametrize("name", PRESETS)
def test_sources_that_act_are_told_and_no_others(name):
    """Cells that are not aged have no retention, those at 300 K no temperature coefficient."""
    assert present(preset(name)) == PRESENT[name]


def test_what_ages_or_warms_brings_its_source():
    config = preset("reram")
    for fields, source in (({"seconds": 1e6}, "retention"), ({"kelvin": 350.0}, "temperature")):
        other = replace(config, cells=replace(config.cells, **fields))
        assert set(present(other)) - set(present(config)) == {source}


def test_every_source_can_be_present():
    everything = ArrayConfig(
        weight_noise=0.1, adc_noise="paper", adc=PRESETS["reram"].adc, dac=PRESETS["reram"].dac,
        columns=ColumnErrors(offset_sigma=0.1, gain_sigma=0.1, s_shape=0.1),
        cells=Cells(
            device=devices.Device(
                name="all", g_min=1e-6, g_max=2e-6, levels=16, read_voltage=1.0, program_sigma=(0.1, 0.0, 0.0),
                device_sigma=0.1, read_sigma=0.1, drift_mean=(0.0, 0.1, 0.0, 1.0), retention=1e9,
                temperature_coefficient=1e-3, telegraph=devices.reram().telegraph, flicker=devices.reram().flicker,
                sinh_voltage=0.5,
            ),
            seconds=100.0, kelvin=350.0, stuck_on=0.01, thermal=True, shot=True, writer=WriteVerify(),
            wires=WireConfig(row_segment=1.0), amplifiers=Amplifiers(offset_sigma=1e-3),
        ),
    )  # fmt: skip
    assert present(everything) == list(SOURCES)
    layer = DenseLayer(inputs=20, outputs=8, adcs=4)
    assert set(shares(everything, layer)) == {"quantisation", *SOURCES}


def test_an_unknown_source_is_named():
    for act in (without, isolated):
        with pytest.raises(DesignError, match=r"^noise source must be one of weight noise, .*, not 'gremlins'$"):
            act(preset("ideal"), "gremlins")
