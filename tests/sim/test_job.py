"""Jobs, bit fields and simulators: round trips and error sentences."""

import errno
import gc
import re
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import PRESETS, ArrayConfig
from ohmgate.analog.inference import network_of_chip
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.devices import reram
from ohmgate.analog.memory.programming import PulseModel, WriteVerify
from ohmgate.analog.memory.repair import Repair
from ohmgate.model import prerequisites
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer
from ohmgate.sim import simulators
from ohmgate.sim.cosim import Build, build, simulate
from ohmgate.sim.job import (
    DeviceJob,
    DeviceRecord,
    LayerRecord,
    Task,
    Timing,
    read_record,
    read_task,
    write_record,
    write_task,
)
from tests.designs import random_design, random_inputs, random_network


def make_job(case=0, **changes) -> DeviceJob:
    rng = np.random.default_rng(case)
    network = random_network(random_design(rng), rng)
    return DeviceJob(network, *random_inputs(network.design, rng), **changes)


def task(*jobs: DeviceJob, trace: bool = False) -> Task:
    return Task(list(jobs), trace, [[(f"d{k}", "macro.x")] for k in range(len(jobs))])


def test_a_task_round_trips(tmp_path):
    jobs = [
        make_job(1, array=PRESETS["paper"], seed=7),
        make_job(2, timing=Timing((2, 9), (2, 3), 4, 5), scenario="reset_sweep", resets=4),
    ]
    write_task(tmp_path, task(*jobs, trace=True))
    back = read_task(tmp_path)
    assert (back.trace, back.macros) == (True, [[("d0", "macro.x")], [("d1", "macro.x")]])
    for one, other in zip(jobs, back.jobs, strict=True):
        assert np.array_equal(one.codes, other.codes)
        assert np.array_equal(one.lengths, other.lengths)
        for name in ("network", "array", "timing", "seed", "scenario", "resets"):
            assert getattr(one, name) == getattr(other, name)


def test_a_chips_image_holds_the_gains_that_its_calibration_sets(tmp_path):
    pcm = PRESETS["pcm"]
    array = replace(pcm, gains="gate", cells=replace(pcm.cells, seconds=1e9))
    job = make_job(1, array=array, seed=7)
    write_task(tmp_path, task(job))
    loaded = read_task(tmp_path).jobs[0].network
    assert loaded == network_of_chip(job.network, array, 7)
    assert all(
        (a.mult * 2.0**-a.shift > b.mult * 2.0**-b.shift).all() for a, b in zip(loaded.layers, job.network.layers)
    )


