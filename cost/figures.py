"""A figure and where it comes from; rows of a cost table; their sums."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Origin = Literal["paper", "literature", "estimate", "measured"]


@dataclass(frozen=True)
class Span:
    """A value and the lowest and highest that its sources allow."""

    value: float
    low: float
    high: float

    def __add__(self, other: "Span") -> "Span":
        return Span(self.value + other.value, self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> "Span":
        """All three times ``factor``."""
        return Span(self.value * factor, self.low * factor, self.high * factor)


NOTHING = Span(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Figure(Span):
    """A span with its formula, constants included, its origin and its source."""

    formula: str
    origin: Origin
    source: str


def exact(value: float, formula: str, origin: Origin, source: str) -> Figure:
    """A figure without a range."""
    return Figure(value, value, value, formula, origin, source)


def ranged(spread: Sequence[float], formula: str, origin: Origin, source: str) -> Figure:
    """A figure of value, lowest and highest."""
    value, low, high = spread
    return Figure(value, low, high, formula, origin, source)


@dataclass(frozen=True)
class Row:
    """One component: ``energy`` in pJ, ``area`` in um2.

    The energy is that of a time step, of a layer that is read at a sequence's end only that of a sequence, and of
    programming that of a load.
    """

    layer: int | None  #: None: the whole chip
    component: str
    energy: Figure
    area: Figure
    note: str = ""  #: where a rule is used outside what it was made from


def total(spans: Iterable[Span]) -> Span:
    """The sum; ranges add, as one source may be wrong in the same way everywhere."""
    result = NOTHING
    for span in spans:
        result = result + span
    return result
