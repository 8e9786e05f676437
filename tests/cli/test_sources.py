"""DESIGN|IMAGE|RUN: what a command makes of a design is the same, whichever of the three names it."""

import shutil
from pathlib import Path

import pytest

from ohmgate.firmware import image
from ohmgate.hdl.flow import generate, lint, synthesis
from ohmgate.hdl.flow.synthesis import Source, synthesise_verilog
from ohmgate.model.design import Design


@pytest.fixture(scope="module")
def sources(tiny):
    """A design by its file, an image, a run folder, and a run folder without an image."""
    if not (tiny / "unpacked").exists():
        (tiny / "unpacked").mkdir()
        shutil.copy(tiny / "run/config.json", tiny / "unpacked")
    return [tiny / "tiny.toml", tiny / "run/tiny.image", tiny / "run", tiny / "unpacked"]


def test_generate_writes_the_same_files(ohmgate, sources, tmp_path):
    made = []
    for index, source in enumerate(sources):
        result = ohmgate("generate", source, "--out", tmp_path / str(index))
        assert result.exit_code == 0, result.stderr
        folder = tmp_path / str(index)
        made.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")})
    assert Path("tiny.v") in made[0]
    assert all(files == made[0] for files in made)


def test_lint_and_synth_work_on_the_same_design(ohmgate, sources, monkeypatch):
    report = synthesise_verilog(Source("top", "module top(input a, output q); assign q = a; endmodule\n"))
    given = []
    monkeypatch.setattr(generate, "generate", lambda design, folder: given.append(design))
    monkeypatch.setattr(lint, "lint", lambda folder, name: given.append(name))
    monkeypatch.setattr(synthesis, "synthesise", lambda design, *_: given.append(design) or report)
    for source in sources:
        assert ohmgate("lint", source).exit_code == ohmgate("synth", source).exit_code == 0
    assert given == [Design.load(sources[0]), "tiny", Design.load(sources[0])] * 4


def test_array_has_the_weights_of_an_image_and_random_ones_of_a_design(ohmgate, sources):
    texts = [ohmgate("array", source).stdout for source in sources[:3]]
    assert "weights         random, seed 0\n" in texts[0]
    assert "weights         the image\n" in texts[1]
    assert texts[1] == texts[2]


def test_inspect_shows_an_image_or_what_there_is_of_a_design(ohmgate, sources):
    design, packed, run, _ = (ohmgate("inspect", source).stdout for source in sources)
    assert packed == run
    assert image.read(sources[1]).design.fingerprint in design
    geometry = [line for line in design.splitlines() if line]
    assert [line for line in packed.splitlines() if line in geometry] == geometry
    assert "layer 0: lstm, 15 rows (12 inputs + 2 hidden + 1 bias) x 8 columns, 8 ADCs x 1 conversions" in geometry


@pytest.mark.parametrize("command", ["array", "generate", "inspect", "lint", "synth", "timing"])
def test_every_help_names_the_three_and_the_error_does_too(ohmgate, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    page = ohmgate(command, "--help").stdout
    assert "DESIGN|IMAGE|RUN" in page
    out = {"generate": ("--out", "out"), "timing": ("--liberty", "a.lib")}.get(command, ())
    result = ohmgate(command, "vowls", *out)
    assert (result.exit_code, result.stderr) == (
        2,
        "ohmgate: error: 'vowls' must be a design (har, names, ptb, vowels, or a .toml file), a programming image or a "
        "run folder, but there is no such file\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["array", "inspect", "lint", "synth"])
def test_what_is_no_image_and_no_run_is_named(ohmgate, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").write_text("# A page\n" * 9)
    (tmp_path / "folder").mkdir()
    sentences = {
        "README.md": "image 'README.md': header: an image must begin with b'OHMGATE\\n', not b'# A page'",
        "folder": "'folder' must be a run folder with a config.json in it",
    }
    for source, sentence in sentences.items():
        result = ohmgate(command, source)
        assert (result.exit_code, result.stderr) == (2, f"ohmgate: error: {sentence}\n")


def test_a_presets_name_means_the_preset_and_a_path_the_folder(ohmgate, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny / "run", tmp_path / "vowels")
    assert Design.load("vowels").fingerprint in ohmgate("inspect", "vowels").stdout
    assert "design         tiny" in ohmgate("inspect", "./vowels").stdout


def test_a_run_folder_whose_design_is_damaged_is_named(ohmgate, tmp_path):
    (tmp_path / "config.json").write_text('{"design": {"name": "Bad", "layer": []}}')
    result = ohmgate("lint", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"ohmgate: error: {tmp_path}/config.json: ")
