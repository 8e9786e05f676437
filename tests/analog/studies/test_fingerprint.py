"""Draws belong to their study: every field that decides them is in its fingerprint, whatever is added later."""

from dataclasses import fields, is_dataclass, replace
from typing import get_args, get_type_hints

import numpy as np
import pytest

from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.column_errors import ColumnErrors
from ohmgate.analog.config import PRESETS, ArrayConfig
from ohmgate.analog.converters import AdcErrors, DacErrors
from ohmgate.analog.inference import predictions
from ohmgate.analog.memory import devices
from ohmgate.analog.memory.amplifiers import Amplifiers
from ohmgate.analog.memory.cells import Cells
from ohmgate.analog.memory.noise import Flicker, Telegraph
from ohmgate.analog.memory.programming import WriteVerify
from ohmgate.analog.memory.repair import Repair
from ohmgate.analog.memory.switching import Switch
from ohmgate.analog.studies import montecarlo
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.network import LayerData, Network, nominal_tables
from tests.designs import random_inputs, random_network

#: Every part is there, and no number lies where a change of it would be refused.
CONFIG = ArrayConfig(
    weight_noise=0.1, redraw="per_step", adc_noise="physical", adc_sigma=0.1, adc=AdcErrors(), dac=DacErrors(), columns=ColumnErrors(),
    cells=Cells(
        device=replace(
            devices.reram(), levels=2, retention=1e9, sinh_voltage=1.0, telegraph=Telegraph(amplitude=0.1, tau_high=1.0, tau_low=1.0, fraction=0.5),
            flicker=Flicker(density=0.1, low=1.0, high=10.0),
        ),
        slices=3, writer=WriteVerify(switch=Switch()), repair=Repair(), wires=WireConfig(row_segment=1.0), tile=8,
        amplifiers=Amplifiers(offset_sigma=1e-3),
    ),
)  # fmt: skip
CHOICES = {
    "dacs": "pulse_width",
    "gains": "gate",
    "unselected": "floating",
    "redraw": "per_sequence",
    "adc_noise": "paper",
    "scheme": "offset",
    "kind": "sar",
    "name": "other",
}
OPTIONS = {  # what a field that may be None holds, to be taken away
    "cells": Cells, "adc": AdcErrors, "dac": DacErrors, "writer": WriteVerify, "repair": Repair, "wires": WireConfig,
    "telegraph": Telegraph, "switch": Switch, "flicker": Flicker, "amplifiers": Amplifiers, "columns": ColumnErrors,
}  # fmt: skip


def leaves(value, path=()):
    """(path, replacement) for every field of a dataclass and of the dataclasses within, one field changed at a time."""
    for field in fields(value):
        held = getattr(value, field.name)
        here = (*path, field.name)
        if is_dataclass(held):
            yield from ((p, replace(value, **{field.name: changed})) for p, changed in leaves(held, here))
            if type(None) in get_args(get_type_hints(type(value))[field.name]):
                assert OPTIONS[field.name] is type(held)
                together = {"tile": 0} if field.name == "wires" else {}
                yield (*here, "None"), replace(value, **{field.name: None}, **together)
            continue
        if isinstance(held, bool):
            changed = not held
        elif isinstance(held, int):
            changed = 2 if field.name == "driver_ends" else held + 1
        elif isinstance(held, float):
            changed = held / 2 if held else 1e-3
        elif isinstance(held, tuple):
            changed = (held[0] + 1e-3, *held[1:])
        else:
            assert field.name in CHOICES, f"say in CHOICES what {'.'.join(here)} may be instead of {held!r}"
            changed = CHOICES[field.name]
        together = {"adc_sigma": 0.0} if field.name == "adc_noise" else {}
        yield here, replace(value, **{field.name: changed}, **together)


CONFIGS = list(leaves(CONFIG))


def names(kind) -> set[str]:
    return {field.name for field in fields(kind)}


def test_every_field_of_a_configuration_is_changed():
    """... so that one that is added cannot be forgotten."""
    kinds, found = [ArrayConfig, devices.Device, *OPTIONS.values()], set()
    for path, _ in CONFIGS:
        found.add(path[-2] if path[-1] == "None" else path[-1])
    assert found >= set().union(*(names(kind) for kind in kinds)) - {"device", "pulse"}
    count = sum(len(fields(kind)) for kind in (*kinds, type(WriteVerify().pulse)))
    assert len(CONFIGS) == count - 2, "two fields hold a part that is always there: device and pulse"


