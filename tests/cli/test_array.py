"""``ohmgate array``: what it prints, the netlist that ngspice reads alike, the page, its error sentences."""

import html
import re
import shutil
import subprocess

import pytest

from ohmgate.analog.circuit.processes import PROCESSES, with_process
from ohmgate.analog.circuit.settling import settling_time
from ohmgate.analog.config import PRESETS, preset
from ohmgate.analog.config_file import read_config
from ohmgate.analog.studies.advice import advise
from ohmgate.analog.studies.datasheet import CELL_PRESETS, characterise
from ohmgate.analog.studies.small_effects import small_effects, table
from ohmgate.firmware import image
from ohmgate.model.design import Design


def current_of(text: str) -> float:
    return float(re.search(r"column 0 carries (\S+) A", text)[1])


def test_the_array_of_an_image_is_described(ohmgate, run_folder):
    result = ohmgate("array", run_folder)
    assert result.exit_code == 0, result.stderr
    network = image.read(run_folder / "vowels.image")
    sheet = characterise(network.design, network, 0, preset("paper_wires"))
    assert "size            45 rows x 128 columns of 4-bit weights" in result.stdout
    assert "cells           11520, in 2 planes; 8 levels a cell, preset paper_wires" in result.stdout
    assert f"the wires take {sheet.losses.max():.2%} of its current" in result.stdout
    most, usual = sheet.power
    nanojoule = usual * 100
    assert (
        f"read power      {1e3 * most:.4g} mW with every row at full scale, {1e3 * usual:.4g} mW on" in result.stdout
    )
    assert (
        f"read energy     {nanojoule:.3g} nJ a conversion of 100 ns, {8 * nanojoule:.3g} nJ a time" in result.stdout
    )
    assert f"row drivers     {1e6 * sheet.driver_currents.sum(axis=0).max():.4g} uA at most" in result.stdout
    assert sheet.budget.table() in result.stdout
    assert table(small_effects(sheet)) in result.stdout
    for name in ("no cure", "drivers at both ends", "tiles of 64 x 64", "weights compensated"):
        assert f"| {name} |" in result.stdout


def test_a_file_is_looked_at_as_the_preset_it_copies(ohmgate, tmp_path):
    texts = []
    (tmp_path / "my.toml").write_text('preset = "reram"\n[cells.wires]\nrow_segment = 2\ncolumn_segment = 2\n')
    for options in (("reram", "--wire", 2), (tmp_path / "my.toml",)):
        result = ohmgate("array", "vowels", "--layer", 1, "--preset", *options)
        assert result.exit_code == 0, result.stderr
        texts.append(result.stdout)
    assert "preset reram\n" in texts[0]
    assert texts[1] == texts[0].replace("preset reram\n", "preset my.toml\n")


def test_other_wires_keep_the_drivers_and_the_sense_amplifiers(ohmgate, tmp_path):
    """``--wire`` is of segments only: with theirs written in a file, everything said is the same."""
    texts = []
    for name, ohm, options in (("some", 1, ("--wire", 3)), ("same", 3, ())):
        rest = "driver = 200\nsense = 70\ndriver_ends = 2\n"
        path = tmp_path / f"{name}.toml"
        path.write_text(f'preset = "reram"\n[cells.wires]\nrow_segment = {ohm}\ncolumn_segment = {ohm}\n{rest}')
        result = ohmgate("array", "vowels", "--layer", 1, "--preset", path, *options)
        assert result.exit_code == 0, result.stderr
        texts.append(result.stdout)
    assert "3 ohm a cell in rows, 3 ohm in columns; rows driven at both ends\n" in texts[0]
    assert texts[0] == texts[1].replace("same.toml", "some.toml")


