"""A transducer's three networks: a search by their integers reads what the trained model reads."""

import numpy as np
import pytest
import torch

from ohmgate.model.formats import full_scale
from ohmgate.train.layers.whole_model import evaluating
from ohmgate.train.speech.characters import text_of
from ohmgate.train.speech.features import Units, padded_steps
from ohmgate.train.speech.search_work import Watched
from ohmgate.train.speech.transducer_networks import IntegerTransducer, networks_of
from ohmgate.train.speech.transducer_reading import Evaluation, read
from ohmgate.train.speech.transducer_search import beam_search, greedy
from tests.train.speech.test_training import spoken
from tests.train.speech.test_transducer_model import LENGTHS, SIZES, quantised, values
from tests.train.speech.test_transducer_search import FRAMES, Table


def test_greedy_text_by_three_networks_of_integers_is_the_models():
    data, model = spoken(1, 6), quantised()
    units = Units.of(data, True)
    expected = read(model, data, units, [greedy])[0]
    steps, lengths = padded_steps([units.steps(frames) for frames in data.frames])
    with evaluating(model):
        transducer = IntegerTransducer(networks_of(model, torch.from_numpy(steps), torch.from_numpy(lengths)))
    found = [text_of(greedy(frames, transducer)) for frames in transducer.frames(steps, lengths)]
    assert found == expected
    assert len(set(found)) > 3


def test_scores_along_a_beam_are_the_models():
    model = quantised()
    with evaluating(model):
        evaluation = Evaluation(model)
        transducer = IntegerTransducer(networks_of(model, values(), LENGTHS))
        heard, encoded = evaluation.frames(values(), LENGTHS), transducer.frames(values().numpy(), LENGTHS.numpy())
        for own, codes in zip(heard, encoded, strict=True):
            expected, found = beam_search(own, evaluation, 3), beam_search(codes, transducer, 3)
            assert [said for said, _ in found] == [said for said, _ in expected]
            assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-4)


def test_networks_have_the_converters_that_were_asked_for():
    networks = networks_of(quantised(), values(), LENGTHS, adcs=8, head_adcs=14, max_steps=20)
    assert [layer.adcs for layer in networks.encoder.design.layers] == [8, 8, 8, 8, 7]
    assert [layer.adcs for layer in networks.prediction.design.layers] == [4]
    assert [layer.adcs for layer in networks.joint.design.layers] == [6, 14]
    assert networks.encoder.design.max_steps == 20
    assert networks.joint.design.layers[0].inputs == SIZES.encoded + SIZES.predicted


def test_symbols_drive_one_row_each_the_blank_first():
    codes = networks_of(quantised(), values(), LENGTHS).symbol_codes((3, 27, 3))
    assert codes.shape == (4, 28)
    assert np.argwhere(codes).tolist() == [[0, 0], [1, 3], [2, 27], [3, 3]]
    assert codes.max() == full_scale(4)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_search_asks_is_counted(seed):
    plain, watched = Table(seed, symbols=4), Watched(Table(seed, symbols=4))
    assert beam_search(FRAMES, watched, 3) == beam_search(FRAMES, plain, 3)
    assert sum(watched.predictions) == len(watched.said) == len({*watched.said})
    assert next(iter(watched.said)) == ()
    assert watched.predictions[0] == 1
    assert watched.pairs == [len(said) for _, said in watched.asked]
    assert max(watched.pairs) == 3
    assert all(said in watched.said for _, several in watched.asked for said in several)


def test_a_greedy_search_asks_once_for_each_symbol_and_each_step():
    watched = Watched(Table(1))
    found = greedy(FRAMES, watched, most=50)
    assert list(watched.said) == [tuple(found[:count]) for count in range(len(found) + 1)]
    assert watched.predictions == [1] * (len(found) + 1)
    assert watched.pairs == [1] * (len(found) + len(FRAMES))
    assert watched.replayed == len(found) + 1
    again = greedy(FRAMES, watched, most=50)
    assert again == found
    assert sum(watched.predictions) == len(found) + 1  # known already
    assert sum(watched.pairs) == 2 * (len(found) + len(FRAMES))


def test_other_symbols_than_the_last_begin_at_the_blank():
    watched = Watched(Table(0))
    (first, second) = watched.advance([watched.start()] * 2, [1, 2])  # the blank and 1, then the blank and 2
    assert watched.replayed == 1 + 1 + 2
    watched.advance([second], [1])  # goes on
    assert watched.replayed == 4 + 1
    watched.advance([first], [1])  # the blank, 1, 1
    assert watched.replayed == 5 + 3
    watched.advance([first], [1])  # known
    assert watched.replayed == 8
