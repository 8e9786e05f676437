"""Chips of the preset aimc: A, sources alone, and where a source takes too much."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.inference import build_arrays, classify
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from ohmgate.model.seeds import child
from ohmgate.sim import aimc, aimc_tasks, aimc_trials
from ohmgate.sim.aimc import BY_NAME, SOURCES, Point, bisect, crossing, interval, left
from ohmgate.sim.aimc_trials import AimcTrial, SensitivityTrial, design_of, hardware_of
from ohmgate.train.data.datasets import SequenceDataset, load_dataset
from ohmgate.train.data.sequences import Sequences
from ohmgate.train.layers.whole_model import arrays_of
from ohmgate.train.training import train
from tests.designs import random_inputs, random_network


@pytest.fixture(scope="module")
def task():
    design, rng = design_of("vowels"), np.random.default_rng(1)
    network = random_network(design, rng, labels=True)
    codes, lengths = random_inputs(design, rng, 12, 5)
    lengths = np.full(12, 5) if lengths is None else lengths
    arrays = build_arrays(network)
    return network, aimc.TestSet(codes, lengths, classify(network, codes, lengths, arrays))


def test_a_is_one_at_the_references_error_and_nothing_at_chance():
    assert left(0.05, 0.05, 0.9) == 1
    assert left(0.9, 0.05, 0.9) == 0
    assert left(0.135, 0.05, 0.9) == pytest.approx(0.9)


def test_designs_have_eight_bits_and_tiles_of_512_rows():
    for name in aimc_tasks.TASKS:
        layers = design_of(name).layers
        assert {(each.weight_bits, each.dac_bits, each.adc_bits) for each in layers} == {(8, 8, 8)}
        assert [each.row_tiles for each in layers] == ([3, 1] if name == "har_dense" else [1] * len(layers))
    first, head = design_of("har_dense").layers
    assert (first.inputs, first.outputs, first.output_bits, head.inputs, head.outputs) == (1152, 64, 8, 64, 6)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_of_no_size_changes_nothing_and_a_large_one_does(task, source):
    """Ideal arrays answer; the mean of drift stays, which depends on the level and which gains undo but for it."""
    network, data = task
    assert aimc.accuracy(network, ArrayConfig(), data, 0, 0) == 1
    quiet, loud = (aimc.sum_error(network, source.made(scale), data, 0) for scale in (1e-9, 4.0))
    assert quiet < (0.02 if "drift" in source.name else 2e-3)
    assert loud > max(1.5 * quiet, 1e-3)


def test_the_error_of_sums_is_that_of_the_arrays():
    """Of one dense layer by hand: noise of 1.5 LSB, or of 3 * 0.508, over the rms of (drive @ weights) * gain."""
    layer = DenseLayer(
        inputs=40, outputs=60, adcs=60, weight_bits=8, dac_bits=8, adc_bits=8, output="codes", emit="step"
    )
    network = random_network(Design("one", (layer,)), np.random.default_rng(3))
    codes = np.random.default_rng(4).integers(-127, 128, (16, 30, 40))
    data = aimc.TestSet(codes, np.full(16, 30), np.zeros(16))
    part = network.layers[0]
    sums = (
        (codes @ part.weights[:40] + 127 * part.weights[40:].sum(axis=0))
        * int(part.mult[0])
        / 2.0 ** int(part.shift[0])
    )
    for sigma, config in (
        (1.5, ArrayConfig(adc_noise="physical", adc_sigma=1.5)),
        (1.524, BY_NAME["output noise"].made(3.0)),
    ):
        expected = sigma / np.sqrt((sums**2).mean())
        assert aimc.sum_error(network, config, data, 0) == pytest.approx(expected, rel=4 / np.sqrt(2 * sums.size))


def test_sources_are_the_presets_alone():
    """At a scale of 1 each is what the preset has, and nothing else is left."""
    whole = preset("aimc")
    for name, seconds, fields in (
        ("programming", 0.0, ("program_sigma",)),
        ("read noise of the cells, 1 h", 3600.0, ("read_sigma", "read_limit")),
        ("spread of drift, 1 year", 31557600.0, ("drift_sigma",)),
    ):
        made = BY_NAME[name].made(1.0)
        assert (made.weight_noise, made.conversion_sigma, made.dac, made.columns) == (0.0, 0.0, None, None)
        assert made.cells.seconds == seconds
        device, nothing = made.cells.device, replace(whole.cells.device, program_sigma=(0.0,) * 3, read_sigma=0.0,
                                                     drift_mean=(0.0,) * 4, drift_sigma=(0.0,) * 4)  # fmt: skip
        kept = fields if name != "spread of drift, 1 year" else ("drift_sigma", "drift_mean")
        assert device == replace(nothing, **{each: getattr(whole.cells.device, each) for each in kept})
    assert BY_NAME["read noise in each step"].made(1.0) == ArrayConfig(weight_noise=0.00875, redraw="per_step")
    assert BY_NAME["output noise"].made(2.0).conversion_sigma == pytest.approx(1.016)


def test_a_chip_depends_on_its_seed_and_number_alone(task):
    network, data = task
    config = aimc.aged(3600.0)
    arrays = build_arrays(network, config, child(7, 2), aimc.SHARE)
    expected = (classify(network, data.codes, data.lengths, arrays) == data.labels).mean()
    assert aimc.accuracy(network, config, data, 7, 2) == expected == aimc.accuracy(network, config, data, 7, 2)


# -- bisection ------------------------------------------------------------------------------------------------------


def falling(at: float, chips: int = 4, steep: float = 0.1):
    """Accuracy of chips that falls with the log of the scale and is 0.9 at ``at`` on average."""
    offsets = np.linspace(-0.03, 0.03, chips)
    return lambda scale: Point(scale, tuple((0.9 - steep * math.log(scale / at) + offsets).tolist()))


@pytest.mark.parametrize("at", [0.003, 0.4, 1.0, 37.0, 900.0])
def test_bisection_finds_where_the_mean_falls_below(at):
    """Linear in log scale, as the interpolation is, so it is exact; points lie within 2^(1/16) of it."""
    points = bisect(falling(at), 0.9, 4)
    assert crossing(points, 0.9, range(4)) == pytest.approx(at, rel=1e-9)
    near = min(abs(math.log2(point.scale / at)) for point in points)
    assert near <= 1 / 16 + 1e-9


def test_what_never_or_always_falls_is_said_so():
    assert crossing(bisect(falling(1e9), 0.9, 4), 0.9, range(4)) == math.inf
    assert crossing(bisect(falling(1e-9), 0.9, 4), 0.9, range(4)) == 0.0
    assert len(bisect(falling(1e9), 0.9, 4)) == aimc.LIMIT + 1
    assert [point.scale for point in bisect(falling(1e9), 0.9, 4, 20.0)] == [1, 2, 4, 8, 16, 20]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_may_be_as_large_as_it_says(source):
    source.made(source.most)


def test_the_interval_is_that_of_chips_drawn_anew():
    """Of 8 chips whose own crossings are known: means of 8 draws lie within 95 % of a normal's."""
    points = bisect(falling(5.0, chips=8), 0.9, 5)
    low, high = (math.log(each / 5.0) for each in interval(points, 0.9))
    deviation = np.linspace(-0.03, 0.03, 8).std() / math.sqrt(8) / 0.1
    assert -low == pytest.approx(1.96 * deviation, rel=0.25)
    assert high == pytest.approx(1.96 * deviation, rel=0.25)