@pytest.mark.parametrize("plane, drive", [(0, "random"), (1, "full"), (1, "file")])
def test_ngspice_reads_the_netlist_alike(ohmgate, run_folder, tmp_path, plane, drive):
    netlist = tmp_path / "made" / "array.cir"
    if drive == "file":
        (tmp_path / "codes.txt").write_text("".join(f"{row % 15 - 7}\n" for row in range(33)))
        drive = tmp_path / "codes.txt"
    options = ("--layer", 1, "--wire", 3, "--seed", 5, "--spice", netlist, "--plane", plane, "--drive", drive)
    result = ohmgate("array", run_folder, *options)
    assert result.exit_code == 0, result.stderr
    sign = ("positive", "negative")[plane]
    assert f"plane {plane} of 2 (the {sign} cell of each pair)" in result.stdout
    assert f"plane {plane} of 2: the {sign} cell of each pair" in netlist.read_text().splitlines()[0]
    if not shutil.which("ngspice"):
        pytest.skip("ngspice is not installed")
    read = subprocess.run(["ngspice", "-b", netlist], capture_output=True, text=True).stdout
    spice = float(re.search(r"i\(vsense0\) = (\S+)", read)[1])
    assert spice == pytest.approx(current_of(result.stdout), rel=1e-6)


@pytest.mark.skipif(not shutil.which("ngspice"), reason="ngspice is not installed (Debian package ngspice)")
def test_ngspice_reads_an_array_in_tiles_alike(ohmgate, tmp_path):
    """The promised current is that of the tiles, and so is the netlist's."""
    currents = []
    for tile in (0, 20):
        path, netlist = tmp_path / f"{tile}.toml", tmp_path / f"{tile}.cir"
        path.write_text(
            f'preset = "paper_wires"\n[cells]\ntile = {tile}\n[cells.wires]\nrow_segment = 90\ncolumn_segment = 90\n'
        )
        result = ohmgate("array", "vowels", "--preset", path, "--spice", netlist, "--drive", "full")
        assert result.exit_code == 0, result.stderr
        read = subprocess.run(["ngspice", "-b", netlist], capture_output=True, text=True).stdout
        currents.append(current_of(result.stdout))
        assert float(re.search(r"i\(vsense0\) = (\S+)", read)[1]) == pytest.approx(currents[-1], rel=1e-6)
    assert currents[1] > 1.01 * currents[0]


@pytest.mark.skipif(not shutil.which("ngspice"), reason="ngspice is not installed (Debian package ngspice)")
def test_ngspice_reads_nonlinear_cells_alike(ohmgate, tmp_path):
    path, netlist = tmp_path / "bent.toml", tmp_path / "bent.cir"
    path.write_text('preset = "paper_wires"\n[cells]\ntile = 20\n[cells.device]\nsinh_voltage = 0.4\n')
    result = ohmgate("array", "vowels", "--preset", path, "--wire", 60, "--spice", netlist)
    assert result.exit_code == 0, result.stderr
    read = subprocess.run(["ngspice", "-b", netlist], capture_output=True, text=True).stdout
    spice = float(re.search(r"i\(vsense0\) = (\S+)", read)[1])
    assert spice == pytest.approx(current_of(result.stdout), rel=1e-6)


def test_pulses_take_the_read_voltage_for_longer(ohmgate, tmp_path):
    """Seven units a conversion; the power of all rows on at full scale is the same."""
    texts = []
    for dacs in ("amplitude", "pulse_width"):
        (tmp_path / "dacs.toml").write_text(f'preset = "paper_cells"\n[cells]\ndacs = "{dacs}"\n')
        texts.append(ohmgate("array", "vowels", "--preset", tmp_path / "dacs.toml").stdout)
    conversions = [re.search(r"nJ a conversion of (\d+) ns", text)[1] for text in texts]
    assert conversions == ["100", "700"]
    full, usual = ([float(n) for n in re.findall(r"([\d.]+) mW", text)] for text in texts)
    assert full[0] == usual[0]
    assert full[1] < usual[1] < usual[0]