def test_a_full_disk_names_the_part_of_the_job(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")  # as numpy has it: without the file's name

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_task(tmp_path, task(make_job(1)))
    assert caught.value.filename == str(tmp_path / "device_0.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["device_0.image"]


FULL = ArrayConfig(cells=Cells(
    device=reram(), slices=1, column_scaling=True, stuck_on=0.01, writer=WriteVerify(pulse=PulseModel(set_step=0.5)),
    repair=Repair(spares=2), wires=WireConfig(row_segment=1.5, driver_ends=2), tile=64, compensate=True,
))  # fmt: skip


@pytest.mark.parametrize("config", [*PRESETS.values(), FULL], ids=[*PRESETS, "every part"])
def test_every_array_round_trips(tmp_path, config):
    write_task(tmp_path, task(make_job(1, array=config)))
    [back] = read_task(tmp_path).jobs
    assert back.array == config


def test_records_round_trip(tmp_path):
    drive, adc, starts = np.arange(6).reshape(2, 3), np.arange(4).reshape(4, 1), np.arange(4)
    layer = LayerRecord(drive, adc, starts, starts + 3, cell=np.ones((4, 2)), cell_cycles=starts + 5)
    record = DeviceRecord(
        [1 << 90, 3],
        [layer],
        {"ID": 5},
        {"sequences": [0]},
        [11, 12],
        ["a rule (clock cycle 3)"],
        {"input held back": 2},
    )
    write_record(tmp_path, 0, record)
    back = read_record(tmp_path, 0, 1)
    for name in ("out", "registers", "facts", "out_cycles", "violations", "stalls"):
        assert getattr(back, name) == getattr(record, name)
    for name, value in vars(layer).items():
        found = getattr(back.layers[0], name)
        assert found is None if value is None else np.array_equal(found, value)


WIDE = Design("wide", (DenseLayer(inputs=2, outputs=2, adcs=1, adc_bits=9),))


def test_a_design_that_is_too_wide_is_refused_without_warnings(tmp_path, recwarn):
    """Amaranth warns of modules that an error left unused: there are none yet."""
    gc.collect()  # what other tests left unused
    recwarn.clear()
    with pytest.raises(DesignError) as error:
        build([WIDE], tmp_path / "made", "icarus")
    assert str(error.value) == "layer 0: ADC bits of a design for RTL must be an integer from 1 to 8, not 9"
    del error
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []
    assert not (tmp_path / "made").exists()


SENTENCES = [
    (lambda t: Timing(conversion=(1, 4)), "least conversion cycles must be an integer from 2 to 60000, not 1"),
    (lambda t: Timing(conversion=(5, 4)), "most conversion cycles must be an integer from 5 to 60000, not 4"),
    (lambda t: Timing(input_gaps=-1), "input gaps must be an integer from 0 to 60000, not -1"),
    (lambda t: make_job(resets=-1), "resets must be an integer from 0 to 60000, not -1"),
    (lambda t: make_job(scenario="x"), "scenario must be one of inference, reset_sweep, refusal, diagnostics, not 'x'"),
    (lambda t: make_job(scenario="diagnostics"),
     "the scenario diagnostics needs a design whose layers have diagnostics = true"),
    (lambda t: build([Design.load("vowels")], t, "x"), "simulator must be one of verilator, icarus, not 'x'"),
    (lambda t: build([Design("small", Design.load("vowels").layers)], t, "icarus"),
     "the name of a Verilog module must not be a keyword, clk, rst or std, not 'small'"),
    (lambda t: simulate(Build(t, "icarus", (Design.load("vowels"),), True, False), []),
     "a build of 1 chips must get as many jobs, not 0"),
    (lambda t: simulate(Build(t, "icarus", (Design.load("vowels"),), True, False), [make_job(3)]),
     f"job 0 has a network of fingerprint {make_job(3).network.design.fingerprint}, "
     f"but the chip has {Design.load('vowels').fingerprint}"),
]  # fmt: skip


@pytest.mark.parametrize("make, sentence", SENTENCES, ids=[s for _, s in SENTENCES])
def test_a_broken_rule_is_one_sentence(make, sentence, tmp_path):
    with pytest.raises(DesignError) as error:
        make(tmp_path)
    assert str(error.value) == sentence


def test_a_missing_record_is_named(tmp_path):
    with pytest.raises(DesignError, match="^the simulation of chip 2 ended without a record; its log is in '"):
        read_record(tmp_path, 2, 1)


def test_missing_tools_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(prerequisites.shutil, "which", lambda *_, **__: None)
    sentence = (
        "the simulator icarus needs iverilog and vvp, which this machine lacks: install the Debian package iverilog"
    )
    assert simulators.missing_tools("icarus") == sentence
    with pytest.raises(DesignError, match=f"^{sentence}$"):
        simulators.require("icarus", tmp_path)


@pytest.mark.parametrize(
    "simulator, reason",
    [("icarus", r"\S+\.v:\d+: syntax error"), ("verilator", r"%Error: \S+\.v:\d+:\d+: syntax error.*")],
)
def test_a_broken_build_is_reported(simulator, reason, tmp_path, monkeypatch):
    problem = simulators.missing_tools(simulator)
    if problem:
        pytest.skip(problem)
    monkeypatch.setattr("ohmgate.sim.cosim.agent_view", lambda layer: "module broken (\n")
    with pytest.raises(DesignError) as error:
        build([Design.load("vowels")], tmp_path, simulator)
    pattern = rf"{simulator} could not build the simulation: {reason} \(log: \S*build\.log\)"
    assert re.fullmatch(pattern, str(error.value)), str(error.value)
