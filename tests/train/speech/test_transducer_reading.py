"""What a transducer reads: by one pass over all pairs, or symbol by symbol in a search, the same numbers."""

import numpy as np
import pytest
import torch

from ohmgate.train.layers.whole_model import evaluating
from ohmgate.train.speech import transducer_reading
from ohmgate.train.speech.characters import text_of
from ohmgate.train.speech.features import Units
from ohmgate.train.speech.training import Descent, descend, rnnt_loss
from ohmgate.train.speech.transducer_model import FloatTransducer
from ohmgate.train.speech.transducer_reading import Evaluation, read
from tests.train.speech.test_training import spoken
from tests.train.speech.test_transducer_model import COUNTS, LENGTHS, SIZES, SYMBOLS, quantised, values


def test_a_search_gets_the_numbers_of_one_pass():
    model = quantised()
    with evaluating(model):
        expected = model(values(), LENGTHS, SYMBOLS, COUNTS).log_softmax(-1).numpy()
        evaluation = Evaluation(model)
        frames = evaluation.frames(values(), LENGTHS)
        assert [len(each) for each in frames] == LENGTHS.tolist()
        for b, count in enumerate(COUNTS.tolist()):
            state = evaluation.start()
            for u in range(count + 1):
                for t, frame in enumerate(frames[b]):
                    found = evaluation.scores(frame, [state, state])
                    assert np.array_equal(found[0], expected[b, t, u])
                    assert np.array_equal(found[1], found[0])
                (state,) = evaluation.advance([state], [int(SYMBOLS[b, u])] if u < count else [1])


def test_what_is_known_of_symbols_is_not_predicted_again(monkeypatch):
    model, calls = quantised(), []
    with evaluating(model):
        evaluation = Evaluation(model)
        predict = model.predict
        monkeypatch.setattr(model, "predict", lambda *each: calls.append(len(each[0])) or predict(*each))
        start = evaluation.start()
        first, second = evaluation.advance([start, start], [3, 4])
        again, third = evaluation.advance([start, first], [4, 3])
        assert again is second
        assert third is not first
        assert calls == [2, 1]
        evaluation.start_anew()
        assert evaluation.start() is not start
        assert torch.equal(evaluation.start().said, start.said)


def test_texts_are_those_of_each_search_and_utterance(monkeypatch):
    """Utterances are read by length, a few at a time, yet each text is in its utterance's place."""
    monkeypatch.setattr(transducer_reading, "TOGETHER", 4)
    data = spoken(1, 10)
    units, done = Units.of(data, False), []
    steps = [len(units.steps(frames)) for frames in data.frames]
    assert steps != sorted(steps)
    torch.manual_seed(3)
    model = FloatTransducer(SIZES, 0.5)
    with evaluating(model):
        alone = [
            Evaluation(model).frames(torch.from_numpy(units.steps(frames))[None], torch.tensor([length]))[0]
            for frames, length in zip(data.frames, steps)
        ]

    def nearest(frames, evaluation):
        """The number of the utterance, as a symbol, that the frames are those of."""
        found = [
            index
            for index, own in enumerate(alone)
            if own.shape == frames.shape and np.allclose(own, frames, atol=1e-5)
        ]
        return [found[0] + 1]

    texts = read(model, data, units, [lambda frames, evaluation: [2] * len(frames), nearest], done.append)
    assert [len(text) for text in texts[0]] == steps
    assert texts[1] == [text_of([index + 1]) for index in range(10)]
    assert done == list(range(1, 11))
    assert model.training


def test_a_transducer_descends():
    data, told = spoken(0, 16), []
    torch.manual_seed(3)
    model = FloatTransducer(SIZES, 0.0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    descend(model, data, Units.of(data, False), Descent(8, 0.02, batch=4), 0, told.append, rnnt_loss)
    losses = [epoch["train_loss"] for epoch in told]
    assert losses[-1] < 0.3 * losses[0]
    assert not any(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_loss_is_the_mean_of_nats_a_character():
    class Even(torch.nn.Module):
        def forward(self, values, lengths, symbols, counts):
            return torch.zeros(len(values), values.shape[1], symbols.shape[1] + 1, 28)

    codes = [torch.tensor([2]), torch.tensor([2, 3])]
    found = rnnt_loss(Even(), np.zeros((2, 2, 78), np.float32), np.array([1, 2]), codes)
    one = 2 * np.log(28)  # a symbol and a blank
    two = 4 * np.log(28) - np.log(3)  # two symbols and two blanks, the last of them at the end
    assert found.item() == pytest.approx((one + two / 2) / 2, abs=1e-6)
