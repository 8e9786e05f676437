"""A whole chip: found, trimmed, read back and refreshed; twice is as once, and what is known is not measured again."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.firmware.chip.calibration import Trims
from ohmgate.firmware.chip.diagnosis import Diagnosis
from ohmgate.firmware.chip.faults import POSITIVE_OFF
from ohmgate.firmware.chip.record import ChipRecord
from ohmgate.firmware.chip.service import find_stuck, find_trims, read_back, refresh
from ohmgate.firmware.loader import load, placement
from ohmgate.firmware.transactions import LoadError, run
from ohmgate.model import reference
from ohmgate.model.formats import DesignError
from ohmgate.sim.simulated_chip import SimulatedChip
from tests.designs import random_inputs
from tests.firmware.chip.chips import DESIGN, HEAD, LSTM, loaded, network_of, own_kinds, worn

NETWORK = network_of(DESIGN)
NEW = ChipRecord.new("a", DESIGN)
CONFIG = worn(0.02, offset_sigma=0.5)


class Cut(Exception):
    pass


@pytest.fixture(scope="module")
def found():
    """A chip with stuck cells, and its record with all of them."""
    chip = SimulatedChip(DESIGN, CONFIG, 3)
    return chip, run(find_stuck(NETWORK, NEW), chip)


def test_a_chip_is_measured_layer_by_layer_and_goes_on_where_it_was_cut(found):
    whole, record = found
    for index in range(2):
        assert np.array_equal(record.layers[index].kinds, own_kinds(whole, index))
    chip, kept = SimulatedChip(DESIGN, CONFIG, 3), []

    def cut(record):
        kept.append(record)
        raise Cut

    with pytest.raises(Cut):
        run(find_stuck(NETWORK, NEW, found=cut), chip)
    assert [layer.kinds is None for layer in kept[0].layers] == [False, True]
    before = chip.arrays[0].writes.sum()
    again = run(find_stuck(NETWORK, kept[0], missing=True), chip)
    assert chip.arrays[0].writes.sum() == before
    for mine, its in zip(again.layers, record.layers):
        assert np.array_equal(mine.kinds, its.kinds)
    accesses = chip.accesses
    assert run(find_stuck(NETWORK, again, missing=True), chip) == again
    assert chip.accesses - accesses < 10


def test_trims_are_found_once_and_loaded_with_the_chip(found):
    chip, record = found
    trimmed, reports = run(find_trims(NETWORK, record, patterns=16), chip)
    assert list(reports) == [0, 1]
    for index, array in enumerate(chip.arrays):
        known = trimmed.layers[index].trims
        assert array.adjustments.offset.tolist() == known.offset.tolist()
        assert array.adjustments.gain.tolist() == known.gain.tolist()
    assert chip.registers.enable
    same, none = run(find_trims(NETWORK, trimmed, missing=True), chip)
    assert (same, none) == (trimmed, {})
    chip.power_cycle()
    assert not chip.arrays[0].adjustments.trimmed
    run(load(NETWORK, record=trimmed, weights=False), chip)
    placed = placement(LSTM, NETWORK.layers[0], trimmed.layers[0])
    assert chip.arrays[0].adjustments.offset.tolist() == trimmed.layers[0].trims.offset.tolist()
    spare = np.where(placed.spares < 0, 0xFFFF, placed.spares)
    assert np.array_equal(chip.arrays[0].adjustments.spare, spare)
    assert (placed.spares >= 0).sum() > 3
    run(load(NETWORK, record=NEW), chip)  # of which nothing is known
    assert not chip.arrays[0].adjustments.trimmed
    assert (chip.arrays[0].adjustments.spare == 0xFFFF).all()


@pytest.mark.parametrize("patterns, rounds, sentence", [
    (1, 1, "settings of the rows must be an integer from 2 to 1000000, not 1"),
    (2, 0, "rounds must be an integer from 1 to 100, not 0"),
])  # fmt: skip
def test_numbers_that_calibrate_nothing_are_refused(patterns, rounds, sentence):
    with pytest.raises(DesignError) as error:
        run(find_trims(NETWORK, NEW, patterns=patterns, rounds=rounds), SimulatedChip(DESIGN))
    assert str(error.value) == sentence


def test_a_loaded_ideal_chip_holds_its_image_and_gives_the_references_integers():
    chip = loaded(NETWORK, record=NEW)
    checks = run(read_back(NETWORK, NEW), chip)
    assert [check.used.all() for check in checks] == [False, True]
    assert checks[0].used[:, :64].all()
    assert not checks[0].used[:, 64:].any()
    assert all(len(check.beyond(0.5)) == 0 for check in checks)
    codes, lengths = random_inputs(DESIGN, np.random.default_rng(3))
    assert np.array_equal(chip.run(codes, lengths)[0], reference.run(NETWORK, codes, lengths).out)
    writes = chip.programmed
    for _ in range(2):
        assert run(refresh(NETWORK, NEW), chip)[1] == 0
    assert chip.programmed == writes


def test_cells_and_spares_of_a_repaired_chip_hold_what_its_placement_says(found):
    chip, record = found
    run(load(NETWORK, record=record), chip)
    for index, (layer, data) in enumerate(zip(DESIGN.layers, NETWORK.layers)):
        placed, array = placement(layer, data, record.layers[index]), chip.arrays[index]
        held = array.effective().copy()
        places, numbers = array.adjustments.replaced
        if array.spares:
            held[:, places] = array.spares.effective()[:, numbers]
        assert np.abs(held - placed.holds).max() < 2.0  # by the spread of writing alone


def test_exactly_the_cells_beyond_are_written_again():
    chip = loaded(NETWORK, record=NEW)
    kinds = np.zeros((29, 96), dtype=np.int8)
    kinds[4, 4] = POSITIVE_OFF
    levels = chip.arrays[0].levels
    far = [(0, 0), (3, 17), (28, 63), (4, 4)]
    for row, column in far:
        levels[row, column] += -3 if levels[row, column] > 0 else 3
    levels[5, 5] += 1 if levels[5, 5] < 7 else -1
    chip.arrays[0]._changed()
    chip.arrays[1].levels[16, 8] *= -1  # a bias row's
    chip.arrays[1].levels[16, 8] += 4 * (chip.arrays[1].levels[16, 8] == 0)
    chip.arrays[1]._changed()
    before = [array.writes.copy() for array in chip.arrays]
    record = NEW.with_layer(0, kinds=kinds)
    checks, written = run(refresh(NETWORK, record, 1.5), chip)
    again = [np.argwhere(array.writes - was).tolist() for array, was in zip(chip.arrays, before)]
    assert sorted(map(tuple, again[0])) == sorted(far[:3])
    assert again[1] == [[16, 8]]
    assert written == 4
    assert [4, 4] in checks[0].beyond(1.5).tolist() or levels[4, 4] <= 0
    assert run(refresh(NETWORK, record, 1.5), chip)[1] == 0
    assert chip.registers.enable


def test_a_year_is_mended():
    config = replace(preset("pcm"), adc=None, dac=None)
    chip = loaded(NETWORK, config, record=NEW)
    fresh = run(read_back(NETWORK, NEW), chip)
    chip.pass_time(3e7)
    old, written = run(refresh(NETWORK, NEW), chip)
    new = run(read_back(NETWORK, NEW), chip)
    assert old[0].rms > 2 * fresh[0].rms
    assert new[0].rms < 1.3 * fresh[0].rms  # those that are a code away at most stay
    assert written == sum(len(check.beyond(1.0)) for check in old)


def test_a_limit_that_is_none_is_refused():
    with pytest.raises(DesignError) as error:
        run(refresh(NETWORK, NEW, -1.0), SimulatedChip(DESIGN))
    assert str(error.value) == "codes beyond which weights are refreshed must be a number from 0 to 65534, not -1.0"


def test_another_chips_record_is_refused_before_anything_is_written():
    record = ChipRecord.new("b", replace(DESIGN, layers=(HEAD,)))
    with pytest.raises(DesignError, match="the chip record of 'b' is of a chip with the arrays"):
        load(NETWORK, record=record)


def test_chips_without_diagnostics_say_so():
    layers = tuple(replace(layer, diagnostics=False, spares=0) for layer in DESIGN.layers)
    network = network_of(replace(DESIGN, layers=layers))
    record = ChipRecord.new("c", network.design)
    chip = loaded(network, ArrayConfig(), record=record)
    assert chip.registers.enable
    with pytest.raises(LoadError) as error:
        run(find_stuck(network, record), chip)
    assert str(error.value) == "the chip has no diagnostics: its design must have diagnostics = true in every layer"


def test_a_device_of_other_diagnostics_is_one_sentence():
    class Lying:
        """Answers what it is told."""

        def __init__(self, **words):
            self.chip, self.words = loaded(NETWORK), words

        def read(self, address):
            return self.words.get(f"r{address:x}", None) or self.chip.read(address)

        def write(self, address, value):
            self.chip.write(address, value)

    for bus, sentence in (
        (Lying(r100=5), "the device's DIAG_ID must be 0x44494147, not 0x00000005"),
        (Lying(r108=2 | 1 << 16), "layer 1: the device has 2 ADCs of 1 spares, but the design has 3 of 0"),
    ):
        with pytest.raises(LoadError) as error:
            run(Diagnosis(HEAD, 1).begin(), bus)
        assert str(error.value) == sentence
    assert Trims.none(HEAD).offset.tolist() == [0, 0, 0]


def test_loading_with_a_record_counts_its_spares():
    reports = []
    loaded(NETWORK, progress=lambda done, total: reports.append((done, total)), record=NEW)
    words = sum(x.gates * (1 + x.loaded_entries) + x.rows * (x.columns + x.adcs * x.spares) for x in DESIGN.layers)
    assert reports[-1] == (words, words)
