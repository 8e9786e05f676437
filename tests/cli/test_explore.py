"""``ohmgate explore``: what it prints and writes, and its error sentences."""

import json
import re

import pytest

from ohmgate.model.design import Design


def test_an_exploration_writes_its_front_as_designs_and_a_page(ohmgate, tmp_path):
    out = tmp_path / "out"
    (out / "designs").mkdir(parents=True)
    (out / "designs" / "old_3.toml").write_text("")
    result = ohmgate(
        "explore", "vowels", "--vary", "adc_bits=3,4", "--vary", "hidden=16,32", "--steps", 7, "--out", out
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0] == "22 variants of vowels, 5 that no other beats in energy, time and area"
    content = json.loads((out / "explore.json").read_text())
    assert (content["design"], content["sequence_steps"], len(content["points"])) == ("vowels", 7, 22)
    fewest = [p["name"] for p in content["points"] if (p["hidden"], p["adc_bits"]) == (16, 3)]
    assert content["front"] == fewest  # fewer bits and units are cheaper in all, each number of ADCs trades
    assert sorted(path.stem for path in (out / "designs").iterdir()) == sorted(fewest)
    design = Design.load(out / "designs" / f"{fewest[0]}.toml")
    assert (design.layers[0].hidden, design.layers[0].adc_bits, design.layers[1].inputs) == (16, 3, 16)
    page = (out / "explore.html").read_text()
    assert all(f'<td><a href="designs/{name}.toml">{name}</a></td>' in page for name in fewest)
    assert "<td>as it stands</td>" in page
    rows = [line for line in result.stdout.splitlines() if line.startswith("| adcs = 128")]
    assert re.search(
        r"\| +0\.\d{3} \| +0\.\d{3} \| +3\.\d{3} \|$", rows[0]
    )  # faster, less energy, three times the area


def test_the_usual_grid(ohmgate, tmp_path):
    result = ohmgate("explore", "vowels", "--out", tmp_path / "out")
    assert result.stdout.startswith("810 variants of vowels, ")


def test_columns_that_are_cut_off_make_more_adcs_cost_energy(ohmgate, tmp_path):
    """At ground the array takes less the sooner the conversions are done; cut off it takes the same."""
    ratios = {}
    for unselected in ("grounded", "cut_off"):
        out = tmp_path / unselected
        result = ohmgate("explore", "vowels", "--vary", "adcs=8,16", "--unselected", unselected, "--out", out)
        assert result.exit_code == 0, result.stderr
        said = {"grounded": "at ground", "cut_off": "cut off"}[unselected]
        assert f"us and nJ are of 20 time steps, with waiting columns {said}." in result.stdout
        content = json.loads((out / "explore.json").read_text())
        assert content["unselected"] == unselected
        few, many = (point["sequence_pj"] for point in content["points"])
        ratios[unselected] = few / many
    assert ratios["grounded"] > 1.2
    assert ratios["cut_off"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "options, sentence",
    [
        (("--vary", "adcs"), "--vary must be FIELD=VALUE,VALUE with whole numbers, as in adcs=16,32, not 'adcs'"),
        (("--vary", "adcs=1,x"), "--vary must be FIELD=VALUE,VALUE with whole numbers, .*, not 'adcs=1,x'"),
        (("--vary", "adcs=4", "--vary", "adcs=8"), "--vary must name adcs once, not twice"),
        (("--vary", "colour=4"), "what is varied must be one of hidden, .*, not 'colour'"),
        (("--vary", "tables=burnt"), "layer 0: tables must be one of loaded, constant, not 'burnt'"),
        (("--vary", "tanh_bits=2"), "layer 0: tanh fraction bits must be an integer from 0 to 24, not -1"),
        (("--vary", "adc_bits=0"), "layer 0: ADC bits must be an integer from 1 to 16, not 0"),
        (("--vary", "clock_mhz=0"), "clock in MHz must be a number from 0.001 to 100000, not 0.0"),
        (("--unselected", "off"), "unselected columns must be one of grounded, floating, cut_off, not 'off'"),
        (("--steps", 0), "time steps of a sequence must be an integer from 1 to 1000000, not 0"),
    ],
)
def test_bad_options_are_one_sentence(ohmgate, tmp_path, options, sentence):
    result = ohmgate("explore", "vowels", *options, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert re.fullmatch(f"ohmgate: error: {sentence}", result.stderr.splitlines()[-1])
    assert not list((tmp_path / "out").glob("*"))
