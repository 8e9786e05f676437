"""Spelled names and strings of digits."""

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.data.corpora import CHARACTERS, NATIONS, WINDOW, Names
from ohmgate.train.speech import further_texts
from ohmgate.train.speech.characters import codes_of


def names_of(*given: tuple[str, str]) -> Names:
    windows = np.full((len(given), WINDOW + 1), CHARACTERS.index("\n"), dtype=np.uint8)
    for row, (name, _) in zip(windows, given):
        row[: len(name)] = [CHARACTERS.index(letter) for letter in name]
    nations = np.array([NATIONS.index(nation) for _, nation in given])
    return Names(windows, np.array([len(name) for name, _ in given]), "", nations)


NAMES = names_of(("O'Neil", "English"), ("Abel", "French"), ("de Zoet", "English"), ("-", "English"))


def test_names_are_spelled():
    assert further_texts.spelled_names(NAMES) == ["O N E I L", "D E Z O E T"]
    assert further_texts.spelled_names(NAMES, "French") == ["A B E L"]


def test_digits_are_those_of_the_texts():
    found = further_texts.digit_strings(["ENTER TWO NINE", "OH NINETY A"], 400, 3)
    assert {word for text in found for word in text.split()} == {"TWO", "NINE", "OH"}
    assert {len(text.split()) for text in found} == {2, 3, 4, 5, 6, 7}
    assert found == further_texts.digit_strings(["OH NINE", "TWO"], 400, 3)
    assert found != further_texts.digit_strings(["OH NINE", "TWO"], 400, 4)
    words = "^texts to take digits from must have a word of ZERO, OH, ONE to NINE, but have none$"
    with pytest.raises(DesignError, match=words):
        further_texts.digit_strings(["A B"], 1, 0)


def test_as_many_digits_as_names(monkeypatch):
    monkeypatch.setattr(further_texts, "names", lambda folder: NAMES if folder == "data" else None)
    found = further_texts.further_texts(["TWO"], "data", 0)
    assert found[:2] == ["O N E I L", "D E Z O E T"]
    assert [set(text.split()) for text in found[2:]] == [{"TWO"}] * 2
    assert all(codes_of(text) for text in found)
