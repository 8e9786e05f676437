"""Language models of characters against tables by hand, torch's float model, their own export, and step by step."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ohmgate.model.formats import DesignError
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from ohmgate.train.layers.config import FLOAT, QuantConfig
from ohmgate.train.layers.whole_model import evaluating
from ohmgate.train.speech.characters import codes_of, text_of
from ohmgate.train.speech.fusion import Fused
from ohmgate.train.speech.language import (
    END,
    FloatLanguage,
    LanguageProtocol,
    QuantLanguage,
    language_models,
    learn,
    nats_a_symbol,
    padded_symbols,
    quantised_language,
)
from ohmgate.train.speech.language_steps import IntegerSteps, log_shares, steps_of
from ohmgate.train.speech.training import Descent
from ohmgate.train.speech.transducer_search import beam_search

TEXTS = ["AB", "ABAB", "AB AB", "B", "ABABAB AB"]
OTHERS = ["XYZ", "ZZ", "YX", "Z Y X"]
PROTOCOL = LanguageProtocol(Descent(8, 0.05, batch=2), Descent(3, 0.005, batch=2), hidden=8, dropout=0.1, measured=4)


class Letters(nn.Module):
    """The next symbol's probabilities by the last one alone: (28, 28)."""

    def __init__(self, shares: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(shares.log())
        self.seen: list[list[str]] = []

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        self.seen.append([text_of(code for code in row.tolist() if code != END) for row in symbols])
        return self.logits[symbols]


@pytest.fixture(scope="module")
def models():
    return language_models(TEXTS, OTHERS, 4, 0, PROTOCOL)


def test_texts_begin_and_end_with_0():
    taken, following = padded_symbols(["AB", "", " Z A"])
    assert taken.tolist() == [[0, 2, 3, 0, 0], [0, 0, 0, 0, 0], [0, 1, 27, 1, 2]]
    assert following.tolist() == [[2, 3, 0, -100, -100], [0, -100, -100, -100, -100], [1, 27, 1, 2, 0]]


def test_nats_are_the_product_of_a_table():
    """P(A) = P(0|A) P(A|0) and so on: 5 symbols, ends included; padding counts nothing."""
    shares = torch.full((28, 28), 0.1 / 25)
    shares[:, [0, 2, 3]] = torch.tensor([0.2, 0.3, 0.4])
    shares[2, [0, 2, 3]] = torch.tensor([0.4, 0.3, 0.2])
    model = Letters(shares)
    expected = -(math.log(0.3) + math.log(0.4)) - (math.log(0.3) + math.log(0.2) + math.log(0.2))
    assert nats_a_symbol(model, ["A", "AB"]) == pytest.approx(expected / 5, rel=1e-6)
    assert nats_a_symbol(model, ["AB", "A"] * 50) == pytest.approx(expected / 5, rel=1e-6)
    with pytest.raises(DesignError, match=r"^texts to judge must be 1 or more, but there are none$"):
        nats_a_symbol(model, [])


def test_an_epoch_has_all_texts_and_others_by_chance():
    model = Letters(torch.full((28, 28), 1 / 28))
    learn(model, TEXTS, OTHERS, 0.4, Descent(4, 0.01, batch=3), 0)
    assert len(model.seen) == 4 * 3
    drawn = []
    for epoch in range(4):
        seen = [text for batch in model.seen[3 * epoch : 3 * epoch + 3] for text in batch]
        assert len(seen) == 7
        assert set(seen) > set(TEXTS)
        drawn.append(frozenset(seen) - set(TEXTS))
    assert all(len(each) == 2 and each < set(OTHERS) for each in drawn)
    assert len(set(drawn)) > 1, "drawn anew"


def test_they_learn_their_texts(models):
    torch.manual_seed(0)
    before = nats_a_symbol(FloatLanguage(8, 0.1), TEXTS)
    assert before == pytest.approx(math.log(28), abs=0.3)
    for source, target in models.values():
        assert nats_a_symbol(source, TEXTS) < 1.6
        assert nats_a_symbol(target, OTHERS) < nats_a_symbol(source, OTHERS) - 0.5


def test_the_seed_and_the_texts_decide_all(models):
    again = language_models(TEXTS, OTHERS, 4, 0, PROTOCOL)
    alone = language_models(TEXTS, [], 4, 0, PROTOCOL)
    other = language_models(TEXTS, OTHERS, 4, 1, PROTOCOL)

    def same(one: nn.Module, two: nn.Module) -> bool:
        first, second = one.state_dict(), two.state_dict()
        return all(torch.equal(first[name], second[name]) for name in first)

    for name, (source, target) in models.items():
        assert same(source, again[name][0])
        assert same(target, again[name][1])
        assert same(source, alone[name][0]), "the source never reads other texts"
        assert same(source, alone[name][1])
        assert not same(source, target)
        assert not same(source, other[name][0])


def test_the_quantised_model_is_trained_on(models):
    """From the float model, calibrated, which reads its texts worse."""
    for (floating, quantised), texts in zip(zip(*models.values()), (TEXTS, TEXTS + OTHERS)):
        before = quantised_language(floating, TEXTS, 4, PROTOCOL)
        assert nats_a_symbol(quantised, texts) < nats_a_symbol(before, texts) - 0.01


def test_dropout_is_before_the_head_in_training_alone():
    torch.manual_seed(0)
    model, (taken, _) = FloatLanguage(8, 1.0), padded_symbols(TEXTS)
    assert torch.equal(model(taken), model.head.bias.expand(*taken.shape, 28))
    with evaluating(model):
        assert not torch.allclose(model(taken), model.head.bias, atol=1e-3)


def test_the_seed_decides_the_first_weights():
    still = replace(PROTOCOL, floating=Descent(1, 1e-6), quantised=Descent(1, 1e-6))
    one, two = (language_models(TEXTS, [], 4, seed, still)["float"][0] for seed in (0, 1))
    assert (one.head.weight - two.head.weight).abs().max() > 0.1


@pytest.mark.parametrize(("name", "error"), [("float", 1e-5), ("quantised", 0.0)])
def test_step_by_step_is_the_whole_text(models, name, error):
    """Several states at once, of texts that have come to different places."""
    model = models[name][1]
    steps, texts = steps_of(model), ["ABZ AB", "BXA YA"]
    taken = torch.tensor([[END, *codes_of(text)] for text in texts])
    with evaluating(model):
        expected = log_shares(model(taken).numpy())
    first, second = steps.start(), steps.advance([steps.start()], [codes_of(texts[1])[0]])[0]
    found = np.zeros(0)
    for at in range(6):
        found = steps.scores([second, first] if at < 5 else [first])
        assert found.dtype == np.float64
        assert np.abs(found[-1] - expected[0, at]).max() <= error
        if at < 5:
            assert np.abs(found[0] - expected[1, at + 1]).max() <= error
            codes = [codes_of(texts[1])[at + 1], codes_of(texts[0])[at]]
            second, first = steps.advance([second, first], codes)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-12)


