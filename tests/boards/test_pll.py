"""PLL settings against the families' own calculators, and against the rules of their data sheets."""

import re
import subprocess
import sys
from fractions import Fraction

import pytest

from ohmgate.boards.pll import find_pll
from ohmgate.model.formats import DesignError
from ohmgate.model.prerequisites import find_command

MHZ = 1_000_000


def settings(pll) -> dict[str, int]:
    return dict(pll.settings)


@pytest.mark.parametrize("megahertz", [24, 26, 31, 48, 61, 100])
def test_an_ice40_gets_the_settings_of_icepll(megahertz):
    tool = find_command("yowasp-icepll")
    assert tool
    said = subprocess.run([tool, "-i", "12", "-o", str(megahertz)], capture_output=True, text=True, check=True).stdout
    pll = find_pll("SB_PLL40_CORE", 12 * MHZ, megahertz * MHZ)
    expected = {
        name: int(re.search(rf"^{name}: +(\d+)", said, re.M)[1]) for name in ("DIVR", "DIVF", "DIVQ", "FILTER_RANGE")
    }
    assert settings(pll) == expected
    assert f"F_PLLOUT: {float(pll.hertz / MHZ):8.3f} MHz (achieved)" in said


@pytest.mark.parametrize("megahertz", [45, 48, 51, 54, 60, 81])
def test_a_gowin_gets_the_clock_of_gowin_pll(megahertz):
    said = subprocess.run(
        [sys.executable, "-m", "apycula.gowin_pll", "-i", "27", "-o", str(megahertz), "-d", "GW1NR-LV9QN88PC6/I5"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    pll = find_pll("rPLL", 27 * MHZ, megahertz * MHZ)
    assert f"Achieved output frequency:    {float(pll.hertz / MHZ):.3f} MHz" in said


@pytest.mark.parametrize(
    "megahertz, made, expected",
    [
        (80, Fraction(80), {"CLKI_DIV": 1, "CLKFB_DIV": 1, "CLKOP_DIV": 16, "CLKOS_DIV": 5}),
        (75, Fraction(75), {"CLKI_DIV": 1, "CLKFB_DIV": 1, "CLKOP_DIV": 18, "CLKOS_DIV": 6}),
        (43, Fraction(43, 1), None),
        (87.5, Fraction(175, 2), {"CLKI_DIV": 1, "CLKFB_DIV": 1, "CLKOP_DIV": 21, "CLKOS_DIV": 6}),
    ],
)
def test_an_ecp5_divides_its_oscillator_on_its_own(megahertz, made, expected):
    pll = find_pll("EHXPLLL", 25 * MHZ, int(megahertz * MHZ))
    assert abs(pll.hertz / MHZ - made) <= made / 100
    values = settings(pll)
    assert expected in (None, values)
    assert pll.hertz == Fraction(25 * MHZ, values["CLKI_DIV"]) * values["CLKOP_DIV"] / values["CLKOS_DIV"]


@pytest.mark.parametrize(
    "primitive, oscillator, low, high",
    [("EHXPLLL", 25, 5, 200), ("SB_PLL40_PAD", 12, 17, 120), ("rPLL", 27, 6, 120)],
)
def test_every_clock_keeps_the_data_sheet(primitive, oscillator, low, high):
    """Limits of FPGA-DS-02012, FPGA-TN-02052 and DS117; a clock is asked for by 7/4 MHz."""
    found = 0
    for quarter in range(4 * low, 4 * high, 7):
        try:
            pll = find_pll(primitive, oscillator * MHZ, quarter * MHZ // 4)
        except DesignError:
            continue
        found += 1
        values = settings(pll)
        assert abs(float(pll.hertz) / (quarter * MHZ / 4) - 1) <= 0.01
        if primitive == "EHXPLLL":
            compared = oscillator / values["CLKI_DIV"]
            inner, made = compared * values["CLKFB_DIV"] * values["CLKOP_DIV"], float(pll.hertz) / MHZ
            assert 10 <= compared <= 400
            assert 400 <= inner <= 800
            assert made == pytest.approx(inner / values["CLKOS_DIV"])
            assert all(1 <= value <= 128 for value in values.values())
        elif primitive == "rPLL":
            compared = oscillator / (values["IDIV_SEL"] + 1)
            assert 3 <= compared <= 400
            made = compared * (values["FBDIV_SEL"] + 1)
            assert float(pll.hertz) / MHZ == pytest.approx(made)
            assert 400 <= made * values["ODIV_SEL"] <= 1200
            assert values["ODIV_SEL"] in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
            assert all(0 <= values[name] <= 63 for name in ("IDIV_SEL", "FBDIV_SEL"))
        else:
            inner = oscillator * (values["DIVF"] + 1)
            assert (values["DIVR"], values["FILTER_RANGE"]) == (0, 1)  # 12 MHz is below 17
            assert 533 <= inner <= 1066
            assert float(pll.hertz) / MHZ == pytest.approx(inner / 2 ** values["DIVQ"])
            assert values["DIVF"] <= 127
    assert found > (high - low) / 4


@pytest.mark.parametrize(
    "primitive, oscillator, clock, sentence",
    [
        ("SB_PLL40_CORE", 12, 8 * MHZ, "a clock of 8 MHz cannot be made from 12 MHz by SB_PLL40_CORE; next to it there is 16.125 MHz"),
        ("SB_PLL40_PAD", 12, 300 * MHZ, "a clock of 300 MHz cannot be made from 12 MHz by SB_PLL40_PAD; next to it there is 270 MHz"),
        ("rPLL", 27, 52_700_000, "a clock of 52.7 MHz cannot be made from 27 MHz by rPLL; next to it there is 51 and 54 MHz"),
        ("EHXPLLL", 25, MHZ, "a clock of 1 MHz cannot be made from 25 MHz by EHXPLLL; next to it there is 3.125 MHz"),
    ],
)  # fmt: skip
def test_a_clock_that_cannot_be_made_is_refused(primitive, oscillator, clock, sentence):
    with pytest.raises(DesignError) as error:
        find_pll(primitive, oscillator * MHZ, clock)
    assert str(error.value) == sentence
