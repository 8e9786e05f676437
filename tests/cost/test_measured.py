"""Measured figures: read from files of either kind, put in place of the literature's, refused where they do not fit."""

import json
from dataclasses import replace

import pytest

from ohmgate.cost.digital import digital_row
from ohmgate.cost.measured import KEPT, Measured, digital_rows, kept_for, read_measured
from ohmgate.cost.times import clocked
from ohmgate.hdl.flow.synthesis_report import CriticalPath, SynthesisReport
from ohmgate.model.design import Design, presets
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import LstmLayer

NAMES = Design.load("names")
FIGURES = Measured("names", NAMES.fingerprint, "some.lib", 180_000.0, 1.25, "by hand", 200.0)


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_file_of_measured_figures_is_read(tmp_path):
    read = read_measured(write(tmp_path / "m.json", vars(FIGURES)))
    assert read == FIGURES
    assert read.megahertz == 800
    without = {key: value for key, value in vars(FIGURES).items() if key != "energy_pj_per_cycle"}
    assert read_measured(write(tmp_path / "w.json", without)) == replace(FIGURES, energy_pj_per_cycle=None)


def synthesis(target="liberty some.lib.gz", path=CriticalPath(950.0, "a", "b", "ABC's static timing")):  # noqa: B008
    return SynthesisReport(
        "names",
        NAMES.fingerprint,
        target,
        {"DFF_X1": 3},
        "cells",
        3,
        0,
        0,
        190_000.0,
        1.0,
        "um2",
        path,
        0,
        (),
        (),
        (),
    )


def test_a_synthesis_report_is_read(tmp_path):
    read = read_measured(write(tmp_path / "s.json", synthesis().json()))
    assert read == Measured(
        "names", NAMES.fingerprint, "some.lib.gz", 190_000.0, 0.95, "ohmgate synth: ABC's static timing"
    )


def test_figures_are_those_of_as_many_contexts(tmp_path):
    shared = replace(NAMES, contexts=4)
    assert kept_for(shared) is None
    with pytest.raises(DesignError, match=r"^it must be of a design of 4 contexts, not of 1$"):
        FIGURES.check(shared, "it")
    read = read_measured(write(tmp_path / "s.json", replace(synthesis(), contexts=4).json()))
    assert read.contexts == 4
    read.check(shared, "it")
    assert "contexts" not in json.loads(synthesis().json())
    with pytest.raises(DesignError, match=r"^contexts of measured figures must be an integer from 1 to 16, not 0$"):
        replace(FIGURES, contexts=0)


def test_energy_and_area_of_the_chip_take_the_place_of_the_layers():
    times = clocked(NAMES, [6, 2], 640)
    [row] = digital_rows(FIGURES, times, [digital_row(0, NAMES.layers[0])])
    assert (row.layer, row.component) == (None, "digital")
    assert row.energy.value == row.energy.high == pytest.approx(200 * 69)
    assert row.area.value == 180_000
    assert (row.energy.origin, row.area.origin, row.area.source) == ("measured", "measured", "by hand")


def test_without_activity_the_energy_is_the_literatures_and_says_so():
    literature = digital_row(0, NAMES.layers[0])
    rows = digital_rows(replace(FIGURES, energy_pj_per_cycle=None), clocked(NAMES, [6, 2], 640), [literature])
    assert [row.energy.value for row in rows] == [literature.energy.value, 0]
    assert [row.area.value for row in rows] == [0, 180_000]
    assert rows[0].energy.origin == "literature"
    assert rows[1].note == "energy not measured"


def test_what_comes_with_ohmgate_is_of_presets_as_they_are():
    known = {name: kept_for(Design.load(name)) for name in presets()}
    assert {"names", "vowels"} <= {name for name, found in known.items() if found}
    assert all(found.design == name for name, found in known.items() if found)
    assert kept_for(Design("names", (LstmLayer(inputs=1, hidden=1, adcs=4),))) is None
    assert KEPT == "measured.toml"


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("{", r"measured figures '.*m.json' are not valid JSON: Expecting property name .*"),
        ([], r"measured figures '.*': must be a table, not \[\]"),
        ({"design": "x"}, r"measured figures '.*': fingerprint is missing"),
        (vars(FIGURES) | {"colour": 1}, r"measured figures '.*': unknown key 'colour'; measured figures has .*"),
        (vars(FIGURES) | {"design": 3}, r"measured figures '.*': design must be text, not 3"),
        (
            vars(FIGURES) | {"area_um2": 0},
            r"measured figures '.*': area_um2 must be a number from 1e-06 to 1e\+12, not 0.0",
        ),
        (vars(FIGURES) | {"clock_ns": "fast"}, r"measured figures '.*': clock_ns must be a number .*, not 'fast'"),
        (
            vars(FIGURES) | {"energy_pj_per_cycle": -1},
            r"measured figures '.*': energy_pj_per_cycle must be a number .*, not -1",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path, content, sentence):
    with pytest.raises(DesignError, match=f"^{sentence}$"):
        read_measured(write(tmp_path / "m.json", content))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DesignError, match=r"^cannot read measured figures '.*none.json': No such file or directory$"):
        read_measured(tmp_path / "none.json")


@pytest.mark.parametrize("report", [synthesis("ecp5"), synthesis(path=None)])
def test_a_synthesis_for_something_else_is_refused(tmp_path, report):
    said = rf"^measured figures '.*' must be of a synthesis for standard cells, not for {report.target}$"
    with pytest.raises(DesignError, match=said):
        read_measured(write(tmp_path / "s.json", report.json()))


def test_figures_of_another_design_are_refused():
    said = rf"^it is of a design names with fingerprint {NAMES.fingerprint}, not of vowels with [0-9a-f]{{16}}$"
    with pytest.raises(DesignError, match=said):
        FIGURES.check(Design.load("vowels"), "it")