@pytest.fixture(scope="module")
def study():
    layers = (
        LstmLayer(inputs=3, hidden=4, adcs=4),
        LstmLayer(inputs=4, hidden=4, adcs=4),
        DenseLayer(inputs=4, outputs=3, adcs=3, output="argmax", emit="end"),
    )
    network = random_network(Design("small", layers), np.random.default_rng(2), labels=True)
    codes, _ = random_inputs(network.design, np.random.default_rng(3), 5, 4)
    return montecarlo.Study(network, codes, np.array([4, 3, 2, 1, 3]), np.array([0, 1, 2, 0, 1]), CONFIG, 7)


@pytest.fixture(scope="module")
def file(study, tmp_path_factory):
    """One draw of the study."""
    path = tmp_path_factory.mktemp("draws") / "draws"
    montecarlo.run(study, 1, path)
    return path


def refused(study, file) -> bool:
    before = file.read_bytes()
    with pytest.raises(DesignError, match="holds the draws of another study"):
        montecarlo.run(study, 1, file)
    return file.read_bytes() == before


@pytest.mark.parametrize("config", [c for _, c in CONFIGS], ids=[".".join(path) for path, _ in CONFIGS])
def test_draws_of_another_configuration_are_refused(study, file, config):
    assert refused(replace(study, config=config), file)


def test_no_two_configurations_have_one_fingerprint(study):
    assert (
        len({replace(study, config=c).fingerprint() for _, c in CONFIGS} | {study.fingerprint()}) == len(CONFIGS) + 1
    )


def changed_data(study):
    """(name, study) with one number of the data changed, the smallest step that is legal."""
    network = study.network
    for index, data in enumerate(network.layers):
        for name in names(LayerData):
            array = getattr(data, name)
            if array is None:
                continue
            place = (0,) * array.ndim
            array = array.copy()
            array[place] += 1 if array[place] < 7 else -1
            layers = [replace(d, **{name: array}) if k == index else d for k, d in enumerate(network.layers)]
            yield f"layer {index} {name}", replace(study, network=replace(network, layers=tuple(layers)))
    codes = study.codes.copy()
    codes[0, 0, 0] += 1 if codes[0, 0, 0] < 7 else -1
    yield "codes", replace(study, codes=codes)
    yield "lengths", replace(study, lengths=np.array([4, 3, 2, 2, 3]))
    yield "labels", replace(study, labels=np.array([0, 1, 2, 0, 2]))
    yield "seed", replace(study, seed=8)
    yield "share", replace(study, share=2)
    yield "votes", replace(study, votes=2)
    yield "vote_over", replace(study, votes=2, vote_over="chips")


def test_draws_of_other_data_are_refused(study, file):
    names_of = {field.name for field in fields(montecarlo.Study)} - {"network", "config"}
    changed = list(changed_data(study))
    assert {name for name, _ in changed} >= names_of, "a new field of Study decides draws: change it here"
    assert len(changed) == 3 * 4 - 1 + len(names_of)
    for name, other in changed:
        assert refused(other, file), name
    assert len({other.fingerprint() for _, other in changed}) == len(changed)


def test_draws_of_another_geometry_are_refused(study, file):
    """Fields of a design that decide numbers; those that change none leave the draws what they are."""
    network = study.network
    first, *rest = network.design.layers
    decide = {"bias_rows": 0, "adcs": 8, "tanh_bits": 7, "input_drive": 2, "cell_fraction": 23, "activation_bits": 9}
    for name, value in decide.items():
        layer = replace(first, **{name: value})
        data = network.layers[0]
        if name == "bias_rows":
            data = replace(data, weights=data.weights[:-1])
        other = Network(Design("small", (layer, *rest)), (data, *network.layers[1:]))
        assert refused(replace(study, network=other), file), name
    same = replace(first, conversion_cycles=9, adc_range=2.0)
    other = Network(Design("other", (same, *rest)), network.layers)
    assert replace(study, network=other).fingerprint() == study.fingerprint()
    assert montecarlo.run(replace(study, network=other), 1, file) == montecarlo.run(study, 1)