def test_a_row_that_carries_too_much_is_named(ohmgate):
    """One row of MRAM: 128 pairs of three digits at 50 to 100 uS and 0.1 V, some 6 mA."""
    assert (
        "; more than the 400 uA that a row's wire may carry" in ohmgate("array", "vowels", "--preset", "mram").stdout
    )
    assert "may carry" not in ohmgate("array", "vowels", "--preset", "paper_cells").stdout


def test_the_same_seed_gives_the_same_netlist_and_page(ohmgate, tmp_path):
    def files(name: str, seed: int) -> list[bytes]:
        paths = [tmp_path / f"{name}.cir", tmp_path / f"{name}.html"]
        options = ("--layer", 1, "--preset", "reram", "--wire", 1, "--seed", seed)
        result = ohmgate("array", "vowels", *options, "--spice", paths[0], "--report", paths[1])
        assert result.exit_code == 0, result.stderr
        return [path.read_bytes() for path in paths]

    first = files("first", 3)
    assert files("again", 3) == first
    assert all(a != b for a, b in zip(files("other", 4), first))


def test_advice_is_on_the_page_and_where_it_is_asked_for(ohmgate, run_folder, tmp_path):
    result = ohmgate("array", run_folder, "--preset", "pcm", "--advice", "--report", tmp_path / "array.html")
    network = image.read(run_folder / "vowels.image")
    changes = advise(characterise(network.design, network, 0, preset("pcm")))
    assert len(changes) == 5
    page = html.unescape((tmp_path / "array.html").read_text())
    for each in changes:
        change = each.change or "nothing"
        assert f"| {each.part} | {each.now} | {change} | {each.reason} |" in result.stdout
        assert f"<td>{each.now}</td><td>{change}</td><td>{each.reason}</td>" in page
    assert "what to change" not in ohmgate("array", "vowels", "--layer", 1).stdout


def test_the_page_holds_everything_and_asks_for_nothing(ohmgate, run_folder, tmp_path):
    page = tmp_path / "array.html"
    assert ohmgate("array", run_folder, "--report", page).exit_code == 0
    text = page.read_text()
    assert text.count('src="data:image/png;base64,') == 3
    assert not re.search(r"https?://|<script|<link", text)
    network = image.read(run_folder / "vowels.image")
    sheet = characterise(network.design, network, 0, preset("paper_wires"))
    assert f"<b>{sheet.budget.enob:.2f} of 4</b>" in text
    for share in sheet.budget.shares:
        assert f'<td>{share.source}</td><td class="n">{share.lsb:.3g}</td>' in text
    for effect in small_effects(sheet):
        assert f'{effect.name}</td><td class="n">{effect.lsb:.2g}</td>' in text
    for cure in sheet.cures:
        assert f'{cure.name}</td><td class="n">{100 * cure.loss:.2f} %</td>' in text


@pytest.mark.parametrize("name", CELL_PRESETS)
def test_every_preset_with_cells_makes_a_page(ohmgate, tmp_path, name):
    result = ohmgate("array", "vowels", "--layer", 1, "--preset", name, "--report", tmp_path / "array.html")
    assert result.exit_code == 0, result.stderr
    wired = PRESETS[name].cells.wires is not None
    assert ("Map of the voltage" in (tmp_path / "array.html").read_text()) == wired


def test_an_array_without_wires_says_what_they_would_take(ohmgate):
    result = ohmgate("array", "vowels", "--preset", "mram")
    assert result.exit_code == 0, result.stderr
    assert (
        "0 ohm in columns; rows driven at one end; 1 ohm a cell would take 38.13% of the worst column's"
        in result.stdout
    )
    assert "settling        not known, as the wires have no capacitance\n" in result.stdout


