"""Clocks from a board's oscillator: settings of the PLLs of ECP5, iCE40 and Gowin."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from ..model.formats import DesignError

MHZ = 1_000_000
TOLERANCE = Fraction(1, 100)  #: of the clock that is asked for
GOWIN_ODIV = (2, 4, 8, *range(16, 129, 16))


@dataclass(frozen=True)
class Pll:
    """Settings of a PLL."""

    primitive: str  #: of the FPGA
    oscillator_hz: int  #: of its input
    hertz: Fraction  #: of its output
    settings: tuple[tuple[str, int], ...]  #: parameters of the primitive


def find_pll(primitive: str, oscillator_hz: int, clock_hz: int) -> Pll:
    """The settings that come nearest to ``clock_hz``; of several, those that compare phases most often.

    Raises :class:`DesignError` where none comes within a hundredth.
    """
    possible = _possible(primitive, oscillator_hz)
    nearest = min(possible, key=lambda pll: abs(pll.hertz - clock_hz))
    if abs(nearest.hertz - clock_hz) > TOLERANCE * clock_hz:
        below = max((pll.hertz for pll in possible if pll.hertz < clock_hz), default=None)
        above = min((pll.hertz for pll in possible if pll.hertz > clock_hz), default=None)
        near = " and ".join(f"{float(hertz / MHZ):.6g}" for hertz in (below, above) if hertz is not None)
        raise DesignError(
            f"a clock of {clock_hz / MHZ:.6g} MHz cannot be made from {oscillator_hz / MHZ:.6g} MHz by {primitive}; "
            f"next to it there is {near} MHz"
        )
    return nearest


@cache
def _possible(primitive: str, oscillator_hz: int) -> tuple[Pll, ...]:
    """One for each clock, the first."""
    first: dict[Fraction, Pll] = {}
    for pll in _SETTINGS[primitive](oscillator_hz):
        first.setdefault(pll.hertz, pll)
    return tuple(first.values())


def _ecp5(oscillator_hz: int) -> Iterator[Pll]:
    """Of EHXPLLL (FPGA-DS-02012, PLL timing): phases compared at 10 to 400 MHz, oscillator of 400 to 800 MHz.

    CLKOP goes back to the comparison and nowhere else, so CLKOS is divided from the oscillator on its own.
    """
    for clki in range(1, 129):
        compared = Fraction(oscillator_hz, clki)
        if not 10 * MHZ <= compared <= 400 * MHZ:
            continue
        for clkop in range(1, 129):
            if not 400 * MHZ <= compared * clkop <= 800 * MHZ:
                continue
            for clkos in range(1, 129):
                hertz = compared * clkop / clkos
                if 3_125_000 <= hertz <= 400 * MHZ:
                    settings = ("CLKI_DIV", clki), ("CLKFB_DIV", 1), ("CLKOP_DIV", clkop), ("CLKOS_DIV", clkos)
                    yield Pll("EHXPLLL", oscillator_hz, hertz, settings)


def _ice40(primitive: str) -> Callable[[int], Iterator[Pll]]:
    def settings(oscillator_hz: int) -> Iterator[Pll]:
        """Of SB_PLL40 (FPGA-TN-02052): phases compared at 10 to 133 MHz, oscillator of 533 to 1066 MHz."""
        for divr in range(16):
            compared = Fraction(oscillator_hz, divr + 1)
            if not 10 * MHZ <= compared <= 133 * MHZ:
                continue
            bounds = (17, 26, 44, 66, 101)
            filter_range = 1 + sum(compared >= bound * MHZ for bound in bounds)
            for divf in range(128):
                if not 533 * MHZ <= compared * (divf + 1) <= 1066 * MHZ:
                    continue
                for divq in range(1, 7):
                    hertz = compared * (divf + 1) / 2**divq
                    if 16 * MHZ <= hertz <= 275 * MHZ:
                        values = ("DIVR", divr), ("DIVF", divf), ("DIVQ", divq), ("FILTER_RANGE", filter_range)
                        yield Pll(primitive, oscillator_hz, hertz, values)

    return settings


def _gowin(oscillator_hz: int) -> Iterator[Pll]:
    """Of GW1NR-9's rPLL, speed C6/I5 (DS117): phases compared at 3 to 400 MHz, oscillator of 400 to 1200 MHz."""
    for idiv in range(64):
        compared = Fraction(oscillator_hz, idiv + 1)
        if not 3 * MHZ <= compared <= 400 * MHZ:
            continue
        for fbdiv in range(64):
            hertz = compared * (fbdiv + 1)
            if not 3_125_000 <= hertz <= 600 * MHZ:
                continue
            for odiv in GOWIN_ODIV:
                if 400 * MHZ <= hertz * odiv <= 1200 * MHZ:
                    settings = ("IDIV_SEL", idiv), ("FBDIV_SEL", fbdiv), ("ODIV_SEL", odiv)
                    yield Pll("rPLL", oscillator_hz, hertz, settings)


_SETTINGS: dict[str, Callable[[int], Iterator[Pll]]] = {
    "EHXPLLL": _ecp5,
    "SB_PLL40_CORE": _ice40("SB_PLL40_CORE"),
    "SB_PLL40_PAD": _ice40("SB_PLL40_PAD"),
    "rPLL": _gowin,
}