def fixed_study(config) -> montecarlo.Study:
    """A study without random numbers of its own."""
    layers = (
        LstmLayer(inputs=5, hidden=6, adcs=8, input_drive=2),
        DenseLayer(inputs=6, outputs=4, adcs=2, output="argmax", emit="end"),
    )
    data = []
    for layer, gains in zip(layers, ([(19, 8), (23, 8), (37, 9), (29, 8)], [(41, 8)])):
        weights = (np.arange(layer.rows * layer.columns) * 37 % 97 % 15 - 7).reshape(layer.rows, layer.columns)
        data.append(LayerData(weights, *np.array(gains).T, nominal_tables(layer)))
    codes = (np.arange(30 * 7 * 5) * 29 % 89 % 15 - 7).reshape(30, 7, 5)
    lengths = np.arange(30) % 7 + 1
    network = Network(Design("fixed", layers), tuple(data))
    labels = predictions(network, reference.run(network, codes, lengths), lengths)
    return montecarlo.Study(network, codes, lengths, labels, config, 11)


REPAIRED = Cells(device=devices.paper(), stuck_on=0.03, stuck_off=0.03, repair=Repair(spares=2), column_scaling=True)
ADC = AdcErrors(offset_sigma=0.5, gain_sigma=0.03, mismatch=0.05, comparator_sigma=0.1)
FIXED = {name: config for name, config in PRESETS.items() if name != "paper_wires"} | {
    "per programming": ArrayConfig(weight_noise=0.1),
    "per step": ArrayConfig(weight_noise=0.1, redraw="per_step", adc_noise="physical", adc_sigma=0.2),
    "repaired": ArrayConfig(cells=REPAIRED),
    "binary": ArrayConfig(cells=Cells(device=devices.mram(), scheme="offset", shot=True, thermal=True)),
    "written": ArrayConfig(cells=Cells(device=devices.reram(), writer=WriteVerify(), seconds=1e6, kelvin=350.0)),
    "sar": ArrayConfig(adc=replace(ADC, kind="sar", calibrate=True), dac=DacErrors(mismatch=0.1, bow_sigma=0.2)),
    "flash": ArrayConfig(adc=replace(ADC, kind="flash")),
}  # solved wires alone depend on the machine in their last digits


@pytest.mark.parametrize("name", FIXED)
def test_a_study_of_today_is_the_study_of_yesterday(name):
    """The same study gives the same draws for ever; where a law changes them, raise ``montecarlo.LAW`` with it.

    Pinned are its fingerprint, and how many sequences of 30 are right and ADC codes of 115 x 24 and 30 x 4 wrong on
    the first chip; a preset, a default or a stream of random numbers that changes is seen here.
    """
    study = fixed_study(FIXED[name])
    draw = montecarlo.run(study, 1)[0]
    counts = (draw.score * 30, draw.code_errors[0] * 115 * 24, draw.code_errors[1] * 30 * 4)
    assert counts == pytest.approx(tuple(map(round, counts)))
    assert (study.fingerprint(), *map(round, counts)) == PINNED[name]


def test_a_time_that_decides_nothing_leaves_draws_where_they_are():
    """The times of a step and of a conversion by their numbers, as files had them before the design gave them."""
    plain = Cells(device=devices.paper(), thermal=True)
    named = replace(plain, bandwidth=5e6, step_seconds=1.6e-6)
    slow = replace(plain, device=replace(plain.device, flicker=Flicker(density=0.1, low=1.0, high=10.0)))
    told = [fixed_study(ArrayConfig(cells=cells)).fingerprint() for cells in (plain, named, slow)]
    assert told[0] == told[1] != told[2]
    assert fixed_study(ArrayConfig(cells=replace(slow, step_seconds=1.6e-6))).fingerprint() != told[2]


PINNED = {
    "ideal": ("f1eae8ad788b07d2", 30, 0, 0),
    "paper": ("d2d03d38ef86f918", 21, 1207, 73),
    "paper_adc": ("47eaea20bcff13e0", 28, 307, 12),
    "paper_cells": ("9fb57c845c71e9be", 27, 678, 42),
    "reram": ("4dc4e960d36c1e18", 27, 690, 50),
    "pcm": ("5c3b83e6eb232468", 24, 664, 44),
    "aimc": ("ba03b99eaf914f33", 25, 703, 47),
    "mram": ("15435e47534cfd8a", 27, 573, 30),
    "nor_flash": ("794211a9ca2419be", 27, 238, 18),
    "per programming": ("0274bf1723e8c43f", 23, 1139, 70),
    "per step": ("9c49b93ad23f8048", 20, 1191, 74),
    "repaired": ("e53da21704a101f6", 27, 638, 41),
    "binary": ("db3c01d68084fe59", 26, 941, 54),
    "written": ("feeab952b8a7fc41", 28, 785, 55),
    "sar": ("b71554d09fdcfe1e", 28, 370, 13),
    "flash": ("401c6c5f713a1497", 30, 686, 32),
}
