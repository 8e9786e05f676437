"""Diagnostics of the Verilog against a chip without Verilog: the same words, noise included, on both simulators."""

import asyncio
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.converters import AdcErrors
from ohmgate.firmware.chip.service import serviced
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import BusError, run
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME
from ohmgate.sim.agents import BusRefusal
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.diagnosis import Host, compared
from ohmgate.sim.job import SERVICES, DeviceJob, Timing
from ohmgate.sim.random_designs import perhaps_diagnosable
from ohmgate.sim.simulated_chip import SimulatedChip
from ohmgate.sim.simulators import missing_tools
from tests.designs import random_design, random_inputs, random_network

STACK = Design("stack", (
    LstmLayer(inputs=3, hidden=4, adcs=8, adc_bits=5, input_dac_bits=3, input_drive=2, diagnostics=True, spares=2),
    DenseLayer(inputs=4, outputs=6, adcs=2, adc_bits=7, output="argmax", emit="end", diagnostics=True, bias_rows=0),
))  # fmt: skip
TIMED = Design("timed", (
    DenseLayer(inputs=2, outputs=9, adcs=9, conversion_cycles=3, output_bits=3, diagnostics=True, spares=1),
    LstmLayer(inputs=9, hidden=3, adcs=4, dac_bits=3, conversion_cycles=5, bias_rows=2, diagnostics=True),
), data_registers=True)  # fmt: skip
RERAM = preset("reram")
NOISY = replace(
    RERAM,
    cells=replace(RERAM.cells, stuck_on=0.02, stuck_off=0.02),
    adc=AdcErrors(kind="sar", offset_sigma=1.0, gain_sigma=0.05, mismatch=0.05, comparator_sigma=0.2),
)
PAPER = ArrayConfig(weight_noise=0.05, redraw="per_sequence", adc_noise="paper")


def job(design: Design, seed: int, **changes) -> DeviceJob:
    rng = np.random.default_rng(seed)
    network = random_network(design, rng)
    codes, lengths = random_inputs(design, rng, batch=3, steps=3)
    timing = Timing(conversion=(2, 6), programming=(2, 5))
    return DeviceJob(network, codes, lengths, seed=seed, scenario="diagnostics", timing=timing, **changes)


@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.full)])
def test_the_verilog_and_the_chip_without_it_give_the_same_words(simulator, tmp_path):
    if problem := missing_tools(simulator):
        pytest.skip(problem)
    chips = build([STACK, TIMED], tmp_path, simulator)
    for seed, arrays in enumerate([(NOISY, PAPER), (ArrayConfig(), NOISY)]):
        jobs = [job(design, seed, array=array) for design, array in zip((STACK, TIMED), arrays)]
        for result in simulate(chips, jobs):
            assert result.comparison.agrees, str(result.comparison)
            facts = result.record.facts
            assert facts["conversions"] > 60
            assert facts["declined"] > 20
            assert facts["sequences"] == [0, 1, 2]


def test_a_random_host_does_everything_and_is_refused_some_of_it():
    done, refused, network = Counter(), Counter(), random_network(STACK, np.random.default_rng(0))
    chip = SimulatedChip(STACK, NOISY, 0)
    run(load(network), chip)
    for name, value in Host(STACK, np.random.default_rng(5)).accesses(400):
        done[name, value is None] += 1
        try:
            chip.access(BY_NAME[name].address, value)
        except BusError:
            refused[name, value is None] += 1
    assert set(refused) == {
        (name, False)
        for name in ("CONTROL", "DIAG_CONVERT", "DIAG_CODE", "DIAG_ADJUST", "DIAG_ROW", "DIAG_ADJUST_AT")
    } | {("DIAG_RESULT", True)}
    for register, count in refused.items():
        assert count < done[register], register
    assert chip.conversions > 100
    assert all((array.spares is None) or (array.spares.writes > 0).any() for array in chip.arrays)
    assert any(array.adjustments.trimmed for array in chip.arrays)


class Bus:
    """That of a co-simulation, in front of another chip without Verilog, one of whose words is wrong."""

    def __init__(self, wrong):
        self.chip, self.wrong, self.words, self.said, self.rules = SimulatedChip(STACK, NOISY, 0), wrong, 0, [], self

    def broke(self, sentence):
        self.said.append(sentence)

    async def access(self, address, value=None):
        try:
            word = self.chip.access(address, value)
        except BusError:
            raise BusRefusal from None
        self.words += address == BY_NAME["DIAG_RESULT"].address
        return word ^ (address == BY_NAME["DIAG_RESULT"].address and self.words == self.wrong)


@pytest.mark.parametrize("wrong", [0, 40])
def test_a_word_that_differs_breaks_a_rule(wrong):
    bus, chip, network = Bus(wrong), SimulatedChip(STACK, NOISY, 0), random_network(STACK, np.random.default_rng(0))
    for each in (bus.chip, chip):
        run(load(network), each)
    refused = asyncio.run(compared(bus, chip, Host(STACK, np.random.default_rng(5)), 100))
    assert refused > 20
    assert bus.words > 40
    assert bool(bus.said) == bool(wrong)
    if wrong:
        said = r"register bus: a read of DIAG_RESULT is answered by 0x(\w{8}), not by 0x(\w{8})"
        words = re.fullmatch(said, *bus.said)
        assert int(words[1], 16) ^ int(words[2], 16) == 1


def test_random_designs_have_diagnostics_and_spares_by_chance_and_are_else_the_same():
    designs = [random_design(np.random.default_rng(seed)) for seed in range(200)]
    made = [perhaps_diagnosable(design, np.random.default_rng(seed)) for seed, design in enumerate(designs)]
    assert all(one.fingerprint == other.fingerprint for one, other in zip(designs, made))
    assert 30 < sum(design.diagnostics for design in made) < 140
    assert {layer.spares for design in made for layer in design.layers} == {0, 1, 2, 3}


@pytest.mark.parametrize("service", [*(pytest.param(name, marks=pytest.mark.full) for name in SERVICES[:2]), "all"])
def test_a_chip_that_is_measured_through_the_verilog_has_the_record_and_the_labels_of_one_without_it(
    service, tmp_path
):
    if problem := missing_tools("icarus"):
        pytest.skip(problem)
    asked = replace(job(STACK, 5, array=NOISY), scenario="inference", service=service)
    record = simulate(build([STACK], tmp_path, "icarus", trace=False), [asked])[0].record
    chip = SimulatedChip(STACK, NOISY, 5)
    run(load(asked.network), chip)
    if service != "none":
        own = run(serviced(asked.network, service), chip).to_dict()
        assert own == record.facts["record"]
        assert any(own["layers"][0]["offset_trim"])
        assert (own["layers"][0]["faults"] is None) == (service == "trims")
    labels = [int(chip.run_sequence(x[:length])[0]) for x, length in zip(asked.codes, asked.lengths)]
    assert [word % 2 ** STACK.layers[-1].result_bits for word in record.out] == labels
    assert record.violations == []
