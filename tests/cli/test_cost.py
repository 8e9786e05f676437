"""``ohmgate cost``: what it prints, the JSON, the page, its error sentences."""

import json
import re

import pytest

from ohmgate.cost.measured import Measured, kept_for
from ohmgate.hdl.accelerator import Accelerator
from ohmgate.model.design import Design


def cells(text: str, first: str) -> list[list[str]]:
    """Cells behind ``first`` of each table line that begins with it."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [line[1:] for line in lines if line[0] == first]


def test_names_prints_the_papers_figures_to_the_digit_and_the_measured_ones_beside(ohmgate):
    result = ohmgate("cost", "names")
    assert result.exit_code == 0, result.stderr
    out = result.stdout
    for name, computed, printed in (
        ("matrix product", "3,645 GOP/s", "3645"),
        ("throughput", "3,439 GOP/s", "3,439"),
        ("64 ADCs", "0.01024 W", "0.01"),
        ("array read", "0.3645 W", "0.364"),
        ("power", "1.136 W", "1.136"),
        ("computing efficiency", "3,027 GOP/s/W", "3,027"),
        ("area of the array", "0.0583 mm2", "0.058"),
        ("area", "1.031 mm2", "1.031"),
        ("area efficiency", "3,336 GOP/s/mm2", "3,333"),
    ):
        assert cells(out, name)[0][1:3] == [computed, printed]
    assert "0.762 W of the printed 1.136 - 0.364 - 0.01" in cells(out, "all else")[0][0]
    assert cells(out, "this paper") == [["NVM", "4", "3,439", "1.136", "1.031", "3,027", "3,027", "3,336", "3,333"]]
    assert cells(out, "IBM's RPU")[0][-4:] == ["14,000", "14,166", "10,448", "10,477"]
    assert ["14,166 GOP/s/W of the RPU", "14,000", "84,000 / 6"] in cells(out, "Table III")
    kept = kept_for(Design.load("names"))
    assert kept is not None
    [chip] = cells(out, "chip")
    assert chip[0] == "digital"
    assert chip[-1] == f"{float(f'{kept.area_um2:.3g}'):,.0f} m"
    assert cells(out, "ours, measured")[0][0] == "NVM"
    assert "p: the paper, l: literature, e: our estimate, m: measured" in out


def test_one_tier_shows_formula_and_origin_of_every_row(ohmgate):
    out = ohmgate("cost", "vowels", "--tier", "literature").stdout
    rows = {row[0]: row[1:] for row in cells(out, "0 lstm")}
    assert rows["ADC, pJ"][1:3] == [
        "128 x (0.1949 N + 0.00042 2^N) pJ, N = 4: 0.786 pJ",
        "literature: SAR rule; survey fit, paper",
    ]
    assert rows["multiplexer, um2"][2] == "estimate: 10 x MUX2_X1 of Nangate 45; 1 to 30 x"
    assert rows["programming, pJ"][0] == "46,100 (4,610 to 461,000)"
    assert "The paper's figures" not in out


def test_options_reach_the_figures(ohmgate, tmp_path):
    result = ohmgate("cost", "names", "--clock-mhz", 320, "--steps", 7, "--json", tmp_path / "c.json")
    assert result.exit_code == 0, result.stderr
    content = json.loads((tmp_path / "c.json").read_text())
    assert (content["design"], content["fingerprint"]) == ("names", Design.load("names").fingerprint)
    tiers = {tier["tier"]: tier for tier in content["tiers"]}
    assert list(tiers) == ["paper", "literature", "measured"]
    literature, cycles = tiers["literature"], Accelerator(Design.load("names")).cycles(2)
    assert (literature["clock_mhz"], literature["step_cycles"], literature["sequence_steps"]) == (320, cycles, 7)
    assert "energy of 7 time steps, nJ" in result.stdout
    assert tiers["paper"]["rows"][0]["energy"]["value"] == pytest.approx(38641.664)
    assert tiers["paper"]["rows"][0]["energy"]["source"] == "paper VI.B"
    assert tiers["measured"]["measured"]["fingerprint"] == content["fingerprint"]


def test_waiting_columns_decide_the_arrays_energy_but_in_the_papers_tier(ohmgate, tmp_path):
    energy = {}
    for unselected in ("grounded", "floating", "cut_off"):
        result = ohmgate("cost", "names", "--unselected", unselected, "--json", tmp_path / "c.json")
        assert result.exit_code == 0, result.stderr
        told = {"grounded": "at ground", "floating": "floating, in the paper's tier at ground"}.get(
            unselected, "cut off, in the paper's tier at ground"
        )
        assert f"Arrays have waiting columns {told}.\n" in result.stdout
        paper, literature, measured = json.loads((tmp_path / "c.json").read_text())["tiers"]
        assert (paper["unselected"], literature["unselected"]) == ("grounded", unselected)
        assert paper["rows"][0]["energy"]["value"] == pytest.approx(38641.664)
        assert measured["rows"][0] == literature["rows"][0]
        energy[unselected] = literature["rows"][0]["energy"]["value"]
    assert energy["cut_off"] == pytest.approx(energy["grounded"] / 16)
    assert energy["floating"] / energy["grounded"] == pytest.approx(1 - 15 / 16 / 357)


def test_ones_own_measured_figures(ohmgate, tmp_path):
    design = Design.load("vowels")
    figures = Measured("vowels", design.fingerprint, "my.lib", 1234.0, 2.0, "mine", 5.0)
    (tmp_path / "m.json").write_text(json.dumps(vars(figures)))
    out = ohmgate("cost", "vowels", "--tier", "measured", "--measured", tmp_path / "m.json").stdout
    chip = {row[0]: row[1:] for row in cells(out, "chip")}
    assert chip["digital, um2"][:3] == ["1,230", "synthesis with my.lib", "measured: mine"]
    cycles = Accelerator(design).cycles(4)  # at 500 MHz 6.25 ns are three cycles and a bit
    assert chip["digital, pJ"][1] == f"5 pJ a cycle x {cycles} cycles"
    result = ohmgate("cost", "names", "--measured", tmp_path / "m.json")
    assert result.exit_code == 2
    assert "is of a design vowels with fingerprint" in result.stderr


def test_a_design_that_nobody_has_measured(ohmgate, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('name = "my"\n[[layer]]\nkind = "lstm"\ninputs = 3\nhidden = 4\nadcs = 16\nadc_bits = 12\n')
    out = ohmgate("cost", path).stdout
    assert "Nothing has been measured of this design; docs/cost.md says how to." in out
    assert "measured" not in cells(out, "layer")[0]
    assert cells(out, "throughput")[0][1] == "9.143 GOP/s"  # 7 x 16 / (6.25 + 6) ns


def test_the_page_has_every_table_and_both_pictures(ohmgate, tmp_path):
    result = ohmgate("cost", "names", "--report", tmp_path / "cost.html")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"report: {tmp_path / 'cost.html'}"
    page = (tmp_path / "cost.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 2
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles == [
        "Where energy and area go",
        "Beside other hardware (Figure 9 of the paper)",
        "The paper&#39;s figures (section VI) of layer 0, 356 x 1024 with 64 ADCs",
        "What the paper prints, and what follows from it",
        "Energy of a time step and area",
        "The whole design",
        "Tables II and III of the paper, with this design beside",
    ]
    for cell in ("3,645 GOP/s", "1.136 W", "10,448", "0.761 W, 0.333 mm2"):
        assert f">{cell}</td>" in page
    assert ohmgate("cost", "names", "--report", tmp_path / "again.html").exit_code == 0
    assert (tmp_path / "again.html").read_text() == page


def test_a_page_of_one_tier(ohmgate, tmp_path):
    assert ohmgate("cost", "har", "--tier", "paper", "--report", tmp_path / "c.html").exit_code == 0
    page = (tmp_path / "c.html").read_text()
    assert "of layer 1, 64 x 128 with 16 ADCs" in page
    assert "What the paper prints" not in page


@pytest.mark.parametrize(
    "options, sentence",
    [
        (("--tier", "guess"), "tier must be one of paper, literature, measured, not 'guess'"),
        (("--steps", 0), "time steps of a sequence must be an integer from 1 to 1000000, not 0"),
        (("--clock-mhz", 0), "clock in MHz must be a number from 0.001 to 100000, not 0.0"),
        (("--unselected", "off"), "unselected columns must be one of grounded, floating, cut_off, not 'off'"),
        (
            ("--tier", "paper", "--unselected", "cut_off"),
            "the paper's tier must have unselected columns 'grounded', not 'cut_off'",
        ),
        (("--measured", "none.json"), "cannot read measured figures 'none.json': No such file or directory"),
        (("--json", "a", "--report", "a"), "--json and --report must be two files, not both 'a'"),
        (
            ("--tier", "measured"),
            "the measured tier must have figures of one, and there are none; make them with: .*",
        ),
    ],
)
def test_bad_options_are_one_sentence(ohmgate, tmp_path, options, sentence):
    path = tmp_path / "one.toml"
    path.write_text('name = "one"\n[[layer]]\nkind = "dense"\ninputs = 1\noutputs = 1\nadcs = 1\n')
    result = ohmgate("cost", path, *options)
    assert result.exit_code == 2
    assert re.fullmatch(f"ohmgate: error: {sentence}", result.stderr.splitlines()[-1])
