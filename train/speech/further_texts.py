"""Texts that AN4's speakers could have said as well: for the language model of a target."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...model.formats import DesignError, check_integer
from ..data.corpora import CHARACTERS, NATIONS, Names, names
from .characters import CHARACTERS as SPOKEN

DIGITS = ("ZERO", "OH", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
MOST_DIGITS = 7  #: of a string, as of a telephone number


def further_texts(texts: Sequence[str], folder: str | Path | None, seed: int) -> list[str]:
    """Spelled English surnames of the folder of data, and as many strings of the digits that ``texts`` have."""
    spelled = spelled_names(names(folder))
    return [*spelled, *digit_strings(texts, len(spelled), seed)]


def spelled_names(data: Names, nation: str = "English") -> list[str]:
    """A nation's surnames letter by letter, ``S M I T H``; what is neither A to Z nor a to z is left out."""
    own = data.nations == NATIONS.index(nation)
    found = []
    for window, length in zip(data.windows[own], data.lengths[own]):
        letters = "".join(CHARACTERS[index] for index in window[:length]).upper()
        found.append(" ".join(letter for letter in letters if letter in SPOKEN[1:]))
    return [each for each in found if each]


def digit_strings(texts: Sequence[str], count: int, seed: int) -> list[str]:
    """``count`` strings of 2 to 7 of the digits that occur in ``texts``, all alike often: ``FOUR TWO OH``.

    Raises :class:`DesignError` where ``texts`` have none.
    """
    check_integer("digit strings", count, 0, 10**7)
    words = {word for text in texts for word in text.split()}
    said = [word for word in DIGITS if word in words]
    if not said:
        raise DesignError("texts to take digits from must have a word of ZERO, OH, ONE to NINE, but have none")
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(said, generator.integers(2, MOST_DIGITS + 1))) for _ in range(count)]