# -- trials ---------------------------------------------------------------------------------------------------------


def test_a_trial_tells_what_its_chips_do(monkeypatch):
    """On a few utterances and epochs: every number follows from the network that a training gives."""
    vowels = load_dataset("vowels")
    small = SequenceDataset(
        "vowels", vowels.train.take(np.arange(0, 270, 9)), vowels.test.take(np.arange(0, 370, 20)), vowels.classes
    )
    monkeypatch.setattr(aimc_trials, "dataset_of", lambda name, folder: small)
    for name in ("floating_of", "hardware_of"):
        whole = getattr(aimc_trials, name)
        monkeypatch.setattr(aimc_trials, name, lambda task, seed, whole=whole: replace(whole(task, seed), epochs=2))
    monkeypatch.setattr(aimc_trials, "CHIPS", 2)
    monkeypatch.setattr(aimc_trials, "STEPS", 1)
    aimc_trials._last.clear()
    aimc_trials._trained.cache_clear()
    outcome = AimcTrial(data="vowels", mapping="hwa").run(None, lambda *told: None, device="cpu", network=None)
    made = aimc_trials._networks("vowels", "hwa", 0, None, lambda *told: None)
    floating = train(design_of("vowels"), small, aimc_trials.floating_of("vowels", 0))
    again = train(design_of("vowels"), small, aimc_trials.hardware_of("vowels", 0), start=floating.model)
    assert made.network == again.network
    assert outcome.final["float"] == floating.accuracy
    assert outcome.final["quiet"] == again.accuracy
    assert outcome.final["chance"] == pytest.approx(1 / 9)
    assert [point["chip"] for point in outcome.epochs] == [0, 1] * 4
    year = aimc.accuracy(again.network, aimc.aged(31557600.0), made.data, 0, 1)
    assert outcome.epochs[-1] == {"seconds": 31557600.0, "chip": 1, "accuracy": year}
    assert outcome.final["1 year"] == pytest.approx((outcome.epochs[-2]["accuracy"] + year) / 2)
    direct = aimc_trials._networks("vowels", "direct", 0, None, lambda *told: None)
    for array, layer in zip(arrays_of(floating.model), direct.network.layers):
        cells = array.cells.detach().double().numpy()
        assert np.abs(layer.weights - cells / np.abs(cells).max() * 127).max() <= 0.5 + 1e-4  # rounded, not trained
    assert (direct.floating, direct.checksum) == (floating.accuracy, small.content)
    assert direct.quiet == pytest.approx(floating.accuracy, abs=0.1)
    trial = SensitivityTrial(data="vowels", source="output noise")
    found = trial.run(None, lambda *told: None, device="cpu", network=None)
    enough = outcome.final["quiet"] - 0.01 * (outcome.final["quiet"] - 1 / 9)
    points = [Point(each["scale"], (each["chip0"], each["chip1"])) for each in found.epochs]
    assert found.final["scale"] == crossing(points, enough, (0, 1))
    one = next(each for each in found.epochs if each["scale"] == 1.0)
    assert one["chip1"] == aimc.accuracy(made.network, BY_NAME["output noise"].made(1.0), made.data, 0, 1)
    assert found.final["low"] <= found.final["scale"] <= found.final["high"]


