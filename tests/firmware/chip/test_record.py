"""The record of a chip: what is written is read, and what is damaged is one sentence."""

import json

import numpy as np
import pytest

from ohmgate.firmware.chip.calibration import Trims
from ohmgate.firmware.chip.diagnosis import TrimSteps
from ohmgate.firmware.chip.record import FORMAT, ChipRecord
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from tests.firmware.chip.chips import DESIGN, HEAD

KINDS = np.random.default_rng(2).integers(0, 9, size=(29, 96)).astype(np.int8)
TRIMS = Trims(np.array([-128, 127, 3]), np.array([0, -1, 1]))
RECORD = (
    ChipRecord.new("worn 7", DESIGN, TrimSteps(0.5, 0.02))
    .with_layer(0, kinds=KINDS)
    .with_layer(1, trims=TRIMS)
    .with_event("measured", "2026-11-28", conversions=12)
)


def test_a_record_is_read_as_it_was_written(tmp_path):
    RECORD.save(tmp_path / "a.json")
    again = ChipRecord.load(tmp_path / "a.json", DESIGN)
    assert (again.serial, again.macros, again.events) == (RECORD.serial, RECORD.macros, RECORD.events)
    assert again.trim_steps == TrimSteps(0.5, 0.02)
    assert again.events[0].figures == {"conversions": 12}
    assert np.array_equal(again.layers[0].kinds, KINDS)
    assert again.layers[0].trims is None
    assert again.layers[1].kinds is None
    assert again.layers[1].trims.offset.tolist() == [-128, 127, 3]
    assert again.layers[1].trims.gain.tolist() == [0, -1, 1]
    again.save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["format"] == FORMAT
    assert len(content["layers"][0]["faults"]) == (KINDS > 0).sum()


def edited(path, change) -> str:
    """The sentence about a record that was changed."""
    RECORD.save(path)
    content = json.loads(path.read_text())
    content = change(content) or content
    path.write_text(json.dumps(content))
    with pytest.raises(DesignError) as error:
        ChipRecord.load(path, DESIGN)
    return str(error.value).replace(str(path), "FILE")


NOT = "chip record 'FILE': it does not hold what a record does"


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda c: [1], f"chip record 'FILE': its format must be '{FORMAT}'"),
        (lambda c: c.update(format="x"), f"chip record 'FILE': its format must be '{FORMAT}'"),
        (lambda c: c.pop("serial") and None, f"{NOT} ('serial')"),
        (lambda c: c.update(serial=7), f"{NOT} (7 is no text)"),
        (lambda c: c.update(macros=[1]), f"{NOT} (1 is no text)"),
        (lambda c: c.pop("trim_steps") and None, f"{NOT} ('trim_steps')"),
        (
            lambda c: c["trim_steps"].update(offset=0),
            "chip record 'FILE': step of the offset trim in LSB must be a number from 1e-09 to 1024, not 0",
        ),
        (
            lambda c: c["trim_steps"].update(gain="x"),
            "chip record 'FILE': step of the gain trim must be a number from 1e-09 to 1, not 'x'",
        ),
        (lambda c: c.update(events=[{"what": "x"}]), f"{NOT} ('date')"),
        (lambda c: c.update(layers=None), f"{NOT} ('NoneType' object is not iterable)"),
        (lambda c: c.update(layers=c["layers"][:1]), f"{NOT} (zip() argument 2 is shorter than argument 1)"),
        (lambda c: c["layers"][1].pop("faults"), f"{NOT} ('faults')"),
        (
            lambda c: c["layers"][1].update(faults=[[0, 9, "unclear"]]),
            "chip record 'FILE': no cell of the array can be [0, 9, 'unclear']",
        ),
        (
            lambda c: c["layers"][1].update(faults=[[0.5, 1, "unclear"]]),
            "chip record 'FILE': no cell of the array can be [0.5, 1, 'unclear']",
        ),
        (
            lambda c: c["layers"][1].update(faults=[[0, 1, "odd"]]),
            "chip record 'FILE': no cell of the array can be [0, 1, 'odd']",
        ),
        (
            lambda c: c["layers"][1].update(gain_trim=[1, 2, 128]),
            "chip record 'FILE': trims must be 3 integers from -128 to 127, not [1, 2, 128]",
        ),
        (
            lambda c: c["layers"][1].update(offset_trim=[1, 2]),
            "chip record 'FILE': trims must be 3 integers from -128 to 127, not [1, 2]",
        ),
        (
            lambda c: c["layers"][1].update(offset_trim=[1, 2, 0.5]),
            "chip record 'FILE': trims must be 3 integers from -128 to 127, not [1.0, 2.0, 0.5]",
        ),
        (
            lambda c: c.update(macros=["a", "b"]),
            "chip record 'FILE': the chip record of 'worn 7' is of a chip with the arrays a, b, but the design has "
            + ", ".join(layer.macro_name for layer in DESIGN.layers),
        ),
    ],
)
def test_what_is_damaged_is_one_sentence(tmp_path, change, sentence):
    assert edited(tmp_path / "r.json", change) == sentence


def test_files_that_are_none_are_one_sentence(tmp_path):
    path = tmp_path / "r.json"
    for content, sentence in ((None, "No such file or directory"), (b"{", None), (b"\xff", None)):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DesignError) as error:
            ChipRecord.load(path, DESIGN)
        expected = f"cannot read the chip record '{path}': {sentence}" if sentence else ""
        assert str(error.value) == (expected or f"chip record '{path}': it is no JSON")


def test_a_record_is_of_one_chip_and_its_arrays():
    RECORD.check(DESIGN)
    RECORD.check_chip("worn 7", TrimSteps(0.5, 0.02))
    with pytest.raises(DesignError) as error:
        RECORD.check_chip("worn 8", TrimSteps(0.5, 0.02))
    assert str(error.value) == "the chip record is of the chip 'worn 7', not of 'worn 8'"
    with pytest.raises(DesignError) as error:
        RECORD.check_chip("worn 7", TrimSteps())
    assert str(error.value) == (
        "the chip record is of trims with steps of 0.5 LSB and 0.02, but the chip's have steps of 0.125 LSB and 0.00390625"
    )
    with pytest.raises(DesignError, match="but the design has ohmgate_array_16b1x9"):
        RECORD.check(Design("head", (HEAD,)))
