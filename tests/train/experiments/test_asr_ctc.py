"""A trial of AN4 by CTC on a few made-up utterances: what it trains, reads and counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.experiments import asr_ctc
from ohmgate.train.experiments.asr_ctc import (
    SYSTEMS,
    TRIALS,
    AsrCtcTrial,
    networks_of,
    quantised,
    run_trial_on,
    scores,
)
from ohmgate.train.experiments.asr_hybrid import AsrHybridTrial
from ohmgate.train.experiments.asr_rnnt import AsrRnntTrial
from ohmgate.train.experiments.trial import belongs, identity
from ohmgate.train.layers.whole_model import arrays_of
from ohmgate.train.speech.an4 import SpeechDataset, Utterances
from ohmgate.train.speech.features import Units
from ohmgate.train.speech.model import FloatModel
from ohmgate.train.speech.training import read
from tests.train.speech.test_training import spoken


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    for name in ("2x128", "streaming_2x256"):
        monkeypatch.setitem(asr_ctc.NETWORKS, name, asr_ctc.NETWORKS[name]._replace(hidden=8))


def few() -> SpeechDataset:
    first, second = spoken(0, 24), spoken(1, 20)
    speakers = [f"s{index % 10}" for index in range(20)]
    return SpeechDataset(first, Utterances(second.frames, second.texts, speakers))


def short(trial: AsrCtcTrial):
    found = trial.protocol()
    stages = {name: replace(getattr(found, name), epochs=2, batch=8) for name in ("floating", "quantised")}
    return replace(found, measured=5, **stages)


def test_a_trial(monkeypatch):
    seen = []
    actual = asr_ctc.read

    def spied(model, data, units):
        seen.append((model, actual(model, data, units)))
        return seen[-1][1]

    monkeypatch.setattr(asr_ctc, "read", spied)
    trial, data, told = TRIALS[0], few(), []
    outcome = run_trial_on(trial, data, short(trial), lambda *each: told.append(each))
    assert [each[:2] for each in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert outcome.checksum == data.content
    assert [epoch["train_loss"] for epoch in outcome.epochs] == pytest.approx(
        [float(t[2].split()[1]) for t in told], abs=1e-4
    )
    floating, naive, trained = (model for model, _ in seen)
    assert isinstance(floating, FloatModel)
    assert [array.config.quantiser for array in arrays_of(naive)] == ["absmax"] * 5
    assert [array.config.quantiser for array in arrays_of(trained)] == ["lsq"] * 5
    assert [array.config.input_drive for array in arrays_of(naive)] == [1] * 5
    assert [array.config.input_drive for array in arrays_of(trained)] == [2, 2, 1, 1, 1]
    assert [array.config.adc_bits for array in arrays_of(trained)] == [4] * 4 + [short(trial).head_bits]
    for system, (_, heard) in zip(SYSTEMS, seen):
        found = {name: outcome.final[f"{system}_{name}"] for name in scores(data.test, heard)}
        assert found == scores(data.test, heard)
    again = run_trial_on(trial, data, short(trial), lambda *each: None)
    assert again.final == outcome.final
    assert again.epochs == outcome.epochs


def test_a_protocol_says_how_weights_are_quantised():
    trial, data = TRIALS[0], few()
    protocol = replace(short(trial), quantiser="pact", per_gate=True, input_drive=3)
    given = FloatModel(8, 2, 0.0), trial, data.train, Units.of(data.train, True), protocol
    configs = [array.config for array in arrays_of(quantised(*given))]
    assert [(config.quantiser, config.per_gate) for config in configs] == [("pact", True)] * 5
    assert [config.input_drive for config in configs] == [3, 3, 1, 1, 1]
    naive = [array.config for array in arrays_of(quantised(*given, naively=True))]
    assert [(config.quantiser, config.per_gate) for config in naive] == [("absmax", False)] * 5


def test_a_network_that_hears_while_someone_speaks(monkeypatch):
    """One direction in all three systems, and no mean of the whole utterance in its steps."""
    trial, data = AsrCtcTrial(network="streaming_2x256"), few()
    assert (trial.name, trial.protocol().centred) == ("asr_ctc_streaming_2x256_b4_seed0", False)
    assert replace(trial.protocol(), centred=True) == TRIALS[0].protocol(), "all else is alike"
    protocol = short(trial)
    networks = networks_of(trial, data, Units.of(data.train, protocol.centred), protocol, lambda epoch: None)
    steps, whole = torch.rand(1, 8, 78), torch.tensor([8])
    for model in networks:
        model.eval()
        with torch.no_grad():
            assert torch.equal(model(steps[:, :5], whole - 3)[0], model(steps, whole)[0, :5])
    assert len(arrays_of(networks[2])) == 3
    seen, actual = [], asr_ctc.read
    monkeypatch.setattr(asr_ctc, "read", lambda *given: seen.append(given[2]) or actual(*given))
    run_trial_on(trial, data, protocol, lambda *each: None)
    assert [units.centred for units in seen] == [False] * 3


def test_scores_are_of_all_words_and_of_each_speaker():
    data = Utterances([np.zeros((1, 13))] * 3, ["A B", "NO", "C"], ["y", "x", "y"])
    found = scores(data, ["A", "NO", "D E"])
    assert found["wer"] == 3 / 4
    assert found["cer"] == (2 + 0 + 3) / (3 + 2 + 1)
    assert [found[f"{what}_{k}"] for what in ("errors", "words") for k in range(2)] == [0, 3, 1, 3]


def test_a_network_at_many_bits_is_the_float_one():
    """At 8 bits and converters that nothing clips in, calibrated, it hears the same."""
    trial, data = AsrCtcTrial(network="2x128", bits=8), few()
    units, protocol = Units.of(data.train, True), short(trial)
    protocol = replace(protocol, floating=replace(protocol.floating, epochs=10, rate=0.03))
    floating = networks_of(trial, data, units, protocol, lambda epoch: None)[0]
    assert isinstance(floating, FloatModel)
    values = torch.from_numpy(units.steps(data.test.frames[0]))[None]
    lengths = torch.tensor([values.shape[1]])
    model = quantised(floating, trial, data.train, units, protocol)
    model.eval()
    floating.eval()
    with torch.no_grad():
        expected, found = floating(values, lengths), model(values, lengths)
    assert (found - expected).abs().mean() < 0.03 * expected.std()
    assert read(model, data.test, units) == read(floating, data.test, units)


def test_records_and_bad_fields():
    trial = AsrCtcTrial(network="3x256", bits=2, seed=4)
    assert trial.name == "asr_ctc_3x256_b2_seed4"
    assert belongs(identity(trial), trial)
    other = identity(trial)
    other["protocol"]["floating"]["augmentation"]["speed"] += 0.01
    assert not belongs(other, trial)
    assert len({each.name for each in TRIALS}) == len(TRIALS) == 3
    with pytest.raises(DesignError, match=r"^network must be one of 2x128, 3x256, streaming_2x256, not '1x64'$"):
        AsrCtcTrial(network="1x64")
    with pytest.raises(DesignError, match=r"^bits must be an integer from 1 to 8, not 16$"):
        AsrCtcTrial(network="2x128", bits=16)


@pytest.mark.parametrize("trial", [*TRIALS[:1], AsrHybridTrial(network="2x128"), AsrRnntTrial()])
def test_another_number_of_test_speakers_is_refused_ahead_of_training(trial, monkeypatch):
    data = few()
    nine = SpeechDataset(data.train, data.test.take([0, 1, 2, 3, 4, 5, 6, 7, 8]))
    monkeypatch.setattr(asr_ctc, "an4", lambda folder: nine)
    sentence = r"^test speakers of a sweep must be 10, as AN4 has, not 9$"
    with pytest.raises(DesignError, match=sentence):
        trial.check_data(None)
    with pytest.raises(DesignError, match=sentence):
        trial.run(None, print, device="cpu", network=None)
    monkeypatch.setattr(asr_ctc, "an4", lambda folder: data)
    assert asr_ctc.sweep_data(None) is data
