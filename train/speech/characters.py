"""Transcripts as codes: 0 is the blank of CTC and transducers, 1 the space, 2 to 27 are A to Z."""

from collections.abc import Iterable

from ...model.formats import DesignError

BLANK = 0
CHARACTERS = " ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SYMBOLS = len(CHARACTERS) + 1  #: the blank included


def codes_of(text: str) -> list[int]:
    """Raises :class:`DesignError` for any other character."""
    for character in text:
        if character not in CHARACTERS:
            raise DesignError(f"a transcript must be of the letters A to Z and spaces, not {text!r}")
    return [CHARACTERS.index(character) + 1 for character in text]


def text_of(codes: Iterable[int]) -> str:
    """Of codes without blanks."""
    return "".join(CHARACTERS[code - 1] for code in codes)
