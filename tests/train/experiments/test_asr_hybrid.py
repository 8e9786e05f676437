"""A hybrid's trial on a few made-up utterances: what is aligned, trained by frames, decoded and counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.experiments import asr_ctc, asr_hybrid
from ohmgate.train.experiments.asr_hybrid import TRIALS, AsrHybridTrial, run_trial_on
from ohmgate.train.experiments.trial import belongs, identity
from ohmgate.train.layers.whole_model import arrays_of
from ohmgate.train.speech.ctc import greedy
from ohmgate.train.speech.training import ctc_loss, frame_loss
from tests.train.experiments.test_asr_ctc import few, short


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    monkeypatch.setitem(asr_ctc.NETWORKS, "2x128", asr_ctc.NETWORKS["2x128"]._replace(hidden=8))


def test_a_trial(monkeypatch):
    trained, heard = [], []

    def descended(model, data, units, descent, seed, tell, loss_of=ctc_loss, targets=None, *, actual=asr_ctc.descend):
        trained.append((type(model).__name__, len(data), seed, loss_of, targets))
        actual(model, data, units, descent, seed, tell, loss_of, targets)

    def decoded(*given, actual=asr_hybrid.decoded):
        heard.append((given[0], actual(*given)))
        return heard[-1][1]

    for module in (asr_ctc, asr_hybrid):
        monkeypatch.setattr(module, "descend", descended)
    monkeypatch.setattr(asr_hybrid, "decoded", decoded)
    trial, data, told = TRIALS[0], few(), []
    protocol = trial.protocol()
    short_one = replace(protocol, by_ctc=short(trial.by_ctc), frames=replace(protocol.frames, epochs=1, batch=8))
    outcome = run_trial_on(trial, data, short_one, lambda *each: told.append(each))
    assert [each[:2] for each in told] == [(done, 5) for done in range(1, 6)]
    assert ["character" in each[2] for each in told] == [True] * 2 + [False] * 3
    assert [each[:4] for each in trained] == [
        ("FloatModel", 24, 0, ctc_loss),
        ("FloatModel", 24, 1, frame_loss),
        ("QuantModel", 24, 2, frame_loss),
    ]
    paths = trained[1][4]
    assert trained[2][4] is paths
    for path, text in zip(paths, data.train.texts, strict=True):
        assert greedy(torch.eye(28)[path][None].numpy(), np.array([len(path)]))[0] == [
            ord(each) - 63 for each in text
        ]
    floating, naive, quantised = (model for model, _ in heard)
    assert [array.config.quantiser for array in arrays_of(naive)] == ["absmax"] * 5
    assert [array.config.quantiser for array in arrays_of(quantised)] == ["lsq"] * 5
    assert not arrays_of(floating)
    for system, (_, texts) in zip(asr_ctc.SYSTEMS, heard, strict=True):
        expected = asr_ctc.scores(data.test, texts)
        assert {name: outcome.final[f"{system}_{name}"] for name in expected} == expected


def test_records_and_bad_fields():
    trial = AsrHybridTrial(network="3x256", bits=2, seed=4)
    assert (trial.name, trial.by_ctc.name) == ("asr_hybrid_3x256_b2_seed4", "asr_ctc_3x256_b2_seed4")
    assert belongs(identity(trial), trial)
    other = identity(trial)
    other["protocol"]["transition_weight"] += 0.1
    assert not belongs(other, trial)
    with pytest.raises(DesignError, match=r"^network must be one of 2x128, 3x256, streaming_2x256, not '1x64'$"):
        AsrHybridTrial(network="1x64")
    with pytest.raises(DesignError, match=r"^bits must be an integer from 1 to 8, not 16$"):
        AsrHybridTrial(network="2x128", bits=16)
