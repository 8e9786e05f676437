"""A user's own data: what cannot be is one sentence, at the border."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.data.datasets import SequenceDataset, Sequences

SPLIT = Sequences(np.zeros((4, 5, 2), np.float32), np.array([5, 1, 3, 5]), np.array([0, 1, 1, 0]))


def features(**places) -> np.ndarray:
    """Zeros but for ``a_b_c`` = value at sequence a, step b, channel c."""
    values = SPLIT.features.copy()
    for place, value in places.items():
        values[tuple(map(int, place[1:].split("_")))] = value
    return values


@pytest.mark.parametrize("split", ["training", "test"])
@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"labels": np.array([1, 2, 2, 1])}, "labels of the SPLIT set must be integers from 0 to 1, but sequence 1 has 2"),
        ({"labels": np.array([0, 0, -1, 0])}, "labels of the SPLIT set must be integers from 0 to 1, but sequence 2 has -1"),
        ({"labels": np.zeros(3, int)}, "labels of the SPLIT set must be one integer for each of its 4 sequences, "
         "not int64 of shape (3,)"),
        ({"labels": np.zeros(4)}, "labels of the SPLIT set must be one integer for each of its 4 sequences, "
         "not float64 of shape (4,)"),
        ({"labels": [0, 1, 1, 0]}, "labels of the SPLIT set must be one integer for each of its 4 sequences, not list"),
        ({"lengths": np.array([5, 0, 3, 5])}, "lengths of the SPLIT set must be integers from 1 to 5, but sequence 1 has 0"),
        ({"lengths": np.array([5, 6, 3, 5])}, "lengths of the SPLIT set must be integers from 1 to 5, but sequence 1 has 6"),
        ({"lengths": np.array([5, 1])}, "lengths of the SPLIT set must be one integer for each of its 4 sequences, "
         "not int64 of shape (2,)"),
        ({"groups": np.zeros(3)}, "the SPLIT set must have a group for each of its 4 sequences, not (3,)"),
        ({"features": np.zeros((4, 5))}, "features of the SPLIT set must be numbers of shape (sequences, steps, channels), "
         "not float64 of shape (4, 5)"),
        ({"features": np.array([[["a"]]])}, "features of the SPLIT set must be numbers of shape (sequences, steps, "
         "channels), not <U1 of shape (1, 1, 1)"),
        ({"features": [[[0.0]]]}, "features of the SPLIT set must be numbers of shape (sequences, steps, channels), not list"),
        ({"features": np.zeros((0, 5, 2))}, "the SPLIT set must have at least 1 sequence, 1 step and 1 channel, not 0, 5 and 2"),
        ({"features": features(_2_1_0=np.nan)}, "features of the SPLIT set must be finite, but sequence 2 has nan in step 1, "
         "channel 0"),
        ({"features": features(_3_4_1=-np.inf)}, "features of the SPLIT set must be finite, but sequence 3 has -inf in step 4, "
         "channel 1"),
    ],
)  # fmt: skip
def test_each_rule_has_its_sentence(split, changes, sentence):
    wrong = replace(SPLIT, **changes)
    splits = (wrong, SPLIT) if split == "training" else (SPLIT, wrong)
    with pytest.raises(DesignError) as raised:
        SequenceDataset("own", *splits, ("no", "yes"))
    assert str(raised.value) == sentence.replace("SPLIT", split)


def test_padding_is_finite_too():
    data = replace(SPLIT, features=features(_1_1_0=np.nan))
    sentence = (
        "^features of the training set must be finite, but sequence 1 has nan in step 1, channel 0, past its 1 steps$"
    )
    with pytest.raises(DesignError, match=sentence):
        SequenceDataset("own", data, SPLIT, ("no", "yes"))


@pytest.mark.parametrize("classes", [(), ("one",), ("same", "same")])
def test_classes_have_names(classes):
    with pytest.raises(DesignError, match="^classes must be at least 2 different names, not "):
        SequenceDataset("own", SPLIT, SPLIT, classes)


def test_both_splits_have_the_same_channels():
    other = replace(SPLIT, features=np.zeros((4, 5, 3), np.float32))
    with pytest.raises(DesignError, match="^the test set must have the training set's 2 channels, not 3$"):
        SequenceDataset("own", SPLIT, other, ("no", "yes"))