class Same:
    """A transducer that says the same at every frame: a text of one frame has one alignment."""

    def __init__(self) -> None:
        self.row = log_shares(np.random.default_rng(0).normal(size=28))

    def start(self):
        return ()

    def advance(self, states, symbols):
        return [()] * len(symbols)

    def scores(self, frame, states):
        return np.stack([self.row] * len(states))


@pytest.mark.parametrize("name", ["float", "quantised"])
def test_a_search_divides_and_multiplies_by_whole_texts(models, name):
    source, target = models[name]
    transducer = Same()
    fused = Fused(transducer, steps_of(target), steps_of(source), 0.6, 0.25, reward=2.0)
    found = beam_search([np.zeros(1)], fused, 40, most=3)
    assert {len(said) for said, _ in found} >= {2, 3}
    for said, value in found:
        expected = transducer.row[[*said, 0]].sum() + 2.0 * len(said)
        for model, weight in ((target, 0.6), (source, -0.25)):
            with evaluating(model):
                logarithms = log_shares(model(torch.tensor([[END, *said]])).numpy()[0])
            expected += weight * logarithms[np.arange(len(said)), said].sum()
        assert value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["float", "quantised"])
def test_steps_are_of_the_model_as_it_was(models, name):
    model = models[name][0]
    steps, kept = steps_of(model), {key: value.clone() for key, value in model.state_dict().items()}
    before = steps.scores(steps.advance([steps.start()], [2]))
    learn(model, OTHERS, [], 0, Descent(1, 0.05, batch=2), 0)
    assert np.array_equal(steps.scores(steps.advance([steps.start()], [2])), before)
    assert np.abs(steps_of(model).start().scores - steps.start().scores).max() > 0.01
    model.load_state_dict(kept)


