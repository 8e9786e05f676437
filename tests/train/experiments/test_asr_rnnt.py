"""A trial of AN4 by transducers on a few made-up utterances: what it trains, reads and counts."""

from dataclasses import replace

import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.experiments import asr_rnnt
from ohmgate.train.experiments.asr_ctc import scores
from ohmgate.train.experiments.asr_rnnt import SEARCHES, SYSTEMS, TRIALS, AsrRnntTrial, run_trial_on, searches_of
from ohmgate.train.experiments.trial import belongs, identity
from ohmgate.train.layers.whole_model import arrays_of
from ohmgate.train.speech.an4 import SpeechDataset
from ohmgate.train.speech.fusion import Fused
from ohmgate.train.speech.language_steps import FloatSteps, IntegerSteps
from ohmgate.train.speech.transducer_model import Sizes
from ohmgate.train.speech.transducer_search import greedy
from tests.train.experiments.test_asr_ctc import few


def short():
    found = TRIALS[0].protocol()
    stages = {name: replace(getattr(found, name), epochs=2, batch=8) for name in ("encoder", "floating", "quantised")}
    own = replace(
        found.language,
        floating=replace(found.language.floating, epochs=2),
        quantised=replace(found.language.quantised, epochs=1),
        hidden=8,
    )
    return replace(found, measured=5, language=own, sizes=Sizes(6, 1, 6, 5, 6), **stages)


def test_a_trial(monkeypatch):
    seen, begun, models = [], [], []
    actual, descend = asr_rnnt.read, asr_rnnt.descend

    def spied(model, data, units, searches, tell):
        seen.append((model, actual(model, data, units, searches, tell)))
        return seen[-1][1]

    def kept(model, *each):
        begun.append({name: value.clone() for name, value in model.state_dict().items()})
        descend(model, *each)
        begun.append({name: value.clone() for name, value in model.state_dict().items()})

    def named(weights, *pair):
        models.append([type(steps) for steps in pair])
        return searches_of(weights, *pair)

    monkeypatch.setattr(asr_rnnt, "read", spied)
    monkeypatch.setattr(asr_rnnt, "searches_of", named)
    monkeypatch.setattr(asr_rnnt, "descend", kept)
    whole, told, others = few(), [], ["A B A", "B B"]
    data = SpeechDataset(whole.train, whole.test.take(range(2)))
    outcome = run_trial_on(TRIALS[0], data, others, short(), lambda *each: told.append(each))
    assert [each[:2] for each in told] == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6)] + [(6, 6)] * (1 + 2 * 2)
    assert told[-1][2] == "trained, 2 of 2 utterances are read"
    assert outcome.checksum == data.content
    assert len(outcome.epochs) == 6
    by_ctc, floating = begun[1], begun[2]
    lstm = {name: value for name, value in by_ctc.items() if name.startswith("lstm.")}
    assert len(lstm) == 8
    assert all(torch.equal(value, floating[f"encoder.{name}"]) for name, value in lstm.items())
    assert models == [[FloatSteps] * 2, [IntegerSteps] * 2]
    trained = seen[1][0]
    assert [array.config.quantiser for array in arrays_of(trained)] == ["lsq"] * 6
    assert [array.config.input_drive for array in arrays_of(trained)] == [2, 2, 1, 1, 1, 1]
    assert [array.config.adc_bits for array in arrays_of(trained)] == [4] * 5 + [8]
    for system, (_, heard) in zip(SYSTEMS, seen, strict=True):
        for search, texts in zip(SEARCHES, heard, strict=True):
            own = scores(data.test, texts)
            assert {name: outcome.final[f"{system}_{search}_{name}"] for name in own} == own
    assert len(outcome.final) == 2 * 5 * len(own)


def test_searches_are_the_named_ones(monkeypatch):
    """Each by its own width, with language models in their places and by their weights; the best text is taken."""
    asked = []

    def spied(*given):
        asked.append(given)
        return [([2, 1], -1.0), ([3], -2.0)]

    monkeypatch.setattr(asr_rnnt, "beam_search", spied)
    source, target, model = object(), object(), object()
    first, *beams = searches_of(asr_rnnt.FusionWeights(target=0.5, source=0.25, reward=0.1), source, target)
    assert first is greedy
    assert [search("frames", model) for search in beams] == [[2, 1]] * 4
    fused = Fused(model, target, source, target_weight=0.5, source_weight=0.25, reward=0.1)
    assert asked == [("frames", by, width) for by in (model, fused) for width in (4, 16)]
    assert SEARCHES == ("greedy", "beam4", "beam16", "fused4", "fused16")


def test_records_and_bad_fields():
    trial = AsrRnntTrial(bits=3, seed=4)
    assert trial.name == "asr_rnnt_b3_seed4"
    assert belongs(identity(trial), trial)
    other = identity(trial)
    other["protocol"]["fusion"]["reward"] += 0.1
    assert not belongs(other, trial)
    with pytest.raises(DesignError, match=r"^bits must be an integer from 2 to 8, not 1$"):
        AsrRnntTrial(bits=1)