def test_wires_of_a_process_settle(ohmgate, tmp_path):
    late = tmp_path / "late.toml"
    late.write_text(
        'preset = "paper_cells"\n[cells]\nconversion_seconds = 1e-9\n[cells.wires]\nsense = 1000\nsense_capacitance = 1e-12\n'
    )
    for name, more in (("paper_cells", ""), (late, "; more than a conversion has")):
        result = ohmgate("array", "vowels", "--layer", 1, "--preset", name, "--wire", "cu_22nm")
        assert result.exit_code == 0, result.stderr
        sheet = characterise(Design.load("vowels"), None, 1, preset("paper_cells"))
        wires = with_process("cu_22nm", read_config(late).cells.wires if more else None)
        seconds = max(settling_time(plane, wires, 2.0 ** -(sheet.layer.adc_bits + 1)) for plane in sheet.conductances)
        assert (
            "wires           6.363 ohm a cell in rows, 2.121 ohm in columns; rows driven at one end\n"
            in result.stdout
        )
        assert f"settling        {seconds * 1e9:.3g} ns to half a code{more}\n" in result.stdout


CHOICES = ", ".join(CELL_PRESETS)
FLOATING = 'preset = "paper_cells"\n[cells]\nunselected = "floating"\n'
PULSES = 'preset = "paper_cells"\n[cells]\ndacs = "pulse_width"\n'
ERRORS = [
    (
        ("--preset", "paper"),
        f"array preset with cells must be one of {CHOICES} or a path to a .toml file, not 'paper'",
    ),
    (("--preset", "IDEAL.toml", "--wire", 1), "IDEAL.toml must have [cells], which this command looks at"),
    (("--layer", 2), "layer must be an integer from 0 to 1, not 2"),
    (("--seed", -1), "seed must be an integer from 0 to 2147483647, not -1"),
    (("--plane", 2), "plane must be an integer from 0 to 1, not 2"),
    (("--wire", "thin"), f"--wire must be a number of ohm or one of {', '.join(PROCESSES)}, not 'thin'"),
    (("--wire", -1), "row segment in ohm must be a number from 0 to 1e+09, not -1.0"),
    (
        ("--spice", "SPICE", "--preset", "FLOATING.toml"),
        "--spice has all columns at ground, so they must be 'grounded', not 'floating'",
    ),
    (
        ("--spice", "SPICE", "--preset", "PULSES.toml"),
        "--spice has one voltage a row, so DACs must be 'amplitude', not 'pulse_width'",
    ),
    (("--spice", "SPICE", "--drive", "WORDS"), "the input in WORDS must be one whole DAC code a line"),
    (("--spice", "SPICE", "--drive", "SHORT"), "an input must have 45 DAC codes, one a row, not shape (3,)"),
    (("--spice", "SPICE", "--drive", "LARGE"), "DAC codes must be from -7 to 7, not -8"),
    (("--spice", "SPICE", "--drive", "NONE"), "cannot use NONE: No such file or directory"),
]


@pytest.mark.parametrize("options, sentence", ERRORS, ids=[sentence for _, sentence in ERRORS])
def test_errors_are_one_sentence(ohmgate, tmp_path, options, sentence):
    inputs = {
        "WORDS": "a b\n",
        "SHORT": "1\n2\n3\n",
        "LARGE": "-8\n" * 45,
        "IDEAL.toml": "",
        "PULSES.toml": PULSES,
        "FLOATING.toml": FLOATING,
    }
    for name, text in inputs.items():
        (tmp_path / name).write_text(text)
    names = {*inputs, "SPICE", "NONE"}
    result = ohmgate("array", "vowels", *(tmp_path / o if o in names else o for o in options))
    for name in names:
        sentence = re.sub(rf"\b{name}\b", lambda m: repr(str(tmp_path / m[0])), sentence)
    assert (result.exit_code, result.stderr) == (2, f"ohmgate: error: {sentence}\n")
    assert not (tmp_path / "SPICE").exists()


def test_random_weights_fit_the_converter():
    sheet = characterise(Design.load("vowels"), None, 0, preset("paper_cells"), seed=1)
    assert (sheet.gains[:, 0] == 1).all()
    drives = sheet.drive("random") @ sheet.array.levels * sheet.array.scale
    assert 1 < drives.std() < 4, "of a converter with codes from -8 to 7"
