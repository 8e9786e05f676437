"""Edit distances against their recursive definition, rates and intervals against counts done by hand."""

from functools import cache

import numpy as np
import pytest

from ohmgate.train.speech.scores import (
    by_speaker,
    character_counts,
    difference_interval,
    edit_distance,
    error_rate,
    word_counts,
)


def by_definition(said: str, heard: str) -> int:
    """Levenshtein's recursion, from the front."""

    @cache
    def rest(i: int, j: int) -> int:
        if i == len(said) or j == len(heard):
            return len(said) - i + len(heard) - j
        return min(rest(i + 1, j) + 1, rest(i, j + 1) + 1, rest(i + 1, j + 1) + (said[i] != heard[j]))

    return rest(0, 0)


def test_edit_distance():
    rng = np.random.default_rng(0)
    for _ in range(200):
        said, heard = ("".join(rng.choice(list("ABC"), rng.integers(0, 9))) for _ in range(2))
        assert edit_distance(said, heard) == by_definition(said, heard)
    assert edit_distance("KITTEN", "SITTING") == 3
    assert edit_distance([], ["ONE"]) == edit_distance(["ONE"], []) == 1


def test_rates():
    said, heard = ["ENTER SIX TWO", "YES", "NO"], ["ENTER SIXTY TWO OH", "", "NO"]
    words, characters = word_counts(said, heard), character_counts(said, heard)
    assert words.tolist() == [[2, 3], [1, 1], [0, 1]]
    assert characters.tolist() == [[5, 13], [3, 3], [0, 2]]
    assert error_rate(words) == 3 / 5
    assert error_rate(characters) == 8 / 18
    assert by_speaker(words, ["meab", "fash", "meab"]).tolist() == [[1, 1], [2, 4]]
    with pytest.raises(ValueError, match="shorter"):
        word_counts(said, heard[:2])


def test_an_interval_of_a_difference():
    first = np.array([[2, 10], [4, 20], [1, 10]])
    assert difference_interval(first, first) == (0.0, 0.0), "paired: the same speakers for both"
    one_more = first + np.array([[1, 0], [2, 0], [1, 0]])
    assert difference_interval(first, one_more) == pytest.approx((0.1, 0.1))
    second = first + np.array([[0, 0], [0, 0], [3, 0]])
    draws = np.array(np.meshgrid(*[range(3)] * 3)).reshape(3, -1).T  # all 27, of equal probability
    all_of_them = np.sort([3 * (draw == 2).sum() / first[draw, 1].sum() for draw in draws])
    assert all_of_them[-1] == pytest.approx(0.3)
    found = difference_interval(first, second, share=0.9)
    assert found == pytest.approx((0, all_of_them[-2]), abs=1e-12)
