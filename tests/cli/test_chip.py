"""``ohmgate chip``: a simulated chip is measured, repaired, verified and refreshed; its record goes on where it was."""

import json
import re

import pytest

WORN = """preset = "reram"
[cells]
stuck_on = 0.02
stuck_off = 0.02
[adc]
offset_sigma = 1.0
calibrate = false
"""


@pytest.fixture
def chip(ohmgate, tiny, tmp_path, monkeypatch):
    """Runs ``ohmgate chip COMMAND`` on the tiny run and the worn array; lines of its result."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worn.toml").write_text(WORN)

    def call(command, *options, status=0, array="worn.toml"):
        result = ohmgate("chip", command, tiny / "run", "--array", array, "--seed", 7, *options)
        assert result.exit_code == status, result.stderr
        return result.stdout.splitlines() if status < 2 else result.stderr.splitlines()[-1]

    return call


def record_of(path="c.json"):
    with open(path) as file:
        return json.load(file)


def test_a_chip_is_repaired_once_and_then_only_loaded(chip):
    lines = chip("repair", "--record", "c.json", "--spares", 1, "--sequences", 20)
    assert re.fullmatch(r"chip worn 7: layer 0: weights with stuck cells: .* of 240", lines[0])
    assert re.fullmatch(r"chip worn 7: layer 1: weights with stuck cells: .* of 54", lines[1])
    wrong = re.fullmatch(
        r"chip worn 7: layer 0: (\d+) of 120 weights cannot be as they should, (\d+) of 8 spares are used", lines[2]
    )
    assert wrong
    assert int(wrong[2]) > 0
    assert re.fullmatch(r"chip worn 7: loaded, accuracy \d+\.00 % of 20 sequences", lines[4])
    assert re.fullmatch(
        r"chip worn 7: layer 0: offsets up to \d\.\d\d LSB, now \d\.\d\d; gains off by up to [\d.]+ %, now [\d.]+ %",
        lines[5],
    )
    assert re.fullmatch(r"chip worn 7: calibrated, accuracy \d+\.00 % of 20 sequences; record: c.json", lines[7])
    known = record_of()
    assert known["serial"] == "worn 7"
    assert [event["what"] for event in known["events"]] == ["measured", "calibrated"]
    assert all(layer["faults"] and layer["offset_trim"] for layer in known["layers"])
    again = chip("repair", "--record", "c.json", "--spares", 1, "--sequences", 20)
    assert again[:2] == lines[2:4]
    assert re.fullmatch(r"chip worn 7: repaired, accuracy .*; the record is as it was", again[2])
    assert record_of() == known
    assert len(chip("verify", "--record", "c.json", "--spares", 1)) == 2


def test_an_interrupted_repair_finds_only_what_is_missing(chip):
    chip("measure", "--record", "c.json")
    known = record_of()
    known["layers"][1]["faults"] = None
    with open("c.json", "w") as file:
        json.dump(known, file)
    chip("repair", "--record", "c.json", "--sequences", 0)
    conversions = [e["conversions"] for e in record_of()["events"] if e["what"] == "measured"]
    assert 0 < conversions[1] < conversions[0] / 2


def test_measuring_says_what_it_took(chip):
    lines = chip("measure", "--record", "c.json")
    assert re.fullmatch(r"chip worn 7: \d+ conversions, \d+ accesses; record: c.json", lines[-1])
    assert [layer["offset_trim"] for layer in record_of()["layers"]] == [None, None]


def test_calibrating_makes_offsets_smaller(chip):
    lines = chip("calibrate", "--record", "c.json", "--sequences", 0, "--rounds", 3)
    assert lines[0] == "chip worn 7: loaded"
    before, now = re.search(r"layer 0: offsets up to ([\d.]+) LSB, now ([\d.]+);", lines[1]).groups()
    assert float(now) < float(before) / 3
    assert lines[-1] == "chip worn 7: calibrated; record: c.json"


def test_trims_take_the_steps_of_the_array(chip, tmp_path):
    (tmp_path / "coarse.toml").write_text(WORN + "offset_trim = 0.5\ngain_trim = 0.02\n")
    lines = chip("calibrate", "--record", "c.json", "--sequences", 0, array="coarse.toml")
    assert record_of()["trim_steps"] == {"offset": 0.5, "gain": 0.02}
    before, now = re.search(r"layer 0: offsets up to ([\d.]+) LSB, now ([\d.]+);", lines[1]).groups()
    assert float(now) < 0.5 < float(before)
    assert max(map(abs, record_of()["layers"][0]["offset_trim"])) < 10  # of 1 LSB, one standard deviation


def test_verify_ends_with_1_where_cells_differ(chip):
    lines = chip("verify", "--tolerance", 3, array="ideal")
    assert len(lines) == 2
    assert re.fullmatch(
        r"chip ideal 7: layer 0: 120 cells read, off by 0\.[012]\d codes rms; "
        "0 by more than 0.5, 0 by more than 1, 0 by more than 2",
        lines[0],
    )
    lines = chip("verify", "--tolerance", 3, status=1)
    far = re.fullmatch(r"chip worn 7: (\d+) cells are further than 3 codes from what they should hold", lines[-1])
    assert far
    assert int(far[1]) > 0
    cell = r"chip worn 7: layer 0: row \d+, column \d+ should hold -?\d, but was read as -?\d\.\d\d"
    assert re.fullmatch(cell, lines[1])


def test_a_year_is_mended_by_a_refresh(chip):
    lines = chip("refresh", "--age", 31536000, "--sequences", 20, array="pcm")
    rms = [float(re.search(r"off by ([\d.]+) codes", line)[1]) for line in lines if "layer 0" in line]
    assert rms[1] < rms[0] / 2
    assert lines[1].startswith("chip pcm 7: 3.1536e+07 s later, accuracy ")
    assert re.fullmatch(r"chip pcm 7: \d+ cells were written again, accuracy \d+\.00 % of 20 sequences", lines[-1])


def test_a_page_shows_maps_of_every_layer(chip, tmp_path):
    chip("repair", "--record", "c.json", "--spares", 1, "--sequences", 0)
    known = record_of()
    lines = chip("report", "--record", "c.json", "--spares", 1, "--page", "c.html")
    assert lines[-1] == "chip worn 7: page: c.html"
    rms = [re.search(r"off by ([\d.]+) codes", line)[1] for line in lines[:2]]
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert re.findall(r"<b>([\d.]+) codes</b>", page) == rms
    kinds = [str(len(layer["faults"])) for layer in known["layers"]]
    assert re.findall(r"<b>(\d+)</b>weights with stuck cells", page) == kinds
    assert re.findall(r'alt="(\w+)', page) == ["Levels", "Errors", "Stuck", "Trims"] * 2
    assert record_of() == known
    assert len(chip("report", "--page", "new.html")) == 3
    page = (tmp_path / "new.html").read_text(encoding="utf-8")
    assert page.count("<b>unknown</b>") == 2
    assert "What was done" not in page


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("report", "--page", "bad.json/x"), "cannot use 'bad.json/x': Not a directory"),
        (("report", "--page", "c.html", "--age", -1), "age in seconds must be a number from 0 to 1e+12, not -1.0"),
        (("verify", "--tolerance", -1), "tolerance in weight codes must be a number from 0 to 1000, not -1.0"),
        (("verify", "--age", -1), "age in seconds must be a number from 0 to 1e+12, not -1.0"),
        (("refresh", "--age", -1), "age in seconds must be a number from 0 to 1e+12, not -1.0"),
        (
            ("refresh", "--beyond", -1),
            "codes beyond which weights are refreshed must be a number from 0 to 65534, not -1.0",
        ),
        (("verify", "--spares", 17), "layer 0: spares must be an integer from 0 to 16, not 17"),
        (("verify", "--record", "none.json"), "cannot read the chip record 'none.json': No such file or directory"),
        (
            ("refresh", "--record", "none.json"),
            "cannot read the chip record 'none.json': No such file or directory",
        ),
        (("measure", "--record", "bad.json"), "chip record 'bad.json': it is no JSON"),
        (("measure", "--record", "."), "cannot use '.': Is a directory"),
        (("measure", "--record", "bad.json/x"), "cannot use 'bad.json/x': Not a directory"),
        (
            ("calibrate", "--record", "c.json", "--patterns", 1),
            "settings of the rows must be an integer from 2 to 1000000, not 1",
        ),
        (("calibrate", "--record", "c.json", "--rounds", 0), "rounds must be an integer from 1 to 100, not 0"),
        (("repair", "--record", "new.json", "--rounds", 0), "rounds must be an integer from 1 to 100, not 0"),
        (
            ("calibrate", "--record", "c.json", "--sequences", -1),
            "sequences must be an integer from 1 to 100000, not -1 (or 0 for no accuracy)",
        ),
        (
            ("refresh", "--sequences", 100_001),
            "sequences must be an integer from 1 to 100000, not 100001 (or 0 for no accuracy)",
        ),
        (("repair", "--record", "other.json"), "the chip record is of the chip 'worn 8', not of 'worn 7'"),
    ],
)
def test_what_is_wrong_is_one_sentence(chip, tiny, arguments, sentence):
    with open("bad.json", "w") as file:
        file.write("{")
    with open("other.json", "w") as file:
        macros = ["ohmgate_array_12p2b1x8_k8_d4w4n4g4_s0", "ohmgate_array_2b1x9_k9_d4w4n4g1_s0"]
        layer = {"faults": None, "offset_trim": None, "gain_trim": None}
        json.dump(
            {
                "format": "ohmgate chip record 1",
                "serial": "worn 8",
                "macros": macros,
                "trim_steps": {"offset": 0.125, "gain": 2**-8},
                "layers": [layer] * 2,
                "events": [],
            },
            file,
        )
    assert chip(*arguments, status=2) == f"ohmgate: error: {sentence}"


@pytest.mark.parametrize("seed, sentence", [(-1, "seed must be an integer from 0 to 2147483647, not -1")])
def test_a_seed_that_is_none_is_one_sentence(ohmgate, tiny, seed, sentence):
    result = ohmgate("chip", "verify", tiny / "run", f"--seed={seed}")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, f"ohmgate: error: {sentence}")