def test_pen_strokes_are_the_first_digits_of_those_experiments(monkeypatch):
    """Their training is not the protocol of a preset: rates and batches are those of the experiments in noise."""
    asked = []
    monkeypatch.setattr(aimc_tasks.strokes, "digits_of", lambda *given: asked.append(given))
    aimc_trials.dataset_of("strokes", "folder")
    assert asked == [("folder", 12_000, 2_000)]
    floating, hardware = aimc_trials.floating_of("strokes", 3), hardware_of("strokes", 3)
    assert (floating.floating, floating.epochs, floating.batch, floating.learning_rate) == (True, 10, 128, 0.02)
    assert (floating.seed, hardware.seed) == (3, 3)
    layers = design_of("strokes").layers
    assert [(layer.inputs, layer.outputs) for layer in layers] == [(4, 64), (64, 10)]
    assert (layers[0].input_drive, layers[0].bias_rows) == (8, 4)


def test_a_network_without_feedback_has_all_steps_at_once(monkeypatch):
    """Of 3 windows of 2 steps of 2 channels, step after step; its classes and its protocol are HAR's."""
    features = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    part = Sequences(features, np.full(3, 2), np.array([0, 1, 1]), np.array([7, 8, 9]))
    windows = SequenceDataset("har", part, part, ("sits", "walks"))
    monkeypatch.setattr(aimc_tasks, "load_dataset", lambda name, folder: {"har": windows}[name])
    found = aimc_tasks.dataset_of("har_dense", None)
    for split in (found.train, found.test):
        assert split.features.tolist() == [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9, 10, 11]]]
        assert (split.lengths.tolist(), split.labels.tolist(), split.groups.tolist()) == (
            [1] * 3,
            [0, 1, 1],
            [7, 8, 9],
        )
    assert aimc_tasks.floating_of("har_dense", 5) == aimc_tasks.floating_of("har", 5)
    assert hardware_of("har_dense", 5) == hardware_of("har", 5)


def test_training_for_chips_is_as_long_as_in_float_at_half_the_rate():
    for task, epochs, rate in (("vowels", 60, 0.01), ("har", 20, 0.005), ("strokes", 10, 0.01)):
        config = hardware_of(task, 4)
        assert (config.epochs, config.learning_rate, config.floating, config.seed) == (epochs, rate, False, 4)


def test_a_protocol_tells_the_design():
    over_time, alone = AimcTrial(data="har", mapping="direct"), SensitivityTrial(data="har", source="output noise")
    assert over_time.protocol().design == design_of("har").fingerprint != design_of("vowels").fingerprint
    assert over_time.protocol().hardware is None
    assert alone.protocol().hardware == hardware_of("har", 0)


def test_training_for_chips_has_the_presets_noise():
    noise, array = hardware_of("har", 0).train_noise, preset("aimc")
    assert (noise.adc, noise.weight) == (pytest.approx(array.adc_sigma), array.weight_noise)
    assert noise.level == pytest.approx(tuple(3 * each for each in array.cells.device.program_sigma))