def test_arrays_without_quantisers_are_the_float_model():
    torch.manual_seed(0)
    floating, config = FloatLanguage(8, 0.5), QuantConfig(weight_bits=FLOAT, dac_bits=FLOAT, adc_bits=FLOAT)
    quantised = QuantLanguage(8, config, config)
    quantised.load_state_dict(floating.state_dict(), strict=False)
    taken, _ = padded_symbols(TEXTS)
    with evaluating(floating), evaluating(quantised):
        assert torch.allclose(quantised(taken), floating(taken), atol=1e-5)


def test_the_quantised_model_is_a_network_of_integers(models):
    """Exported, padded texts and all, the integer reference gives the same; a search asks that very network."""
    model = models["quantised"][1]
    assert model.lstm.config.input_drive == PROTOCOL.input_drive
    assert (model.lstm.config.weight_bits, model.head.config.weight_bits, model.head.config.adc_bits) == (4, 4, 8)
    texts = ["ABAB", "X", "Z YX AB", "AB"]
    taken, lengths = padded_symbols(texts)[0], torch.tensor([len(text) + 1 for text in texts])
    network = export(model, taken, lengths=lengths)
    compared = verify_export(model, taken, network=network, lengths=lengths)
    assert compared.mismatches == 0
    assert compared.integers == int(lengths.sum()) * (2 * 32 + 2 * 8 + 28)
    one, two = IntegerSteps(network), steps_of(model)
    assert np.array_equal(one.start().scores, two.start().scores)


@pytest.mark.parametrize("bits, full_scale", [(1, 1.0), (3, 2.0)])
def test_steps_drive_the_rows_that_the_model_drives(bits, full_scale):
    """One bit has no 0: all rows but one get -1 or +1. A full scale of 2 makes 1 half of a code's range."""
    torch.manual_seed(0)
    model = QuantLanguage(6, QuantConfig(dac_bits=bits), QuantConfig(dac_bits=bits, adc_bits=8))
    with torch.no_grad():
        model.lstm.arrays[0].full_scale.fill_(full_scale)
    steps = steps_of(model)
    with evaluating(model):
        expected = log_shares(model(torch.tensor([[END, 5, 9]])).numpy())[0]
    state, found = steps.start(), []
    for symbol in (5, 9, 1):
        found.append(steps.scores([state])[0])
        state = steps.advance([state], [symbol])[0]
    assert np.abs(np.array(found) - expected).max() < 1e-12
    assert np.ptp(expected) > 0.1


def test_what_is_refused(models):
    with pytest.raises(DesignError, match=r"^bits of a language model must be an integer from 2 to 8, not 1$"):
        language_models(TEXTS, [], 1, 0, PROTOCOL)
    with pytest.raises(DesignError, match=r"^texts to learn must be 1 or more, but there are none$"):
        language_models([], OTHERS, 4, 0, PROTOCOL)
    words = "^a language model's network must be of the layers lstm, dense, not lstm$"
    with pytest.raises(DesignError, match=words):
        IntegerSteps(export(models["quantised"][0].lstm))
    for field, words in (
        ({"others": -1}, "further texts for each transcript must be a number from 0 to 1000, not -1"),
        ({"measured": 0}, "texts to measure ranges on must be an integer from 1 to 1000000, not 0"),
    ):
        with pytest.raises(DesignError, match=f"^{words}$"):
            LanguageProtocol(Descent(1, 0.1), Descent(1, 0.1), **field)
